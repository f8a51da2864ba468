"""Copies the layers that configs can reach out of the recorded fixtures: python make.py FIXTURES."""
import json
import os
import sys

import numpy as np

CASES = {
    "convolutions": [
        "st_separable_batch_plain", "st_separable_batch_padding_tuple", "st_separable_batch_padding_int",
        "st_separable_batch_padding_same", "st_separable_batch_padding_same_even", "st_separable_batch_log_speed_a",
        "torch_full_plain", "torch_full_bias_padding", "torch_st_separable_plain", "time_independent_plain",
        "time_independent_bias_padding", "temporal_basis",
    ],
    "cores": [
        "simple_train", "simple_eval", "simple_same_pool_cut_train", "simple_same_pool_cut_eval", "simple_downsample_train",
        "simple_downsample_eval", "separable_weights",
    ],
    "readouts": ["gaussian_mask_plain", "gaussian_mask_scaled", "gaussian_mask_positive", "gaussian_mask_no_bias"],
    "regularizers": ["temporal_smoothing", "laplace1d_padding_0_avg_False", "flat_laplace_l2_3d_norm_padding_0_avg_False"],
}
LOSSES = ("/poisson.PoissonLoss3d", "/correlation.CorrelationLoss3d", "/mse.MSE3d")


def main(fixtures):
    source = os.path.join(fixtures, "layers")
    here = os.path.dirname(os.path.abspath(__file__))

    def read_json(*path):
        with open(os.path.join(source, *path), encoding="utf-8") as file:
            return json.load(file)

    def write_json(name, content):
        with open(os.path.join(here, name), "w", encoding="utf-8") as file:
            json.dump(content, file, indent=1)

    index = {}
    for folder, names in CASES.items():
        settings = read_json(folder, "index.json")["files"]
        for name in names:
            arrays = dict(np.load(os.path.join(source, folder, name + ".npz")))
            np.savez_compressed(os.path.join(here, name + ".npz"), **arrays)
            if folder != "regularizers" and name in settings:
                index[name] = {"settings": settings[name]["settings"], "mode": settings[name]["mode"]}
    penalties = read_json("cores", "index.json")["values"]
    index["regularizers"] = {k: penalties[k] for k in ("simple", "simple_same_pool_cut", "simple_downsample", "separable")}
    masks = read_json("readouts", "index.json")["regularizer"]
    index["readout_regularizer"] = {k: v for k, v in masks.items() if k.startswith("gaussian_mask")}
    write_json("index.json", index)

    losses = dict(np.load(os.path.join(source, "losses", "losses.npz")))
    wanted = {k: v for k, v in losses.items() if k.endswith(("/output", "/target")) or any(name in k for name in LOSSES)}
    np.savez_compressed(os.path.join(here, "losses.npz"), **wanted)
    values = read_json("losses", "values.json")["values"]
    write_json("losses.json", {k: v for k, v in values.items() if any(name in k for name in LOSSES)})


main(sys.argv[1])
