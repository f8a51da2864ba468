"""Records short trainings of the spatial contrast models of the Python package openretina
1.1.1: python make.py, beside this file; the STAs are those of pkg/sta/testdata."""

import json

import lightning
import numpy as np
import torch
from openretina.data_io.base_dataloader import DataPoint
from openretina.models.spatial_contrast import SingleCellSpatialContrast, SpatialContrastCoreReadout

STAS = "../../../sta/testdata"
POPULATION = {
    "in_shape": [1, 30, 24, 26], "flip_sta": True, "temporal_crop_frames": 20, "neuron_chunk_size": 2,
    "w_init": 0.3, "a_init": 0.02, "b_init": 1.5, "c_init": -0.5, "learning_rate": 0.01,
}
SINGLE = {
    "in_shape": [1, 30, 24, 26], "sta_file_name": "cell_data_01_WN_stas_cell_2.npy", "temporal_crop_frames": 20,
    "spat_crop_size": [11, 11], "w_init": 0.015, "a_init": 4.0, "c_init": -1.0, "learning_rate": 0.01,
}
rng = np.random.default_rng(3)
inputs = rng.standard_normal((2, 1, 30, 24, 26)).astype(np.float32)
arrays, record = {"inputs": inputs}, {}


def run(name, model, neurons):
    targets = rng.poisson(0.2, (2, 30, neurons)).astype(np.float32)
    if neurons > 1:
        targets[:, :, 0] = 0  # its gain falls to zero
    arrays[f"{name}/targets"] = targets
    batch = ("01", DataPoint(torch.from_numpy(inputs), torch.from_numpy(targets)))
    logged = {}
    model.log = lambda key, value, **_: logged.update({key: float(value)})
    optimizer = torch.optim.AdamW(model.parameters(), lr=model.learning_rate)
    steps = []
    for _ in range(4):
        logged.clear()

        def closure():
            optimizer.zero_grad()
            loss = model.training_step(batch, 0)
            loss.backward()
            return loss

        model.optimizer_step(0, 0, optimizer, closure)
        steps.append(dict(logged))
    logged.clear()
    with torch.no_grad():
        model.eval().validation_step(batch, 0)
    record[name] = {"steps": steps, "validation": dict(logged)}
    for key, value in model.state_dict().items():
        if "filter" not in key and "sums" not in key:
            arrays[f"{name}/after/{key}"] = value.numpy().copy()


lightning.seed_everything(1)
info = {"sessions_kwargs": {"01": {"cell_indices": [2, 5, 8]}}}
population = SpatialContrastCoreReadout(n_neurons_dict={"01": 3}, sta_dir=STAS, data_info=info, **POPULATION)
run("population", population, 3)
run("single", SingleCellSpatialContrast(sta_dir=STAS, **SINGLE), 1)
for name, arguments, kind in [("population", POPULATION, "SpatialContrastCoreReadout"), ("single", SINGLE, "SingleCellSpatialContrast")]:
    target = f"openretina.models.spatial_contrast.{kind}"
    record[name]["model"] = {"_target_": target, "sta_dir": "../sta/testdata", **arguments}
json.dump(record, open("steps.json", "w"), indent=1)
np.savez_compressed("steps.npz", **arrays)
