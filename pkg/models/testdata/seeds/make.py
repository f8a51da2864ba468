"""Makes miniatures of the files of the eLife ensemble, and what the Python package makes of them.

    python make.py FOLDER

FOLDER gets input.npy (2 clips), and two ensembles as openretina.utils.nnfabrik_model_loading loads
them, of config_SEED.yaml, data_info_SEED.pkl and state_dict_SEED.pth.tar:

elife    three members with the arguments of the published ones, but smaller.
partial  one member with other arguments, whose state dict lacks some tensors.

Each has output_SESSION.npy, the mean of the members' responses in evaluation mode, spread_SESSION.npy,
their standard deviation, centered_SESSION.npy, the mean where the readouts are centred, and
penalties.json, the regularizers of the first member. Layers, log speeds and statistics of
BatchNorm are random.
"""

import functools
import json
import pathlib
import pickle
import sys

import numpy as np
import torch
import yaml
from openretina.legacy import models
from openretina.legacy.models import SFB3d_core_SxF3d_readout
from openretina.utils.nnfabrik_model_loading import Center, load_ensemble_retina_model_from_directory

# The regularizer of release 1.1.1 forgets this argument, and fails.
models.compute_temporal_kernel = functools.partial(models.compute_temporal_kernel, subsampling_factor=3)

SESSIONS = {"session_1_ventral1_20200226": 4, "2_dorsal": 3}
ELIFE = {
    "hidden_channels": (4, 3),
    "temporal_kernel_size": (7, 5),
    "spatial_kernel_size": (5, 3),
    "layers": 2,
    "gamma_hidden": 0.2,
    "gamma_input": 0.3,
    "gamma_temporal": 40.0,
    "gamma_in_sparse": 1.0,
    "final_nonlinearity": True,
    "core_bias": True,
    "momentum": 0.1,
    "input_padding": False,
    "hidden_padding": True,
    "batch_norm": True,
    "batch_norm_scale": False,
    "laplace_padding": None,
    "batch_adaptation": True,
    "readout_scale": True,
    "readout_bias": True,
    "gaussian_masks": True,
    "gamma_readout": 0.4,
    "gamma_masks": 0.1,
    "gaussian_mean_scale": 6.0,
    "gaussian_var_scale": 4.0,
    "initialize_from_roi_masks": False,
    "readout_positive": True,
    "stack": -1,
    "readout_reg_avg": False,
    "use_avg_reg": False,
}
PARTIAL = {
    "hidden_channels": (3, 4, 2),
    "temporal_kernel_size": (5, 3, 4),
    "spatial_kernel_size": (3, 3, 2),
    "layers": 3,
    "gamma_hidden": 0.7,
    "gamma_readout": 0.3,
    "gamma_masks": 0.6,
    "gaussian_masks": True,
    "core_bias": True,
    "input_padding": True,
    "hidden_padding": False,
    "batch_norm_scale": True,
    "laplace_padding": 0,
    "batch_adaptation": False,
    "readout_scale": False,
    "readout_bias": True,
    "readout_reg_avg": True,
    "use_avg_reg": True,
    "nonlinearity": "GELU",
    "final_nonlinearity": False,
    "stack": [1],
}
LACKS = [
    "core.features.layer1.conv.weight_spatial",
    "core.features.layer0.conv._log_speed_default",
    "core.log_speed_2_dorsal",
    "core.features.layer0.conv.log_speed_2_dorsal",
    "core.features.layer1.conv.log_speed_2_dorsal",
    "core.features.layer2.conv.log_speed_2_dorsal",
    "readout.2_dorsal.mask_mean",
    "readout.2_dorsal.features",
    "readout.2_dorsal.bias",
]


class TupleDumper(yaml.SafeDumper):
    """Writes tuples with the tag that the files have."""


TupleDumper.add_representer(tuple, lambda d, v: d.represent_sequence("tag:yaml.org,2002:python/tuple", v))


def data_info(rng):
    return {
        name: {
            "input_dimensions": torch.Size([2, 2, 20, 10, 8]),
            "input_channels": 2,
            "output_dimension": n,
            "img_mean": None,
            "img_std": None,
            "mean_response": rng.random(n).astype(np.float32),
            "roi_coords": rng.random((n, 2)),
        }
        for name, n in SESSIONS.items()
    }


def make(folder, x, rng, seeds, arguments, model_fn, lacks=()):
    folder.mkdir(parents=True, exist_ok=True)
    for seed in seeds:
        info = data_info(rng)
        model = SFB3d_core_SxF3d_readout(None, seed=seed, data_info=info, **arguments)
        generator = torch.Generator().manual_seed(seed)
        model.train()
        with torch.no_grad():
            for name, p in model.named_parameters():
                if p.requires_grad or "log_speed" in name and "default" not in name:
                    p += 0.2 * torch.randn(p.shape, generator=generator)
            for session in SESSIONS:
                model(x + torch.randn(x.shape, generator=generator), session)
        state = {k: v for k, v in model.state_dict().items() if k not in lacks}
        torch.save(state, folder / f"state_dict_{seed:05d}.pth.tar")
        config = {
            "dataset_fn": "nnfabrik_euler.rgcs.datasets.natmov",
            "model_fn": model_fn,
            "model_config": arguments,
            "seed": seed,
        }
        (folder / f"config_{seed:05d}.yaml").write_text(yaml.dump(config, Dumper=TupleDumper))
        with open(folder / f"data_info_{seed:05d}.pkl", "wb") as f:
            pickle.dump(data_info(rng) if lacks else info, f)
    record(folder, x)


@torch.no_grad()
def record(folder, x):
    _, ensemble = load_ensemble_retina_model_from_directory(str(folder), device="cpu")
    first = ensemble.members[0]
    penalties = {s: float(first.readout.regularizer(s)) for s in SESSIONS} | {"core": float(first.core.regularizer())}
    (folder / "penalties.json").write_text(json.dumps(penalties))
    for session in SESSIONS:
        np.save(folder / f"output_{session}.npy", ensemble(x, data_key=session).numpy())
        all_members = torch.stack([m(x, data_key=session) for m in ensemble.members])
        np.save(folder / f"spread_{session}.npy", all_members.std(0, correction=0).numpy())
    _, ensemble = load_ensemble_retina_model_from_directory(str(folder), "cpu", Center((0.0, 0.0)))
    for session in SESSIONS:
        np.save(folder / f"centered_{session}.npy", ensemble(x, data_key=session).numpy())


def main(folder):
    rng = np.random.default_rng(0)
    x = torch.from_numpy(rng.standard_normal((2, 2, 20, 10, 8)).astype(np.float32))
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / "input.npy", x.numpy())
    make(folder / "elife", x, rng, [0, 1000, 2000], ELIFE, "nnfabrik_euler.rgcs.models.SFB3d_core_SxF3d_readout")
    name = "openretina.hoefling_2024.models.SFB3d_core_SxF3d_readout"
    make(folder / "partial", x, rng, [7], PARTIAL, name, LACKS)


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
