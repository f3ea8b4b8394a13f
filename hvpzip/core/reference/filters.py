"""PNG's filters, in numpy.

Integer arithmetic only: this file reaches the bit stream.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["filter_rows"]

Bytes = NDArray[np.uint8]


def filter_rows(rows: Bytes, above: Bytes, step: int, lines: Bytes) -> None:
    """Write lines (h, 1 + n): every row's filter, and the row with it, by the filter that gives the smallest sum of differences.

    rows: (h, n). above: (n,), the row before the first one; zeros where there is none. step: bytes a pixel, 1..1024.
    """
    size = rows.shape[1]
    left, up, corner = np.zeros_like(rows), np.concatenate([above[None], rows[:-1]])[: len(rows)], np.zeros_like(rows)
    left[:, step:] = rows[:, : max(0, size - step)]
    corner[:, step:] = up[:, : max(0, size - step)]
    a, b, c = (neighbour.astype(np.int16) for neighbour in (left, up, corner))
    from_a, from_b, from_c = abs(b - c), abs(a - c), abs(a + b - 2 * c)
    paeth = np.where((from_a <= from_b) & (from_a <= from_c), a, np.where(from_b <= from_c, b, c)).astype(np.uint8)
    ways = np.stack([rows, rows - left, rows - up, rows - ((a + b) >> 1).astype(np.uint8), rows - paeth])
    cost = np.abs(ways.view(np.int8).astype(np.int16)).sum(axis=2, dtype=np.int64)
    best = cost.argmin(axis=0)
    lines[:, 0] = best
    lines[:, 1:] = ways[best, np.arange(len(rows))]
