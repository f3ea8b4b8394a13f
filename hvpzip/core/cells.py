"""Where the counts of a colour (Y, Co, Cg) of 8-bit YCoCg-R lie.

Integer arithmetic only: this file reaches the bit stream.
"""

from __future__ import annotations

import mmap
from contextlib import suppress
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["COLOUR_CELLS", "PAIR_CELLS", "cell_of", "no_counts", "rgb_of"]

COLOUR_CELLS = 1 << 26  # Y << 18 | Co + 256 << 9 | Cg + 256
PAIR_CELLS = 1 << 18  # Co + 256 << 9 | Cg + 256


def no_counts() -> tuple[NDArray[np.uint8], NDArray[np.int32]]:
    """Counts of colours uint8 ``(COLOUR_CELLS,)`` and of pairs int32 ``(PAIR_CELLS,)``, all 0.

    A picture touches few of the 64 MB, here and there. So they come straight from the system, in small pages: in huge ones, which numpy
    asks for, nearly all of them would be cleared, which takes a tenth of a second.
    """
    if hasattr(mmap, "MAP_PRIVATE"):
        memory = mmap.mmap(-1, COLOUR_CELLS, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        if hasattr(mmap, "MADV_NOHUGEPAGE"):
            with suppress(OSError):  # a kernel without huge pages
                memory.madvise(mmap.MADV_NOHUGEPAGE)
    else:
        memory = mmap.mmap(-1, COLOUR_CELLS)
    return np.frombuffer(memory, np.uint8), np.zeros(PAIR_CELLS, np.int32)


def rgb_of(y: NDArray[np.int32], co: NDArray[np.int32], cg: NDArray[np.int32]) -> tuple[Any, ...]:
    """Red, green and blue of colours, int32 each, and whether all three are in 0..255."""
    middle = y - (cg >> 1)
    green = cg + middle
    blue = middle - (co >> 1)
    red = blue + co
    return red, green, blue, ((red | green | blue) & ~255) == 0


def cell_of(y: NDArray[np.int32], co: NDArray[np.int32], cg: NDArray[np.int32]) -> tuple[NDArray[np.int32], NDArray[np.bool_]]:
    """Y << 18 | Co + 256 << 9 | Cg + 256 of colours inside the RGB cube, else 0, and whether they are: a line of Cg lies side by side."""
    *_, inside = rgb_of(y, co, cg)
    cell: NDArray[np.int32] = (y << 18) + ((co + 256) << 9) + cg + 256
    return cell * inside, inside
