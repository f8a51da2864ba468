"""Writes the fixtures of this folder with Python and NumPy: python make.py."""
import collections
import json
import pathlib
import pickle

import numpy as np

here = pathlib.Path(__file__).parent
shared = ["one", 2]
cyclic = {"name": "cyclic"}
cyclic["self"] = cyclic
counts = collections.defaultdict(list)
counts["a"].append(1)
ordered = collections.OrderedDict(b=1, a=2)
grid = np.arange(12, dtype="f4").reshape(3, 4)
values = {
    "plain": {
        "none": None, "yes": True, "no": False, "small": 7, "byte": 200, "short": 40000, "negative": -3,
        "int": -(2**31), "long": 2**40, "huge": 2**80, "minus huge": -(2**80), "float": 0.1, "inf": float("inf"),
        "text": "größe 漢 \U0001f600\n'\"\\", "empty": "", "bytes": b"\x00\xffab", "no bytes": b"",
        "tuple0": (), "tuple1": (1,), "tuple2": (1, 2), "tuple3": (1, 2, 3), "tuple4": (1, 2, 3, 4),
        "list": [1, [2, []]], "dict": {}, "keys": {1: "int", (1, "a"): "tuple", None: "none", 2.5: "float", b"k": "bytes"},
        "set": {5}, "frozenset": frozenset([6]), "complex": 1 + 2j, "bytearray": bytearray(b"xyz"),
    },
    "shared": [shared, shared],
    "cyclic": cyclic,
    "kin": [counts, ordered, dict, collections.OrderedDict],
    "arrays": {
        "c": grid, "fortran": np.asfortranarray(grid), "big": grid.astype(">f4"), "big fortran": np.asfortranarray(grid.astype(">f8")),
        "scalar": np.float32(2.5), "zero-d": np.array(7), "bool": np.array([True, False]), "empty": np.zeros((0, 3)),
        "text": np.str_("größe"), "texts": np.array(["a", "bc"]), "objects": np.array([{}, None]),
        "record": np.zeros(2, [("x", "f4")]), "int64": np.int64(-5), "view": grid[:, ::2],
        "permuted": np.arange(24, dtype="f4").reshape(2, 3, 4).transpose(0, 2, 1),
    },
}
files = {}
for name, value in values.items():
    for protocol in range(6):
        files[f"{name} {protocol}"] = pickle.dumps(value, protocol=protocol).hex()
(here / "pickles.json").write_text(json.dumps(files, indent=0) + "\n")
