"""Which colours an image can have, learnt from the pixels already decoded: factors for the symbols of Cg.

Integer arithmetic only: this file reaches the bit stream.

A photo that once was 8-bit luma and chroma reaches only a part of the RGB cube (JPEG's matrix a quarter, Photo CD's a ninth). With plain
subsampling every decoded sample is a pixel's, so before a unit is coded a quarter of all pixels or more is known. Given Y and Co, every
symbol Cg is one colour; its *context* is

    how often the colour was seen (6 classes), and its 16 neighbours on the line of Cg together (10),
    how often its differences (Co, Cg) were seen, compared with their 16 neighbours (8): a lattice of unit luma gain repeats along gray,
    whether a named standard matrix reaches the colour (2).

Each context has a factor, by which the frequencies of its symbols are multiplied (``ans.reweighted``). After a stripe it moves by how often
symbols of the context came true, over the sum of their probabilities (``learning.py``): so what the counts are worth is learnt as well, and
without a lattice the factors stay near one. Colours outside the cube get factor 0. Where it pays, Co is reweighted likewise: the kind of a
symbol Co is the sum, over Cg, of probability times factor, in half octaves. What a unit that reads a latent of three colours teaches serves
this unit alone: the encoder meets latents fine to coarse, after it must know all factors.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import NDArray

from hvpzip.ans import Mixture
from hvpzip.ans.mixture import contiguous
from hvpzip.ans.reweighted import WINDOW, Reweighted, Windows, window_starts
from hvpzip.codec.colours.learning import CLASSES, Factors, by_stripes, by_units
from hvpzip.codec.colours.matrices import reachable
from hvpzip.codec.payload import LearntColours
from hvpzip.core import kernels
from hvpzip.core.cells import no_counts
from hvpzip.core.reference.colours import CG_CONTEXTS, CG_SPAN, CO_KINDS, CO_WINDOW
from hvpzip.threads import beside, current_threads

__all__ = ["ColourModel", "cost"]

Int64Array = NDArray[np.int64]

_PAIR_LIMIT = 1 << 20


class ColourModel:
    """What is known of a group's colours. Encoder and decoder feed it the same pixels in the same order.

    Attributes:
        factors: Those in force; replaced, never changed, by learning.
        settings: What the encoder chose.
    """

    def __init__(self, settings: LearntColours, factors: Factors | None = None) -> None:
        """factors: those to start from."""
        self.settings, self._learn = settings, by_stripes if settings.striped else by_units
        self.factors = Factors.none() if factors is None else factors
        # Times seen, at most 255 and ``_PAIR_LIMIT``, see ``core.cells``; most of the colours are never touched.
        self._counts = no_counts()
        self._reached = beside(partial(reachable, settings.matrix))
        self._windows, self._kinds = Windows(), np.empty((0, CO_WINDOW), np.uint8)
        self._cg_asked: tuple[Int64Array, Int64Array, Int64Array, Int64Array] | None = None
        self._co_asked: tuple[Int64Array, NDArray[np.uint8], Int64Array] | None = None

    def add(self, pixels: NDArray[np.integer]) -> None:
        """Count pixels (Y, Co, Cg), integers ``(3, n)``. Damaged files may hold colours outside the cube: they are not counted."""
        y, co, cg = (np.ascontiguousarray(channel, np.int32) for channel in pixels)
        kernels().count_colours(y, co, cg, _PAIR_LIMIT, *self._counts)

    def _known(self) -> tuple[NDArray[np.uint8], NDArray[np.int32], NDArray[np.uint8]]:
        """Counts and what the matrix reaches, as kernels take them."""
        return *self._counts, self._reached()

    def reweight_cg(self, mixture: Mixture, y: Int64Array, co: Int64Array, lo: int, hi: int) -> Reweighted:
        """The mixtures of Cg, reweighted, until the next ones are asked for. Remembers the expectations for ``learn``.

        mixture: N of them. y, co: int64 (N,), 0..255 and -255..255. lo, hi: the alphabet of Cg, within -255..255.
        """
        first = window_starts(mixture, lo, hi)
        result, expected = self._windows.of(mixture, lo, hi, first), np.empty(CG_CONTEXTS, np.int64)
        y, co = np.ascontiguousarray(y, np.int64), np.ascontiguousarray(co, np.int64)
        kernels().reweight_cg(
            *self._known(), *result.alphabet(), y, co, self.factors.cg.factors(), current_threads(), *result.windows(), expected
        )
        self._cg_asked = y, co, first, expected
        return result

    def reweight_co(
        self, mixture: Mixture, cg_given: Callable[[Int64Array], Mixture], slope: Int64Array, y: Int64Array, lo: int, hi: int
    ) -> Reweighted:
        """The mixtures of Co, reweighted by what Cg could be, until the next ones are asked for.

        cg_given: the mixtures of Cg given values of Co (N,). slope: how Cg's means move with Co, int64 (N,) in 1/64.
        """
        first = window_starts(mixture, lo, hi) + (WINDOW - CO_WINDOW) // 2
        given = cg_given(first + CO_WINDOW // 2)
        first_cg = window_starts(given, lo, hi) + (WINDOW - CG_SPAN) // 2
        result = self._windows.of(mixture, lo, hi, first, CO_WINDOW)
        if len(self._kinds) < y.size:
            self._kinds = np.empty((y.size, CO_WINDOW), np.uint8)
        kinds, expected = self._kinds[: y.size], np.empty(CO_KINDS, np.int64)
        kernels().reweight_co(
            *self._known(),
            *result.alphabet(),
            *contiguous(given),
            lo,
            hi - lo + 1,
            np.ascontiguousarray(y, np.int64),
            first_cg,
            np.ascontiguousarray(slope, np.int64),
            self.factors.cg.factors(),
            self.factors.co.factors(),
            current_threads(),
            *result.windows(),
            kinds,
            expected,
        )
        self._co_asked = (first, kinds, expected)
        return result

    def learn(self, channel: int, symbols: Int64Array) -> None:
        """Adapt the factors to the symbols (N,) that the last mixtures of the channel, reweighted, had to code; 1 is Co, 2 Cg."""
        (self._learn_cg if channel == 2 else self._learn_co)(symbols)

    def _learn_cg(self, cg: Int64Array) -> None:
        assert self._cg_asked is not None
        y, co, first, expected = self._cg_asked
        place = cg - first
        rows = np.flatnonzero((place >= 0) & (place < WINDOW))
        context = np.empty(rows.size, np.int16)
        kernels().find_contexts(*self._known(), y[rows], co[rows], cg[rows], current_threads(), context)
        came = np.bincount(context[context >= 0], minlength=CG_CONTEXTS)
        self.factors = self.factors._replace(cg=self._learn(self.factors.cg, came, expected, CLASSES))

    def _learn_co(self, co: Int64Array) -> None:
        assert self._co_asked is not None
        first, kinds, expected = self._co_asked
        place = co - first
        rows = np.flatnonzero((place >= 0) & (place < CO_WINDOW))
        came = np.bincount(kinds[rows, place[rows]], minlength=CO_KINDS)
        self.factors = self.factors._replace(co=self._learn(self.factors.co, came, expected, 0))


def cost(freqs: NDArray[np.integer], precision: int) -> int:
    """Bits that symbols of these frequencies cost, in 1/256, rounded up a little: exact integers, so that every encoder decides alike."""
    return (precision << 8) * freqs.size - int(kernels().sum_log2(np.ascontiguousarray(freqs, np.int64), current_threads()))
