"""The standard matrices from luma and chroma to RGB, and which colours they reach.

Integer arithmetic only: this file reaches the bit stream.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hvpzip.core import kernels
from hvpzip.core.cells import rgb_of
from hvpzip.threads import current_threads

__all__ = ["MATRICES", "Matrix", "choose_matrix", "reachable"]

Int64Array = NDArray[np.int64]


class Matrix(NamedTuple):
    """A conversion to RGB in units of 2**-16: channel = (luma * Y + ... + offset) >> 16, then clipped, for Y in 0..255 and integer Cb, Cr.

    R = luma Y + red Cr, G = luma Y - green_blue Cb - green_red Cr, B = luma Y + blue Cb; a rounding offset each.
    """

    name: str
    luma: int
    red: int
    green_blue: int
    green_red: int
    blue: int
    offset: tuple[int, int, int]

    def numbers(self) -> Int64Array:
        """int64 (8,), as kernels take it."""
        return np.array([*self[1:6], *self.offset], np.int64)


_HALF = (1 << 15, 1 << 15, 1 << 15)
# By id; 0 is none. Photo CD's converters cut off instead of rounding; what they add to green differs: eighths are tried.
MATRICES: tuple[Matrix | None, ...] = (
    None,
    Matrix("JPEG", 65536, 91881, 22554, 46802, 116130, _HALF),
    Matrix("BT.601, video range", 76309, 104597, 25675, 53279, 132201, _HALF),
    Matrix("BT.709, full range", 65536, 103206, 12276, 30679, 121609, _HALF),
    Matrix("BT.709, video range", 76309, 117489, 13975, 34925, 138438, _HALF),
    *(Matrix(f"Photo CD, green + {k}/8", 89024, 119374, 28198, 60761, 145352, (0, k << 13, 0)) for k in range(8)),
)


@cache
def reachable(matrix: int) -> NDArray[np.uint8]:
    """Which colours a matrix reaches: bit cell % 8 of byte cell // 8, see ``core.cells``; uint8 (2**23,), or (0,) for none, read-only.

    matrix: a place in ``MATRICES``.
    """
    entry = MATRICES[matrix]
    found = np.zeros(0 if entry is None else 1 << 23, np.uint8)
    if entry is not None:
        kernels().fill_reachable(entry.numbers(), found)
    found.flags.writeable = False
    return found


def choose_matrix(pixels: NDArray[np.integer]) -> int:
    """Id of the matrix that reaches clearly more of the pixels (Y, Co, Cg) ``(3, n)`` than chance, or 0: the encoder's choice."""
    y, co, cg = (channel[:: max(1, pixels.shape[1] >> 11)].astype(np.int32) for channel in pixels)
    *rgb_planes, inside = rgb_of(y, co, cg)
    rgb = np.stack(rgb_planes)[:, inside].astype(np.int64)
    rgb = rgb[:, ((rgb > 0) & (rgb < 255)).all(0)]  # clipped colours say nothing
    best, best_lift = 0, 95  # in 64ths: half as many again as chance, at least
    for number, entry in enumerate(MATRICES):
        if entry is None or rgb.shape[1] < 256:
            continue
        # The share that chance would reach: one over the determinant.
        volume = entry.luma * (entry.green_blue * entry.red + entry.green_red * entry.blue + entry.red * entry.blue) >> 32
        lift = 64 * int(_reached(entry, rgb).sum()) * volume // (rgb.shape[1] << 16)
        if lift > best_lift:
            best, best_lift = number, lift
    return best


def _reached(matrix: Matrix, rgb: Int64Array) -> NDArray[np.bool_]:
    """Whether the matrix reaches each of the colours ``(3, n)``: every luma leaves at most one chroma for red, and one for blue."""
    result = np.empty(rgb.shape[1], np.bool_)
    kernels().find_reached(matrix.numbers(), np.ascontiguousarray(rgb), current_threads(), result)
    return result
