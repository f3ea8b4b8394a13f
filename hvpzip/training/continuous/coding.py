"""A path of T noise levels, coded by bits-back: latents on lattices, Bit-Swap's order, scales finest first onto the stack.

Integer arithmetic and strict IEEE arithmetic only: this file reaches the bit stream.

    encoder, a scale     pop y_0 ~ q(y_0 | v)      push v with p(v | y_0)
                         pop y_1 ~ q(y_1 | y_0)    push y_0 with p(y_0 | y_1)    ...    push y_T with p(y_T)
    decoder              the mirror image, coarsest scale first

q(y_t | y_s) = N(y_s, n_t^2 - n_s^2) on the lattice of t. p(y_s | y_t) is the belief at t carried to s (``integer.carried``), p(v | y_0) the
belief at 0, p(y_T) one Gaussian: VDM's N(0, I) in units of v. A unit of the coder is 1/8 of a step of v; lattices are powers of two.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from hvpzip.ans import Message, Mixture, gaussian, lattice_range, pop_mixture, push_mixture, softmax_weights
from hvpzip.ans.rans import IntArray
from hvpzip.ans.report import bits_of
from hvpzip.core.tables import NUM_SCALES, SCALE_STEPS
from hvpzip.training.continuous.integer import IntegerScale, NoisyBelief, believe, carried
from hvpzip.training.continuous.strict import rounded
from hvpzip.transform.scales import Hierarchy, Scale

__all__ = ["CodedCascade", "CodedScale", "Lattice", "Ledger", "decode", "encode"]

UNIT_BITS = 3  # a step of v is 8 units of the coder
PRECISION = 28
SCALE_OFFSET = 3  # the coder's scale 0 is 2^-3 units
VALUE_LIMIT = 1 << 12  # values and latents lie within +-this many steps, and the latents' reach

FloatArray = NDArray[np.float64]
Int64Array = NDArray[np.int64]
Range: TypeAlias = "tuple[int | IntArray, int | IntArray]"


class Lattice(NamedTuple):
    """A noise level of one channel.

    added: index of the scale of q(y_t | y_s) in the coder's table, in units. delta: lattice step in units, a power of two.
    """

    added: int
    delta: int


class CodedScale(NamedTuple):
    """A scale with what its coder needs: ``lattices[t][c]``; ``prior[c]``, the index of the scale of p(y_T)."""

    network: IntegerScale
    lattices: tuple[tuple[Lattice, ...], ...]
    prior: tuple[int, ...]


class CodedCascade(NamedTuple):
    """Scales, coarsest first, of the pictures of one hierarchy."""

    hierarchy: Hierarchy
    scales: tuple[CodedScale, ...]


class Ledger:
    """Bits summed by kind: ``values`` and ``latents`` pushed, ``refund`` popped and so got back when the file is decoded; ``lowest`` is the
    least that the stack held over what it held at first, 0 or negative: the debt that had to be borrowed.
    """

    def __init__(self) -> None:
        self.values = self.latents = self.refund = self.lowest = 0.0

    @property
    def net(self) -> float:
        """Bits that the pictures cost."""
        return self.values + self.latents - self.refund

    def pop(self, bits: float) -> None:
        """Count bits taken from the stack."""
        self.refund += bits
        self.lowest = min(self.lowest, self.net)


def encode(cascade: CodedCascade, message: Message, planes: NDArray[np.int32], ledger: Ledger | None = None) -> Message:
    """The message with pictures ``planes`` (N, 3, H, W) on it, all in one.

    Raises StackUnderflow where it holds too little to borrow from.
    """
    for coded, scale in reversed(list(zip(cascade.scales, cascade.hierarchy.split(planes), strict=True))):
        message = _encode_scale(coded, message, scale, ledger)
    return message


def decode(cascade: CodedCascade, message: Message, count: int) -> tuple[Message, NDArray[np.int32]]:
    """(message without the pictures, planes (count, 3, H, W)): the inverse of ``encode``."""
    message, known = decode_scales(cascade, message, count, len(cascade.scales))
    return message, known


def decode_scales(cascade: CodedCascade, message: Message, count: int, scales: int) -> tuple[Message, NDArray[np.int32]]:
    """(message, planes of the picture as far as ``scales`` of its scales, coarsest first, say)."""
    like = cascade.hierarchy.split(np.zeros((count, 3, cascade.hierarchy.height, cascade.hierarchy.width), np.int32))
    known = like[0].known
    for number, coded in enumerate(cascade.scales[:scales]):
        message, values = _decode_scale(coded, message, known, like[number].values.shape)
        known = cascade.hierarchy.merge(number, Scale(known, values))
    return message, known


def _encode_scale(coded: CodedScale, message: Message, scale: Scale, ledger: Ledger | None) -> Message:
    known, y = scale.known.astype(np.float64), scale.values.astype(np.int64) << UNIT_BITS
    for level in range(len(coded.lattices)):
        message, above = _noisier(coded, level, y).pop(message, ledger)
        belief = _less_noisy(coded, level, above, known)
        message = belief.push(message, y, ledger)
        y = above
    return _top(coded, y.shape).push(message, y, ledger)


def _decode_scale(
    coded: CodedScale, message: Message, known: NDArray[np.int32], shape: tuple[int, ...]
) -> tuple[Message, NDArray[np.int32]]:
    message, y = _top(coded, shape).pop(message, None)
    for level in reversed(range(len(coded.lattices))):
        message, below = _less_noisy(coded, level, y, known.astype(np.float64)).pop(message, None)
        message = _noisier(coded, level, below).push(message, y, None)
        y = below
    return message, (y >> UNIT_BITS).astype(np.int32)


class _Channels:
    """Codec of an array (N, C, h, w) in units, one channel after the other: mixtures on each channel's lattice."""

    def __init__(
        self,
        mixtures: Callable[[int], Mixture],
        ranges: Sequence[Range],
        deltas: Sequence[int],
        kind: str,
        shape: tuple[int, ...],
    ) -> None:
        self.mixtures, self.ranges, self.deltas, self.kind, self.shape = mixtures, ranges, deltas, kind, shape

    def push(self, message: Message, y: Int64Array, ledger: Ledger | None) -> Message:
        for channel in reversed(range(self.shape[1])):
            symbols = y[:, channel].reshape(-1) // self.deltas[channel]
            message, freqs = push_mixture(message, self.mixtures(channel), symbols, *self.ranges[channel], self.deltas[channel], PRECISION)
            if ledger is not None:
                bits = bits_of(freqs, PRECISION)
                if self.kind == "values":
                    ledger.values += bits
                else:
                    ledger.latents += bits
        return message

    def pop(self, message: Message, ledger: Ledger | None) -> tuple[Message, Int64Array]:
        y = np.empty(self.shape, np.int64)
        for channel in range(self.shape[1]):
            message, symbols, freqs = pop_mixture(message, self.mixtures(channel), *self.ranges[channel], self.deltas[channel], PRECISION)
            y[:, channel] = (symbols * self.deltas[channel]).reshape(y[:, channel].shape)
            if ledger is not None:
                ledger.pop(bits_of(freqs, PRECISION))
        return message, y


def _noisier(coded: CodedScale, level: int, y: Int64Array) -> _Channels:
    """q(y_t | y_s) for ``level`` = t, given y_s or, at level 0, the values."""
    lattices = coded.lattices[level]

    def mixture(channel: int) -> Mixture:
        return gaussian(y[:, channel].reshape(-1), lattices[channel].added)

    flat = [y[:, channel].reshape(-1) for channel in range(y.shape[1])]
    ranges: list[Range] = [lattice_range(f, f, lattice.added, lattice.delta) for f, lattice in zip(flat, lattices, strict=True)]
    return _Channels(mixture, ranges, [lattice.delta for lattice in lattices], "refund", y.shape)


def _less_noisy(coded: CodedScale, level: int, y: Int64Array, known: FloatArray) -> _Channels:
    """p(y_s | y_t) for ``level`` = t, or p(v | y_0) at level 0."""
    steps: FloatArray = y.astype(np.float64) * 2.0**-UNIT_BITS
    belief = believe(coded.network, level, steps, known)
    if level:
        belief = carried(belief, steps, coded.network, level)
    deltas = [1 << UNIT_BITS] * y.shape[1] if level == 0 else [lattice.delta for lattice in coded.lattices[level - 1]]
    ranges: list[Range] = [_reach(coded, level - 1, channel, delta) for channel, delta in enumerate(deltas)]
    return _Channels(lambda channel: _mixture(belief, channel), ranges, deltas, "latents" if level else "values", y.shape)


def _top(coded: CodedScale, shape: tuple[int, ...]) -> _Channels:
    lattices, last = coded.lattices[-1], len(coded.lattices) - 1
    centre = np.zeros(shape[0] * shape[2] * shape[3], np.int64)
    ranges: list[Range] = [_reach(coded, last, c, lattice.delta) for c, lattice in enumerate(lattices)]
    return _Channels(lambda c: gaussian(centre, coded.prior[c]), ranges, [lattice.delta for lattice in lattices], "latents", shape)


def _reach(coded: CodedScale, level: int, channel: int, delta: int) -> tuple[int, int]:
    """(lo, hi): lattice indices that values (level -1) or latents of a level may have."""
    low, high = -VALUE_LIMIT << UNIT_BITS, VALUE_LIMIT << UNIT_BITS
    for t in range(level + 1):
        lattice = coded.lattices[t][channel]
        lo, hi = lattice_range(low, high, lattice.added, lattice.delta)
        low, high = int(lo) * lattice.delta, int(hi) * lattice.delta
    return low // delta, -(-high // delta)


def _mixture(belief: NoisyBelief, channel: int) -> Mixture:
    """A channel's belief as the coder's integers: means in 1/64 of a unit, indices of scales, weights."""
    mean, log2_scale, log2_weight = (part[:, :, channel].reshape(len(part), -1) for part in belief)
    centre = rounded(np.clip(mean, -(2.0**18), 2.0**18) * 2.0 ** (UNIT_BITS + 6)).astype(np.int64)
    index = np.clip(rounded((log2_scale + (UNIT_BITS + SCALE_OFFSET)) * SCALE_STEPS), 0, NUM_SCALES - 1).astype(np.int16)
    return Mixture(centre, index, softmax_weights(rounded(np.clip(log2_weight, -(2.0**20), 2.0**20) * 64.0).astype(np.int64)))
