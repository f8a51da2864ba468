"""Trains the experiment of pkg/evaluation/testdata/create_data with the Python package and copies its metrics.csv here.

    python make.py NAME [KEY=VALUE ...] [replace:KEY=YAML ...]

Needs openretina 1.1.1. A replaced value takes the whole place of the old one."""
import glob
import os
import shutil
import sys
import tempfile
import types

for name in ("mlflow", "mlflow.pytorch", "mlflow.data", "mlflow.models"):  # imported, not used
    sys.modules.setdefault(name, types.ModuleType(name))

import torch
import yaml
from omegaconf import OmegaConf
from openretina.cli.train import train_model

HERE = os.path.dirname(os.path.abspath(__file__))
EXPERIMENT = os.path.join(HERE, "..", "..", "..", "evaluation", "testdata", "create_data")


def main(name, *words):
    torch.set_num_threads(1)
    out = tempfile.mkdtemp()
    given = [word for word in words if not word.startswith("replace:")]
    base = [f"paths.data_dir={EXPERIMENT}/data", f"paths.output_dir={out}", f"paths.log_dir={out}", "seed=1"]
    cfg = OmegaConf.merge(OmegaConf.load(f"{EXPERIMENT}/config.yaml"), OmegaConf.from_dotlist(base + given))
    for word in words:
        if word.startswith("replace:"):
            key, value = word.removeprefix("replace:").split("=", 1)
            OmegaConf.update(cfg, key, OmegaConf.create(yaml.safe_load(value)), merge=False)
    try:
        train_model(cfg)
    except Exception as error:  # 1.1.1 cannot load its best checkpoint with this version of PyTorch
        print(error, file=sys.stderr)
    shutil.copy(glob.glob(f"{out}/**/metrics.csv", recursive=True)[0], os.path.join(HERE, f"{name}.csv"))


main(*sys.argv[1:])
