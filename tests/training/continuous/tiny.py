"""Small pictures of a known kind, and settings of a tiny cascade."""

import numpy as np
from numpy.typing import NDArray

from hvpzip.training.continuous.cascade import CascadeConfig


def smooth_pictures(count: int, side: int = 8, seed: int = 0) -> NDArray[np.uint8]:
    """Random gradients with noise: (count, side, side, 3) uint8."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:side, :side] / side
    slopes, base = rng.normal(0, 40, (2, count, 1, 1, 3)), rng.uniform(60, 200, (count, 1, 1, 3))
    pictures = base + slopes[0] * y[None, ..., None] + slopes[1] * x[None, ..., None] + rng.normal(0, 4, (count, side, side, 3))
    return np.clip(pictures, 0, 255).round().astype(np.uint8)


def tiny_config(**changes: object) -> CascadeConfig:
    return CascadeConfig.from_dict({"map_name": "haar", "side": 8, "widths": [8], "blocks": [1], "noise_0": 3.0, **changes})
