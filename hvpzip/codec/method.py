"""What a method of coding a part is: one interface for the model, the raster coder and the plain methods (``registry.py`` lists them)."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from hvpzip.codec.averages import PHASES_DIFFER, phase_spread
from hvpzip.codec.choice import Trial
from hvpzip.codec.plain import Picture
from hvpzip.codec.report import Report
from hvpzip.nn.model import Model

__all__ = ["Coded", "Method", "OnReport", "Part", "Samples", "Tried", "Wanted"]

Samples = NDArray[np.unsignedinteger[Any]]  # uint8 or uint16
OnReport = Callable[[Report], None]


class Coded(NamedTuple):
    """A coded part.

    Attributes:
        data: The method's byte, and what it made.
        report: What it cost where the model coded it, else None.
        trials: What the method itself weighed.
    """

    data: bytes
    report: Report | None = None
    trials: tuple[Trial, ...] = ()


@dataclass(frozen=True)
class Part:
    """Samples to code, and what may be spent on them.

    Attributes:
        samples: (h, w, C), C 1 to 4; uint8 for depths up to 8, uint16 beyond, all below ``2**bit_depth``.
        bit_depth: 1 to 16.
        model: For parts of 8 bits and 1 or 3 channels.
        effort: One of ``EFFORTS``.
        known: What methods made of it, by their numbers, that were asked already.
        learners: Of the methods with mixing those that are tried; None for all that the effort has.
        is_last_try: Whether no other samples that say the same will be tried: what takes its time waits for them.
        most_bytes: What it must need less than, as that would be written otherwise; None where nothing is known.
    """

    samples: Samples
    bit_depth: int
    model: Model
    effort: int
    known: Mapping[int, Coded] = field(default_factory=dict)
    learners: tuple[int, ...] | None = None
    is_last_try: bool = True
    most_bytes: int | None = None

    @functools.cached_property
    def phases_differ(self) -> bool:
        """Whether its samples were interpolated from a mosaic or enlarged (``averages``)."""
        return phase_spread(self.samples) >= PHASES_DIFFER

    def of(self, samples: Samples) -> Part:
        """The same of other samples, of which nothing is known yet."""
        return replace(self, samples=np.ascontiguousarray(samples), known={}, learners=None)

    def middle(self, side: int) -> Part:
        """The same of the middle: at most ``side`` rows and columns."""
        y, x = (max(0, size - side) // 2 for size in self.samples.shape[:2])
        return self.of(self.samples[y : y + side, x : x + side])

    @functools.cached_property
    def picture(self) -> Picture:
        """The samples as plain methods read them."""
        return Picture(self.samples, self.bit_depth)


class Tried(NamedTuple):
    """What the methods before made of a part.

    Attributes:
        best_bytes: The smallest of all, None where none was tried.
        plain_bytes: The smallest of the plain methods, likewise.
        modelled: Whether the model was among them.
    """

    best_bytes: int | None
    plain_bytes: int | None
    modelled: bool


class Wanted(NamedTuple):
    """What a reader knows of a part and wants of it.

    Attributes:
        shape: (h, w, C) of the whole part.
        bit_depth: 1 to 16.
        model: The file's, None where it names none.
        step: A power of two: of each axis every ``step``-th sample is given.
        on_report: Called with what the part cost, where the model coded it.
    """

    shape: tuple[int, int, int]
    bit_depth: int
    model: Model | None
    step: int = 1
    on_report: OnReport | None = None


class Method(Protocol):
    """One way to code a part. What it writes, it reads back for ever: a number is never given to another method."""

    @property
    def number(self) -> int:
        """The byte that a part by this method begins with."""

    @property
    def name(self) -> str:
        """For people."""

    def skip(self, part: Part, tried: Tried) -> str | None:
        """Why it is not worth a try, or cannot code the part, given what the methods before it made of it; None where it is tried."""

    def encode(self, part: Part) -> Coded | None:
        """The part coded, its byte first, or None where it cannot be done after all."""

    def decode(self, data: bytes, wanted: Wanted) -> Samples:
        """Inverse of ``encode``, of its data without the byte: the wanted samples. Raises CorruptError for data of no encoder."""
