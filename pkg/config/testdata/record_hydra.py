"""Records what Hydra 1.3.8 with OmegaConf 2.3.1 does, for the cases beside this file.

    python record_hydra.py testdata/hydra/CASE...

reads each folder's args.json and tree/ and writes the expected files that
hydra/README.md describes. Needs hydra-core==1.3.8 and omegaconf==2.3.1.
"""

import copy
import datetime
import json
import math
import os
import sys
import warnings
from pathlib import Path
from unittest import mock

from hydra._internal.callbacks import Callbacks
from hydra._internal.config_search_path_impl import ConfigSearchPathImpl
from hydra._internal.core_plugins import basic_launcher
from hydra._internal.hydra import Hydra
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.plugins import Plugins
from hydra.core.utils import JobReturn, JobStatus, setup_globals
from hydra.types import HydraContext, RunMode
from hydra import version
from omegaconf import DictConfig, ListConfig, OmegaConf, open_dict, read_write
from omegaconf.errors import MissingMandatoryValue

CLOCK = datetime.datetime(2025, 1, 2, 3, 4, 5)
WORK_DIR = "/CWD"
APP_NAME = "app"


def prepare():
    """Sets what Hydra's start would, and registers len."""
    version.setbase("1.3")
    Plugins.instance()
    OmegaConf.register_new_resolver("len", len, replace=True)
    stop_clock()


def stop_clock():
    """Replaces Hydra's resolver "now", which each start of Hydra registers."""
    setup_globals()
    OmegaConf.register_new_resolver("now", lambda pattern: CLOCK.strftime(pattern), use_cache=True, replace=True)


class Case:
    """One case: its arguments and the folder of its tree."""

    def __init__(self, args, tree):
        self.args = args
        self.tree = str(Path(tree).resolve())
        self.main = os.path.join(self.tree, args["config_path"]) if args.get("config_path") else self.tree
        self.overrides = [self.located(word) for word in args.get("overrides", [])]

    def located(self, text):
        return text.replace("<MAIN>", self.main).replace("<TREE>", self.tree)

    def hidden(self, text):
        """Puts the names of the folders back, the longer path first."""
        if self.args.get("config_path"):
            return text.replace(self.main, "<MAIN>").replace(self.tree, "<TREE>")
        return text.replace(self.tree, "<TREE>")

    def hide(self, value):
        if isinstance(value, str):
            return self.hidden(value)
        if isinstance(value, dict):
            return {self.hide(k): self.hide(v) for k, v in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.hide(v) for v in value]
        return value

    def loader(self):
        path = ConfigSearchPathImpl()
        path.append("hydra", "pkg://hydra.conf")
        path.append("main", "file://" + self.main)
        if self.args.get("config_dir"):
            path.append("command-line", "file://" + os.path.join(self.tree, self.args["config_dir"]))
        path.append("schema", "structured://")
        hydra = Hydra.create_main_hydra2(task_name=APP_NAME, config_search_path=path)
        stop_clock()
        return hydra

    def record(self):
        """Gives the contents of the expected files by name."""
        env = {k: self.located(v) for k, v in self.args.get("env", {}).items()}
        env.update(PATH="/usr/bin:/bin", HOME="/root")
        GlobalHydra.instance().clear()
        HydraConfig.instance().cfg = None
        with warnings.catch_warnings(record=True) as caught, mock.patch.dict(os.environ, env, clear=True), \
                mock.patch("os.getcwd", lambda: WORK_DIR):
            warnings.simplefilter("always")
            out = self.sweep() if self.args.get("multirun") else self.run()
        if caught:
            out["warnings.json"] = [self.hidden(first_line(w.message)) for w in caught]
        return out

    def run(self):
        try:
            hydra = self.loader()
            cfg = hydra.compose_config(
                config_name=self.args["config_name"], overrides=self.overrides, run_mode=RunMode.RUN
            )
        except Exception as e:
            return {"expected_error.json": self.error("compose", e)}
        app, _ = application_config(cfg, "run.dir")
        out = {
            "unresolved.yaml": self.hidden(OmegaConf.to_yaml(app)),
            "choices.json": own_choices(cfg),
        }
        missing = missing_keys(app)
        if missing:
            out["missing.json"] = {"keys": missing, "access": {k: self.access(app, k) for k in missing}}
        try:
            out["expected.yaml"] = self.hidden(OmegaConf.to_yaml(app, resolve=True))
            out["expected.json"] = self.hide(OmegaConf.to_container(app, resolve=True))
        except Exception as e:
            out.pop("expected.yaml", None)
            out["expected_error.json"] = self.error("resolve", e)
        return out

    def access(self, app, path):
        try:
            node = app
            parts = path.split(".")
            for part in parts[:-1]:
                node = node[int(part) if isinstance(node, ListConfig) else part]
            node[int(parts[-1]) if isinstance(node, ListConfig) else parts[-1]]
        except MissingMandatoryValue as e:
            return self.error("access", e)
        return None

    def sweep(self):
        """Runs the real sweeper over a launcher that records."""
        case, jobs = self, []

        def launch(launcher, job_overrides, initial_job_idx):
            runs = []
            for i, overrides in enumerate(job_overrides, initial_job_idx):
                cfg = launcher.hydra_context.config_loader.load_sweep_config(launcher.config, list(overrides))
                with open_dict(cfg):
                    cfg.hydra.job.id = i
                    cfg.hydra.job.num = i
                app, output_dir = application_config(cfg, "sweep.dir", "sweep.subdir")
                values = OmegaConf.to_container(app, resolve=True)
                jobs.append({"overrides": list(overrides), "output_dir": output_dir, "config": values})
                runs.append(JobReturn(overrides=list(overrides), status=JobStatus.COMPLETED))
            return runs

        try:
            hydra = self.loader()
            cfg = hydra.compose_config(
                config_name=self.args["config_name"], overrides=self.overrides, run_mode=RunMode.MULTIRUN
            )
            context = HydraContext(config_loader=hydra.config_loader, callbacks=Callbacks(cfg))
            sweeper = Plugins.instance().instantiate_sweeper(
                config=cfg, hydra_context=context, task_function=lambda _: None
            )
            with mock.patch.object(basic_launcher.BasicLauncher, "launch", launch), \
                    mock.patch("pathlib.Path.mkdir"), mock.patch.object(OmegaConf, "save"):
                sweeper.sweep(arguments=OmegaConf.to_container(cfg.hydra.overrides.task, resolve=False))
        except Exception as e:
            return {"expected_error.json": case.error("sweep", e)}
        return {"expected_jobs.json": case.hide(jobs)}

    def error(self, stage, e):
        out = {"stage": stage, **self.described(e)}
        if e.__cause__ is not None:
            out["cause"] = self.described(e.__cause__)
        return out

    def described(self, e):
        text = self.hidden(str(e))
        return {"class": type(e).__name__, "first_line": first_line(text), "message": text}


def first_line(e):
    return str(e).strip("\n").split("\n")[0]


def application_config(cfg, *dir_keys):
    """What hydra.core.utils.run_job hands to the application, and the output directory."""
    HydraConfig.instance().set_config(cfg)
    try:
        parts = [str(OmegaConf.select(cfg, "hydra." + key)) for key in dir_keys]
    except Exception:  # a run would fail here; showing the config does not
        output_dir = None
    else:
        output_dir = os.path.normpath(os.path.join(WORK_DIR, *parts))
        with read_write(cfg.hydra.runtime), open_dict(cfg.hydra.runtime):
            cfg.hydra.runtime.output_dir = output_dir
    HydraConfig.instance().set_config(cfg)
    app = copy.deepcopy(cfg)
    with read_write(app), open_dict(app):
        del app["hydra"]
    return app, output_dir


def own_choices(cfg):
    choices = OmegaConf.to_container(cfg.hydra.runtime.choices)
    return {k: v for k, v in choices.items() if not k.startswith("hydra/")}


def missing_keys(node, prefix=""):
    """The paths of the values that are ???, in order."""
    found = []
    if node._is_none() or node._is_missing() or node._is_interpolation():
        return found
    keys = range(len(node)) if isinstance(node, ListConfig) else list(node.keys())
    for key in keys:
        child = node._get_node(key)
        if isinstance(child, (DictConfig, ListConfig)) and not child._is_missing():
            found += missing_keys(child, f"{prefix}{key}.")
        elif child._is_missing():
            found.append(f"{prefix}{key}")
    return found


def typed(value):
    """Notes what JSON lacks: inf, nan, and keys that are no strings."""
    if isinstance(value, float) and not math.isfinite(value):
        return {"__float__": repr(value)}
    if isinstance(value, dict):
        if all(isinstance(k, str) for k in value):
            return {k: typed(v) for k, v in value.items()}
        return {"__map__": [[typed(k), typed(v)] for k, v in value.items()]}
    if isinstance(value, list):
        return [typed(v) for v in value]
    return value


def write(folder, files):
    """Replaces the expected files of a case."""
    for old in folder.iterdir():
        if old.is_file() and old.name != "args.json":
            old.unlink()
    for name, content in files.items():
        text = content if name.endswith(".yaml") else json.dumps(typed(content), indent=1, ensure_ascii=False) + "\n"
        (folder / name).write_text(text, encoding="utf-8")


def main(folders):
    prepare()
    for folder in map(Path, folders):
        args = json.loads((folder / "args.json").read_text(encoding="utf-8"))
        write(folder, Case(args, folder / "tree").record())


if __name__ == "__main__":
    main(sys.argv[1:])
