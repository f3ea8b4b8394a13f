"""Vectorised rANS state: push and pop of many symbols at once on one stack of words.

Integer arithmetic only: this file reaches the bit stream.

    message = (head, tail)

    head   uint64 (lanes,)   one coder state a lane, each in [2**31, 2**63)
    tail   (words, (words, (... ())))   uint32 arrays, top of the stack first; the first word of an array is popped first

A push of n symbols uses the first n lanes; a lane that would leave its range gives its low 32 bits to the tail first, and takes them back
when the symbol is popped. Nothing is mutated: every function returns a new message, which shares the old one's tail.

Words and their order are those of craystack's ``rans.py``, so messages interoperate (tests/ans/test_rans.py holds words that craystack
wrote). What differs: a zero frequency is refused, and a stack that runs dry raises ``StackUnderflow`` where craystack invents words.

Reference: Duda, arXiv 1311.2540; Giesen, arXiv 1402.3392.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from hvpzip.core.reference.rans import LOWER_BOUND, UPPER_BITS, pushed, refill, taken
from hvpzip.errors import CorruptError

__all__ = [
    "LOWER_BOUND",
    "MAX_PRECISION",
    "IntArray",
    "Message",
    "Precision",
    "StackUnderflow",
    "Tail",
    "WordArray",
    "base_message",
    "check_base",
    "check_intervals",
    "flatten",
    "message_equal",
    "pop",
    "push",
    "tail_words",
    "take_words",
    "top_words",
    "unflatten",
]

IntArray: TypeAlias = NDArray[np.integer[Any]]
StateArray: TypeAlias = NDArray[np.uint64]
WordArray: TypeAlias = NDArray[np.uint32]
Tail: TypeAlias = "tuple[()] | tuple[WordArray, Tail]"
Precision: TypeAlias = "int | StateArray"

MAX_PRECISION = 31
_ONE = np.uint64(1)


class StackUnderflow(CorruptError):
    """More words were asked of the stack than it holds."""


class Message(NamedTuple):
    """An ANS message: see the module's docstring. Treat both fields as read-only."""

    head: StateArray
    tail: Tail


def base_message(lanes: int) -> Message:
    """The start state: ``lanes`` heads of exactly 2**31 and no words. Raises ValueError if lanes < 1."""
    if lanes < 1:
        raise ValueError(f"a message needs at least one lane, got {lanes}")
    return Message(np.full(lanes, LOWER_BOUND, np.uint64), ())


def check_base(message: Message) -> None:
    """Raise CorruptError unless the message is exactly its start state, as it must be when everything has been popped."""
    left = sum(array.size for array in _arrays(message.tail))
    if left or bool((message.head != LOWER_BOUND).any()):
        raise CorruptError(f"leftover bits: the stack should be back at its start state, but {left} words are left or a head differs")


def check_intervals(starts: IntArray, freqs: IntArray, precision: Precision) -> tuple[StateArray, StateArray]:
    """The same intervals as uint64 arrays of one length.

    Raises ValueError unless 0 < freq, 0 <= start and start + freq <= 2**precision everywhere, with 0 <= precision <= 31.
    """
    starts, freqs = np.asarray(starts), np.asarray(freqs)
    if starts.ndim != 1 or starts.shape != freqs.shape or starts.dtype.kind not in "iu" or freqs.dtype.kind not in "iu":
        found = f"{starts.dtype}{starts.shape} and {freqs.dtype}{freqs.shape}"
        raise ValueError(f"starts and freqs must be integer arrays of one length, got {found}")
    if not starts.size:
        return starts.astype(np.uint64), freqs.astype(np.uint64)
    least, most = (precision, precision) if isinstance(precision, int) else (int(precision.min()), int(precision.max()))
    if least < 0 or most > MAX_PRECISION:
        raise ValueError(f"precision must be in 0..{MAX_PRECISION}, got {precision}")
    start_states, freq_states = starts.astype(np.uint64, copy=False), freqs.astype(np.uint64, copy=False)
    total = np.left_shift(_ONE, np.asarray(precision, np.uint64))
    # One look for all that may be wrong: numbers below 0, and a frequency of 0 less 1, are larger than any total.
    if ((freq_states - _ONE >= total) | (start_states > total - freq_states)).any():
        if freqs.min() <= 0:
            raise ValueError(f"every frequency must be at least 1, found {freqs.min()}")
        if starts.min() < 0:
            raise ValueError(f"every start must be at least 0, found {starts.min()}")
        raise ValueError("every interval must end at or before 2**precision")
    return start_states, freq_states


def push(message: Message, starts: IntArray, freqs: IntArray, precision: Precision) -> Message:
    """The message with n symbols pushed, the i-th onto lane i.

    starts, freqs: (n,) integer arrays, n <= lanes, the symbols' intervals (see ``codecs.NonUniform``).
    precision: log2 of the total, an int or a uint64 array (n,), in 0..31.
    Raises ValueError for a frequency of zero, an interval beyond 2**precision, or more symbols than lanes.
    """
    starts, freqs = check_intervals(starts, freqs, precision)
    n, tail = starts.size, message.tail
    _check_lanes(message, n)
    shift = np.asarray(precision, np.uint64)
    head = message.head.copy()
    head[:n], words = pushed(head[:n], starts, freqs, shift)
    if words.size:
        tail = (words, tail)
    return Message(head, tail)


def pop(message: Message, precision: Precision, n: int | None = None) -> tuple[StateArray, Callable[[IntArray, IntArray], Message]]:
    """What identifies the top n symbols, and the function that takes them off once they are known.

    Returns ``(cf, pop_fun)``. cf: uint64 (n,), a number in [0, 2**precision) inside each symbol's interval.
    ``pop_fun(starts, freqs)`` returns the message as it was before these symbols were pushed; it raises ValueError if cf is not inside the
    intervals, and StackUnderflow if the tail holds too few words. n: the first n lanes are read; all of them by default.
    """
    head = message.head
    n = head.size if n is None else n
    _check_lanes(message, n)
    shift = np.asarray(precision, np.uint64)
    active = head[:n]
    cf = active & (np.left_shift(np.uint64(1), shift) - np.uint64(1))

    def pop_fun(starts: IntArray, freqs: IntArray) -> Message:
        starts, freqs = check_intervals(starts, freqs, precision)
        if starts.size != n or (cf < starts).any() or (cf - starts >= freqs).any():
            raise ValueError("the intervals do not hold the numbers that were popped")
        state = taken(active, starts, freqs, cf, shift)
        low = refill(state)
        tail, count = message.tail, int(np.count_nonzero(low))
        if count:
            words, tail = take_words(tail, count)
            state[low] = (state[low] << np.uint64(32)) | words
        return Message(np.concatenate((state, head[n:])), tail)

    return cf, pop_fun


def take_words(tail: Tail, count: int) -> tuple[WordArray, Tail]:
    """The top ``count`` words, first one first, and the tail without them. Raises StackUnderflow if there are fewer."""
    if tail and tail[0].size >= count:  # the common case: no copy
        return tail[0][:count], (tail[0][count:], tail[1]) if tail[0].size > count else tail[1]
    parts: list[WordArray] = []
    missing = count
    while missing:
        if not tail:
            raise StackUnderflow(f"the stack ran dry: {count} words wanted, {count - missing} left")
        words, tail = tail
        parts.append(words[:missing])
        if words.size > missing:
            tail = (words[missing:], tail)
        missing -= parts[-1].size
    return np.concatenate(parts) if parts else np.empty(0, np.uint32), tail


def top_words(tail: Tail, most: int) -> tuple[WordArray, Tail]:
    """At least ``most`` words from the top of the tail in one contiguous array, or all of them, and the tail below."""
    parts: list[WordArray] = []
    count = 0
    while tail and count < most:
        words, tail = tail
        if words.size > most - count:  # leave the rest where it is: a large array would be copied again by every stage
            words, tail = words[: most - count], (words[most - count :], tail)
        parts.append(words)
        count += words.size
    return np.concatenate([np.empty(0, np.uint32), *parts]), tail


def tail_words(tail: Tail) -> WordArray:
    """All words of a tail in one new array, top of the stack first."""
    return np.concatenate([np.empty(0, np.uint32), *_arrays(tail)])


def flatten(message: Message) -> WordArray:
    """The message as uint32 words: the high halves of all heads, their low halves, then the tail from its top."""
    high, low = (message.head >> np.uint64(32)).astype(np.uint32), message.head.astype(np.uint32)
    return np.concatenate([high, low, *_arrays(message.tail)])


def unflatten(words: WordArray, lanes: int) -> Message:
    """Inverse of ``flatten``. Raises CorruptError if the words are too few or a head is out of range, ValueError if lanes < 1."""
    if lanes < 1:
        raise ValueError(f"a message needs at least one lane, got {lanes}")
    if words.size < 2 * lanes:
        raise CorruptError(f"a message of {lanes} lanes needs {2 * lanes} words or more, found {words.size}")
    head = words[:lanes].astype(np.uint64) << np.uint64(32) | words[lanes : 2 * lanes].astype(np.uint64)
    if (head < LOWER_BOUND).any() or (head >= 1 << UPPER_BITS).any():
        raise CorruptError("a head of the message is outside [2**31, 2**63)")
    rest = words[2 * lanes :].astype(np.uint32)
    return Message(head, (rest, ()) if rest.size else ())


def message_equal(one: Message, other: Message) -> bool:
    """Whether both messages hold the same lanes and words; how the tail is cut into arrays does not count."""
    return np.array_equal(one.head, other.head) and np.array_equal(tail_words(one.tail), tail_words(other.tail))


def _arrays(tail: Tail) -> list[WordArray]:
    arrays = []
    while tail:
        words, tail = tail
        arrays.append(words)
    return arrays


def _check_lanes(message: Message, n: int) -> None:
    if not 0 <= n <= message.head.size:
        raise ValueError(f"{n} symbols do not fit on {message.head.size} lanes")
