"""Loads a checkpoint of a sparse autoencoder that the Go program wrote, and compares its reconstruction.

    python check_autoencoder.py CHECKPOINT RESPONSES.npy RECONSTRUCTION.npy

pkg/train runs it where OPENRETINA_PYTHON names a Python interpreter with openretina.
"""

import sys

import numpy as np
import torch
from openretina.models.sparse_autoencoder import Autoencoder


def main(checkpoint, responses, reconstruction):
    model = Autoencoder.load_from_checkpoint(checkpoint, map_location="cpu", weights_only=False).eval()
    with torch.no_grad():
        output = model.forward(torch.from_numpy(np.load(responses))).numpy()
    np.testing.assert_allclose(output, np.load(reconstruction), rtol=1e-4, atol=1e-5)
    assert model.loss.sparsity_factor == model.hparams["loss"].sparsity_factor
    optimizer = model.configure_optimizers()
    optimizer.load_state_dict(torch.load(checkpoint, map_location="cpu", weights_only=False)["optimizer_states"][0])


main(*sys.argv[1:])
