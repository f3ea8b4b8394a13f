"""Codecs as pairs of a push and its exact inverse, and the combinators that build large codecs from small ones.

Integer arithmetic only: this file reaches the bit stream.

A codec keeps one law, in both directions:

    codec.pop(codec.push(message, symbol)) == (message, symbol)         data come back
    codec.push(*codec.pop(message))        == message                   bits come back: bits-back coding needs this one

Combinators keep it because a stack is last in, first out: whatever ``pop`` does first, ``push`` does last.

Layer rank 1: imports numpy and the rest of ``hvpzip.ans``. Reference: Townsend, Bird, Barber, arXiv 1901.04866; the shapes are craystack's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from hvpzip.ans import rans
from hvpzip.ans.lanes import Plan, chunks, flat_plan, resize
from hvpzip.ans.rans import IntArray, Message, StackUnderflow
from hvpzip.core import kernels

__all__ = ["Codec", "NonUniform", "Uniform", "bits_back", "chunked", "pop_planned", "push_planned", "repeat", "serial", "substack"]

S = TypeVar("S")
Latent = TypeVar("Latent")


@dataclass(frozen=True, slots=True)
class Codec(Generic[S]):
    """``push(message, symbol) -> message`` and ``pop(message) -> (message, symbol)``, inverse to each other both ways."""

    push: Callable[[Message, S], Message]
    pop: Callable[[Message], tuple[Message, S]]


def NonUniform(
    intervals: Callable[[IntArray], tuple[IntArray, IntArray]],
    search: Callable[[IntArray], IntArray],
    precision: int,
    n: int | None = None,
) -> Codec[IntArray]:
    """Codec of n symbols at once, one a lane, whose distributions are given by two functions.

    The total mass is the integers [0, 2**precision); each symbol owns an interval of them::

        0                                                         2**precision
        |    a              *b*             c              d         |
        |----------|--------------------|---------|------------------|
                   |------ freq --------|
                 start

    ``intervals(b)`` returns (start, freq) with 0 < freq, 0 <= start, start + freq <= 2**precision. ``search(cf)`` is its inverse: the
    symbol whose interval holds cf, for every cf in [0, 2**precision); so the intervals leave no gap. Both take and return arrays (n,).

    n: lanes used; all lanes of the message by default. Raises ValueError when the functions break the contract.
    """

    def push(message: Message, symbol: IntArray) -> Message:
        return rans.push(message, *intervals(symbol), precision)

    def pop(message: Message) -> tuple[Message, IntArray]:
        cf, pop_fun = rans.pop(message, precision, n)
        symbol = search(cf.astype(np.int64))
        return pop_fun(*intervals(symbol)), symbol

    return Codec(push, pop)


def Uniform(precision: int, n: int | None = None) -> Codec[IntArray]:
    """Codec of n integers in [0, 2**precision), all equally likely: precision bits each. precision in 0..31; n: all lanes by default."""
    return NonUniform(lambda symbol: (symbol, np.ones_like(symbol)), lambda cf: cf, precision, n)


def serial(codecs: Sequence[Codec[Any]]) -> Codec[list[Any]]:
    """Codec of a list with one symbol per codec, popped in the order of the list. Raises ValueError for a list of another length."""

    def push(message: Message, symbols: list[Any]) -> Message:
        for codec, symbol in zip(reversed(codecs), reversed(symbols), strict=True):
            message = codec.push(message, symbol)
        return message

    def pop(message: Message) -> tuple[Message, list[Any]]:
        symbols = []
        for codec in codecs:
            message, symbol = codec.pop(message)
            symbols.append(symbol)
        return message, symbols

    return Codec(push, pop)


def repeat(codec: Codec[S], count: int) -> Codec[list[S]]:
    """Codec of a list of ``count`` symbols of one codec."""
    return serial([codec] * count)


def substack(codec: Codec[S], lanes: int) -> Codec[S]:
    """The codec run on the first ``lanes`` lanes alone; the others keep their state. Raises ValueError if the message has fewer."""

    def split(message: Message) -> tuple[Message, NDArray[np.uint64]]:
        if not 1 <= lanes <= message.head.size:
            raise ValueError(f"cannot use {lanes} of {message.head.size} lanes")
        return Message(message.head[:lanes], message.tail), message.head[lanes:]

    def push(message: Message, symbol: S) -> Message:
        part, others = split(message)
        part = codec.push(part, symbol)
        return Message(np.concatenate((part.head, others)), part.tail)

    def pop(message: Message) -> tuple[Message, S]:
        part, others = split(message)
        part, symbol = codec.pop(part)
        return Message(np.concatenate((part.head, others)), part.tail), symbol

    return Codec(push, pop)


def bits_back(
    prior: Codec[Latent],
    likelihood: Callable[[Latent], Codec[S]],
    posterior: Callable[[S], Codec[Latent]],
) -> Codec[S]:
    """Codec of data x under p(x) = sum over z of p(z) p(x | z), by the bits-back argument.

    Push pops a latent z from the message with q(z | x), pushes x with p(x | z), then z with p(z): a net cost of log q(z|x) - log p(x,z).
    Pop does the mirror image, and so returns the bits that chose z. Raises StackUnderflow if the message is too short to choose z from.
    """

    def push(message: Message, data: S) -> Message:
        message, latent = posterior(data).pop(message)
        message = likelihood(latent).push(message, data)
        return prior.push(message, latent)

    def pop(message: Message) -> tuple[Message, S]:
        message, latent = prior.pop(message)
        message, data = likelihood(latent).pop(message)
        return posterior(data).push(message, latent), data

    return Codec(push, pop)


def push_planned(message: Message, starts: IntArray, freqs: IntArray, precision: int, plan: Plan | None = None) -> Message:
    """The message with N symbols pushed chunk by chunk, so that popping delivers them in the order of the array.

    starts, freqs: (N,). plan: see ``lanes.Stage``; by default flat on the message's lanes. Between the plan's stages the message grows.
    Raises ValueError if the plan is for another N or starts on other lanes, or as ``rans.push``; StackUnderflow if the words do not suffice
    for a growth.
    """
    plan = check_plan(plan, message, starts.size, -1)
    starts, freqs = rans.check_intervals(starts, freqs, precision)
    starts, freqs = np.ascontiguousarray(starts), np.ascontiguousarray(freqs)
    push_stage = kernels().push_stage
    for stage in reversed(plan):
        message = resize(message, stage.lanes)
        head, words = message.head.copy(), np.empty(stage.end - stage.begin, np.uint32)  # a symbol gives off one word at most
        first = push_stage(head, words, starts, freqs, precision, stage.begin, stage.end, stage.lanes)
        message = Message(head, (words[first:].copy(), message.tail) if first < words.size else message.tail)
    return message


def pop_planned(
    message: Message, n: int, kernel: Callable[..., int], arguments: Sequence[Any], plan: Plan | None = None
) -> tuple[Message, NDArray[np.int64], NDArray[np.int64]]:
    """The message with n symbols popped, the symbols and their frequencies, int64 (n,) each: inverse of ``push_planned``.

    kernel: ``pop_stage`` or ``pop_reweighted_stage``; arguments: those between the words and the stage. Errors as ``push_planned``, and
    StackUnderflow where the stack runs dry.
    """
    symbol, freq = np.empty(n, np.int64), np.empty(n, np.int64)
    for stage in check_plan(plan, message, n, 0):
        message = resize(message, stage.lanes)
        head = message.head.copy()
        words, tail = rans.top_words(message.tail, stage.end - stage.begin)
        used = kernel(head, words, *arguments, stage.begin, stage.end, stage.lanes, symbol, freq)
        if used > words.size:
            raise StackUnderflow(f"the stack ran dry: more than the {words.size} words left were wanted")
        message = Message(head, (words[used:], tail) if used < words.size else tail)
    return message, symbol, freq


def chunked(
    intervals: Callable[[IntArray], tuple[IntArray, IntArray]],
    search: Callable[[int, int, IntArray], tuple[IntArray, IntArray, IntArray]],
    n: int,
    precision: int,
    plan: Plan | None = None,
) -> Codec[IntArray]:
    """Codec of an array of n symbols, more than there are lanes, in chunks of one symbol a lane.

    ``intervals(symbols)`` gives (starts, freqs) of the whole array at once; ``search(begin, end, cf)`` gives (symbols, starts, freqs) of
    the symbols begin..end-1. plan: which symbols share a chunk, see ``lanes.Stage``; by default flat on the message's lanes. Symbols pop as
    int64 (n,).
    """

    def push(message: Message, symbols: IntArray) -> Message:
        if np.shape(symbols) != (n,):
            raise ValueError(f"expected {n} symbols, got an array of shape {np.shape(symbols)}")
        return push_planned(message, *intervals(symbols), precision, plan)

    def pop(message: Message) -> tuple[Message, IntArray]:
        symbols = np.empty(n, np.int64)
        for stage in check_plan(plan, message, n, 0):
            message = resize(message, stage.lanes)
            for begin, end in chunks(stage):
                cf, pop_fun = rans.pop(message, precision, end - begin)
                symbols[begin:end], starts, freqs = search(begin, end, cf.astype(np.int64))
                message = pop_fun(starts, freqs)
        return message, symbols

    return Codec(push, pop)


def check_plan(plan: Plan | None, message: Message, n: int, end: int) -> Plan:
    """The plan, or the flat one for None, checked against the message.

    end: which stage comes first, 0 when about to pop, -1 when about to push.
    Raises ValueError if the plan does not cover exactly n symbols, or its first stage runs on other lanes than the message has.
    """
    if plan is None:
        return flat_plan(n, message.head.size)
    if plan[0].begin != 0 or plan[-1].end != n or any(one.end != other.begin for one, other in pairwise(plan)):
        raise ValueError(f"the plan does not cover exactly {n} symbols: {plan}")
    if plan[end].lanes != message.head.size:
        raise ValueError(f"the plan starts on {plan[end].lanes} lanes, the message has {message.head.size}")
    return plan
