"""Records what Lightning's ModelCheckpoint and EarlyStopping decide, in golden.json.

The real callbacks are driven by a stand-in for the trainer, which calls their hooks in
the order of Lightning's loops and writes empty files for checkpoints. Needs lightning.
"""

import json
import os
import random
import tempfile
from datetime import timedelta
from types import SimpleNamespace

import torch
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint
from lightning.pytorch.trainer.states import TrainerFn

BATCHES = 3  # of an epoch


class Strategy:
    def broadcast(self, value):
        return value

    def reduce_boolean_decision(self, decision, all=True):
        return decision

    def barrier(self):
        pass

    def remove_checkpoint(self, path):
        os.remove(path)


class Trainer(SimpleNamespace):
    def save_checkpoint(self, path, weights_only=False):
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as f:
            f.write("weights" if weights_only else "all")


def new_trainer(check_val):
    return Trainer(
        strategy=Strategy(), callback_metrics={}, current_epoch=0, global_step=0, fast_dev_run=False, sanity_checking=False,
        state=SimpleNamespace(fn=TrainerFn.FITTING), check_val_every_n_epoch=check_val, val_check_interval=1.0,
        num_val_batches=[2], enable_validation=True, is_global_zero=True, loggers=[], ckpt_path=None, should_stop=False,
        fit_loop=SimpleNamespace(epoch_loop=SimpleNamespace(
            batch_progress=SimpleNamespace(is_last_batch=False), val_loop=SimpleNamespace(_has_run=False))),
    )


def listing(root):
    found = {}
    for folder, _, names in os.walk(root):
        for name in names:
            path = os.path.join(folder, name)
            found[os.path.relpath(path, root)] = "link" if os.path.islink(path) else open(path).read()
    return found


def run_checkpoints(arguments, check_val, values):
    """values: for each epoch (train_loss, val_loss, val_score)."""
    root = os.path.realpath(tempfile.mkdtemp())
    callbacks = [ModelCheckpoint(dirpath=os.path.join(root, a.pop("dir", "")), **a) for a in map(dict, arguments)]
    module = SimpleNamespace(automatic_optimization=True)
    trainer = new_trainer(check_val)
    relative = lambda p: os.path.relpath(p, root) if p else ""
    states = []

    def snapshot():
        states.append({
            "files": listing(root),
            "callbacks": [{
                "best": relative(c.best_model_path), "kth": relative(c.kth_best_model_path), "last": relative(c.last_model_path),
                "score": None if c.best_model_score is None else float(c.best_model_score),
                "scores": {relative(p): repr(float(s)) for p, s in c.best_k_models.items()},
            } for c in callbacks],
        })

    for c in callbacks:
        c.setup(trainer, module, "fit")
        c.on_train_start(trainer, module)
    for epoch, (train_loss, val_loss, val_score) in enumerate(values):
        trainer.current_epoch = epoch
        for batch in range(BATCHES):
            trainer.global_step += 1
            trainer.fit_loop.epoch_loop.batch_progress.is_last_batch = batch == BATCHES - 1
            for c in callbacks:
                c.on_train_batch_end(trainer, module, None, None, batch)
            snapshot()
        if (epoch + 1) % check_val == 0:
            trainer.fit_loop.epoch_loop.val_loop._has_run = True
            trainer.callback_metrics |= {"val_loss": torch.tensor(val_loss), "val/score": torch.tensor(val_score)}
            for c in callbacks:
                c.on_validation_end(trainer, module)
        trainer.callback_metrics |= {"train_loss": torch.tensor(train_loss)}
        for c in callbacks:
            c.on_train_epoch_end(trainer, module)
        snapshot()
    for c in callbacks:
        c.on_train_end(trainer, module)
    snapshot()
    return [c.state_key for c in callbacks], states


def checkpoint_cases():
    random.seed(6)
    one = lambda **a: [a]
    nan = float("nan")
    losses = lambda n: [(round(random.uniform(90, 100), 3), random.choice([0.5, 0.25, round(random.random(), 4)]),
                         round(random.random(), 5)) for _ in range(n)]
    best = dict(monitor="val_loss", filename="{epoch:02d}_{val_loss:.3f}")
    cases = [
        (one(), 1, losses(3)),
        (one(save_top_k=-1), 1, losses(3)),
        (one(save_top_k=0), 1, losses(2)),
        (one(save_top_k=0, save_last=True), 1, losses(2)),
        (one(**best), 1, losses(6)),
        (one(**best, mode="max"), 1, losses(6)),
        (one(**best, save_top_k=3), 1, losses(8)),
        (one(**best, save_top_k=2, mode="max", save_last=True), 1, losses(8)),
        (one(**best, save_top_k=-1), 1, losses(4)),
        (one(**best, save_top_k=2, save_last="link"), 1, losses(6)),
        (one(**best, save_top_k=2), 1, [(1.0, nan, 0.1), (1.0, 0.5, 0.1), (1.0, nan, 0.2), (1.0, 0.4, 0.1), (1.0, 0.4, 0.1)]),
        (one(monitor="val_loss", filename="same", save_top_k=2), 1, losses(6)),
        (one(monitor="val_loss", filename="same", save_top_k=1), 1, losses(6)),
        (one(monitor="val_loss", filename="same", save_top_k=2, enable_version_counter=False), 1, losses(4)),
        (one(monitor="val/score", filename="{epoch}-{val/score:.2f}", save_top_k=2, mode="max"), 1, losses(5)),
        (one(monitor="val/score", filename="e{epoch:d}-s{val/score:.2f}", auto_insert_metric_name=False, mode="max"), 1, losses(5)),
        (one(filename="{epoch:03d}_{step:5d}_{train_loss}_{absent:d}_{absent:.2f}", save_top_k=-1), 1, losses(3)),
        (one(filename="{epoch_step}-{epoch}-{step}-{epoch}", save_top_k=-1), 1, losses(2)),
        (one(every_n_train_steps=2), 1, losses(3)),
        (one(every_n_train_steps=2, save_top_k=-1, save_last=True), 1, losses(3)),
        (one(**best, every_n_train_steps=2, save_top_k=2), 1, losses(4)),
        (one(**best, every_n_train_steps=3, save_top_k=2, save_on_train_epoch_end=False), 1, losses(4)),
        (one(**best, every_n_train_steps=2, save_top_k=3, save_on_train_epoch_end=False), 1, losses(4)),
        (one(**best, every_n_train_steps=1, save_top_k=2), 2, losses(5)),
        (one(**best, every_n_epochs=2, save_top_k=2), 1, losses(6)),
        (one(every_n_epochs=3, save_top_k=-1), 1, losses(7)),
        (one(**best, save_on_train_epoch_end=True), 1, losses(4)),
        (one(**best, save_on_train_epoch_end=False), 1, losses(4)),
        (one(**best, save_top_k=2), 2, losses(7)),
        (one(**best, save_top_k=2, save_on_train_epoch_end=True), 2, losses(7)),
        (one(**best, save_weights_only=True, save_last=True), 1, losses(4)),
        (one(train_time_interval=0, save_top_k=-1), 1, losses(2)),
        (one(train_time_interval=7200, **best), 1, losses(2)),
        ([dict(**best), dict(monitor="val/score", mode="max", filename="score-{epoch}", save_top_k=2)], 1, losses(6)),
        ([dict(**best, save_last=True), dict(every_n_train_steps=2, save_last=True)], 1, losses(4)),
        ([dict(**best, dir="a", save_last=True), dict(every_n_epochs=2, dir="b", save_last=True, save_top_k=-1)], 1, losses(4)),
        ([dict(every_n_train_steps=2, filename="x"), dict(every_n_epochs=1, filename="x", save_top_k=-1)], 1, losses(3)),
    ]
    for arguments, check_val, values in cases:
        timed = [{k: timedelta(seconds=v) if k == "train_time_interval" else v for k, v in a.items()} for a in arguments]
        keys, states = run_checkpoints(timed, check_val, values)
        yield {"arguments": arguments, "check_val": check_val, "values": [[repr(v) for v in row] for row in values],
               "keys": keys, "states": states}


def stopping_cases():
    random.seed(7)
    inf, nan = float("inf"), float("nan")
    walk = lambda n: [round(random.uniform(0, 1), 2) for _ in range(n)]
    for arguments, values in [
        (dict(), walk(12)), (dict(mode="max"), walk(12)), (dict(patience=0), walk(4)), (dict(patience=1, mode="max"), walk(8)),
        (dict(min_delta=0.1), walk(12)), (dict(min_delta=0.1, mode="max"), walk(12)), (dict(min_delta=-0.3, mode="max"), walk(12)),
        (dict(min_delta=0.1), [0.5, 0.4, 0.4, 0.3, 0.2, 0.1, 0.05]), (dict(min_delta=0.1, mode="max"), [0.1, 0.2, 0.3, 0.35, 0.4, 0.5]),
        (dict(), [0.5, nan, 0.4]), (dict(check_finite=False), [0.5, nan, 0.4, nan, nan, nan]), (dict(), [0.5, inf]),
        (dict(check_finite=False, mode="max"), [0.5, inf, 0.4, 0.3, 0.2]),
        (dict(stopping_threshold=0.1), [0.5, 0.1, 0.09, 0.3]), (dict(stopping_threshold=0.9, mode="max"), [0.5, 0.9, 0.91]),
        (dict(divergence_threshold=0.9), [0.5, 0.9, 0.91]), (dict(divergence_threshold=0.2, mode="max"), [0.5, 0.2, 0.19]),
        (dict(patience=2), [0.3, 0.3, 0.3, 0.3]),
    ]:
        e = EarlyStopping("val_loss", **arguments)
        trainer = new_trainer(1)
        e.setup(trainer, None, "fit")
        states = []
        for epoch, value in enumerate(values):
            trainer.current_epoch = epoch
            trainer.callback_metrics["val_loss"] = torch.tensor(value)
            e.on_train_epoch_end(trainer, None)
            states.append({"stop": trainer.should_stop, "wait": e.wait_count, "best": repr(float(e.best_score)),
                           "reason": e.stopping_reason.value, "epoch": e.stopped_epoch})
            if trainer.should_stop:
                break
        yield {"arguments": arguments, "values": [repr(v) for v in values], "key": e.state_key, "states": states}


if __name__ == "__main__":
    here = os.path.dirname(os.path.abspath(__file__))
    with open(os.path.join(here, "golden.json"), "w") as f:
        json.dump({"checkpoints": list(checkpoint_cases()), "stopping": list(stopping_cases())}, f, separators=(",", ":"))
        f.write("\n")
