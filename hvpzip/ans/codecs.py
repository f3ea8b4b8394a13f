"""Codecs as pairs of a push and its exact inverse, and arrays pushed and popped as a plan of lanes says.

Integer arithmetic only: this file reaches the bit stream.

A codec keeps one rule, in both directions:

    codec.pop(codec.push(message, symbol)) == (message, symbol)         data come back
    codec.push(*codec.pop(message))        == message                   bits come back: bits-back coding needs this one

Reference: Townsend, Bird, Barber, arXiv 1901.04866; the shapes are craystack's.
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

__all__ = ["Codec", "chunked", "pop_planned", "pop_table", "push_planned"]

S = TypeVar("S")


@dataclass(frozen=True, slots=True)
class Codec(Generic[S]):
    """``push(message, symbol) -> message`` and ``pop(message) -> (message, symbol)``, inverse to each other both ways."""

    push: Callable[[Message, S], Message]
    pop: Callable[[Message], tuple[Message, S]]


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

    kernel: ``pop_stage``, ``pop_reweighted_stage`` or ``pop_table_stage``; arguments: those between the words and the stage. Errors as
    ``push_planned``, and StackUnderflow where the stack runs dry.
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


def pop_table(
    message: Message, starts: NDArray[np.int64], n: int, precision: int, plan: Plan | None = None
) -> tuple[Message, NDArray[np.int64], NDArray[np.int64]]:
    """The message with n symbols popped that all have the same frequencies, the symbols and their frequencies, int64 (n,) each.

    starts: int64 (M + 1,), where the symbols' intervals begin, strictly rising from 0 to 2**precision. Errors as ``pop_planned``.
    """
    return pop_planned(message, n, kernels().pop_table_stage, (starts, precision), plan)


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
