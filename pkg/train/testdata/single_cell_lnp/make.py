"""Trains SingleCellSeparatedLNP of openretina 1.1.1 for a few steps: python make.py, which writes steps.npz and steps.json."""
import json
import os

import lightning
import numpy as np
import torch
from openretina.data_io.base_dataloader import DataPoint
from openretina.models.linear_nonlinear import SingleCellSeparatedLNP

ARGUMENTS = {
    "in_shape": [2, 7, 9, 8], "rf_location": [4, 3], "spat_kernel_size": [5, 4], "rank": 1, "learning_rate": 0.01,
    "smooth_weight_spat": 0.5, "smooth_weight_temp": 0.2, "sparse_weight": 0.1, "nonlinearity": "parametrized_softplus",
    "smooth_regularizer_spat": "GaussianLaplaceL2",
}


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    lightning.seed_everything(7)
    model = SingleCellSeparatedLNP(**ARGUMENTS)
    logged = {}
    model.log = lambda name, value, **_: logged.__setitem__(name, float(value))
    noise = np.random.default_rng(0)
    inputs = noise.standard_normal((3, 2, 20, 9, 8), dtype=np.float32)
    targets = noise.poisson(1.0, (3, 20, 1)).astype(np.float32)
    batch = ("session", DataPoint(torch.from_numpy(inputs), torch.from_numpy(targets)))
    arrays = {"inputs": inputs, "targets": targets}
    arrays.update({"before/" + k: v.numpy().copy() for k, v in model.state_dict().items()})
    optimizer = model.configure_optimizers()["optimizer"]
    steps = []
    for _ in range(3):
        optimizer.zero_grad()
        model.training_step(batch, 0).backward()
        optimizer.step()
        steps.append({k: logged[k] for k in ("regularization_loss_core", "train_total_loss", "train_loss", "train_evaluation_loss")})
    with torch.no_grad():
        model.eval().validation_step(batch, 0)
        arrays["output"] = model.forward(model.crop_input(torch.from_numpy(inputs))).numpy()
    arrays.update({"after/" + k: v.numpy() for k, v in model.state_dict().items()})
    np.savez_compressed(os.path.join(here, "steps.npz"), **arrays)
    validation = {k: v for k, v in logged.items() if k.startswith("val_")}
    with open(os.path.join(here, "steps.json"), "w", encoding="utf-8") as file:
        json.dump({"model": ARGUMENTS, "steps": steps, "validation": validation}, file, indent=1)


main()
