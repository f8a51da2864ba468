"""Writes edge.npz: STAs at the edges of what occurs, and the filters that the Python
package openretina 1.1.1 makes of them. python edge.py, beside this file."""

import numpy as np
from openretina.utils.sta_processing import extract_filters_from_sta, gaussian_2d

rng = np.random.default_rng(7)


def sta(cx, cy, sx, sy, theta, amplitude, shape=(16, 19), frames=(0.2, -0.5, 1.0, -0.1), noise=0.02):
    grid = np.meshgrid(np.arange(shape[1]), np.arange(shape[0]))
    picture = gaussian_2d(grid, cx, cy, sx, sy, theta, amplitude).reshape(shape)
    clean = np.array(frames)[:, None, None] * picture
    return (clean + noise * rng.standard_normal(clean.shape)).astype(np.float32)


cases = {
    "off_cell": (sta(8.3, 7.6, 2.5, 1.4, 0.4, -2.0), {}),
    "corner": (sta(0.4, 0.2, 2.0, 1.5, 0.3, 1.0), {}),
    "beyond_the_corner": (sta(-1.0, 16.5, 3.0, 2.0, 0.9, 1.0), {}),
    "smaller_than_a_pixel": (sta(9.0, 8.0, 0.35, 0.4, 0.0, 3.0), {}),
    "larger_than_the_picture": (sta(9.2, 8.1, 40.0, 30.0, 0.2, 1.0), {}),
    "halfway_between_pixels": (sta(8.5, 7.5, 2.0, 1.2, 0.7, 1.0, noise=0.0), {}),
    "long_and_thin": (sta(8.0, 7.0, 5.0, 0.8, -0.6, 1.0), {}),
    "last_frames": (sta(8.0, 7.0, 2.0, 1.5, 0.5, 1.0), {"temporal_crop_frames": 2}),
    "more_frames_than_there_are": (sta(8.0, 7.0, 2.0, 1.5, 0.5, 1.0), {"temporal_crop_frames": 9}),
    "one_sigma": (sta(8.0, 7.0, 3.0, 2.0, 0.5, 1.0), {"sigma_contour": 1.0}),
    "float64": (sta(8.0, 7.0, 3.0, 2.0, 0.5, 1.0).astype(np.float64), {}),
    "integers": ((100 * sta(8.0, 7.0, 3.0, 2.0, 0.5, 1.0)).astype(np.int16), {}),
    "one_frame": (sta(8.0, 7.0, 3.0, 2.0, 0.5, 1.0, frames=(1.0,)), {}),
    "zeros": (np.zeros((3, 8, 9), np.float32), {}),
    "one_row": (sta(8.0, 0.0, 3.0, 2.0, 0.0, 1.0, shape=(1, 19)), {}),
    "nan": (np.where(np.arange(19) == 3, np.nan, sta(8.0, 7.0, 3.0, 2.0, 0.5, 1.0)).astype(np.float32), {"temporal_crop_frames": 2}),
    "infinite": (np.full((2, 5, 6), np.inf, np.float32), {}),
}
arrays = {}
for name, (array, options) in cases.items():
    spatial, temporal, g = extract_filters_from_sta(array, **options)
    keys = ["center_x", "center_y", "sigma_x", "sigma_y", "theta", "amplitude", "success"]
    arrays[f"{name}/sta"] = array
    arrays[f"{name}/options"] = np.array([options.get("temporal_crop_frames", 0), options.get("sigma_contour", 3.0)])
    arrays[f"{name}/spatial"], arrays[f"{name}/temporal"] = spatial, temporal
    arrays[f"{name}/gaussian"] = np.array([float(g[k]) for k in keys])
np.savez_compressed("edge.npz", **arrays)
