"""The order of the samples, and the neighbours of each.

Integer arithmetic only: this file reaches the bit stream.

A *front* t holds the pixels (x, y) with x + 2 y = t. What is left of them in their row, and up to one column right of them in the row
above, is on earlier fronts: so a whole front is predicted, coded and learnt from at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Front", "Neighbours", "Trace", "fronts", "num_fronts"]

Int64Array = NDArray[np.int64]

_KEPT: Final = 8  # fronts that are remembered; neighbours are at most four back
_MARGIN: Final = 2  # rows above the first, so that slices of neighbours never begin below 0


class Front(NamedTuple):
    """The pixels (number - 2 y, y) for y = first .. end - 1 of a picture ``width`` wide."""

    number: int
    first: int
    end: int
    width: int

    @property
    def size(self) -> int:
        return self.end - self.first

    def places(self) -> tuple[Int64Array, Int64Array]:
        """(rows, columns) of its pixels."""
        rows = np.arange(self.first, self.end)
        return rows, self.number - 2 * rows


class Neighbours(NamedTuple):
    """Values at W, N, NW, NE, WW, NN and NNE (two above, one to the right) of each pixel of a front, int64 (..., n)."""

    w: Int64Array
    n: Int64Array
    nw: Int64Array
    ne: Int64Array
    ww: Int64Array
    nn: Int64Array
    nne: Int64Array


def num_fronts(height: int, width: int) -> int:
    """How many fronts have pixels."""
    return width + 2 * (height - 1) if width > 1 else height


def fronts(height: int, width: int) -> Iterator[Front]:
    """All fronts with pixels, in order."""
    for number in range(width + 2 * (height - 1)):
        front = Front(number, max(0, (number - width + 2) // 2), min(height - 1, number // 2) + 1, width)
        if front.size > 0:
            yield front


class Trace:
    """Values of the last fronts, for neighbours: one or several values (the leading shape) a pixel."""

    def __init__(self, height: int, *leading: int) -> None:
        self._values = np.zeros((*leading, _KEPT, height + _MARGIN), np.int64)

    def put(self, front: Front, values: Int64Array) -> None:
        """Remember ``values (..., n)`` of a front."""
        self._values[..., front.number % _KEPT, _MARGIN + front.first : _MARGIN + front.end] = values

    def here(self, front: Front) -> Int64Array:
        """What ``put`` remembered of this front."""
        return self._at(front, 0, 0)

    def neighbours(self, front: Front) -> Neighbours:
        """The neighbours; those outside the picture are replaced by others as docs/format.md says."""
        w, n, nw, ne = (self._at(front, *step) for step in ((1, 0), (2, 1), (3, 1), (1, 1)))
        ww, nn, nne = (self._at(front, *step) for step in ((2, 0), (4, 2), (3, 2)))
        number, first, end, width = front
        if first == 0:  # the top row has what is to the left only
            if number == 0:
                w[..., 0] = 0
            if number < 2:
                ww[..., 0] = w[..., 0]
            for values in (n, nw, ne, nn, nne):
                values[..., 0] = w[..., 0]
        if first <= 1 < end:
            nn[..., 1 - first], nne[..., 1 - first] = n[..., 1 - first], ne[..., 1 - first]
        if end > 1:
            column = number - 2 * (end - 1)  # of the lowest pixel
            if column == 0:
                for values in (w, nw, ww):
                    values[..., -1] = n[..., -1]
            elif column == 1:
                ww[..., -1] = w[..., -1]
        if first > 0 and number - 2 * first == width - 1:
            ne[..., 0] = n[..., 0]
            nne[..., 0] = nn[..., 0]
        return Neighbours(w, n, nw, ne, ww, nn, nne)

    def _at(self, front: Front, fronts_back: int, rows_up: int) -> Int64Array:
        low = _MARGIN + front.first - rows_up
        return self._values[..., (front.number - fronts_back) % _KEPT, low : low + front.size].copy()
