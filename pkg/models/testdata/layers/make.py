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
}


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
            if name in settings:
                index[name] = {"settings": settings[name]["settings"], "mode": settings[name]["mode"]}
    penalties = read_json("cores", "index.json")["values"]
    index["regularizers"] = {k: penalties[k] for k in ("simple", "simple_same_pool_cut", "simple_downsample", "separable")}
    masks = read_json("readouts", "index.json")["regularizer"]
    index["readout_regularizer"] = {k: v for k, v in masks.items() if k.startswith("gaussian_mask")}
    write_json("index.json", index)

    regularizers, cases = {}, read_json("regularizers", "index.json")["files"]
    for file in sorted(os.listdir(os.path.join(source, "regularizers"))):
        name, extension = os.path.splitext(file)
        if extension == ".npz":
            arrays = np.load(os.path.join(source, "regularizers", file))
            regularizers.update({name + "/" + k: v for k, v in arrays.items() if k != "grad_output" or v.ndim})
    np.savez_compressed(os.path.join(here, "regularizers.npz"), **regularizers)
    write_json("regularizers.json", {k: {"class": v["class"], **v["settings"]} for k, v in cases.items()})

    np.savez_compressed(os.path.join(here, "losses.npz"), **dict(np.load(os.path.join(source, "losses", "losses.npz"))))
    write_json("losses.json", read_json("losses", "values.json"))


main(sys.argv[1])
