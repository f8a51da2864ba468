"""Makes the golden values of this folder with the Python package openretina 1.1.1.

Usage: make.py FIXTURES, where FIXTURES is the folder `mei` of recorded runs.
Stimuli are kept as a window of 6 x 5 pixels; the start of a run is kept whole.
"""

import json
import pathlib
import sys

import numpy as np
import torch
from openretina.insilico.stimulus_optimization import objective, optimization_stopper, regularizer

ROWS, COLUMNS = slice(6, 12), slice(5, 10)
SIGMA, NORM = 0.5, 30.0
RANGES = [(-0.654, 6.269), (None, 0.5)]


def runs(fixtures, out):
    for name in ("initial_clipped", "initial_small_noise"):
        np.save(out / f"{name}.npy", np.load(fixtures / f"{name}.npy"))
    for name in ("mei_plain", "mei_norm_clip_lowpass", "mei_early_stop", "mei_adam_range_loss"):
        run = json.loads((fixtures / name / "run.json").read_text())
        kept = {k: run[k] for k in ("initial", "objective_before_step", "steps_done") if k in run}
        kept["largest"] = {}
        stimuli = {}
        for path in sorted((fixtures / name).glob("stimulus_*.npy")):
            steps = path.stem.removeprefix("stimulus_")
            stimulus = np.load(path)
            kept["largest"][steps] = float(np.abs(stimulus).max())
            stimuli[steps] = stimulus[..., ROWS, COLUMNS]
        np.savez(out / f"{name}.npz", **stimuli)
        (out / f"{name}.json").write_text(json.dumps(kept, indent=1) + "\n")


def pieces(fixtures, out):
    x = torch.from_numpy(np.load(fixtures / "pieces" / "postprocessors.npz")["input"])
    change = regularizer.ChangeNormJointlyClipRangeSeparately
    low_pass = regularizer.TemporalGaussianLowPassFilterProcessor
    arrays = {
        "input": x,
        "norm_clip": change(RANGES, NORM).process(x),
        "clip": change(RANGES, None).process(x),
        "norm": change([(None, None)] * 2, NORM).process(x),
        "lowpass_5": low_pass(SIGMA, 5).process(x),
        "lowpass_6": low_pass(2 * SIGMA, 6).process(x),
    }
    np.savez(out / "postprocessors.npz", **{k: v.numpy() for k, v in arrays.items()})

    losses = {}
    for name, arguments in {
        "both": (RANGES, 5.0, 0.02),
        "range": (RANGES, None, 1.0),
        "first_channel": (RANGES[:1], None, 1.0),
        "norm": ([], 5.0, 1.0),
    }.items():
        clips = x.clone().requires_grad_()
        each = [regularizer.RangeRegularizationLoss(*arguments).forward(clips[i : i + 1]) for i in range(2)]
        sum(each).backward()
        losses[name] = {"loss": [v.item() for v in each], "gradient": clips.grad[:, :, 7, 2, 3].flatten().tolist()}

    trace = torch.linspace(0, 1, 15) ** 2
    reducers = {"mean": objective.MeanReducer(0).forward(trace).item()}
    for start, length in ((10, 10), (3, 4), (20, 5), (-4, 3), (14, 9), (15, 99)):
        reducers[f"{start} {length}"] = objective.SliceMeanReducer(0, start, length).forward(trace).item()

    course = [1.0, 0.8, 0.85, 0.8, 0.7, 0.75, 0.72, 0.9, 0.95, 0.6, 0.61, 0.62, 0.75, 0.9]
    stops = []
    for patience, min_delta in ((1, 0.0), (2, 0.0), (3, 0.0), (3, 0.1), (2, 0.1), (0, 0.0)):
        stopper = optimization_stopper.EarlyStopper(None, patience, min_delta)
        decisions = []
        for loss in course:
            decisions.append(stopper.early_stop(loss))
            if decisions[-1]:
                break
        stops.append({"patience": patience, "min_delta": min_delta, "stop": decisions})

    torch.manual_seed(42)
    start = torch.randn(1, 2, 50, 18, 16) * 0.1
    values = {
        "range_loss": losses,
        "reducers": reducers,
        "losses": course,
        "early_stopper": stops,
        "start_of_seed_42": {"first": start.flatten()[:5].tolist(), "sum": start.double().sum().item()},
    }
    (out / "values.json").write_text(json.dumps(values, indent=1) + "\n")


if __name__ == "__main__":
    here = pathlib.Path(__file__).parent
    runs(pathlib.Path(sys.argv[1]), here)
    pieces(pathlib.Path(sys.argv[1]), here)
