"""Powers of two and logarithms that are the same numbers on every machine.

Strict IEEE arithmetic only: this file reaches the bit stream. Elementwise float64 sums, products and quotients in a fixed order, exact
scalings by powers of two; no library function whose last digit a platform may choose, no sum over an axis.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["exp2", "log2", "rounded"]

FloatArray = NDArray[np.float64]

# ln(2)^k / k!, correctly rounded decimals: the series of 2^f, whose rest is below 1e-14 for |f| <= 1/2.
_EXP2 = (
    1.0,
    0.6931471805599453,
    0.2402265069591007,
    0.05550410866482158,
    0.009618129107628477,
    0.0013333558146428443,
    0.0001540353039338161,
    1.525273380405984e-05,
    1.321548679014431e-06,
    1.01780860092397e-07,
    7.054911620801123e-09,
    4.44553827187081e-10,
)
_TWO_OVER_LN2 = 2.8853900817779268
_ROOT_HALF = 0.7071067811865476
_TERMS = 10  # of the logarithm's series in odd powers of s, |s| < 0.172


def rounded(x: FloatArray) -> FloatArray:
    """``x`` rounded to whole numbers, halves upwards; still float64."""
    found: FloatArray = np.floor(x + 0.5)
    return found


def exp2(x: FloatArray) -> FloatArray:
    """2**x for x of -500 to 500 (others are moved to the nearest end), to 1e-13 of itself."""
    x = np.clip(x, -500.0, 500.0)
    whole = rounded(x)
    rest = x - whole
    total = np.full(x.shape, _EXP2[-1])
    for term in reversed(_EXP2[:-1]):
        total = total * rest + term
    found: FloatArray = np.ldexp(total, whole.astype(np.int64))
    return found


def log2(x: FloatArray) -> FloatArray:
    """log2 of positive x, to 1e-13."""
    part, exponent = np.frexp(x)
    small = part < _ROOT_HALF
    part = np.where(small, part * 2.0, part)
    exponent = np.where(small, exponent - 1, exponent)
    s = (part - 1.0) / (part + 1.0)
    square = s * s
    total = np.full(s.shape, 1.0 / (2 * _TERMS + 1))
    for term in range(_TERMS - 1, -1, -1):
        total = total * square + 1.0 / (2 * term + 1)
    found: FloatArray = exponent + _TWO_OVER_LN2 * (s * total)
    return found
