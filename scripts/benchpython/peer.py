"""The Python package's side of `make bench-python`; scripts/benchpython/main.go is the other one.

    peer.py model                                        makes a checkpoint
    peer.py worker                                       runs one case, call by call
    peer.py predict MODEL STIMULUS RESPONSES THREADS     what a user's script does, start to end
    peer.py train CONFIG THREADS                         a training from scratch

model and worker read requests from stdin and answer on stdout, one JSON object a line. What a
request holds is said in protocol.go.
"""

import contextlib
import gc
import json
import os
import resource
import sys
import time
import types
import warnings


def predict(model_path, stimulus_path, responses_path, threads):
    """Loads a model and a stimulus, and saves the responses of all sessions."""
    import numpy as np
    import torch
    from openretina.models.core_readout import load_core_readout_model

    torch.set_num_threads(int(threads))
    model = load_core_readout_model(model_path, device="cpu")
    model.eval()
    stimulus = torch.from_numpy(np.load(stimulus_path))
    with torch.inference_mode():
        responses = model(stimulus)
    np.save(responses_path, responses.numpy())


class SortedScan:
    """os.scandir with the entries sorted by name."""

    scandir = staticmethod(os.scandir)

    def __init__(self, path="."):
        with self.scandir(path) as entries:
            self.entries = iter(sorted(entries, key=lambda entry: entry.name))

    def __iter__(self):
        return self

    def __next__(self):
        return next(self.entries)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.entries = iter(())


def train(config_path, threads):
    """Trains as `openretina train` does with a config that has been composed."""
    # Lightning reads the best checkpoint for its test with a loader that refuses it otherwise.
    os.environ["TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD"] = "1"
    sys.modules.setdefault("mlflow", types.ModuleType("mlflow"))  # imported there, not needed here
    import torch
    from omegaconf import OmegaConf
    from openretina.cli.train import train_model

    torch.set_num_threads(int(threads))
    os.scandir = SortedScan  # sessions come in directory order; weights are drawn in that of the names here
    config = OmegaConf.load(config_path)
    OmegaConf.set_struct(config, True)
    train_model(config)


def make_model(request):
    """Makes a model of the configs, with weights as after some training, and saves a checkpoint."""
    import hydra
    import torch
    from openretina.models.core_readout import UnifiedCoreReadout

    torch.manual_seed(request["seed"])
    with hydra.initialize_config_dir(request["configs"], version_base="1.3"):
        config = hydra.compose(request["config"], overrides=request["overrides"])
    config.model.n_neurons_dict = request["neurons"]
    channels, _, height, width = config.model.in_shape
    data_info = {"input_shape": (channels, height, width), "n_neurons_dict": dict(request["neurons"])}
    model = UnifiedCoreReadout(data_info=data_info, **config.model)
    unsettle(model, torch.randn(2, channels, 50, height, width))
    save_checkpoint(model, request["path"])
    return {"clip_norm": config.trainer.gradient_clip_val}


def unsettle(model, stimulus):
    """Moves what training would move away from the start, where zeros and ones hide mistakes.

    BatchNorm gets the statistics of the stimulus: with those of the start a fresh core, whose
    weights are small, passes next to nothing on, and responses do not depend on the stimulus.
    """
    import torch

    model.train()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith(("norm.weight", "scale_param")):
                parameter.uniform_(0.5, 1.5)
            elif name.endswith("bias"):
                parameter.normal_(0, 0.1)
            elif name.endswith("mask_mean"):
                parameter.uniform_(-0.1, 0.1)
            elif name.endswith("mask_log_var"):
                parameter.normal_(-0.5, 0.05)
            elif name.endswith("features"):
                parameter.uniform_(0, 2 / parameter.shape[1])
        layers = [module for module in model.modules() if isinstance(module, torch.nn.BatchNorm3d)]
        usual = [layer.momentum for layer in layers]
        for layer in layers:
            layer.momentum = 1.0
        model.core(stimulus)
        for layer, momentum in zip(layers, usual, strict=True):
            layer.momentum = momentum


def save_checkpoint(model, path):
    """Saves as Lightning does, without a training."""
    import lightning

    trainer = lightning.Trainer(
        accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False
    )
    trainer.strategy.connect(model)
    trainer.save_checkpoint(path, weights_only=True)


class Forward:
    """Responses of one session, without gradients."""

    def __init__(self, request, model):
        self.model, self.session = model.eval(), request["session"]
        self.stimulus = load_tensor(request["stimulus"])

    def run(self):
        import torch

        with torch.inference_mode():
            self.responses = self.model.forward(self.stimulus, self.session)

    def results(self):
        return {"responses": self.responses}


class TrainStep:
    """What Lightning does for a batch, less its hooks and its logging."""

    def __init__(self, request, model):
        from openretina.data_io.base_dataloader import DataPoint
        from openretina.utils.optimizer_utils import instantiate_optimizer

        self.model, self.clip_norm, self.losses = model.train(), request["clip_norm"], []
        self.model.log = lambda *arguments, **keywords: None
        self.batch = (request["session"], DataPoint(load_tensor(request["stimulus"]), load_tensor(request["targets"])))
        self.optimizer = instantiate_optimizer(model.optimizer_config, model.parameters(), model.learning_rate)

    def run(self):
        import torch

        loss = self.model.training_step(self.batch, 0)
        self.optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.clip_norm)
        self.optimizer.step()
        self.losses.append(loss.item())

    def results(self):
        import torch

        return {"losses": torch.tensor(self.losses), **self.model.state_dict()}


class MEI:
    """Most exciting stimuli of some neurons, one after another, as openretina's `visualize` makes them."""

    def __init__(self, request, model):
        from openretina.insilico.stimulus_optimization.objective import SliceMeanReducer
        from openretina.insilico.stimulus_optimization.regularizer import (
            ChangeNormJointlyClipRangeSeparately,
            RangeRegularizationLoss,
        )

        self.model, self.session = model.eval(), request["session"]
        self.neurons, self.settings = request["neurons"], request["mei"]
        self.start = load_tensor(request["stimulus"])
        ranges, norm = self.settings["ranges"], self.settings["norm"]
        self.reducer = SliceMeanReducer(axis=0, start=self.settings["start"], length=self.settings["length"])
        self.postprocessor = ChangeNormJointlyClipRangeSeparately(min_max_values=ranges, norm=norm)
        self.penalty = RangeRegularizationLoss(
            min_max_values=ranges, max_norm=self.settings["penalty_norm"], factor=self.settings["penalty"]
        )

    def run(self):
        found = [self.optimize(neuron) for neuron in range(self.neurons)]
        self.stimuli, self.objectives = zip(*found, strict=True)

    def optimize(self, neuron):
        import functools

        import torch
        from openretina.insilico.stimulus_optimization.objective import IncreaseObjective
        from openretina.insilico.stimulus_optimization.optimization_stopper import OptimizationStopper
        from openretina.insilico.stimulus_optimization.optimizer import optimize_stimulus

        class Recorded(IncreaseObjective):
            def forward(self, stimulus):
                score = super().forward(stimulus)
                objectives.append(score.detach())
                return score

        objectives = []
        stimulus = self.start.clone().requires_grad_()
        optimize_stimulus(
            stimulus,
            functools.partial(torch.optim.SGD, lr=self.settings["lr"]),
            Recorded(self.model, neuron_indices=neuron, data_key=self.session, response_reducer=self.reducer),
            OptimizationStopper(max_iterations=self.settings["iterations"]),
            stimulus_regularization_loss=self.penalty,
            stimulus_postprocessor=self.postprocessor,
        )
        return stimulus, torch.stack(objectives)

    def results(self):
        import torch

        return {"stimulus": torch.cat(self.stimuli), "objective": torch.stack(self.objectives)}


KINDS = {"forward": Forward, "train_step": TrainStep, "mei": MEI}


def load_tensor(path):
    import numpy as np
    import torch

    return torch.from_numpy(np.load(path))


class Worker:
    """Answers the requests of one case."""

    def load(self, request):
        import openretina  # noqa: F401
        import torch
        from importlib.metadata import version
        from openretina.models.core_readout import load_core_readout_model

        torch.set_num_threads(request["threads"])
        model = load_core_readout_model(request["model"], device="cpu")
        self.case = KINDS[request["kind"]](request, model)
        return {"versions": f"openretina {version('openretina')}, torch {torch.__version__}"}

    def run(self, request):
        calls = max(request.get("calls", 1), 1)
        start = time.perf_counter()
        for _ in range(calls):
            self.case.run()
        return {"ms": (time.perf_counter() - start) * 1e3 / calls}

    def save(self, request):
        import numpy as np

        np.savez(request["path"], **{name: value.detach().numpy() for name, value in self.case.results().items()})
        return {}

    def idle(self, request):
        """Says how much memory is in use before the case, and starts the count of its peak anew."""
        gc.collect()
        peak = memory("VmHWM")
        size = memory("VmRSS")
        try:
            with open("/proc/self/clear_refs", "w") as file:
                file.write("5")
        except OSError:
            return {"bytes": size, "peak_before": peak, "whole_life": True}
        return {"bytes": size, "peak_before": peak}

    def peak(self, request):
        return {"bytes": memory("VmHWM")}

    def model(self, request):
        return make_model(request)


def memory(key):
    """Reads bytes from /proc/self/status; the peak of the whole life where there is no such file."""
    try:
        with open("/proc/self/status") as file:
            for line in file:
                if line.startswith(key + ":"):
                    return int(line.split()[1]) * 1024
    except OSError:
        pass
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def serve():
    """Answers requests until stdin ends. What libraries print goes to stderr."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    worker = Worker()
    for line in sys.stdin:
        request = json.loads(line)
        try:
            answer = getattr(worker, request["op"])(request)
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), file=answers)


def main():
    warnings.filterwarnings("ignore")
    if sys.argv[1:2] == ["predict"]:
        predict(*sys.argv[2:])
    elif sys.argv[1:2] == ["train"]:
        train(*sys.argv[2:])
    else:
        with contextlib.suppress(KeyboardInterrupt):
            serve()


if __name__ == "__main__":
    main()
