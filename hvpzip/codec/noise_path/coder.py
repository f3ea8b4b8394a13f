"""A path of T noise levels, coded by bits-back: latents on lattices, Bit-Swap's order, scales finest first onto the stack.

Integer arithmetic and strict IEEE arithmetic only: this file reaches the bit stream.

    encoder, a scale     pop y_0 ~ q(y_0 | v)      push v with p(v | y_0)
                         pop y_1 ~ q(y_1 | y_0)    push y_0 with p(y_0 | y_1)    ...    push y_T with p(y_T)
    alone                push v with p(v), what is believed where nothing is known: no latents
    decoder              the mirror image, coarsest scale first

q(y_t | y_s) = N(y_s, n_t^2 - n_s^2) on the lattice of t. p(y_s | y_t) is the belief at t carried to s (``network.carried``), p(v | y_0) the
belief at 0, p(y_T) one Gaussian: VDM's N(0, I) in units of v. A unit of the coder is 1/8 of a step of v; lattices are powers of two.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from hvpzip.ans import Message, Mixture, gaussian, lattice_range, pop_mixture, push_mixture, softmax_weights
from hvpzip.ans.rans import IntArray
from hvpzip.ans.report import bits_of
from hvpzip.core.tables import NUM_SCALES, SCALE_STEPS
from hvpzip.diffusion.bound import RATE, REFUND, Term
from hvpzip.errors import CorruptError
from hvpzip.nn.denoiser import CodedScale, NoisePath, NoisyBelief, believe, carried
from hvpzip.nn.denoiser.path import KNOWN_BITS, SCALE_OFFSET, UNIT_BITS
from hvpzip.nn.denoiser.strict import rounded
from hvpzip.transform.scales import Scale

__all__ = ["Ledger", "decode", "decode_scales", "encode"]

PRECISION = 28
VALUE_LIMIT = 1 << 12  # values lie within +-this many steps, and latents within what their noise may add

FloatArray = NDArray[np.float64]
Int64Array = NDArray[np.int64]
Range: TypeAlias = "tuple[int | IntArray, int | IntArray]"


class Ledger:
    """What every move of the encoder cost, and how deep it dug.

    Attributes:
        terms: In the encoder's order. Of each scale, counted as the photo model's levels are (1 the finest, 0 the base), step 0 are its
            values and step t + 1 its latents y_t.
        lowest: Least that the stack held over what it held at first, 0 or negative: the debt that had to be borrowed.
    """

    def __init__(self) -> None:
        self.terms: list[Term] = []
        self.net = self.lowest = 0.0

    def enter(self, term: Term) -> None:
        """Count a move."""
        self.terms.append(term)
        self.net += term.bits if term.kind == RATE else -term.bits
        self.lowest = min(self.lowest, self.net)


def encode(path: NoisePath, message: Message, planes: NDArray[np.int32], alone: int = 0, ledger: Ledger | None = None) -> Message:
    """The message with pictures ``planes`` (N, 3, H, W) on it, all in one.

    alone: how many of the finest scales have no latents.
    Raises StackUnderflow where the message holds too little to borrow from.
    """
    scales = path.hierarchy(*planes.shape[2:]).split(planes)
    for number in reversed(range(len(scales))):
        coder = _ScaleCoder(path.scales[number], len(scales) - number if number else 0, ledger)
        message = coder.encode(message, scales[number], alone=len(scales) - number <= alone)
    return message


def decode(
    path: NoisePath, message: Message, shape: tuple[int, int, int], alone: int = 0, ledger: Ledger | None = None
) -> tuple[Message, NDArray[np.int32]]:
    """(message without the pictures, planes (N, 3, H, W)) for ``shape`` (N, H, W): the inverse of ``encode``.

    ledger: gets the encoder's terms in the decoder's order; ``net`` and ``lowest`` mean nothing then.
    Raises CorruptError where the message is none of an encoder, as far as can be seen.
    """
    return decode_scales(path, message, shape, len(path.scales), alone, ledger)


def decode_scales(
    path: NoisePath, message: Message, shape: tuple[int, int, int], scales: int, alone: int = 0, ledger: Ledger | None = None
) -> tuple[Message, NDArray[np.int32]]:
    """(message, planes of the picture as far as ``scales`` of its scales, coarsest first, say)."""
    count, height, width = shape
    hierarchy = path.hierarchy(height, width)
    like = hierarchy.split(np.zeros((count, 3, height, width), np.int32))
    known = like[0].known
    for number, coded in enumerate(path.scales[:scales]):
        if np.abs(known).max(initial=0) >= 1 << KNOWN_BITS:
            raise CorruptError("the payload decodes to a coarser picture out of range")
        coder = _ScaleCoder(coded, len(like) - number if number else 0, ledger)
        message, values = coder.decode(message, known, like[number].values.shape, alone=len(like) - number <= alone)
        known = hierarchy.merge(number, Scale(known, values))
    return message, known


class _ScaleCoder:
    """Moves of one scale, each entered in the ledger."""

    def __init__(self, coded: CodedScale, level: int, ledger: Ledger | None) -> None:
        self.coded, self.level, self.ledger = coded, level, ledger

    def encode(self, message: Message, scale: Scale, *, alone: bool) -> Message:
        known, y = scale.known.astype(np.float64), scale.values.astype(np.int64) << UNIT_BITS
        if alone:
            return self._push(message, _alone(self.coded, y.shape, known), y, 0)
        for level in range(len(self.coded.lattices)):
            message, above = self._pop(message, _noisier(self.coded, level, y), level + 1, REFUND)
            message = self._push(message, _less_noisy(self.coded, level, above, known), y, level)
            y = above
        return self._push(message, _top(self.coded, y.shape), y, len(self.coded.lattices))

    def decode(
        self, message: Message, known: NDArray[np.int32], shape: tuple[int, ...], *, alone: bool
    ) -> tuple[Message, NDArray[np.int32]]:
        seen = known.astype(np.float64)
        if alone:
            message, y = self._pop(message, _alone(self.coded, shape, seen), 0, RATE)
            return message, (y >> UNIT_BITS).astype(np.int32)
        message, y = self._pop(message, _top(self.coded, shape), len(self.coded.lattices), RATE)
        for level in reversed(range(len(self.coded.lattices))):
            message, below = self._pop(message, _less_noisy(self.coded, level, y, seen), level, RATE)
            latents = _noisier(self.coded, level, below)
            if not latents.holds(y):
                raise CorruptError("the payload decodes to a latent that no encoder draws")
            message = self._push(message, latents, y, level + 1, REFUND)
            y = below
        return message, (y >> UNIT_BITS).astype(np.int32)

    def _push(self, message: Message, channels: _Channels, y: Int64Array, step: int, kind: str = RATE) -> Message:
        message, bits = channels.push(message, y)
        self._enter(step, kind, bits)
        return message

    def _pop(self, message: Message, channels: _Channels, step: int, kind: str) -> tuple[Message, Int64Array]:
        message, y, bits = channels.pop(message)
        self._enter(step, kind, bits)
        return message, y

    def _enter(self, step: int, kind: str, bits: float) -> None:
        if self.ledger is not None:
            self.ledger.enter(Term(self.level, "details" if self.level else "base", step, kind, bits))


class _Channels:
    """Codec of an array (N, C, h, w) in units, one channel after the other: mixtures on each channel's lattice."""

    def __init__(self, mixtures: Callable[[int], Mixture], ranges: Sequence[Range], deltas: Sequence[int], shape: tuple[int, ...]) -> None:
        self.mixtures, self.ranges, self.deltas, self.shape = mixtures, ranges, deltas, shape

    def holds(self, y: Int64Array) -> bool:
        """Whether all values are in their alphabets."""
        for channel, (low, high) in enumerate(self.ranges):
            symbols = y[:, channel].reshape(-1) // self.deltas[channel]
            if bool(((symbols < low) | (symbols > high)).any()):
                return False
        return True

    def push(self, message: Message, y: Int64Array) -> tuple[Message, float]:
        """(message, bits)."""
        bits = 0.0
        for channel in reversed(range(self.shape[1])):
            symbols = y[:, channel].reshape(-1) // self.deltas[channel]
            message, freqs = push_mixture(message, self.mixtures(channel), symbols, *self.ranges[channel], self.deltas[channel], PRECISION)
            bits += bits_of(freqs, PRECISION)
        return message, bits

    def pop(self, message: Message) -> tuple[Message, Int64Array, float]:
        """(message, values, bits)."""
        y, bits = np.empty(self.shape, np.int64), 0.0
        for channel in range(self.shape[1]):
            message, symbols, freqs = pop_mixture(message, self.mixtures(channel), *self.ranges[channel], self.deltas[channel], PRECISION)
            y[:, channel] = (symbols * self.deltas[channel]).reshape(y[:, channel].shape)
            bits += bits_of(freqs, PRECISION)
        return message, y, bits


def _noisier(coded: CodedScale, level: int, y: Int64Array) -> _Channels:
    """q(y_t | y_s) for ``level`` = t, given y_s or, at level 0, the values."""
    lattices = coded.lattices[level]

    def mixture(channel: int) -> Mixture:
        return gaussian(y[:, channel].reshape(-1), lattices[channel].added)

    flat = [y[:, channel].reshape(-1) for channel in range(y.shape[1])]
    ranges: list[Range] = [lattice_range(f, f, lattice.added, lattice.delta) for f, lattice in zip(flat, lattices, strict=True)]
    return _Channels(mixture, ranges, [lattice.delta for lattice in lattices], y.shape)


def _less_noisy(coded: CodedScale, level: int, y: Int64Array, known: FloatArray) -> _Channels:
    """p(y_s | y_t) for ``level`` = t, or p(v | y_0) at level 0."""
    steps: FloatArray = y.astype(np.float64) * 2.0**-UNIT_BITS
    belief = believe(coded.network, level, steps, known)
    if level:
        belief = carried(belief, steps, coded.network, level)
    deltas = [1 << UNIT_BITS] * y.shape[1] if level == 0 else [lattice.delta for lattice in coded.lattices[level - 1]]
    ranges: list[Range] = [_reach(coded, level - 1, channel, delta) for channel, delta in enumerate(deltas)]
    return _Channels(lambda channel: _mixture(belief, channel), ranges, deltas, y.shape)


def _alone(coded: CodedScale, shape: tuple[int, ...], known: FloatArray) -> _Channels:
    """p(v), at the level without latents: noise so strong that a noisy value says nothing, and so might as well be 0."""
    belief = believe(coded.network, len(coded.lattices), np.zeros(shape), known)
    ranges: list[Range] = [_reach(coded, -1, channel, 1 << UNIT_BITS) for channel in range(shape[1])]
    return _Channels(lambda channel: _mixture(belief, channel), ranges, [1 << UNIT_BITS] * shape[1], shape)


def _top(coded: CodedScale, shape: tuple[int, ...]) -> _Channels:
    lattices, last = coded.lattices[-1], len(coded.lattices) - 1
    centre = np.zeros(shape[0] * shape[2] * shape[3], np.int64)
    ranges: list[Range] = [_reach(coded, last, c, lattice.delta) for c, lattice in enumerate(lattices)]
    return _Channels(lambda c: gaussian(centre, coded.prior[c]), ranges, [lattice.delta for lattice in lattices], shape)


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
