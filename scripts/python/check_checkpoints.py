"""Loads checkpoints that the Go program wrote with PyTorch, Lightning and openretina.

    python check_checkpoints.py FOLDER REWRITTEN [FOLDER REWRITTEN ...]

FOLDER holds checkpoint.ckpt as the Python package wrote it; REWRITTEN is the same checkpoint read and written
by the Go program. Prints what differs and exits with 1. pkg/torch/checkpoint runs it
where OPENRETINA_PYTHON names a Python interpreter with openretina.
"""

import pathlib
import sys
import warnings

import numpy as np
import torch
from omegaconf import DictConfig, ListConfig, OmegaConf

warnings.filterwarnings("ignore")
CONFIGS = ["core", "readout", "n_neurons_dict", "optimizer", "lr_scheduler", "loss", "evaluation_loss"]


def differences(path, a, b):
    """Yields where two trees differ."""
    if isinstance(a, (DictConfig, ListConfig)):
        if type(a) is not type(b):
            yield f"{path}: {type(a).__name__} became {type(b).__name__}"
            return
        a, b = (OmegaConf.to_container(v, resolve=True) for v in (a, b))
    if type(a) is not type(b) and not isinstance(a, np.generic):
        yield f"{path}: {type(a).__name__} became {type(b).__name__}"
    elif isinstance(a, dict):
        if list(a) != list(b):
            yield f"{path}: keys {list(a)} became {list(b)}"
        for key in a:
            if key in b:
                yield from differences(f"{path}.{key}", a[key], b[key])
    elif isinstance(a, (list, tuple)):
        if len(a) != len(b):
            yield f"{path}: {len(a)} items became {len(b)}"
        for i, (x, y) in enumerate(zip(a, b)):
            yield from differences(f"{path}[{i}]", x, y)
    elif isinstance(a, torch.Tensor):
        if a.dtype != b.dtype or a.shape != b.shape or not torch.equal(a, b):
            yield f"{path}: tensor changed"
        if isinstance(a, torch.nn.Parameter) and a.requires_grad != b.requires_grad:
            yield f"{path}: requires_grad changed"
    elif isinstance(a, np.ndarray):
        if a.dtype != b.dtype or not np.array_equal(a, b):
            yield f"{path}: array changed"
    elif isinstance(a, torch.nn.Module):
        yield from differences(path, dict(a.state_dict()), dict(b.state_dict()))
        if repr(a) != repr(b):
            yield f"{path}: module changed"
    elif type(a).__module__.startswith("openretina."):
        yield from differences(path, vars(a), vars(b))
    elif a != b:
        yield f"{path}: {a!r} became {b!r}"


def stimulus(model):
    """Returns two clips of noise that the model takes, the same each time."""
    channels, _, height, width = model.hparams["in_shape"]
    return torch.randn(2, channels, 60, height, width, generator=torch.Generator().manual_seed(0))


def outputs(folder, path):
    """Yields where the model of the rewritten file gives other outputs than that of the first."""
    from openretina.models.core_readout import load_core_readout_model

    try:
        before = load_core_readout_model(str(folder / "checkpoint.ckpt"), "cpu").eval()
    except Exception:  # a family with a class of its own
        return
    after = load_core_readout_model(str(path), "cpu").eval()
    x = stimulus(before)
    with torch.no_grad():
        for session in [None, *before.hparams["n_neurons_dict"]]:
            if not torch.equal(before.forward(x, session), after.forward(x, session)):
                yield f"output {session or 'of all sessions'} differs"


def resumed(path, steps=3):
    """Trains on from a file and returns the weights and the progress."""
    import lightning
    from openretina.data_io.base_dataloader import DataPoint
    from openretina.models.core_readout import load_core_readout_model

    model = load_core_readout_model(str(path), "cpu")
    generator = torch.Generator().manual_seed(1)
    x, batches = stimulus(model), []
    for session, neurons in model.hparams["n_neurons_dict"].items():
        cut = model.forward(x, session).shape[1]
        batches.append((session, DataPoint(x, torch.rand(2, cut, neurons, generator=generator))))
    state = torch.load(path, weights_only=False)
    trainer = lightning.Trainer(
        max_epochs=state["epoch"] + 2, limit_train_batches=steps, logger=False, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False, accelerator="cpu",
    )
    loader = torch.utils.data.DataLoader(batches, batch_size=None)
    trainer.fit(model, loader, loader, ckpt_path=str(path), weights_only=False)
    return {"weights": dict(model.state_dict()), "step": trainer.global_step, "epoch": trainer.current_epoch}


def check(folder, path):
    want = torch.load(folder / "checkpoint.ckpt", weights_only=False, map_location="cpu")
    got = torch.load(path, weights_only=False, map_location="cpu")
    yield from differences("checkpoint", dict(want), dict(got))
    yield from differences("_metadata", *(getattr(c["state_dict"], "_metadata", None) for c in (want, got)))
    params = got.get("hyper_parameters", {})
    for key in CONFIGS:
        if isinstance(want.get("hyper_parameters", {}).get(key), DictConfig) and not isinstance(params[key], DictConfig):
            yield f"hyper_parameters.{key} is a {type(params[key]).__name__}"
    if "core" in params and "in_shape" in params or "hidden_channels" in params:
        yield from outputs(folder, path)
    if isinstance(params.get("core"), DictConfig) and folder.name == "hoefling_low_res":
        before, after = resumed(folder / "checkpoint.ckpt"), resumed(path)
        yield from differences("resumed", before, after)
        if after["step"] <= got["global_step"]:
            yield f"training stood still at step {after['step']}"


def main(arguments):
    failed = False
    for folder, path in zip(arguments[::2], arguments[1::2]):
        found = list(check(pathlib.Path(folder), pathlib.Path(path)))
        failed = failed or bool(found)
        print(f"{pathlib.Path(folder).name}: {'ok' if not found else '; '.join(found)}", flush=True)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
