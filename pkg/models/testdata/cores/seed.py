"""Writes seed7.json: the first initial weights of each parameter of some cores in a model, drawn by the Python package."""
import json
import os
import warnings

import lightning
from omegaconf import OmegaConf
from openretina.models.core_readout import UnifiedCoreReadout

warnings.filterwarnings("ignore")
READOUT = {
    "_target_": "openretina.modules.readout.multi_readout.MultiGaussianMaskReadout", "scale": True, "bias": True,
    "gaussian_mean_scale": 6.0, "gaussian_var_scale": 4.0, "positive": True,
}
GRU = {"rec_channels": 4, "input_kern": 3, "rec_kern": 5}
CORES = {
    "gru": {"use_gru": True, "use_projections": True, "gru_kwargs": GRU},
    "gru_groups": {"use_gru": True, "gru_kwargs": {**GRU, "groups": 2}, "convolution_type": "full"},
    "separable": {"convolution_type": "separable", "batch_adaptation": True, "batch_norm_scale": False, "use_projections": True},
    "time_independent": {"convolution_type": "time_independent", "temporal_kernel_sizes": 1},
    "conditioned": {"cond_dim": 3, "use_gru": True, "gru_kwargs": GRU},
}


def main():
    models = {}
    for name, settings in CORES.items():
        kind = "ConditionedGRUCore" if name == "conditioned" else "ConvGRUCore"
        core = {
            "_target_": f"openretina.modules.core.gru_core.{kind}", "_convert_": "object", "channels": [2, 3, 4],
            "temporal_kernel_sizes": [6, 3], "spatial_kernel_sizes": [3, 3], **settings,
        }
        lightning.seed_everything(7, verbose=False)
        model = UnifiedCoreReadout(
            in_shape=(2, 12, 6, 5), n_neurons_dict={"b": 2, "a": 3}, core=OmegaConf.create(core),
            readout=OmegaConf.create(READOUT), hidden_channels=(3, 4), data_info={},
        )
        state = {k: v.flatten()[:3].tolist() for k, v in model.state_dict().items()}
        models[name] = {"core": core, "state": state, "parameters": [n for n, _ in model.named_parameters()]}
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "seed7.json"), "w", encoding="utf-8") as file:
        json.dump(models, file, indent=1)


main()
