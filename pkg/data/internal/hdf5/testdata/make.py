"""Writes the HDF5 files that the tests of this package read.

    python make.py     (h5py 3.16, HDF5 2.0; run in this directory)
"""

import h5py
import numpy as np

rng = np.random.default_rng(0)


def kinds(path, **options):
    """One of each kind of value and layout."""
    with h5py.File(path, "w", **options) as f:
        counts = np.arange(24).reshape(2, 3, 4)
        for name in ["i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f4", "f8", ">f4", ">f8", ">i4", "f2"]:
            f.create_dataset("numbers/" + name.replace(">", "big_"), data=counts.astype(name))
        f["bool"] = np.array([True, False, True])
        f["bits"] = np.array([2**53 + 1, -(2**53) - 1])
        f["scalar"] = 2.5
        f["empty"] = np.zeros((0, 3))
        f["never_written"] = h5py.Empty("f4")
        f.create_dataset("fill", (4, 4), "f4", fillvalue=7, chunks=(2, 2))
        packed = dict(chunks=(1, 2, 3), compression="gzip", shuffle=True, fletcher32=True)
        f.create_dataset("packed", data=counts.astype("f4"), **packed)
        f.create_dataset("text", data=["left", "µm", ""], dtype=h5py.string_dtype())
        f.create_dataset("fixed", data=np.array([b"right", b"x"]))
        f["text_scalar"] = "eye"
        f["compound"] = np.array([(1, 2.0)], dtype=[("a", "i4"), ("b", "f8")])
        f["complex"] = np.array([1 + 2j])
        f["references"] = np.array([f["scalar"].ref], dtype=h5py.ref_dtype)
        f["nan"] = np.array([np.nan, np.inf])
        f["type"] = np.dtype("f8")
        group = f.create_group("facts")
        group.attrs["eye"] = "left"
        group.attrs["number"] = 3
        group.attrs["flag"] = True
        group.attrs["list"] = [1.5, 2.5]
        group.attrs["names"] = ["a", "b"]
        group.attrs["bytes"] = np.bytes_("abc")
        group.attrs["empty"] = h5py.Empty("f4")
        group.attrs["pair"] = np.array([(1, 2.0)], dtype=[("a", "i4"), ("b", "f8")])
        many = f.create_group("many")
        for i in range(30):
            many.attrs[f"a{i:02}"] = i
            many.create_dataset(f"d{i:02}", data=i)


def ordered(path):
    with h5py.File(path, "w", track_order=True) as f:
        for name in "cab":
            f[name] = 1


def reaching_out(path):
    """Everything that leads out of the file or around its checks."""
    with h5py.File(path, "w", libver="latest") as f:
        f["real/data"] = np.arange(3.0)
        f["soft"] = h5py.SoftLink("/real/data")
        f["soft_group"] = h5py.SoftLink("/real")
        f["dangling"] = h5py.SoftLink("/nowhere")
        f["external"] = h5py.ExternalLink("kinds.h5", "/scalar")
        f["loop"] = h5py.SoftLink("/loop")
        f["hard"] = f["real/data"]
        f["hard_loop"] = f["/"]
        f.create_dataset("elsewhere", (4,), "f8", external=[("elsewhere.bin", 0, 32)])
        layout = h5py.VirtualLayout(shape=(3,), dtype="f8")
        layout[:] = h5py.VirtualSource("kinds.h5", "scalar_x", shape=(3,))
        f.create_virtual_dataset("virtual", layout)
        f.create_dataset("lzf", data=np.zeros(1000), compression="lzf")
        f.create_dataset("scaled", data=np.zeros(1000, "i4"), scaleoffset=2)
        f.create_dataset("bomb", (1 << 40,), "f8", chunks=(1 << 10,))
        f.create_dataset("wide", (1 << 20, 1 << 20, 1 << 10), "f8", chunks=(1, 1, 1 << 10))
        f.create_dataset("big_chunk", (1 << 27,), "f8", chunks=(1 << 27,))
        f.create_dataset("declared", (1 << 33,), "f8")


kinds("kinds.h5")
kinds("kinds_latest.h5", libver="latest")
kinds("kinds_user_block.h5", userblock_size=1024)
ordered("ordered.h5")
reaching_out("reaching_out.h5")
