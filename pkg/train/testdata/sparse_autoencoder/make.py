"""Trains Autoencoder of openretina 1.1.1 for an epoch of three steps: python make.py, which writes steps.npz and steps.json."""
import json
import os

import lightning
import numpy as np
import torch
from openretina.models.sparse_autoencoder import Autoencoder, SparsityMSELoss


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    lightning.seed_everything(7)
    model = Autoencoder(input_dim=4, hidden_dim=9, loss=SparsityMSELoss(0.01), learning_rate=0.01)
    logged = {}
    model.log = lambda name, value, **_: logged.__setitem__(name, float(value))
    arrays = {"before/" + k: v.numpy().copy() for k, v in model.state_dict().items()}
    batches = np.random.default_rng(0).gamma(1.0, 1.0, (3, 5, 4)).astype(np.float32)
    arrays["batches"] = batches
    optimizer = model.configure_optimizers()
    steps = []
    for batch in batches:
        logged.clear()
        optimizer.zero_grad()
        model.training_step((torch.from_numpy(batch)[:, None], None), 0).backward()
        model.on_after_backward()
        optimizer.step()
        steps.append(dict(logged))
    logged.clear()
    model.on_train_epoch_end()
    arrays.update({"after/" + k: v.numpy() for k, v in model.state_dict().items()})
    np.savez_compressed(os.path.join(here, "steps.npz"), **arrays)
    with open(os.path.join(here, "steps.json"), "w", encoding="utf-8") as file:
        json.dump({"steps": steps, "epoch": logged}, file, indent=1)


main()
