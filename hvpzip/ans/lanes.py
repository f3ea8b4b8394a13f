"""Lanes: changing their number for nothing, planning how many to use when, and writing a message of one lane as bytes.

Integer arithmetic only: this file reaches the bit stream.

A lane more is a head more, of some 47 bits. ``grow`` pops the new heads from the message's own words, with a code that fits how heads are
distributed, and ``shrink`` pushes them back, so lanes cost nothing:

    encoder   1 lane -> push a few -> grow -> push more -> ... -> 1024 lanes -> push the rest -> shrink to 1 -> bytes
    decoder   bytes -> grow to 1024 -> pop -> shrink ... -> 1 lane, which must be the start state again

The code of a head, and the order of the steps, are those of craystack's ``Benford64`` and ``reshape_head``.
"""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from hvpzip.ans import rans
from hvpzip.ans.rans import Message
from hvpzip.errors import CorruptError

__all__ = ["Plan", "Stage", "chunks", "flat_plan", "from_bytes", "grow", "ramp_plan", "resize", "shrink", "to_bytes"]

StateArray: TypeAlias = NDArray[np.uint64]

# A head is coded as its bit length (31..62 bits after the leading one: 5 bits), the next 4 bits with the frequencies of a log-uniform
# variable, and the rest plainly.
_LENGTH_BITS = 5
_HIGH_BITS = 4
_HIGH_PRECISION = 16
# round(2**16 * log2(1 + i/16)), i = 0..16; tests/ans/test_lanes.py derives it by exact comparison of integer powers.
_HIGH_CDF = np.array(
    [0, 5732, 11136, 16248, 21098, 25711, 30109, 34312, 38336, 42196, 45904, 49472, 52911, 56229, 59434, 62534, 65536], np.uint64
)


class Stage(NamedTuple):
    """Symbols ``begin`` to ``end - 1`` of an array, coded on ``lanes`` lanes.

    Chunk c is the ``lanes`` symbols from ``begin + c * lanes`` on, one a lane; the last chunk may be short.
    """

    lanes: int
    begin: int
    end: int


Plan: TypeAlias = tuple[Stage, ...]
"""Stages in the order of the array, which is the order of popping.

The message has ``plan[0].lanes`` lanes before a pop and after a push, ``plan[-1].lanes`` the other way round.
"""


def flat_plan(n: int, lanes: int) -> Plan:
    """The plan that codes n symbols on the same number of lanes throughout."""
    if n < 0 or lanes < 1:
        raise ValueError(f"a plan needs n >= 0 and lanes >= 1, got {n} and {lanes}")
    return (Stage(lanes, 0, n),)


def ramp_plan(n: int, max_lanes: int, run: int, lanes: int = 1) -> Plan:
    """The plan that pushes on few lanes first and doubles them as words come in.

    The symbols pushed first (the end of the array) go on ``lanes`` lanes for ``run`` vector pushes, the next on twice as many for ``run``
    pushes, and so on; once there are ``max_lanes`` the rest goes on those. A short array ends before that: ``plan[0].lanes`` says on how
    many. A growth takes about 50 bits a new lane off the stack, so ``run`` times the bits of a symbol must be more than that;
    StackUnderflow on pushing says that it was not. To go on ramping in the next array to be pushed, pass ``plan[0].lanes`` as its
    ``lanes``.
    """
    if n < 0 or lanes < 1 or max_lanes < lanes or run < 1:
        raise ValueError(f"a ramp needs n >= 0, 1 <= lanes <= max_lanes and run >= 1, got {n}, {lanes}, {max_lanes}, {run}")
    stages, end = [], n
    while lanes < max_lanes and end > run * lanes:
        stages.append(Stage(lanes, end - run * lanes, end))
        end -= run * lanes
        lanes = min(2 * lanes, max_lanes)
    stages.append(Stage(lanes, 0, end))
    return tuple(reversed(stages))


def chunks(stage: Stage) -> list[tuple[int, int]]:
    """(begin, end) of each chunk of a stage, in the order of popping."""
    return [(begin, min(begin + stage.lanes, stage.end)) for begin in range(stage.begin, stage.end, stage.lanes)]


def grow(message: Message) -> Message:
    """The message on twice the lanes, the new heads popped from its words. Raises StackUnderflow if there are too few."""
    return _extend(message, message.head.size)


def shrink(message: Message) -> Message:
    """Inverse of ``grow``: the upper half of the lanes is pushed onto the rest. Raises ValueError for an odd number of lanes."""
    if message.head.size % 2:
        raise ValueError(f"cannot halve {message.head.size} lanes")
    return _fold(message, message.head.size // 2)


def resize(message: Message, lanes: int) -> Message:
    """The message on ``lanes`` lanes, by repeated growing or shrinking; resizing back is the exact inverse.

    Any number from 1 is allowed: the last step of growing adds only what is missing. Raises StackUnderflow if there are too few words to
    grow.
    """
    if lanes < 1:
        raise ValueError(f"a message needs at least one lane, got {lanes}")
    sizes = _sizes(*sorted((lanes, message.head.size)))
    steps = [after - before for before, after in pairwise(sizes)]
    if message.head.size < lanes:
        for extra in steps:
            message = _extend(message, extra)
    else:
        for extra in reversed(steps):
            message = _fold(message, extra)
    return message


def to_bytes(message: Message) -> bytes:
    """The message of one lane as bytes: head and tail are one natural number, head on top, written little-endian without leading zeros.

        byte 0                                                        last byte
        | bottom word | ... | top word of the tail | head, 4 to 8 bytes |

    The head has 32 to 63 bits, so the number's bit length says how many words there are. Raises ValueError unless there is one lane.
    """
    if message.head.size != 1:
        raise ValueError(f"only a message of one lane can be written, this one has {message.head.size}")
    head = int(message.head[0])
    words = rans.tail_words(message.tail)[::-1]
    return words.astype("<u4").tobytes() + head.to_bytes((head.bit_length() + 7) // 8, "little")


def from_bytes(data: bytes) -> Message:
    """Inverse of ``to_bytes``. Raises CorruptError for anything that it does not write: leading zero bytes, or a number below 2**31."""
    if len(data) < 4 or data[-1] == 0 or (len(data) == 4 and data[3] < 0x80):
        raise CorruptError(f"not the bytes of a message: {len(data)} bytes, the last must not be zero and the number at least 2**31")
    count = (8 * (len(data) - 1) + data[-1].bit_length()) // 32 - 1
    words = np.array(np.frombuffer(data, "<u4", count)[::-1], np.uint32, order="C")
    head = np.array([int.from_bytes(data[4 * count :], "little")], np.uint64)
    return Message(head, (words, ()) if count else ())


def _sizes(small: int, big: int) -> list[int]:
    sizes = [small]
    while sizes[-1] != big:
        sizes.append(min(2 * sizes[-1], big))
    return sizes


def _extend(message: Message, extra: int) -> Message:
    message, heads = _pop_heads(message, extra)
    return Message(np.concatenate((message.head, heads)), message.tail)


def _fold(message: Message, extra: int) -> Message:
    keep = message.head.size - extra
    return _push_heads(Message(message.head[:keep], message.tail), message.head[keep:])


def _push_heads(message: Message, heads: StateArray) -> Message:
    """Push one head a lane. heads: uint64 (n,) in [2**31, 2**63)."""
    length = _bit_length(heads)
    low_bits = length - np.uint64(_HIGH_BITS)
    high = (heads >> low_bits) & np.uint64((1 << _HIGH_BITS) - 1)
    start = _HIGH_CDF[high]
    message = rans.push(message, start, _HIGH_CDF[high + np.uint64(1)] - start, _HIGH_PRECISION)
    ones = np.ones_like(heads)
    for lower, bits in _pieces(low_bits):
        piece = (heads >> np.uint64(lower)) & ((ones << bits) - ones)
        message = rans.push(message, piece, ones, bits)
    return rans.push(message, length - np.uint64(31), ones, _LENGTH_BITS)


def _pop_heads(message: Message, n: int) -> tuple[Message, StateArray]:
    """Inverse of ``_push_heads`` for n heads, n <= lanes."""
    ones = np.ones(n, np.uint64)
    length, pop_fun = rans.pop(message, _LENGTH_BITS, n)
    message = pop_fun(length, ones)
    length = length + np.uint64(31)
    low_bits = length - np.uint64(_HIGH_BITS)
    heads = ones << length
    for lower, bits in reversed(_pieces(low_bits)):
        piece, pop_fun = rans.pop(message, bits, n)
        message = pop_fun(piece, ones)
        heads |= piece << np.uint64(lower)
    cf, pop_fun = rans.pop(message, _HIGH_PRECISION, n)
    high = (np.searchsorted(_HIGH_CDF, cf, "right") - 1).astype(np.uint64)
    start = _HIGH_CDF[high]
    return pop_fun(start, _HIGH_CDF[high + np.uint64(1)] - start), heads | high << low_bits


def _pieces(low_bits: StateArray) -> list[tuple[int, StateArray]]:
    """Where the 16-bit pieces of the low bits begin, and how many bits of each are there: none where a head is short."""
    return [(lower, np.minimum(np.maximum(low_bits, np.uint64(lower)) - np.uint64(lower), np.uint64(16))) for lower in (0, 16, 32, 48)]


def _bit_length(heads: StateArray) -> StateArray:
    """floor(log2(head)), exactly: a float logarithm rounds up just below a power of two."""
    length, rest = np.zeros_like(heads), heads.copy()
    for step in (32, 16, 8, 4, 2, 1):
        above = rest >> np.uint64(step)
        more = above > 0
        length[more] += np.uint64(step)
        rest[more] = above[more]
    return length
