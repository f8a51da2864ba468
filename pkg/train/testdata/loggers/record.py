"""Records what Lightning's loggers write of a training of two epochs with openretina 1.1.1:
metrics.csv and hparams.yaml of CSVLogger, and the scalars of TensorBoardLogger in their order.

Run by hand: PYTHONSAFEPATH=1 python record.py
"""

import json
import pathlib
import shutil
import sys
import tempfile
import types

import torch
from omegaconf import OmegaConf
from tensorboard.backend.event_processing.event_file_loader import LegacyEventFileLoader

sys.modules["mlflow"] = types.ModuleType("mlflow")  # train.py imports it, for another logger
load = torch.load
torch.load = lambda *args, **kwargs: load(*args, **{**kwargs, "weights_only": False})  # its checkpoints hold configs

from openretina.cli.train import train_model  # noqa: E402

here = pathlib.Path(__file__).parent
source = here / "../../../evaluation/testdata/create_data"
config = OmegaConf.load(source / "config.yaml")
OmegaConf.set_struct(config, False)
with tempfile.TemporaryDirectory() as work:
    config.paths.data_dir, config.paths.cache_dir = str(source / "data"), work
    config.paths.output_dir = work
    config.trainer.max_epochs, config.seed = 2, 1
    config.objective_target = "val_evaluation_loss"
    train_model(config)
    for name in ("metrics.csv", "hparams.yaml"):
        shutil.copy(pathlib.Path(work) / "csv" / name, here / name)
    scalars = []
    for path in sorted((pathlib.Path(work) / "tensorboard").glob("*tfevents*")):
        for event in LegacyEventFileLoader(str(path)).Load():
            for value in event.summary.value:
                if value.HasField("simple_value"):
                    scalars.append([value.tag, event.step, value.simple_value])
(here / "scalars.json").write_text("[\n" + ",\n".join(json.dumps(s) for s in scalars) + "\n]\n")
