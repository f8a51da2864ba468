"""Copies the cores and their layers out of the recorded fixtures: python make.py FIXTURES."""
import json
import os
import sys

import numpy as np

CASES = {
    "cores": [
        "dummy", "gru_cell", "gru_module", "gru_module_groups", "gru_module_no_padding", "gru_module_unbatched",
        "conv_gru_core_train", "conv_gru_core_eval", "conv_gru_core_log_speed_train", "conv_gru_core_log_speed_eval",
        "conv_gru_core_padded_bias_layer_train", "conv_gru_core_padded_bias_layer_eval", "conv_gru_core_no_norm_relu_train",
        "conv_gru_core_no_norm_relu_eval", "conditioned_gru_core_eval",
    ],
    "convolutions": ["st_separable_batch_log_speed_b", "st_separable_batch_log_speed_default"],
    "simple": ["bias3d", "scale3d", "film", "batchnorm3d_train", "maxpool", "elu", "weighted_channel_sum",
               "weighted_channel_sum_one_channel"],
}


def main(fixtures):
    here = os.path.dirname(os.path.abspath(__file__))
    index = {"files": {}}
    for folder, names in CASES.items():
        source = os.path.join(fixtures, "layers", folder)
        with open(os.path.join(source, "index.json"), encoding="utf-8") as file:
            recorded = json.load(file)
        for name in names:
            arrays = dict(np.load(os.path.join(source, name + ".npz")))
            np.savez_compressed(os.path.join(here, name + ".npz"), **arrays)
            index["files"][name] = recorded["files"][name]
        if folder == "cores":
            index["values"] = {k: v for k, v in recorded["values"].items() if "gru" in k}
    with open(os.path.join(here, "index.json"), "w", encoding="utf-8") as file:
        json.dump(index, file, indent=1)


main(sys.argv[1])
