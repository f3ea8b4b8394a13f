"""Integer arithmetic only: this file reaches the bit stream.

Haar, as the S-transform: high = odd - even, low = floor((even + odd) / 2).
"""

from hvpzip.transform.maps.map import IntegerMap, Range, Stage

__all__ = ["MAP"]


def _line_range(span: Range) -> tuple[Range, Range]:
    lo, hi = span
    return span, (lo - hi, hi - lo)


MAP = IntegerMap(
    id=1,
    name="Haar",
    stages=(
        Stage(on_odd=True, sign=-1, left=1, right=0, bias=0, shift=0, mirror=False),
        Stage(on_odd=False, sign=1, left=0, right=1, bias=0, shift=1, mirror=False),
    ),
    keeps_pixels=False,
    line_range=_line_range,
)
