"""Writes random .npy, .npz, pickle and torch files and what they hold.

    python random_files.py DIRECTORY SEED COUNT

DIRECTORY/manifest.json lists, for each array of each file, its NumPy type, its shape
and the SHA-256 of its elements in C order, little endian. The Go readers must find the
same (pkg/torch/checkpoint, where OPENRETINA_PYTHON is set). Files *.value are pickles
of plain values; the manifest has a text of each.
"""

import hashlib
import json
import pathlib
import pickle
import random
import sys

import numpy as np
import torch

TYPES = ["f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "b1"]


def random_array(rng):
    """An array of random type, byte order, shape and memory layout."""
    kind = rng.choice(TYPES)
    shape = [rng.choice([0, 1, 2, 3, 5]) if rng.random() < 0.2 else rng.randint(1, 6) for _ in range(rng.randint(0, 5))]
    count = int(np.prod(shape))
    raw = np.frombuffer(rng.randbytes(8 * max(count, 1)), np.uint8)
    values = (raw[:count] % 2).astype("b1") if kind == "b1" else raw.view("u8")[:count].astype("u" + kind[1:]).view(kind)
    array = values.reshape(shape).astype(rng.choice("<>") + kind)
    if array.ndim and rng.random() < 0.3:
        array = array.transpose(rng.sample(range(array.ndim), array.ndim))
    if array.ndim and rng.random() < 0.3:
        array = array[:: rng.choice([1, 2])]
    if rng.random() < 0.3:
        array = np.asfortranarray(array)
    return array


def random_tensor(rng):
    """A tensor that is some view of a storage."""
    array = random_array(rng)
    tensor = torch.from_numpy(np.ascontiguousarray(array.astype(array.dtype.newbyteorder("=")))).reshape(array.shape)
    if tensor.dtype in (torch.uint16, torch.uint32, torch.uint64):
        tensor = tensor.to(torch.int64)
    for _ in range(rng.randint(0, 3)):
        if tensor.ndim == 0:
            break
        axis = rng.randrange(tensor.ndim)
        choice = rng.randrange(4)
        if choice == 0:
            tensor = tensor.transpose(axis, rng.randrange(tensor.ndim))
        elif choice == 1:
            tensor = tensor[tensor.shape[0] // 2 :]
        elif choice == 2:
            tensor = tensor.unsqueeze(axis).expand(*tensor.shape[:axis], 2, *tensor.shape[axis:])
        else:
            tensor = tensor.narrow(axis, 0, max(tensor.shape[axis] - 1, 0))
    return tensor


def random_value(rng, depth=0):
    """A value of Python's own types, with a list that occurs twice now and then."""
    if depth > 4 or rng.random() < 0.4:
        return rng.choice([
            None, True, False, rng.randint(-300, 300), rng.randint(-(2**70), 2**70), rng.randint(-(2**33), 2**33), rng.random() * 10 ** rng.randint(-300, 300),
            rng.randbytes(rng.choice([0, 3, 300])), "".join(chr(rng.choice([10, 39, 92, 65, 255, 8364, 128512])) for _ in range(rng.choice([0, 4, 100]))),
        ])
    items = [random_value(rng, depth + 1) for _ in range(rng.choice([0, 1, 2, 3, 4, 20]))]
    kind = rng.randrange(5)
    if kind == 0:
        return items
    if kind == 1:
        return tuple(items)
    if kind == 2:
        return {f"k{i}": v for i, v in enumerate(items)}
    if kind == 3:
        return {rng.choice([i, float(i) + 0.5, (i, "t"), b"%d" % i]): v for i, v in enumerate(items)}
    return [items, items]


def text(value):
    """A text that is equal for equal values only."""
    if value is None or isinstance(value, bool):
        return repr(value)
    if isinstance(value, int):
        return f"i{value}"
    if isinstance(value, float):
        return "f" + np.float64(value).tobytes().hex()
    if isinstance(value, str):
        return "s" + value.encode().hex()
    if isinstance(value, bytes):
        return "b" + value.hex()
    if isinstance(value, dict):
        return "{" + ",".join(f"{text(k)}:{text(v)}" for k, v in value.items()) + "}"
    start, end = "()" if isinstance(value, tuple) else "[]"
    return start + ",".join(map(text, value)) + end


def describe(array):
    plain = np.asarray(array, order="C").astype(array.dtype.newbyteorder("<"))
    return {"dtype": array.dtype.newbyteorder("=").name, "shape": list(array.shape), "sha256": hashlib.sha256(plain.tobytes()).hexdigest()}


def main(directory, seed, count):
    rng = random.Random(seed)
    directory = pathlib.Path(directory)
    files = []
    for i in range(count):
        arrays = {f"a{j}": random_array(rng) for j in range(rng.randint(1, 4))}
        path = directory / f"{i}.npy"
        with path.open("wb") as f:
            version = rng.choice([None, (1, 0), (2, 0), (3, 0)])
            np.lib.format.write_array(f, arrays["a0"], version=version)
        files.append({"file": path.name, "arrays": {"": describe(arrays["a0"])}})
        path = directory / f"{i}.npz"
        rng.choice([np.savez, np.savez_compressed])(path, **arrays)
        files.append({"file": path.name, "arrays": {k: describe(v) for k, v in arrays.items()}})
        path = directory / f"{i}.pickle"
        path.write_bytes(pickle.dumps(arrays, protocol=rng.randint(0, 5)))
        files.append({"file": path.name, "arrays": {k: describe(v) for k, v in arrays.items()}})
        value = random_value(rng)
        path = directory / f"{i}.value"
        path.write_bytes(pickle.dumps(value, protocol=rng.randint(0, 5)))
        files.append({"file": path.name, "arrays": {}, "value": text(value)})
        tensors = {f"t{j}": random_tensor(rng) for j in range(rng.randint(1, 4))}
        tensors["again"] = tensors["t0"]
        path = directory / f"{i}.pt"
        torch.save(tensors, path, _use_new_zipfile_serialization=rng.random() < 0.5)
        files.append({"file": path.name, "arrays": {k: describe(v.numpy()) for k, v in tensors.items()}})
    (directory / "manifest.json").write_text(json.dumps(files))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
