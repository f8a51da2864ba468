"""Checks that the Python package loads a checkpoint that openretina trained, and predicts the same.

Usage: check_run.py CHECKPOINT STIMULUS RESPONSES
STIMULUS (clips, channels, frames, height, width) and RESPONSES (clips, frames', neurons of all
sessions) are .npy files, the latter written by `openretina predict`.
"""

import sys

import numpy as np
import torch
from openretina.models.core_readout import load_core_readout_model


def main():
    checkpoint, stimulus, responses = sys.argv[1:]
    model = load_core_readout_model(checkpoint, device="cpu")
    model.eval()
    with torch.no_grad():
        theirs = model(torch.from_numpy(np.load(stimulus)))
    theirs = theirs.numpy()
    ours = np.load(responses)
    np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)
    print(f"same responses, shape {ours.shape}, largest difference {np.abs(ours - theirs).max():.1e}")


if __name__ == "__main__":
    main()
