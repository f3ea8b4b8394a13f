"""The loops of ``lattice.py`` compiled by numba: the same integers, several times as fast.

Integer arithmetic only: this file reaches the bit stream.

Nothing here defines the format; tests/codec/test_lattice.py holds the two against each other. ``ans.backend`` chooses.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hvpzip.ans.kernels import jit

__all__ = ["contexts", "scores", "tally"]

Int64Array = NDArray[np.int64]
Int16Array = NDArray[np.int16]


@jit
def contexts(
    y: Int64Array,
    co: Int64Array,
    first: Int64Array,
    colours: NDArray[np.uint8],
    pairs: NDArray[np.int32],
    reachable: NDArray[np.bool_],
    seen: Int16Array,
    around: Int16Array,
    reach: int,
    enough: int,
    out: Int16Array,
) -> None:
    """Write the contexts of the symbols first, first + 1, ... of every row into ``out (n, length)``: mirrors ``Lattice._contexts``.

    reachable: bool (2**24,), or (1,) where there is no matrix. seen, around: the tables of classes, in units of contexts.
    """
    length = out.shape[1]
    span = length + 2 * reach
    counts, times, colour = np.zeros(span, np.int64), np.zeros(span, np.int64), np.zeros(span, np.int64)
    matrix = np.int64(reachable.size > 1)
    last = np.int64(seen[255] + around[-1] + 8)  # one past all contexts of the unreachable colours
    for i in range(y.size):
        counted, timed = 0, 0
        for j in range(span):
            cg = first[i] + j - reach
            middle = y[i] - (cg >> 1)
            green = cg + middle
            blue = middle - (co[i] >> 1)
            red = blue + co[i]
            if (red | green | blue) & ~255 == 0:
                colour[j] = (red << 16) | (green << 8) | blue
                counts[j] = colours[colour[j]]
                times[j] = pairs[((co[i] & 511) << 9) | (cg & 511)]
            else:
                colour[j], counts[j], times[j] = -1, 0, 0
            counted += counts[j]
            timed += times[j]
            if j < 2 * reach:
                continue
            k = j - 2 * reach  # the symbol whose neighbours are k..j
            place = k + reach
            if colour[place] < 0:
                out[i, k] = -1
            else:
                mine, beside, ratio = times[place] << 4, timed - times[place], np.int64(0)
                if beside >= enough:
                    ratio = (
                        1
                        + np.int64((mine << 3) >= beside)
                        + np.int64((mine << 2) >= beside)
                        + np.int64((mine << 1) >= beside)
                        + np.int64(mine >= beside)
                        + np.int64(mine >= beside << 1)
                        + np.int64(mine >= beside << 2)
                    )
                found = np.int64(seen[counts[place]]) + np.int64(around[counted - counts[place]]) + ratio
                if matrix and reachable[colour[place]]:
                    found += last
                out[i, k] = found
            counted -= counts[k]
            timed -= times[k]


@jit
def tally(context: Int16Array, freqs: NDArray[np.int32], expected: Int64Array) -> None:
    """Add each frequency to its context's; context -1 is left out."""
    for i in range(context.shape[0]):
        for j in range(context.shape[1]):
            if context[i, j] >= 0:
                expected[context[i, j]] += freqs[i, j]


@jit
def scores(
    y: Int64Array,
    first_co: Int64Array,
    first_cg: Int64Array,
    slope: Int64Array,
    freqs: Int64Array,
    factors: NDArray[np.uint16],
    reference: int,
    out: Int64Array,
) -> None:
    """Write the scores of the symbols Co = first_co, ... of every row into ``out (n, length)``: mirrors ``Lattice._scores``."""
    for i in range(y.size):
        for a in range(out.shape[1]):
            co = first_co[i] + a
            cg = first_cg[i] + ((slope[i] * (a - reference) + 32) >> 6)
            total = 0
            for j in range(freqs.shape[1]):
                middle = y[i] - (cg >> 1)
                green = cg + middle
                blue = middle - (co >> 1)
                red = blue + co
                if (red | green | blue) & ~255 == 0:
                    total += freqs[i, j] * np.int64(factors[(red << 16) | (green << 8) | blue])
                cg += 1
            out[i, a] = total
