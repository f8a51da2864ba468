"""Writes more_schedules.json beside this file: learning rates, momenta and states of schedules of PyTorch 2.11 that
schedules.json (of the shared fixtures) does not have."""
import json
import math
import os

import torch

STEPS = 24
METRIC = [1 / (1 + min(i, 6)) + 0.002 * (i % 3) for i in range(STEPS)]
CASES = [
    ("ConstantLR", "AdamW", {"factor": 0.25, "total_iters": 4}),
    ("LinearLR", "AdamW", {"start_factor": 0.2, "end_factor": 0.8, "total_iters": 9}),
    ("PolynomialLR", "SGD", {"total_iters": 12, "power": 0.9}),
    ("MultiStepLR", "AdamW", {"milestones": [5, 2, 5, 0], "gamma": 0.5}),
    ("StepLR", "SGD", {"step_size": 3, "gamma": 0.7}),
    ("ExponentialLR", "Adam", {"gamma": 0.8}),
    ("CosineAnnealingLR", "Adam", {"T_max": 3}),
    ("CosineAnnealingWarmRestarts", "AdamW", {"T_0": 4}),
    ("CosineAnnealingWarmRestarts", "SGD", {"T_0": 2, "T_mult": 3, "eta_min": 0.001}),
    ("OneCycleLR", "SGD", {"max_lr": 0.1, "total_steps": 26, "pct_start": 0.0}),
    ("OneCycleLR", "AdamW", {"max_lr": [0.1], "epochs": 5, "steps_per_epoch": 5, "cycle_momentum": False,
                             "three_phase": True, "div_factor": 3.0, "final_div_factor": 7.0}),
    ("OneCycleLR", "Adam", {"max_lr": 0.1, "total_steps": 24, "pct_start": 0.5, "anneal_strategy": "linear",
                            "base_momentum": 0.7, "max_momentum": [0.9]}),
    ("ReduceLROnPlateau", "AdamW", {"patience": 2, "cooldown": 3, "min_lr": 1e-5}),
    ("ReduceLROnPlateau", "SGD", {"mode": "max", "factor": 0.5, "patience": 1, "threshold_mode": "rel", "threshold": 0.1,
                                  "min_lr": 0.001}),
]


def plain(value):
    if isinstance(value, dict):
        return {str(key): plain(v) for key, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    if isinstance(value, float) and math.isinf(value):
        return str(value)
    return value


def record(scheduler, optimizer, options):
    """Runs one schedule, each step after one of the optimizer's."""
    p = torch.nn.Parameter(torch.ones(1))
    p.grad = torch.ones(1)
    o = getattr(torch.optim, optimizer)([p], lr=0.01)
    s = getattr(torch.optim.lr_scheduler, scheduler)(o, **options)
    rates, momenta = [], []
    for step in range(STEPS):
        group = o.param_groups[0]
        rates.append(group["lr"])
        momenta.append(group["betas"][0] if "betas" in group else group["momentum"])
        o.step()
        s.step(*([METRIC[step]] if scheduler == "ReduceLROnPlateau" else []))
    group = {k: v for k, v in o.param_groups[0].items() if k != "params"}
    return {
        "config": {"_target_": f"torch.optim.lr_scheduler.{scheduler}", **options}, "optimizer": optimizer,
        "rates": rates, "momenta": momenta, "state": plain(s.state_dict()), "group": plain(group),
    }


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    with open(os.path.join(here, "more_schedules.json"), "w", encoding="utf-8") as file:
        json.dump({"metric": METRIC, "cases": [record(*case) for case in CASES]}, file)
        file.write("\n")


main()
