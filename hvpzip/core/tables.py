"""The tables behind the mixtures: Gaussian CDF, scales and powers of two, built from big integers.

Integer arithmetic only: this file reaches the bit stream.

Every entry is a real number rounded to the nearest integer. The real number is worked out as a fixed-point integer of 256 fractional bits,
so its error (some 2**-200) is far below what separates any entry from a tie, and the tables are the same on every machine.
tests/core/test_tables.py holds their digests and checks them against ``math.erf`` and float powers.

Building them takes a tenth of a second, so they are kept in ``tables.bin`` (``python -m hvpzip.core.tables`` writes it), which is read on
first use and believed only if its digest is right. The arrays are read-only.

"""

from __future__ import annotations

import hashlib
from functools import cache
from itertools import pairwise
from math import isqrt
from pathlib import Path
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "CDF_BITS",
    "CELL_BITS",
    "CELL_MASK",
    "EDGE_LIMIT",
    "EXP2_BITS",
    "MIX_BITS",
    "NUM_SCALES",
    "POSITION_LIMIT",
    "RECIPROCAL_BITS",
    "SCALE_STEPS",
    "STEP_BITS",
    "WEIGHT_BITS",
    "Z_BITS",
    "Z_LIMIT",
    "Z_OFFSET",
    "Z_SHIFT",
    "GaussianTables",
    "build_tables",
    "exp2_table",
    "gaussian_tables",
    "scale_index",
]

Int64Array: TypeAlias = NDArray[np.int64]

CDF_BITS = 30  # the CDF is scaled by 2**30
STEP_BITS = 7  # ... and tabulated every 2**-7 standard deviations
Z_LIMIT = 8  # ... from -8 to 8; beyond, less than 2**-50 is left
SCALE_STEPS = 16  # scales an octave
NUM_SCALES = 16 * 20  # scale i is 2**(i/16) / 8 units: from an eighth up to just below 2**17
RECIPROCAL_BITS = 39  # 1 / (64 * scale) is scaled by 2**39
EXP2_BITS = 20  # 2**(-d/64) is scaled by 2**20
WEIGHT_BITS = 16  # the weights of a mixture sum to 2**16

# A position (in 1/64 of a unit) becomes z in 2**-20, z becomes a cell of the CDF's table and a place within it.
# The position is clipped to 2**26, which is 8 of the largest scale (2**23 in 1/64 units), and reciprocals are at most 2**36 (the smallest
# scale is 2**3): the product is at most 2**62. A sum of weight * CDF is at most 2**46.
EDGE_LIMIT = 1 << 26
Z_BITS = 20
Z_SHIFT = RECIPROCAL_BITS - Z_BITS
Z_OFFSET = Z_LIMIT << Z_BITS
CELL_BITS = Z_BITS - STEP_BITS
CELL_MASK = (1 << CELL_BITS) - 1
MIX_BITS = WEIGHT_BITS + CDF_BITS
POSITION_LIMIT = 1 << 40  # |64 * delta * symbol| and |mean| stay below it, so differences are far from overflowing

_FRACTION = 256  # fractional bits while building
_FILE = Path(__file__).with_name("tables.bin")
_DIGEST = "46107d1c59b528b293823cd99f4e5606b7719f4d7627d4263cf9abb938040f9d"
_LENGTHS = (2049, 2049, NUM_SCALES, NUM_SCALES, 1345)


class GaussianTables(NamedTuple):
    """phi, slope: int64 (2049,): the CDF at z = i/128 - 8 times 2**30, and the difference to the next entry (0 for the last).

    phi rises from 0 to 2**30 and phi[-1-i] = 2**30 - phi[i]. reciprocal: int64 (320,): 2**39 / (64 * scale). scale64: int64 (320,): 64 *
    scale.
    """

    phi: Int64Array
    slope: Int64Array
    reciprocal: Int64Array
    scale64: Int64Array


@cache
def gaussian_tables() -> GaussianTables:
    """The tables of the Gaussian CDF and its scales, see ``GaussianTables``."""
    return GaussianTables(*_stored()[:4])


@cache
def exp2_table() -> Int64Array:
    """round(2**20 * 2**(-d/64)) for d = 0, 1, ... up to and including the first zero: int64 (1345,)."""
    return _stored()[4]


@cache
def _stored() -> list[Int64Array]:
    """phi, slope, reciprocal, scale64 and powers of two, from the file; built where the file is not what it should be."""
    try:
        data = _FILE.read_bytes()
    except OSError:
        data = b""
    if hashlib.sha256(data).hexdigest() != _DIGEST:
        data = build_tables()
    values = np.frombuffer(data, "<i8").astype(np.int64)
    values.setflags(write=False)
    return np.split(values, np.cumsum(_LENGTHS[:-1]))


def build_tables() -> bytes:
    """All tables one after the other, as 64-bit integers, low byte first: what ``tables.bin`` holds."""
    half = _half_cdf()
    total = 1 << CDF_BITS
    phi = [total - value for value in reversed(half[1:])] + half
    slope = [*(after - before for before, after in pairwise(phi)), 0]
    # 64 * scale = 2**(3 + i/16), so its reciprocal is 2**(-3 - i/16) = 2**((16 - i % 16) / 16) / 2**(4 + i // 16).
    roots = [_root_of_two(j, 4) for j in range(SCALE_STEPS + 1)]
    octaves = [divmod(i, SCALE_STEPS) for i in range(NUM_SCALES)]
    reciprocal = [_rounded(roots[SCALE_STEPS - j] << RECIPROCAL_BITS, _FRACTION + 4 + octave) for octave, j in octaves]
    scale64 = [_rounded(roots[j] << 3 + octave, _FRACTION) for octave, j in octaves]
    return np.array([*phi, *slope, *reciprocal, *scale64, *_powers()], "<i8").tobytes()


def _powers() -> list[int]:
    roots = [_root_of_two(j, 6) for j in range(65)]
    values: list[int] = []
    while not values or values[-1]:
        octave, j = divmod(len(values), 64)
        values.append(_rounded(roots[64 - j] << EXP2_BITS, _FRACTION + 1 + octave))
    return values


def scale_index(numerator: int, denominator: int = 1) -> int:
    """The index of the scale nearest (in its logarithm) to numerator/denominator units, clipped to the table.

    Exact: index i wins over i + 1 while the ratio is at most 2**((2i + 1)/32) / 8. Raises ValueError unless both numbers are positive.
    """
    if numerator <= 0 or denominator <= 0:
        raise ValueError(f"a scale must be positive, got {numerator}/{denominator}")
    # ratio <= 2**((2i+1)/32) / 8   <=>   (8 * numerator)**32 <= 2**(2i+1) * denominator**32
    above, below = (8 * numerator) ** 32, denominator**32
    low, high = 0, NUM_SCALES - 1
    while low < high:
        middle = (low + high) // 2
        if above <= below << (2 * middle + 1):
            high = middle
        else:
            low = middle + 1
    return low


def _half_cdf() -> list[int]:
    """round(2**30 * CDF(i/128)) for i = 0..1024, by the Taylor series 1/2 + (z - z**3/6 + z**5/40 - ...) / sqrt(2 pi).

    Term k is (-1)**k z**(2k+1) / (2**k k! (2k+1)). The largest, at z = 8, is below 2**47, so 256 fractional bits leave 200 after the
    cancellation.
    """
    values = []
    root_two_pi = isqrt(2 * _pi() << _FRACTION)
    for i in range((Z_LIMIT << STEP_BITS) + 1):
        power, total, k = i << _FRACTION - STEP_BITS, 0, 0  # power = z**(2k+1) / (2**k k!)
        while power:
            total += -(power // (2 * k + 1)) if k % 2 else power // (2 * k + 1)
            k += 1
            power = power * i * i // (k << 2 * STEP_BITS + 1)
        cdf = (1 << _FRACTION - 1) + (total << _FRACTION) // root_two_pi
        values.append(_rounded(cdf << CDF_BITS, _FRACTION))
    return values


def _pi() -> int:
    """pi with 256 fractional bits, by Machin's formula: 16 arctan(1/5) - 4 arctan(1/239)."""

    def arctan_inverse(x: int) -> int:
        power, total, k = (1 << _FRACTION + 16) // x, 0, 0
        while power:
            total += -(power // (2 * k + 1)) if k % 2 else power // (2 * k + 1)
            power //= x * x
            k += 1
        return total

    return 16 * arctan_inverse(5) - 4 * arctan_inverse(239) >> 16


def _root_of_two(numerator: int, halvings: int) -> int:
    """floor(2**256 * 2**(numerator / 2**halvings)): nested integer square roots give the exact floor."""
    value = 1 << numerator + (_FRACTION << halvings)
    for _ in range(halvings):
        value = isqrt(value)
    return value


def _rounded(value: int, bits: int) -> int:
    """value / 2**bits to the nearest integer."""
    return (value + (1 << bits - 1)) >> bits


if __name__ == "__main__":
    _FILE.write_bytes(build_tables())
