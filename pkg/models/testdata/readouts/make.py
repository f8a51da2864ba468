"""Copies the readouts out of the recorded fixtures: python make.py FIXTURES."""
import json
import os
import sys

import numpy as np

PREFIXES = ("factorized_", "point_gaussian_", "lnp_", "cloned_")
# Settings that the recording's index leaves out.
UNSAID = {
    "factorized_init_mask": {"mask_l1_reg": 1.0, "weights_l1_reg": 1.0, "laplace_mask_reg": 1.0},
    "point_gaussian_align_corners_false": {"align_corners": False},
}


def corrected(arrays, settings, average):
    """The penalty of a factorized readout whose masks are put in order before the Laplace filter."""
    masks, weights = arrays["params/mask_weights"].astype(float), arrays["params/feature_weights"].astype(float)
    height, width = arrays["input"].shape[3:]
    images = masks.T.reshape(-1, height, width)
    middle = images[:, 1:-1, 1:-1]
    laplace = 4 * middle - images[:, :-2, 1:-1] - images[:, 2:, 1:-1] - images[:, 1:-1, :-2] - images[:, 1:-1, 2:]
    smoothness = (laplace**2).sum() / ((images**2).sum() + 1e-6)
    return (
        settings["mask_l1_reg"] * np.abs(masks).sum(0).mean()
        + settings["weights_l1_reg"] * np.abs(weights).sum(0).mean()
        + settings["laplace_mask_reg"] * smoothness / (3 if average else 1)
    )


def main(fixtures):
    source = os.path.join(fixtures, "layers", "readouts")
    here = os.path.dirname(os.path.abspath(__file__))
    with open(os.path.join(source, "index.json"), encoding="utf-8") as file:
        recorded = json.load(file)
    index = {}
    for name, case in recorded["files"].items():
        if not name.startswith(PREFIXES):
            continue
        arrays = dict(np.load(os.path.join(source, name + ".npz")))
        np.savez_compressed(os.path.join(here, name + ".npz"), **arrays)
        settings = {k: v for k, v in case["settings"].items() if k != "input"}
        settings.update(UNSAID.get(name, {}))
        if name.startswith("point_gaussian"):  # the penalty of all is recorded with the same weight but in this case
            settings["gamma"] = 1.0 if name == "point_gaussian_align_corners_false" else 0.4
        index[name] = {"class": case["class"], "settings": settings, "mode": case["mode"]}
        if name in recorded["regularizer"]:
            index[name]["regularizer"] = recorded["regularizer"][name]
        if case["class"] == "FactorizedReadout":
            index[name]["corrected"] = {r: corrected(arrays, settings, r == "mean") for r in ("sum", "mean")}
    with open(os.path.join(here, "index.json"), "w", encoding="utf-8") as file:
        json.dump(index, file, indent=1)


main(sys.argv[1])
