"""Lets Lightning go on with a checkpoint that openretina wrote while it trained.

    python check_resume.py CHECKPOINT STEPS

Builds the model that the checkpoint describes, and trains it for one more epoch of STEPS batches of
random clips with trainer.fit(ckpt_path=CHECKPOINT). What Lightning restores before the first step must
be what the file holds: the moments of the optimizer, the schedule, epoch, step, and the callbacks.
Exits with 1 where something differs.
"""

import sys

import lightning
import torch
from lightning.pytorch.callbacks import Callback, EarlyStopping, ModelCheckpoint
from openretina.data_io.base_dataloader import DataPoint
from openretina.models.core_readout import UnifiedCoreReadout


class Restored(Callback):
    """Compares what was restored with the file, before the first step."""

    def __init__(self, saved):
        self.saved, self.problems, self.seen = saved, [], False

    def on_train_start(self, trainer, module):
        self.seen = True
        state = trainer.optimizers[0].state_dict()
        want = self.saved["optimizer_states"][0]
        for i, entry in want["state"].items():
            for name, value in entry.items():
                if not torch.equal(torch.as_tensor(state["state"][i][name]), torch.as_tensor(value)):
                    self.problems.append(f"{name} of parameter {i}")
        if state["param_groups"][0]["lr"] != want["param_groups"][0]["lr"]:
            self.problems.append("learning rate")
        schedule = trainer.lr_scheduler_configs[0].scheduler.state_dict()
        for name in ["best", "num_bad_epochs", "last_epoch"]:
            if schedule[name] != self.saved["lr_schedulers"][0][name]:
                self.problems.append(f"schedule: {name} is {schedule[name]}")
        if trainer.global_step != self.saved["global_step"]:
            self.problems.append(f"step {trainer.global_step}")
        if trainer.current_epoch != self.saved["epoch"] + 1:
            self.problems.append(f"epoch {trainer.current_epoch}")
        for callback in trainer.callbacks:
            key = callback.state_key
            if isinstance(callback, (EarlyStopping, ModelCheckpoint)) and key not in self.saved["callbacks"]:
                self.problems.append(f"no state of {key}: {list(self.saved['callbacks'])}")
            elif isinstance(callback, EarlyStopping):
                if float(callback.best_score) != float(self.saved["callbacks"][key]["best_score"]):
                    self.problems.append(f"early stopping: {callback.best_score}")
            elif isinstance(callback, ModelCheckpoint):
                if callback.best_model_path != self.saved["callbacks"][key]["best_model_path"]:
                    self.problems.append(f"model checkpoint: {callback.best_model_path}")


def callbacks(saved):
    """Returns callbacks with the state keys of the file."""
    found = []
    for key, state in saved["callbacks"].items():
        kind, arguments = key.split("{", 1)
        arguments = eval("{" + arguments, {})  # noqa: S307 - of a file that openretina wrote just now
        if kind == "EarlyStopping":
            found.append(EarlyStopping(monitor=arguments["monitor"], mode=arguments["mode"], patience=state["patience"]))
        elif kind == "ModelCheckpoint":
            found.append(ModelCheckpoint(dirpath=state["dirpath"], monitor=arguments["monitor"], mode=arguments["mode"]))
    return found


def batches(model, count):
    generator = torch.Generator().manual_seed(1)
    channels, _, height, width = model.hparams["in_shape"]
    channels = len(model.hparams["core"].get("color_squashing_weights") or [0] * channels)
    out = []
    sessions = list(model.hparams["n_neurons_dict"].items())
    for i in range(count):
        session, neurons = sessions[i % len(sessions)]
        x = torch.randn(2, channels, model.hparams["in_shape"][1], height, width, generator=generator)
        frames = model.forward(x, session).shape[1]
        out.append((session, DataPoint(x, torch.rand(2, frames, neurons, generator=generator))))
    return torch.utils.data.DataLoader(out, batch_size=None)


def main(path, steps):
    saved = torch.load(path, weights_only=False, map_location="cpu")
    model = UnifiedCoreReadout.load_from_checkpoint(path, map_location="cpu", weights_only=False)
    before = {k: v.clone() for k, v in model.state_dict().items()}
    restored = Restored(saved)
    trainer = lightning.Trainer(
        max_epochs=saved["epoch"] + 2, limit_train_batches=steps, logger=False, enable_progress_bar=False,
        enable_model_summary=False, accelerator="cpu", callbacks=[restored, *callbacks(saved)],
    )
    loader = batches(model, steps)
    trainer.fit(model, loader, loader, ckpt_path=path, weights_only=False)
    problems = restored.problems if restored.seen else ["the training did not start"]
    if trainer.global_step != saved["global_step"] + steps:
        problems.append(f"ended at step {trainer.global_step} after {saved['global_step']} + {steps}")
    if all(torch.equal(v, model.state_dict()[k]) for k, v in before.items()):
        problems.append("no weight has moved")
    print(f"{path}: {'; '.join(problems) or 'Lightning goes on'}")
    return int(bool(problems))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], int(sys.argv[2])))
