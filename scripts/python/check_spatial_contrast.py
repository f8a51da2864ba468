"""Loads a checkpoint of a spatial contrast model that the Go program wrote, and compares its responses.

    python check_spatial_contrast.py CLASS CHECKPOINT STIMULUS.npy RESPONSES.npy

pkg/train runs it where OPENRETINA_PYTHON names a Python interpreter with openretina.
"""

import sys

import numpy as np
import torch
from openretina.models import spatial_contrast


def main(name, checkpoint, stimulus, responses):
    model = getattr(spatial_contrast, name).load_from_checkpoint(checkpoint, map_location="cpu", weights_only=False).eval()
    with torch.no_grad():
        output = model.forward(torch.from_numpy(np.load(stimulus)), "01")
        model.loss(output, output)
    np.testing.assert_allclose(output.numpy(), np.load(responses), rtol=1e-4, atol=1e-5)


main(*sys.argv[1:])
