#!/usr/bin/env python3
"""Prints what Optuna's samplers find on the problems of sampler_test.go.

Needs optuna (5.0.0 was compared) and numpy. TestTPEBeatsRandom prints the same of
ours: go test -v -run TPEBeatsRandom ./pkg/sweep
"""

import math
import warnings

import numpy as np
import optuna

warnings.simplefilter("ignore")
optuna.logging.set_verbosity(optuna.logging.ERROR)

SEEDS, TRIALS = 40, 60


def sphere(trial):
    return sum((trial.suggest_float(f"x{i}", -5, 10) - i) ** 2 for i in range(5))


def branin(trial):
    x0, x1 = trial.suggest_float("a", -5, 10), trial.suggest_float("b", 0, 15)
    b, c, t = 5.1 / (4 * math.pi**2), 5 / math.pi, 1 / (8 * math.pi)
    return (x1 - b * x0 * x0 + c * x0 - 6) ** 2 + 10 * (1 - t) * math.cos(x0) + 10


def model(trial):
    lr = math.log10(trial.suggest_float("lr", 1e-5, 1, log=True)) + 2.5
    width = math.log2(trial.suggest_int("width", 8, 512, log=True)) - 6
    layers = trial.suggest_int("layers", 1, 9, step=2)
    dropout = trial.suggest_float("dropout", 0, 0.5)
    kind = {"a": 1, "b": 0, "c": 0.5, "d": 2}[trial.suggest_categorical("kind", list("abcd"))]
    return lr * lr + width * width / 4 + abs(layers - 5) / 4 + 4 * (dropout - 0.1) ** 2 + kind


def tpe(multivariate):
    return lambda seed: optuna.samplers.TPESampler(seed=seed, multivariate=multivariate, constant_liar=False)


SAMPLERS = {
    "random": lambda seed: optuna.samplers.RandomSampler(seed=seed),
    "TPE": tpe(multivariate=False),
    "TPE multivariate": tpe(multivariate=True),
}

for problem in (sphere, branin, model):
    for name, sampler in SAMPLERS.items():
        best = []
        for seed in range(SEEDS):
            study = optuna.create_study(sampler=sampler(seed))
            study.optimize(problem, n_trials=TRIALS)
            best.append(study.best_value)
        median, low, high = np.quantile(best, [0.5, 0.25, 0.75])
        print(f"{problem.__name__}: {name} {median:.3f} ({low:.3f} to {high:.3f})", flush=True)
