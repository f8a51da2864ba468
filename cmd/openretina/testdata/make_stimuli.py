"""Writes the HDF5 files that the tests of predict read.

    python make_stimuli.py     (h5py 3.16, HDF5 2.0; run in this directory)
"""

import h5py
import numpy as np

# What a session file of the field holds: the movies and responses of the model
# goldin_time_independent (1 channel, 24 x 20 pixels).
still = np.load("../../../pkg/models/testdata/checkpoints/goldin_time_independent/input.npy")
with h5py.File("session.h5", "w") as f:
    f["test/movie/stimulus"] = still[0].astype("f8")
    f["train/movie/stimulus"] = still
    f["train/movie/responses"] = np.zeros((7, 1), "f4")
    f["name"] = "session_1"

# One long movie for hoefling_low_res, in chunks of many frames and few pixels, as
# h5py chooses them: element i is i % 251, as predict_test.go has it.
shape = (2, 1500, 18, 16)
with h5py.File("movie.h5", "w") as f:
    movie = (np.arange(np.prod(shape)) % 251).astype("u1").reshape(shape)
    f.create_dataset("movie", data=movie, chunks=(1, 700, 9, 16), compression="gzip")
    f["rate"] = 30.0

# A float that is not finite at (1, 3, 2, 1).
with h5py.File("notfinite.h5", "w") as f:
    movie = np.zeros((2, 40, 18, 16), "f4")
    movie[1, 3, 2, 1] = np.inf
    f.create_dataset("movie", data=movie, compression="gzip")
