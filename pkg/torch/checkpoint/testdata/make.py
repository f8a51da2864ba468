"""Writes the tensor fixtures of this folder with PyTorch: python make.py.

tensors.pt holds views, element types and shared storages, tensors_old.pt the same in
the form before version 1.6, tensors.npz the values (bfloat16 as float32).
"""
import pathlib

import numpy as np
import torch

here = pathlib.Path(__file__).parent
base = torch.arange(24, dtype=torch.float32)
grid = base.reshape(2, 3, 4)
tensors = {
    "whole": grid,
    "permuted": grid.permute(2, 0, 1),
    "sliced": grid[:, 1:, ::2],
    "expanded": base[:3].expand(4, 3),
    "offset": base[5:9],
    "scalar": torch.tensor(2.5),
    "empty": torch.zeros(0, 3),
    "float64": base.double() / 7,
    "float16": base.half(),
    "bfloat16": base.bfloat16(),
    "int8": (base - 12).to(torch.int8),
    "int16": (base - 12).to(torch.int16),
    "int32": (base - 12).to(torch.int32),
    "int64": (base - 12).to(torch.int64),
    "uint8": base.to(torch.uint8),
    "bool": base > 11,
    "parameter": torch.nn.Parameter(grid.clone()),
}
torch.save(tensors, here / "tensors.pt")
torch.save(tensors, here / "tensors_old.pt", _use_new_zipfile_serialization=False)
late = {"uint16": base.to(torch.uint16), "uint32": base.to(torch.uint32), "uint64": base.to(torch.uint64)}
torch.save(late, here / "untyped.pt")
values = {k: v.detach().float().numpy() if k == "bfloat16" else v.detach().numpy() for k, v in (tensors | late).items()}
np.savez_compressed(here / "tensors.npz", **values)
