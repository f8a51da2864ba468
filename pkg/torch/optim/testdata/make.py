"""Writes optimizers.npz and optimizers.json beside this file: steps of torch.optim on two parameters with given gradients,
of which the second parameter has none in every third step. Needs PyTorch 2.11."""
import json
import os

import numpy as np
import torch

STEPS = 7
CASES = {
    "adamw": {"_target_": "torch.optim.AdamW", "lr": 0.01},
    "adamw_amsgrad": {"_target_": "torch.optim.AdamW", "lr": 0.05, "amsgrad": True, "weight_decay": 0.1},
    "adam": {"_target_": "torch.optim.Adam", "lr": 0.01},
    "adam_all": {"_target_": "torch.optim.Adam", "lr": 0.03, "betas": [0.7, 0.95], "eps": 1e-6, "weight_decay": 0.2,
                 "amsgrad": True, "maximize": True},
    "sgd": {"_target_": "torch.optim.SGD", "lr": 0.1},
    "sgd_momentum": {"_target_": "torch.optim.SGD", "lr": 0.1, "momentum": 0.9, "dampening": 0.3, "weight_decay": 0.05},
    "sgd_nesterov": {"_target_": "torch.optim.SGD", "lr": 0.1, "momentum": 0.8, "nesterov": True, "maximize": True},
}


def main():
    generator = torch.Generator().manual_seed(3)
    start = [torch.randn(3, 4, generator=generator), torch.randn(5, generator=generator)]
    gradients = [[torch.randn(p.shape, generator=generator) for p in start] for _ in range(STEPS)]
    arrays = {f"start/{i}": p.numpy() for i, p in enumerate(start)}
    for step, both in enumerate(gradients):
        for i, gradient in enumerate(both):
            if i == 0 or step % 3 != 2:
                arrays[f"gradient/{step}/{i}"] = gradient.numpy()
    for name, settings in CASES.items():
        options = {key: value for key, value in settings.items() if key != "_target_"}
        params = [p.clone().requires_grad_() for p in start]
        optimizer = getattr(torch.optim, settings["_target_"].rsplit(".", 1)[1])(params, **options)
        for step in range(STEPS):
            for i, p in enumerate(params):
                gradient = arrays.get(f"gradient/{step}/{i}")
                p.grad = None if gradient is None else torch.from_numpy(gradient.copy())
            optimizer.step()
        for i, p in enumerate(params):
            arrays[f"{name}/end/{i}"] = p.detach().numpy()
            for key, value in optimizer.state[p].items():
                if value is not None:
                    arrays[f"{name}/state/{i}/{key}"] = value.numpy()
    here = os.path.dirname(os.path.abspath(__file__))
    np.savez_compressed(os.path.join(here, "optimizers.npz"), **arrays)
    with open(os.path.join(here, "optimizers.json"), "w", encoding="utf-8") as file:
        json.dump(CASES, file, indent=1)


main()
