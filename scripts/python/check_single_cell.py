"""Loads a checkpoint of a single-cell model that the Go program wrote, and compares its responses.

    python check_single_cell.py CHECKPOINT STIMULUS.npy RESPONSES.npy

pkg/train runs it where OPENRETINA_PYTHON names a Python interpreter with openretina.
"""

import sys

import numpy as np
import torch
from openretina.models.linear_nonlinear import SingleCellSeparatedLNP


def main(checkpoint, stimulus, responses):
    model = SingleCellSeparatedLNP.load_from_checkpoint(checkpoint, map_location="cpu", weights_only=False).eval()
    with torch.no_grad():
        output = model.forward(model.crop_input(torch.from_numpy(np.load(stimulus)))).numpy()
        model.regularizer()
        model.loss(torch.from_numpy(output), torch.from_numpy(output))
    np.testing.assert_allclose(output, np.load(responses), rtol=1e-4, atol=1e-5)


main(*sys.argv[1:])
