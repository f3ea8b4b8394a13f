"""Which colours an image can have, learnt from the pixels already decoded: factors for the last colour's symbols.

Integer arithmetic only: this file reaches the bit stream.

A photo that once was 8-bit luma and chroma reaches only a part of the RGB cube (JPEG's matrix a quarter, Photo CD's a ninth). With plain
subsampling every decoded sample is a pixel's, so before a unit is coded a quarter of all pixels or more is known. Given Y and Co, every
symbol Cg is one colour; its *context* is

    how often the colour was seen (6 classes), and its 16 neighbours on the line of Cg together (10),
    how often its differences (Co, Cg) were seen, compared with their 16 neighbours (8): a lattice of unit luma gain repeats along gray,
    whether a named standard matrix reaches the colour (2).

Each context has a factor, by which the frequencies of its symbols are multiplied (``ans.reweighted``). After a unit the factor becomes

    factor * (times a symbol of the context came true + c) / (sum of their probabilities + c)

so what the counts are worth is learnt as well, and without a lattice the factors stay near one. Colours outside the cube get factor 0.
Only units that read no latent teach: the encoder meets latents fine to coarse, after it must know all factors.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from types import ModuleType
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hvpzip.ans import Mixture
from hvpzip.ans.backend import kernels
from hvpzip.ans.reweighted import MAX_FACTOR, UNIT, WINDOW, Reweighted, reweight, window_starts

__all__ = ["MATRICES", "Lattice", "Matrix", "choose_matrix", "cost", "reachable"]

Int64Array = NDArray[np.int64]

_REACH = 8  # neighbours on either side on the line of Cg
_SEEN, _AROUND, _PAIRS = 6, 10, 8
_PRIOR = 3  # c, in symbols
_ENOUGH_PAIRS = 32
_PAIR_LIMIT = 1 << 20


class Matrix(NamedTuple):
    """A conversion to RGB in units of 2**-16: channel = (luma * Y + ... + offset) >> 16, then clipped, for Y in 0..255 and integer Cb, Cr.

    R = luma Y + red Cr, G = luma Y - green_blue Cb - green_red Cr, B = luma Y + blue Cb; a rounding offset each.
    """

    name: str
    luma: int
    red: int
    green_blue: int
    green_red: int
    blue: int
    offset: tuple[int, int, int]


_HALF = (1 << 15, 1 << 15, 1 << 15)
# By id; 0 is none. Photo CD's converters cut off instead of rounding, and green, a sum of three terms, by less.
MATRICES: tuple[Matrix | None, ...] = (
    None,
    Matrix("JPEG", 65536, 91881, 22554, 46802, 116130, _HALF),
    Matrix("Photo CD", 89024, 119374, 28198, 60761, 145352, (0, 22938, 0)),
    Matrix("BT.601, video range", 76309, 104597, 25675, 53279, 132201, _HALF),
    Matrix("BT.709, full range", 65536, 103206, 12276, 30679, 121609, _HALF),
    Matrix("BT.709, video range", 76309, 117489, 13975, 34925, 138438, _HALF),
)


def _seen_class() -> NDArray[np.int16]:
    """Class of a count 0..255: 0, 1, 2, 3-4, 5-8, more."""
    return np.searchsorted(np.array([0, 1, 2, 4, 8]), np.arange(256)).astype(np.int16)


def _around_class() -> NDArray[np.int16]:
    """Class of a sum of 16 counts: its bit length, at most 9."""
    return np.array([min(value.bit_length(), _AROUND - 1) for value in range(2 * _REACH * 255 + 1)], np.int16)


class Lattice:
    """What is known of a group's colours. Encoder and decoder feed it the same pixels in the same order.

    Attributes:
        factors: int64 (contexts,), in 1..``MAX_FACTOR``, ``UNIT`` at first.
    """

    def __init__(self, matrix: int, factors: Int64Array | None = None) -> None:
        """matrix: an index into ``MATRICES``. factors: those to start from."""
        contexts = _SEEN * _AROUND * _PAIRS * 2
        self.factors = np.full(contexts, UNIT, np.int64) if factors is None else factors
        self._colours = np.zeros(1 << 24, np.uint8)  # times seen, at most 255, by R << 16 | G << 8 | B
        self._pairs = np.zeros(1 << 18, np.int32)  # times seen, by (Co & 511) << 9 | Cg & 511
        self._reachable = reachable(matrix) if matrix else None
        self._seen, self._around = _seen_class() * (_AROUND * _PAIRS), _around_class() * _PAIRS
        self._expected = np.zeros(contexts, np.int64)

    def add(self, pixels: NDArray[np.integer]) -> None:
        """Count pixels (Y, Co, Cg), integers ``(3, n)``. Damaged files may hold colours outside the cube: they are not counted."""
        y, co, cg = (channel.astype(np.int32) for channel in pixels)
        colour, inside = _colour(y, co, cg)
        found, times = np.unique(colour[inside], return_counts=True)
        self._colours[found] = np.minimum(self._colours[found] + times, 255)
        found, times = np.unique(_pair(co, cg)[inside], return_counts=True)
        self._pairs[found] = np.minimum(self._pairs[found] + times, _PAIR_LIMIT)

    def reweight(self, mixture: Mixture, y: Int64Array, co: Int64Array, lo: int, hi: int) -> Reweighted:
        """The mixtures of Cg, reweighted; ``y`` and ``co`` are int64 (N,). Remembers the expectations for ``learn``."""
        first = window_starts(mixture, lo, hi)
        self._expected[:] = 0
        self._y, self._co, self._first = y, co, first
        block: list[NDArray[np.int16]] = []

        def factors(begin: int, end: int) -> Int64Array:
            block[:] = [self._contexts(y[begin:end], co[begin:end], first[begin:end])]
            return padded[block[0]]

        def watch(begin: int, end: int, freqs: NDArray[np.int32]) -> None:
            if compiled := _compiled(freqs.size):
                compiled.tally(block[0], freqs, expected)
                return
            np.add.at(expected, block[0].ravel(), freqs.ravel())

        # Context -1 stands for a colour outside the cube.
        padded = np.append(self.factors, 0)
        expected = np.zeros(padded.size, np.int64)
        result = reweight(mixture, lo, hi, first, factors, watch)
        self._expected = expected[:-1]
        return result

    def learn(self, cg: Int64Array) -> None:
        """Adapt the factors to the symbols (N,) that the mixtures of the last ``reweight`` had to code."""
        place = cg - self._first
        rows = np.flatnonzero((place >= 0) & (place < WINDOW))
        true = self._contexts(self._y[rows], self._co[rows], cg[rows], 1)[:, 0]
        came = np.bincount(true[true >= 0], minlength=self.factors.size)
        # Python's integers: no product can overflow.
        self.factors = np.array(
            [
                min(max(factor * ((count + _PRIOR) << 24) // (sum_ + (_PRIOR << 24)), 1), MAX_FACTOR)
                for factor, count, sum_ in zip(self.factors.tolist(), came.tolist(), self._expected.tolist(), strict=True)
            ],
            np.int64,
        )

    def _contexts(self, y: Int64Array, co: Int64Array, first: Int64Array, length: int = WINDOW) -> NDArray[np.int16]:
        """Contexts of the symbols first, ..., first + length - 1: int16 (n, length), -1 outside the cube."""
        if compiled := _compiled(first.size * length):
            context = np.empty((first.size, length), np.int16)
            reach = np.zeros(1, np.bool_) if self._reachable is None else self._reachable
            arrays = [np.ascontiguousarray(array, np.int64) for array in (y, co, first)]
            compiled.contexts(*arrays, self._colours, self._pairs, reach, self._seen, self._around, _REACH, _ENOUGH_PAIRS, context)
            return context
        cg: NDArray[np.int32] = first.astype(np.int32)[:, None] + np.arange(-_REACH, length + _REACH).astype(np.int32)
        colour, inside = _colour(y.astype(np.int32)[:, None], co.astype(np.int32)[:, None], cg)
        colour &= 0xFFFFFF
        counts = self._colours[colour] * inside
        pairs = self._pairs[_pair(co.astype(np.int32)[:, None], cg)] * inside
        middle = slice(_REACH, _REACH + length)
        context = self._seen[counts[:, middle]]
        context += self._around[_around(counts)]
        beside = _around(pairs)
        mine = pairs[:, middle] << 4
        ratio = np.ones(context.shape, np.int16)
        for left, right in ((3, 0), (2, 0), (1, 0), (0, 0), (0, 1), (0, 2)):
            ratio += (mine << left) >= (beside << right)
        ratio *= beside >= _ENOUGH_PAIRS
        context += ratio
        if self._reachable is not None:
            context += self._reachable[colour[:, middle]] * np.int16(_SEEN * _AROUND * _PAIRS)
        context[~inside[:, middle]] = -1
        return context


def _compiled(count: int) -> ModuleType | None:
    """``lattice_kernels``, under the same conditions as ``ans.kernels``."""
    return import_module("hvpzip.codec.lattice_kernels") if kernels(count) else None


def _colour(y: NDArray[np.int32], co: NDArray[np.int32], cg: NDArray[np.int32]) -> tuple[NDArray[np.int32], NDArray[np.bool_]]:
    """R << 16 | G << 8 | B, and whether all three are in 0..255 (else the first is without meaning)."""
    middle = y - (cg >> 1)
    green = cg + middle
    blue = middle - (co >> 1)
    red = blue + co
    inside = ((red | green | blue) & ~255) == 0
    return (red << 16) | (green << 8) | blue, inside


def _pair(co: NDArray[np.int32], cg: NDArray[np.int32]) -> NDArray[np.int32]:
    return ((co & 511) << 9) | (cg & 511)


def _around(counts: NDArray[np.integer]) -> NDArray[np.int32]:
    """Sums of the ``_REACH`` neighbours on both sides along the last axis, without the middle."""
    sums = np.zeros((counts.shape[0], counts.shape[1] + 1), np.int32)
    np.cumsum(counts, axis=1, dtype=np.int32, out=sums[:, 1:])
    span = 2 * _REACH + 1
    result: NDArray[np.int32] = sums[:, span:] - sums[:, :-span] - counts[:, _REACH:-_REACH]
    return result


@cache
def reachable(matrix: int) -> NDArray[np.bool_]:
    """Which colours a matrix reaches, by R << 16 | G << 8 | B: bool (2**24,), read-only. ``matrix``: 1.. up to the end of ``MATRICES``."""
    entry = MATRICES[matrix]
    assert entry is not None
    found = np.zeros(1 << 24, np.bool_)
    chroma = np.arange(-256, 257, dtype=np.int64)
    for y in range(256):
        luma = entry.luma * y
        red, blue = ((luma + gain * chroma + entry.offset[i]) >> 16 for gain, i in ((entry.red, 0), (entry.blue, 2)))
        cr, cb = (np.flatnonzero((channel >= 0) & (channel < 256)) for channel in (red, blue))
        green = (luma - entry.green_blue * chroma[cb] - entry.green_red * chroma[cr][:, None] + entry.offset[1]) >> 16
        index = (red[cr][:, None] << 16) | (green << 8) | blue[cb]
        found[index[(green >= 0) & (green < 256)]] = True
    found.flags.writeable = False
    return found


def choose_matrix(pixels: NDArray[np.integer]) -> int:
    """Id of the matrix that reaches clearly more of the pixels (Y, Co, Cg) ``(3, n)`` than chance, or 0: the encoder's choice."""
    y, co, cg = (channel[:: max(1, pixels.shape[1] >> 11)].astype(np.int32) for channel in pixels)
    colour, inside = _colour(y, co, cg)
    colour = colour[inside].astype(np.int64)
    rgb = np.stack((colour >> 16, (colour >> 8) & 255, colour & 255))
    rgb = rgb[:, ((rgb > 0) & (rgb < 255)).all(0)]  # clipped colours say nothing
    best, best_lift = 0, 5  # in quarters: a lift of 5/4 at least
    for number, entry in enumerate(MATRICES):
        if entry is None or rgb.shape[1] < 256:
            continue
        # The share that chance would reach: one over the determinant.
        volume = entry.luma * (entry.green_blue * entry.red + entry.green_red * entry.blue + entry.red * entry.blue) >> 32
        lift = 4 * int(_reached(entry, rgb).sum()) * volume // (rgb.shape[1] << 16)
        if lift > best_lift:
            best, best_lift = number, lift
    return best


def _reached(matrix: Matrix, rgb: Int64Array) -> NDArray[np.bool_]:
    """Whether the matrix reaches each of the colours ``(3, n)``: every luma leaves at most one chroma for red, and one for blue."""
    luma = matrix.luma * np.arange(256, dtype=np.int64)
    red, green, blue = rgb[:, :, None]
    cr = -((luma + matrix.offset[0] - (red << 16)) // matrix.red)  # the least with red reached
    cb = -((luma + matrix.offset[2] - (blue << 16)) // matrix.blue)
    right = ((luma + matrix.red * cr + matrix.offset[0]) >> 16 == red) & ((luma + matrix.blue * cb + matrix.offset[2]) >> 16 == blue)
    right &= (luma - matrix.green_blue * cb - matrix.green_red * cr + matrix.offset[1]) >> 16 == green
    return np.asarray(right.any(axis=1))


def cost(freqs: NDArray[np.integer], precision: int) -> int:
    """Bits that symbols of these frequencies cost, in 1/256, rounded up a little: exact integers, so that every encoder decides alike."""
    values = freqs.astype(np.uint64)
    whole = np.zeros(values.shape, np.int64)
    for step in (16, 8, 4, 2, 1):  # bit length less one, of numbers up to 2**32
        large = values >> np.uint64(step) > 0
        whole += step * large
        values = np.where(large, values >> np.uint64(step), values)
    mantissa = (freqs.astype(np.uint64) << np.uint64(31)) >> whole.astype(np.uint64)  # 2**31..2**32
    logs = whole << 8
    for bit in range(7, -1, -1):
        mantissa = (mantissa * mantissa) >> np.uint64(31)
        over = mantissa >> np.uint64(32) > 0
        logs += over.astype(np.int64) << bit
        mantissa >>= over.astype(np.uint64)
    return int((precision << 8) * freqs.size - logs.sum())
