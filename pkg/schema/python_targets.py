"""Writes python_targets.json: what configs may name under _target_ in Python, with parameters and defaults.

Run it where openretina 1.1.1, torch and lightning are installed:

    python python_targets.py TARGETS > python_targets.json

TARGETS is a file of the same kind, {target: {required, optional, variadic}}, for what cannot be imported there.
"""

import importlib
import inspect
import json
import pkgutil
import sys

import lightning.pytorch.callbacks
import lightning.pytorch.loggers
import openretina
import torch.optim

LIGHTNING, TORCH = "lightning.pytorch.", "torch.optim."


def openretina_role(module: str, name: str, thing) -> str | None:
    """The part of a config in which a class or function of openretina is of use."""
    tail = module.removeprefix("openretina.")
    if inspect.isclass(thing):
        for prefix, role in {
            "modules.core.": "core",
            "modules.readout.": "readout",
            "modules.losses": "loss",
            "models.": "model",
            "callbacks.": "callback",
            "utils.model_utils": "callback",
        }.items():
            if tail.startswith(prefix):
                return role
    elif tail.startswith("data_io.") and not name.startswith("_"):
        for ending, role in {"stimuli": "stimuli", "responses": "responses", "dataloaders": "dataloader"}.items():
            if tail.endswith("." + ending):
                return role
        if tail == "data_io.h5_dataset_reader":
            return {"load_stimuli": "stimuli", "load_responses": "responses"}.get(name)
        if tail == "data_io.base_dataloader":
            return "dataloader"
    return None


def openretina_things():
    for info in pkgutil.walk_packages(openretina.__path__, "openretina."):
        try:
            module = importlib.import_module(info.name)
        except ImportError:
            continue
        for name, thing in vars(module).items():
            if getattr(thing, "__module__", "").startswith("openretina."):
                role = openretina_role(thing.__module__, name, thing)
                if role:
                    yield role, f"{info.name}.{name}", thing


def things():
    yield from openretina_things()
    for name, thing in vars(torch.optim).items():
        if inspect.isclass(thing) and issubclass(thing, torch.optim.Optimizer) and thing is not torch.optim.Optimizer:
            yield "optimizer", TORCH + name, thing
    schedulers = torch.optim.lr_scheduler
    for name, thing in vars(schedulers).items():
        if inspect.isclass(thing) and issubclass(thing, schedulers.LRScheduler) and not name.startswith("_"):
            yield "lr_scheduler", TORCH + "lr_scheduler." + name, thing
    for package, role in [(lightning.pytorch.callbacks, "callback"), (lightning.pytorch.loggers, "logger")]:
        for name in package.__all__:
            thing = getattr(package, name)
            yield role, f"{package.__name__}.{name}", thing
            yield role, f"{thing.__module__}.{name}", thing
    for name in ["lightning.Trainer", "lightning.pytorch.Trainer", "lightning.pytorch.trainer.trainer.Trainer"]:
        yield "trainer", name, lightning.pytorch.Trainer


def describe(role: str, thing) -> dict:
    parameters, variadic = {}, False
    for p in inspect.signature(thing).parameters.values():
        if p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD):
            variadic = True
        elif p.default is p.empty:
            parameters[p.name] = {"required": True}
        else:
            try:
                json.dumps(p.default)
                parameters[p.name] = {"default": p.default} if p.default is not None else {}
            except TypeError:
                parameters[p.name] = {}
    return {"role": role, "parameters": parameters} | ({"variadic": True} if variadic else {})


def elsewhere(target: str) -> str:
    """The role of a target that cannot be imported, by its name."""
    for word, role in {"callback": "callback", "stimuli": "stimuli", "responses": "responses"}.items():
        if word in target:
            return role
    return "function"


if __name__ == "__main__":
    table = {target: describe(role, thing) for role, target, thing in things()}
    for target, facts in json.load(open(sys.argv[1])).items():
        parameters = {name: {"required": True} for name in facts["required"]}
        parameters |= {name: {} if value is None else {"default": value} for name, value in facts["optional"].items()}
        variadic = {"variadic": True} if facts["variadic"] else {}
        table.setdefault(target, {"role": elsewhere(target), "parameters": parameters} | variadic)
    for target, thing in {target: thing for _, target, thing in things()}.items():
        home = f"{thing.__module__}.{thing.__name__}"
        if target.startswith("openretina.") and home != target and home in table and ".losses." not in target:
            table[target] = {"role": table[target]["role"], "same_as": home}
    lines = [f"{json.dumps(target)}: {json.dumps(facts)}" for target, facts in sorted(table.items())]
    sys.stdout.write("{\n" + ",\n".join(lines) + "\n}\n")
