"""Loads what `openretina models convert` makes of checkpoints.

    python check_converted.py FOLDER CONVERTED PLAIN [FOLDER CONVERTED PLAIN ...]

FOLDER holds checkpoint.ckpt as the Python package wrote it; CONVERTED is that file after a way to
safetensors and back, PLAIN the plain form of it. Prints what differs and exits with 1.
pkg/torch/checkpoint runs it where OPENRETINA_PYTHON names a Python interpreter with openretina.
"""

import pathlib
import sys
import warnings

import torch
from check_checkpoints import differences, outputs
from omegaconf import DictConfig, ListConfig, OmegaConf

warnings.filterwarnings("ignore")


def without_objects(value):
    """Returns a tree without the whole objects that the conversion leaves out."""
    if isinstance(value, (DictConfig, ListConfig)):
        return value
    if isinstance(value, dict):
        return {k: without_objects(v) for k, v in value.items() if not is_object(v)}
    return value


def is_object(value):
    return isinstance(value, torch.nn.Module) or type(value).__module__.startswith("openretina.")


def plain(value):
    """Returns a tree as the plain form has it."""
    if isinstance(value, (DictConfig, ListConfig)):
        return OmegaConf.to_container(value, resolve=True)
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items()}
    return torch.from_numpy(value) if type(value).__module__ == "numpy" else value


def check(folder, converted, plain_path):
    original = torch.load(folder / "checkpoint.ckpt", weights_only=False, map_location="cpu")
    want = without_objects(dict(original.get("hyper_parameters", {})))
    got = torch.load(converted, weights_only=False, map_location="cpu")
    for key in ["epoch", "global_step", "pytorch-lightning_version"]:
        yield from differences(key, original[key], got[key])
    yield from differences("state_dict", dict(original["state_dict"]), dict(got["state_dict"]))
    yield from differences("_metadata", original["state_dict"]._metadata, got["state_dict"]._metadata)
    yield from differences("hyper_parameters", want, dict(got.get("hyper_parameters", {})))
    if len(want) == len(original.get("hyper_parameters", {})):  # nothing was left out
        yield from outputs(folder, converted)
    safe = torch.load(plain_path, weights_only=True, map_location="cpu")
    yield from differences("plain state_dict", dict(original["state_dict"]), dict(safe["state_dict"]))
    yield from differences("plain hyper_parameters", plain(want), safe.get("hyper_parameters", {}))


def main(arguments):
    failed = False
    for folder, converted, plain_path in zip(*(arguments[i::3] for i in range(3))):
        found = list(check(pathlib.Path(folder), converted, plain_path))
        failed = failed or bool(found)
        print(f"{pathlib.Path(folder).name}: {'ok' if not found else '; '.join(found)}", flush=True)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
