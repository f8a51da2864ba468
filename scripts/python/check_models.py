"""Loads models that openretina loaded and wrote again, and compares their outputs with the recorded ones.

    python check_models.py FOLDER WRITTEN [FOLDER WRITTEN ...]

FOLDER holds input.npy, output_SESSION.npy and output_all_sessions.npy, which the Python package made of
the checkpoint that openretina read. Prints what differs and exits with 1. pkg/train runs it where
OPENRETINA_PYTHON names a Python interpreter with openretina.
"""

import pathlib
import sys
import warnings

import numpy as np
import torch
from openretina.models.core_readout import load_core_readout_model

warnings.filterwarnings("ignore")


def check(folder, written):
    model = load_core_readout_model(written, "cpu").eval()
    x = torch.from_numpy(np.load(folder / "input.npy"))
    for path in sorted(folder.glob("output_*.npy")):
        session = path.stem.removeprefix("output_")
        with torch.no_grad():
            got = model(x, None if session == "all_sessions" else session).numpy()
        want = np.load(path)
        if got.shape != want.shape or not np.allclose(got, want, rtol=1e-4, atol=1e-5):
            yield f"{path.name} differs"


def main(arguments):
    failed = False
    for folder, written in zip(arguments[::2], arguments[1::2]):
        found = list(check(pathlib.Path(folder), written))
        failed = failed or bool(found)
        print(f"{pathlib.Path(folder).name}: {'ok' if not found else '; '.join(found)}", flush=True)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
