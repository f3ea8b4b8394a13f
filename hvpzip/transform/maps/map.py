"""What an integer map is, and what others need to know of it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

__all__ = ["IntegerMap", "Range", "Stage"]

Range = tuple[int, int]


class Stage(NamedTuple):
    """One lifting stage on a line, parted into its even and its odd samples (``transform.lifting``):

        target[i] += sign * ((left * other[l] + right * other[r] + bias) >> shift)

    ``on_odd`` says which samples change. A neighbour beyond the end of the line is, where ``mirror`` is set, the one on the other side (the
    line is reflected about its end sample); it counts as zero otherwise, and where there is none on either side.
    """

    on_odd: bool
    sign: int
    left: int
    right: int
    bias: int
    shift: int
    mirror: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class IntegerMap:
    """A separable integer wavelet by lifting: another one is another file, and a line in ``maps/__init__.py``.

    Attributes:
        id: In files, for ever.
        name: For people.
        stages: What a line goes through, in order.
        keeps_pixels: Whether every band holds samples of its input as they are, so that a coarser image is a picture's own pixels.
        line_range: Ranges of the low and of the high band of a line whose samples lie in a range; reached by some input.
        low_bound: A bound on the low band of so many levels (at least 1) over samples in a range, where it is narrower than ``line_range``
            applied again and again; None where it is not.
    """

    id: int
    name: str
    stages: tuple[Stage, ...]
    keeps_pixels: bool
    line_range: Callable[[Range], tuple[Range, Range]]
    low_bound: Callable[[Range, int], Range] | None = None
