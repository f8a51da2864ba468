"""Writes initial.json: the first weights of models with each kind of readout, by the Python package.

    python initial.py > initial.json

It needs openretina 1.1.1. A case holds the node `readout` of the model's config and some of its weights by name.
"""

import contextlib
import json
import sys
import warnings

import lightning
import torch
from omegaconf import OmegaConf
from openretina.models.core_readout import UnifiedCoreReadout

warnings.filterwarnings("ignore")
MULTI = "openretina.modules.readout.multi_readout."
# The model of the Go tests, in testdata/../../models_test.go: tinyModel.
CORE = {
    "_target_": "openretina.modules.core.base_core.SimpleCoreWrapper", "channels": "???", "temporal_kernel_sizes": [6, 3],
    "spatial_kernel_sizes": [3, 3], "gamma_input": 0.1, "gamma_temporal": 1.0, "gamma_in_sparse": 0.2, "gamma_hidden": 0.3,
    "cut_first_n_frames": 0, "hidden_padding": True,
}
POINT = {"_target_": MULTI + "MultiSampledGaussianReadout", "bias": True, "init_mu_range": 0.4, "init_sigma_range": 0.2}
FACTORIZED = {
    "_target_": MULTI + "MultiFactorizedReadout", "mask_l1_reg": 1.0, "weights_l1_reg": 1.0, "laplace_mask_reg": 1.0,
    "init_scales": [[0.1, 0.2], [0.3, 0.4]],
}
LNP = {"_target_": MULTI + "MultipleLNPReadout", "nonlinearity": "softplus"}
CASES = {
    "full": POINT,
    "uncorrelated": {**POINT, "gauss_type": "uncorrelated", "bias": False},
    "isotropic, shared": {
        **POINT, "gauss_type": "isotropic", "shared_features": {"match_ids": [5, 3, 5]}, "shared_grid": {"match_ids": [1, 1, 0]},
    },
    "init_grid": {**POINT, "init_grid": {"_target_": "torch.zeros", "size": [1, 3, 1, 2], "_convert_": "all"}},
    "factorized": {**FACTORIZED, "readout_bias": True},
    "factorized, given": {
        **FACTORIZED, "init_scales": None,
        "init_mask": {"_target_": "torch.full", "size": [3, 1, 6, 7], "fill_value": 0.5, "_convert_": "all"},
        "init_weights": {"_target_": "torch.tensor", "data": [[1.0, 2.0, 3.0]] * 4, "_convert_": "all"},
    },
    "lnp": {**LNP, "bias": True},
    "lnp, exp": {**LNP, "nonlinearity": "exp", "smooth_regularizer": "GaussianLaplaceL2", "smooth_weight": 0.5},
    "lnp, no padding": {**LNP, "nonlinearity": "elu", "laplace_padding": 0, "smooth_weight": 0.5, "sparse_weight": 0.2},
    "nonlinearity by get_method": {
        **POINT, "nonlinearity_function": {"_target_": "hydra.utils.get_method", "path": "torch.nn.functional.elu"},
    },
    "nonlinearity by _partial_": {
        **POINT, "nonlinearity_function": {"_target_": "torch.nn.functional.softplus", "_partial_": True, "beta": 2},
    },
}


def weights(readout):
    """The readouts' weights, and the responses to a stimulus: the model's in evaluation mode, the readout's in training."""
    lightning.seed_everything(7)
    model = UnifiedCoreReadout(
        in_shape=(2, 12, 6, 5), hidden_channels=(3, 4), n_neurons_dict={"b": 3, "a": 3}, learning_rate=0.01,
        core=OmegaConf.create(CORE), readout=OmegaConf.create(readout),
        data_info={"mean_activity_dict": {"b": torch.zeros(3), "a": torch.tensor([1.0, 2.0, 3.0])}},
    )
    state = {k: v.tolist() for k, v in model.state_dict().items() if k.startswith("readout.")}
    stimulus = torch.linspace(-1, 1, 2 * 12 * 6 * 5).reshape(1, 2, 12, 6, 5)
    with torch.no_grad():
        responses = model.eval()(stimulus, "a")
        channels, time, height, width = model.readout["a"].in_shape if hasattr(model.readout["a"], "in_shape") else (4, 5, 4, 3)
        features = torch.linspace(-1, 1, 2 * channels * time * height * width).reshape(2, channels, time, height, width)
        torch.manual_seed(3)
        sampled = model.train().readout(features, data_key="a")
    return {
        "readout": readout, "state": state, "responses": responses.tolist(), "sampled": sampled.tolist(),
        "in_shape": [channels, time, height, width], "regularizer": float(model.readout.regularizer("a")),
    }


with contextlib.redirect_stdout(sys.stderr):
    cases = {name: weights(readout) for name, readout in CASES.items()}
json.dump(cases, sys.stdout)
