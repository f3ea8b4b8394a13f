"""Reversible colour lifts on integer samples, chosen by an id that is a byte of the file.

Integer arithmetic only: this file reaches the bit stream.
"""

from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["LIFTS", "NONE", "YCOCG_R", "channel_range", "forward", "inverse"]

NONE: Final = 0
YCOCG_R: Final = 1
LIFTS: Final = (NONE, YCOCG_R)

Int32Array = NDArray[np.int32]


def forward(x: NDArray[np.integer], lift: int) -> Int32Array:
    """Channels of ``x`` after the colour lift, as a new int32 array of the same shape.

    Args:
        x: samples (..., C, H, W) of any integer type that int32 holds; at most 16 bits for the ranges of ``channel_range`` to apply.
        lift: ``NONE`` (any C) or ``YCOCG_R`` (C = 3: R, G, B become Y, Co, Cg).

    Raises:
        TypeError: the samples are not integers, or of a type wider than int32.
        ValueError: the lift is unknown, or does not take this number of channels.
    """
    return _apply(x, lift, _ycocg_r)


def inverse(y: NDArray[np.integer], lift: int) -> Int32Array:
    """Exact inverse of ``forward``: same arguments, same errors. Values are not clamped to any bit depth."""
    return _apply(y, lift, _ycocg_r_inverse)


def channel_range(channels: int, bit_depth: int, lift: int) -> list[tuple[int, int]]:
    """Smallest and largest value of each channel after ``forward``, over all inputs of 0 to ``2**bit_depth - 1``. Both are reached.

    Raises:
        ValueError: ``bit_depth`` outside 1 to 16, or a lift that does not take this number of channels.
    """
    if not 1 <= bit_depth <= 16:
        raise ValueError(f"bit_depth must be 1 to 16, not {bit_depth}")
    _check(channels, lift)
    top = (1 << bit_depth) - 1
    if lift == NONE:
        return [(0, top)] * channels
    return [(0, top), (-top, top), (-top, top)]


def _ycocg_r(x: Int32Array) -> Int32Array:
    red, green, blue = (x[..., c, :, :] for c in range(3))
    orange = red - blue
    middle = blue + (orange >> 1)  # floor((R + B) / 2)
    cg = green - middle
    return np.stack((middle + (cg >> 1), orange, cg), axis=-3)


def _ycocg_r_inverse(y: Int32Array) -> Int32Array:
    luma, orange, cg = (y[..., c, :, :] for c in range(3))
    middle = luma - (cg >> 1)
    blue = middle - (orange >> 1)
    return np.stack((blue + orange, cg + middle, blue), axis=-3)


def _apply(x: NDArray[np.integer], lift: int, ycocg: Callable[[Int32Array], Int32Array]) -> Int32Array:
    if x.ndim < 3:
        raise ValueError(f"expected samples (..., C, H, W), got shape {x.shape}")
    if not np.can_cast(x.dtype, np.int32):
        raise TypeError(f"expected integer samples that int32 holds, got {x.dtype}")
    _check(x.shape[-3], lift)
    samples = x.astype(np.int32)
    return samples if lift == NONE else ycocg(samples)


def _check(channels: int, lift: int) -> None:
    if lift not in LIFTS:
        raise ValueError(f"unknown colour lift {lift}; known are {LIFTS}")
    if channels < 1 or (lift == YCOCG_R and channels != 3):
        raise ValueError(f"colour lift {lift} does not take {channels} channel(s)")
