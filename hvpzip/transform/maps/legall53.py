"""Integer arithmetic only: this file reaches the bit stream.

LeGall 5/3, the reversible wavelet of JPEG 2000.
"""

from typing import Final

from hvpzip.transform.maps.map import IntegerMap, Range, Stage

__all__ = ["MAP"]

# The low band of n levels of 5/3 is a filter with sum 1. Entry n - 1 bounds, in units of 2**-20, the sum of the sizes of its negative
# coefficients, over all line lengths and positions, mirrored ends included: all lengths up to 7 * 2**n, which hold every combination
# of ends and parities, were computed exactly, and tests/transform/test_pyramid.py does so again for the first entries. Without it
# the bound of one level, applied again and again, would grow by a factor of 1.5 a level and side.
_LOW53_NEGATIVE: Final = (262144, 327680, 360448, 365568, 370496, 374168, 376220, 377179, 377470, 377693, 377782, 377848)
_UNIT: Final = 1 << 20


def _line_range(span: Range) -> tuple[Range, Range]:
    # The low output grows with its own sample and the odd neighbours and falls with the outer even ones, so its extremes are there.
    lo, hi = span
    middle = (lo + hi) >> 1
    return (lo + ((2 * (lo - middle) + 2) >> 2), hi + ((2 * (hi - middle) + 2) >> 2)), (lo - hi, hi - lo)


def _low_bound(span: Range, levels: int) -> Range:
    """Bound on the low band of ``levels`` levels over samples within ``span``, from the size of the filters on both sides."""
    lo, hi = span
    # The sum of the sizes of all coefficients is 1 + 2 * negative; filters in a row multiply theirs, and so do the two axes.
    size, left = _UNIT, levels
    while left:
        taken = min(left, len(_LOW53_NEGATIVE))
        size = -(-size * (_UNIT + 2 * _LOW53_NEGATIVE[taken - 1]) // _UNIT)
        left -= taken
    size = -(-size * size // _UNIT)
    # Rounding moves a level's output by less than 2 (3/4 along x, times 3/2 and 3/4 more along y); later levels amplify that by at
    # most their size.
    slack = -(-2 * levels * size // _UNIT)
    extra = -(-(hi - lo) * (size - _UNIT) // (2 * _UNIT)) + slack
    return lo - extra, hi + extra


MAP = IntegerMap(
    id=2,
    name="LeGall 5/3",
    stages=(
        Stage(on_odd=True, sign=-1, left=1, right=1, bias=0, shift=1, mirror=True),
        Stage(on_odd=False, sign=1, left=1, right=1, bias=2, shift=2, mirror=True),
    ),
    keeps_pixels=False,
    line_range=_line_range,
    low_bound=_low_bound,
)
