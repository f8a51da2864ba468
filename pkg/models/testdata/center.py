"""Writes the outputs of recorded checkpoints whose readouts the Python package's Center has moved to the middle.

    python center.py

It needs openretina 1.1.1. Of a family it reads checkpoint.ckpt and input.npy, and writes centered_output.npy: the
responses of all sessions side by side.
"""

import pathlib

import numpy as np
import torch
from openretina.models.core_readout import load_core_readout_model
from openretina.utils.nnfabrik_model_loading import Center

HERE = pathlib.Path(__file__).parent / "checkpoints"
for family, position in {"point_gaussian": "_mu", "hoefling_low_res": "mask_mean"}.items():
    model = load_core_readout_model(str(HERE / family / "checkpoint.ckpt"), "cpu").eval()
    Center(target_mean=(0.0, 0.0), mean_key=position)(model)
    with torch.no_grad():
        output = model(torch.from_numpy(np.load(HERE / family / "input.npy")))
    np.save(HERE / family / "centered_output.npy", output.numpy())
