"""Cut the golden files of the evaluation to what the tests of this package read.

    python make_testdata.py FIXTURES OUTPUT

FIXTURES holds metrics/ and eval/ as the Python package openretina 1.1.1 wrote
them. The stimuli are left out; the responses by trial, which the package reads
from its data set, are added to the predictions.
"""

import shutil
import sys
from pathlib import Path

import h5py
import numpy as np
from openretina.data_io.maheswaranathan_2023.responses import load_all_responses


def main(fixtures: Path, output: Path) -> None:
    (output / "metrics").mkdir(parents=True, exist_ok=True)
    for path in sorted((fixtures / "metrics").iterdir()):
        if path.suffix in (".npz", ".json"):
            shutil.copyfile(path, output / "metrics" / path.name)
    for name in ("maheswaranathan", "create_data"):
        source, target = fixtures / "eval" / name, output / name
        target.mkdir(exist_ok=True)
        for pattern in ("results_*.csv", "summary_*.txt", "report_*.txt"):
            for path in sorted(source.glob(pattern)):
                shutil.copyfile(path, target / path.name)
        trials = by_trial(source) if name == "maheswaranathan" else {}
        for path in sorted(source.glob("predictions_*.npz")):
            arrays = np.load(path)
            kept = {key: arrays[key] for key in ("predictions", "targets")}
            session = path.stem.rsplit("_", 1)[-1]
            if "_test_" in path.name and session in trials:
                kept["trials"] = trials[session]
            if name == "create_data":
                session = path.stem[-len("session_0") :]
                with h5py.File(source / "data" / f"{session}.hdf5") as file:
                    kept["celltypes"] = file["session_info/celltypes"][:]
            np.savez_compressed(target / path.name, **kept)


def by_trial(source: Path) -> dict[str, np.ndarray]:
    responses = load_all_responses(
        base_data_path=str(source / "data"),
        stim_type="naturalscene",
        response_type="firing_rate_10ms",
        fr_normalization=1.0,
    )
    # (trials, neurons, frames) becomes (frames, trials, neurons).
    return {
        session: np.ascontiguousarray(data.test_by_trial.transpose(2, 0, 1), dtype=np.float32)
        for session, data in responses.items()
    }


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
