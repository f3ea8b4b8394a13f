"""Orders of popping and pushing, for the ablation: what bits-back borrows, and from whom, depends on the order alone.

One encoder and one decoder, the codec's own, with the latents popped at three different times. Encoder, finest level first::

    plain        pop all latents of all levels | push level 1, 2, ..., base                      (BB-ANS, arXiv 1901.04866)
    bit-swap     level 1: pop its latents, push its units and latents | level 2: the same | ...  (Bit-Swap, arXiv 1905.06845)
    self-seeded  level 1: push lh, hl; pop the latent of hh, push hh, push the latent | ...      (what files use)

The first two pop before anything was pushed, so they need random words to begin with: **initial bits**, which a file must carry. Only the
words that were touched are counted and kept. The decoder walks every order backwards and must end at those words again.

All three run without the reweighting of colours (``hvpzip.codec.colours``), which files of photos use where it pays: it changes bound and
coded bits of every order alike, and nothing of what is borrowed.

This module takes the codec apart, so it uses more than ``hvpzip.codec.bitsback.group_codec`` offers; the codec itself knows one order only.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from hvpzip import ans
from hvpzip.ans.rans import tail_words
from hvpzip.codec.bitsback.decoder import Decoder
from hvpzip.codec.bitsback.encoder import Encoder
from hvpzip.codec.lanes import candidates, plans
from hvpzip.codec.report import stack_bits
from hvpzip.codec.walk.geometry import Geometry, Level, coarse_images, geometry_of, lift_of, transfers
from hvpzip.codec.walk.level_walk import ExactPass, LevelWalk
from hvpzip.diffusion.bound import bound_of
from hvpzip.diffusion.walk import Walk, moves
from hvpzip.transform import colour, lifting, pyramid

if TYPE_CHECKING:
    from hvpzip.nn.model import Model

__all__ = ["ORDERS", "Chain", "Coded", "OrderError", "code", "decode_chain", "encode_chain"]

ORDERS = ("plain", "bit-swap", "self-seeded")
_MORE_WORDS = 16

Planes = npt.NDArray[np.uint8]  # (C, h, w)
Words = npt.NDArray[np.uint32]


class OrderError(Exception):
    """The decoder did not come back to where the encoder began."""


class Point(NamedTuple):
    """After a move of the encoder: its label (see ``GroupReport.stack_curve``) and the bits on the stack beyond the initial ones."""

    label: str
    bits: float


@dataclass(frozen=True, kw_only=True)
class Chain:
    """Images on one message, the first one pushed first and so decoded last.

    ``data`` is the message with its initial words, without a container. ``bound_bits`` is the model's bound for the images and the latents
    that were drawn; ``curve`` is that of the first image.
    """

    order: str
    path: str
    data: bytes
    initial: Words
    bound_bits: float
    curve: tuple[Point, ...]

    @property
    def coded_bits(self) -> int:
        """All bits that the decoder needs, the initial ones among them."""
        return 8 * len(self.data)

    @property
    def initial_bits(self) -> int:
        """Bits that the encoder had to begin with, beyond the start state."""
        return 32 * self.initial.size


class Coded(NamedTuple):
    """Images coded and decoded: the chain, what came back, and seconds of either direction."""

    chain: Chain
    images: list[Planes]
    encode_s: float
    decode_s: float


class _Encoder(Encoder):
    """The codec's encoder, which also knows the fewest words that its stack has held between two arrays."""

    lowest = 0

    @property
    def message(self) -> ans.Message:
        return self._message

    @message.setter
    def message(self, message: ans.Message) -> None:
        self._message = message
        self.lowest = min(self.lowest, tail_words(message.tail).size)

    def begin_with(self, message: ans.Message) -> None:
        """Start from this message of one lane; no latent is popped yet."""
        self._popped: dict[tuple[int, int], npt.NDArray[np.int64]] = {}
        self._message, self.lowest = message, tail_words(message.tail).size


class _EarlyEncoder(_Encoder):
    """Pops the latents of a level when ``borrow`` is called; ``level`` then finds them popped."""

    def borrow(self, level: Level, path: str, bands: dict[str, npt.NDArray[np.int32]]) -> None:
        schedule, steps = level.schedule, level.schedule.paths[path]
        exact = [index for index in steps if not schedule.steps[index].is_latent]
        known = {index: bands[schedule.steps[index].unit].reshape(self.channels, -1).astype(np.int64) for index in exact}
        states = Walk[None, npt.NDArray[np.int64]](schedule, steps, None, lambda state, index, values: None, known)
        for move in reversed(moves(schedule, steps)):
            if move.refund:
                states.known[move.step] = super()._pop_latent(level, move.step, states.known[states.parent(move.step)])
                self._popped[level.number, move.step] = states.known[move.step]

    def _pop_latent(self, level: Level, index: int, parent: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        return self._popped.pop((level.number, index))


class _LateDecoder(Decoder):
    """Keeps latents until ``give_back`` is called: the mirror of ``_EarlyEncoder``."""

    def __init__(self, model: Model, channels: int, plan: list[ans.Plan], message: ans.Message, known: None) -> None:
        super().__init__(model, channels, plan, message, known)
        self._kept: list[tuple[Level, int, npt.NDArray[np.int64], npt.NDArray[np.int64]]] = []

    def _push_latent(self, level: Level, index: int, parent: npt.NDArray[np.int64], latent: npt.NDArray[np.int64]) -> None:
        self._kept.append((level, index, parent, latent))

    def give_back(self) -> None:
        for level, index, parent, latent in self._kept:
            super()._push_latent(level, index, parent, latent)
        self._kept.clear()


def _plans(order: str, geometry: Geometry, channels: int, model: Model, path: str, samples: int) -> list[ans.Plan]:
    """Lanes for every array, in the encoder's order: as the codec plans them, with runs long enough for a stack that starts empty."""
    whole = transfers(geometry, channels, path)
    base, moves = whole[-channels:], whole[:-channels]
    if order != "self-seeded":
        levels = [transfers(geometry._replace(levels=[level]), channels, path)[:-channels] for level in geometry.levels]
        groups = levels if order == "bit-swap" else [[move for level in levels for move in level]]
        moves = [move for group in groups for pushed in (False, True) for move in group if move.pushed == pushed]
    coding = candidates(model.schedule.path_names.index(path), samples)[1]
    return plans([*moves, *base], coding)


def _encode(message: ans.Message, image: Planes, model: Model, order: str, path: str) -> tuple[ans.Message, _Encoder]:
    """The message of one lane with the image on it, and the encoder with its account."""
    channels = image.shape[0]
    geometry = geometry_of(_shape(image), 8, model)
    lifted = colour.forward(image, lift_of(channels, model))
    split = pyramid.split(lifted, model.config.transform, len(geometry.levels))
    levels = list(zip(geometry.levels, reversed(split.levels), coarse_images(split, model), strict=True))
    make = _Encoder if order == "self-seeded" else _EarlyEncoder
    encoder = make(model, channels, _plans(order, geometry, channels, model, path, image.size), 1, None, {})
    encoder.begin_with(message)
    exact_pass = ExactPass(LevelWalk(model, channels))
    if order == "plain":
        for level, bands, _ in levels:
            _borrow(encoder, level, path, bands)
    for level, bands, coarse in levels:
        if order == "bit-swap":
            _borrow(encoder, level, path, bands)
        encoder.level(level, path, exact_pass.level(level, path, coarse, bands), coarse, bands)
    encoder.base(split.base, geometry.base_ranges)
    return ans.resize(encoder.message, 1), encoder


def _borrow(encoder: _Encoder, level: Level, path: str, bands: dict[str, npt.NDArray[np.int32]]) -> None:
    assert isinstance(encoder, _EarlyEncoder)
    encoder.borrow(level, path, bands)


def _decode(message: ans.Message, shape: tuple[int, int, int], model: Model, order: str, path: str) -> tuple[ans.Message, Planes]:
    """Inverse of ``_encode``: the message of one lane without the image, and the image."""
    geometry = geometry_of(shape, 8, model)
    plan = _plans(order, geometry, shape[0], model, path, int(np.prod(shape)))
    message = ans.resize(message, plan[-1][0].lanes)
    make = Decoder if order == "self-seeded" else _LateDecoder
    decoder = make(model, shape[0], plan, message, None)
    give_back: Callable[[], None] = decoder.give_back if isinstance(decoder, _LateDecoder) else lambda: None
    image = decoder.base(geometry.base_shape, geometry.base_ranges)
    for level in reversed(geometry.levels):
        image = lifting.merge2d(image, decoder.level(level, path, image), model.config.transform)
        if order == "bit-swap":
            give_back()
    give_back()
    return decoder.message, colour.inverse(image, lift_of(shape[0], model)).astype(np.uint8)


def encode_chain(images: Sequence[Planes], model: Model, order: str, path: str | None = None, *, spare: int = 0) -> Chain:
    """The images, uint8 ``(C, h, w)`` each, on one message, along one path of the schedule (the first one for None).

    ``spare``: initial words to keep beyond those that were seen to be popped. Between two arrays nothing escapes notice; but where lanes
    grow inside an array that is nearly free, they may dig deeper for a moment, and the decoder will (see ``code``).

    Raises ValueError for an unknown order.
    """
    if order not in ORDERS:
        raise ValueError(f"unknown order {order!r}: expected one of {', '.join(ORDERS)}")
    path = model.schedule.path_names[0] if path is None else path
    supply = np.random.default_rng(0).integers(0, 1 << 32, max(map(_most_words, images), default=0), dtype=np.uint32)
    start = message = ans.Message(ans.base_message(1).head, (supply, ()))
    bound, curve, untouched = 0.0, tuple[Point, ...](), supply.size
    for image in images:
        message, encoder = _encode(message, image, model, order, path)
        bound += bound_of(encoder.account.terms)
        untouched = min(untouched, encoder.lowest)
        if not curve:
            empty = ans.message_bits(start)
            curve = (Point("start", 0.0), *(Point(label, stack_bits(message) - empty) for label, message in encoder.account.stack[1:]))
    words = tail_words(message.tail)
    untouched = max(0, untouched - spare)
    kept = words[: words.size - untouched]
    data = ans.to_bytes(ans.Message(message.head, (kept, ()) if kept.size else ()))
    return Chain(order=order, path=path, data=data, initial=supply[: supply.size - untouched], bound_bits=bound, curve=curve)


def decode_chain(chain: Chain, shapes: Sequence[tuple[int, int, int]], model: Model) -> list[Planes]:
    """The images of a chain, in the order in which they were encoded. ``shapes`` are theirs, in that order too.

    Raises OrderError if the stack does not end at the initial words, CorruptError if it runs dry before.
    """
    message, images = ans.from_bytes(chain.data), []
    for shape in reversed(shapes):
        message, image = _decode(message, shape, model, chain.order, chain.path)
        images.append(image)
    start = ans.Message(ans.base_message(1).head, (chain.initial, ()))
    if not ans.message_equal(message, start):
        raise OrderError(f"{chain.order}: the stack did not come back to its {chain.initial.size} initial words")
    return images[::-1]


def code(images: Sequence[Planes], model: Model, order: str, path: str | None = None) -> Coded:
    """Encode the images as one chain and decode it, with as few initial words as both can do with. Raises as ``decode_chain``."""
    spare = 0
    while True:
        begin = time.perf_counter()
        chain = encode_chain(images, model, order, path, spare=spare)
        middle = time.perf_counter()
        try:
            back = decode_chain(chain, [_shape(image) for image in images], model)
        except ans.StackUnderflow:
            if spare > _most_words(max(images, key=np.size)):
                raise
            spare = 2 * spare + _MORE_WORDS
            continue
        return Coded(chain, back, middle - begin, time.perf_counter() - middle)


def _shape(image: Planes) -> tuple[int, int, int]:
    channels, height, width = image.shape
    return channels, height, width


def _most_words(image: Planes) -> int:
    """Words that are enough for any debt of one image: a latent sample costs at most its precision, and there are fewer than samples."""
    lanes = 1 << candidates(0, image.size)[1].log2_lanes
    return image.size * ans.PRECISION // 32 + 2 * lanes + 2
