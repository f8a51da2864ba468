"""Writes the fixtures of this folder with NumPy: python make.py."""
import io
import json
import pathlib

import numpy as np

here = pathlib.Path(__file__).parent
base = np.arange(24).reshape(2, 3, 4) - 5
types = ["f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "b1"]


def saved(array, version=None):
    stream = io.BytesIO()
    np.lib.format.write_array(stream, array, version=version)
    return stream.getvalue()


arrays, files = {}, {}
for kind in types:
    values = np.abs(base) % 2 if kind == "b1" else (np.abs(base) if kind[0] == "u" else base)
    for order, letter in (("<", "le"), (">", "be")):
        array = values.astype(order + kind)
        files[f"{kind}_{letter}_c"] = saved(array)
        files[f"{kind}_{letter}_f"] = saved(np.asfortranarray(array))
files["scalar"] = saved(np.array(2.5))
files["empty"] = saved(np.zeros((3, 0, 2), np.float32))
files["vector"] = saved(np.arange(5, dtype=np.float32))
files["version2"] = saved(base.astype("f4"), (2, 0))
files["version3"] = saved(base.astype("f4"), (3, 0))
files["python2"] = saved(base.astype("f4")).replace(b"(2, 3, 4), }  ", b"(2L,3L,4L), } ")
for name, array in {
    "object": np.array([{}, None]),
    "structured": np.zeros(2, [("a", "f4")]),
    "text": np.array(["ab"]),
    "complex": np.zeros(2, "c8"),
}.items():
    files["bad_" + name] = saved(array)
(here / "arrays.json").write_text(json.dumps({k: v.hex() for k, v in files.items()}, indent=0) + "\n")
content = {"rate": np.linspace(0, 1, 30, dtype="f4").reshape(5, 6), "n": np.int64(7), "größe": np.arange(3.0)}
np.savez(here / "stored.npz", **content)
np.savez_compressed(here / "deflated.npz", **content)
