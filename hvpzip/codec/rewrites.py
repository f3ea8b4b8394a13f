"""Other samples that say the same in less: one channel for three equal ones, multiples of a step, numbers of values or colours in a list.

::

    payload = mark (1 byte)  table  payload of the rewritten samples

A rewriting has fewer channels or fewer bits than before, or it is the one that closes gaps (``DENSE``), after which there is none.

Integer arithmetic only: this file reaches the bit stream.
"""

from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hvpzip import varint
from hvpzip.codec import plain
from hvpzip.errors import CorruptError, TruncatedError

__all__ = ["COLOURS", "DENSE", "GRAY", "MARKS", "NAMES", "STEP", "VALUES", "Restoring", "Rewritten", "has_gaps", "read_table", "rewritings"]

Samples = NDArray[np.unsignedinteger[Any]]  # uint8 or uint16
Shape = tuple[int, int, int]

VALUES: Final = 8
COLOURS: Final = 16
GRAY: Final = 32
STEP: Final = 64
DENSE: Final = 128
NAMES: Final = {VALUES: "values", COLOURS: "colours", GRAY: "gray", STEP: "steps", DENSE: "without gaps"}
MARKS: Final = frozenset(NAMES)

_MOST_COLOURS: Final = 256
# One list serves all channels if it is at most so many times as long as the longest list of one of them: then equal values keep equal
# numbers.
_COMMON_LIST_AT_MOST: Final = Fraction(3, 2)
# With gaps to close, one list serves all if it closes at least this share of what the channels' own lists close.
_COMMON_LIST_CLOSES: Final = Fraction(9, 10)
# Gaps are worth closing where more than this share of the samples would lie in them (docs/design.md, Gaps).
_GAPS_MATTER: Final = Fraction(1, 200)


class Rewritten(NamedTuple):
    """``prefix``: mark and table. ``samples`` (h, w, C) of ``bit_depth`` bits: uint8 up to 8, uint16 beyond."""

    prefix: bytes
    samples: Samples
    bit_depth: int


class Restoring(NamedTuple):
    """What a table says: the payload goes on at ``offset`` with samples of this shape and depth, from which ``restore`` makes the first."""

    offset: int
    shape: Shape
    bit_depth: int
    restore: Callable[[Samples], Samples]


def has_gaps(samples: Samples) -> bool:
    """Whether samples (h, w, C) of 8 bits leave out values among those that they use, as a photo does whose contrast was raised."""
    return max(_gaps(samples)) > _GAPS_MATTER * samples.size


def rewritings(samples: Samples, bit_depth: int) -> Iterator[Rewritten]:
    """All that apply to samples (h, w, C) of that depth."""
    channels = samples.shape[2]
    if channels >= 3 and (samples[:, :, :2] == samples[:, :, 1:3]).all():
        yield Rewritten(bytes((GRAY,)), np.ascontiguousarray(samples[:, :, [0, 3][: channels - 2]]), bit_depth)
        return
    if channels > 1:
        colours = _colours(samples)
        if colours is not None:
            table, numbers = colours
            yield Rewritten(bytes((COLOURS,)) + _list(table[None], bit_depth), numbers, _depth(len(table)))
    found = _steps(samples, bit_depth) or _values(samples, bit_depth)
    if found is not None:
        yield found
    if bit_depth == 8 and has_gaps(samples):  # the model's depth
        yield _dense(samples)


def read_table(payload: bytes, shape: Shape, bit_depth: int) -> Restoring:
    """What the table says at the beginning of a payload whose first byte is one of ``MARKS``.

    Raises:
        CorruptError: ``rewritings`` does not give such a table for samples of this shape and depth.
    """
    height, width, channels = shape
    if payload[0] == GRAY:
        if channels < 3:
            raise CorruptError(f"{channels} channels cannot be made of fewer")
        order = [0, 0, 0, 1][:channels]
        return Restoring(1, (height, width, channels - 2), bit_depth, lambda inner: np.ascontiguousarray(inner[:, :, order]))
    if payload[0] == COLOURS:
        if channels < 2:
            raise CorruptError("a list of colours, but one channel")
        table, offset = _read_list(payload, 1, channels, bit_depth, _MOST_COLOURS)
        return Restoring(offset, (height, width, 1), _depth(table.shape[1]), lambda inner: _looked_up(table[0], inner[:, :, 0]))
    if payload[0] == STEP:
        return _read_steps(payload, shape, bit_depth)
    return _read_values(payload, shape, bit_depth)


def _read_steps(payload: bytes, shape: Shape, bit_depth: int) -> Restoring:
    top = (1 << bit_depth) - 1
    first, offset = _number(payload, 1, top)
    step, offset = _number(payload, offset, top)
    count, offset = _number(payload, offset, top)
    if step < 2 or not count or first + step * (count - 1) > top or _depth(count) >= bit_depth:
        raise CorruptError(f"{count} values from {first} on, {step} apart, are not those of samples of {bit_depth} bits, or save no bit")
    table: Samples = (first + step * np.arange(count)).astype(_kind(bit_depth))
    return Restoring(offset, shape, _depth(count), lambda inner: _looked_up(table, inner))


def _read_values(payload: bytes, shape: Shape, bit_depth: int) -> Restoring:
    channels = shape[2]
    lists = payload[1] if len(payload) > 1 else 0
    if lists not in (1, channels):
        raise CorruptError(f"{lists} lists of values for {channels} channels")
    offset, tables = 2, []
    for _ in range(lists):
        gaps, offset = _read_list(payload, offset, 1, bit_depth, 1 << bit_depth)
        values = np.cumsum(gaps[0, :, 0].astype(np.int64) + 1) - 1
        if int(values[-1]) >> bit_depth:
            raise CorruptError("a list of values goes beyond the largest sample")
        tables.append(values.astype(gaps.dtype))
    depth = max(_depth(table.size) for table in tables)
    if payload[0] == DENSE:
        if bit_depth != 8 or all(table.size == 256 for table in tables):
            raise CorruptError("lists of values without a gap, or not of 8 bits")
        depth = bit_depth
    elif depth >= bit_depth:
        raise CorruptError("a list of values that saves no bit")

    def restore(inner: Samples) -> Samples:
        planes = [_looked_up(tables[channel % lists], inner[:, :, channel]) for channel in range(channels)]
        return np.stack(planes, axis=2)

    return Restoring(offset, shape, depth, restore)


def _depth(count: int) -> int:
    """Bits for the numbers 0 to count - 1, at least one."""
    return max(1, (count - 1).bit_length())


def _kind(bit_depth: int) -> type[np.uint8] | type[np.uint16]:
    return np.uint8 if bit_depth <= 8 else np.uint16


def _distinct(values: NDArray[Any]) -> NDArray[Any]:
    """The values that occur, rising. ``np.unique`` would load numpy's masked arrays, which takes longer than a small picture."""
    ordered = np.sort(values, axis=None)
    first = np.empty(ordered.size, bool)
    first[:1] = True
    np.not_equal(ordered[1:], ordered[:-1], out=first[1:])
    found: NDArray[Any] = ordered[first]
    return found


def _colours(samples: Samples) -> tuple[Samples, Samples] | None:
    """(colours (n, C), numbers (h, w, 1)) if there are few, ordered from dark to bright."""
    height, width, channels = samples.shape
    packed = np.zeros((height, width), np.uint64)
    for channel in range(channels):
        packed = packed << np.uint64(16) | samples[:, :, channel]
    if _distinct(packed[:: max(1, height // 16)]).size > _MOST_COLOURS:  # a few rows say no sooner
        return None
    unique, numbers = np.unique(packed.ravel(), return_inverse=True)
    if unique.size > _MOST_COLOURS:
        return None
    shifts = np.arange(channels - 1, -1, -1).astype(np.uint64) * np.uint64(16)
    table = (unique[:, None] >> shifts & np.uint64(0xFFFF)).astype(samples.dtype)
    order = np.argsort(table.astype(np.int64).sum(axis=1), kind="stable")
    place = np.empty_like(order)
    place[order] = np.arange(order.size)
    return table[order], place[numbers].astype(np.uint8).reshape(height, width, 1)


def _steps(samples: Samples, bit_depth: int) -> Rewritten | None:
    """Multiples of a step from the smallest sample on, if that saves a bit. Values between them that do not occur keep their numbers."""
    values = _distinct(samples).astype(np.int64)
    step = int(np.gcd.reduce(np.diff(values), initial=0))
    if step < 2:
        return None
    first = int(values[0]) % step
    count = (int(values[-1]) - first) // step + 1
    depth = _depth(count)
    if depth >= bit_depth:
        return None
    prefix = bytes((STEP,)) + varint.write(first) + varint.write(step) + varint.write(count)
    return Rewritten(prefix, ((samples - first) // step).astype(_kind(depth)), depth)


def _values(samples: Samples, bit_depth: int) -> Rewritten | None:
    """Numbers of the values that occur, if that saves a bit."""
    channels = samples.shape[2]
    lists = [_distinct(samples[:, :, channel]) for channel in range(channels)]
    common = _distinct(samples)
    if channels == 1 or common.size <= _COMMON_LIST_AT_MOST * max(values.size for values in lists):
        lists = [common]
    depth = max(_depth(values.size) for values in lists)
    if depth >= bit_depth:
        return None
    return _numbered(VALUES, samples, lists, bit_depth, depth)


def _gaps(samples: Samples) -> tuple[int, int]:
    """How many samples would lie in the gaps of all colours together, and in those of each, were a gap as frequent as what is beside it.
    Alpha, of which two values are usual, does not count.
    """

    def lost(part: Samples) -> int:
        counts = np.trim_zeros(np.bincount(part.ravel()))
        gaps = np.flatnonzero(counts == 0)
        return int(counts[gaps - 1].sum() + counts[gaps + 1].sum()) // 2

    colours = 3 if samples.shape[2] > 2 else 1
    return lost(samples[:, :, :colours]), sum(lost(samples[:, :, colour]) for colour in range(colours))


def _dense(samples: Samples) -> Rewritten:
    """Numbers of the values that occur, in as many bits. One list serves all colours where that closes nearly all gaps: then equal values
    keep equal numbers.
    """
    together, each = _gaps(samples)
    if samples.shape[2] in (1, 3) and together >= _COMMON_LIST_CLOSES * each:
        lists = [_distinct(samples)]
    else:
        lists = [_distinct(samples[:, :, channel]) for channel in range(samples.shape[2])]
    return _numbered(DENSE, samples, lists, 8, 8)


def _numbered(mark: int, samples: Samples, lists: list[Samples], bit_depth: int, depth: int) -> Rewritten:
    """Samples of that bit depth as places in the lists of their channels, or in the only one, in ``depth`` bits."""
    prefix = bytes((mark, len(lists)))
    for values in lists:
        gaps = np.diff(values.astype(np.int64), prepend=-1) - 1
        prefix += _list(gaps.astype(samples.dtype)[None, :, None], bit_depth)
    planes = [np.searchsorted(lists[channel % len(lists)], samples[:, :, channel]) for channel in range(samples.shape[2])]
    return Rewritten(prefix, np.stack(planes, axis=2).astype(_kind(depth)), depth)


def _list(entries: Samples, bit_depth: int) -> bytes:
    """Entries (1, n, C), as a picture of one row: n, the length of its part, the part by a plain method."""
    data = plain.encode(entries, bit_depth)
    return varint.write(entries.shape[1]) + varint.write(len(data)) + data


def _read_list(payload: bytes, offset: int, channels: int, bit_depth: int, most: int) -> tuple[Samples, int]:
    """(entries (1, n, C), where the payload goes on)."""
    count, offset = _number(payload, offset, most)
    size, offset = _number(payload, offset, len(payload))
    if not count or size > len(payload) - offset:
        raise CorruptError("a list is empty, or goes beyond the end of its group")
    return plain.decode(payload[offset : offset + size], (1, count, channels), bit_depth), offset + size


def _number(payload: bytes, offset: int, most: int) -> tuple[int, int]:
    try:
        return varint.read(memoryview(payload), offset, most, "a number of a table")
    except TruncatedError as error:
        raise CorruptError("the payload ends inside a table") from error


def _looked_up(table: Samples, numbers: Samples) -> Samples:
    """``table[numbers]``. Raises: CorruptError for a number beyond the table."""
    if int(numbers.max()) >= len(table):
        raise CorruptError("a number beyond the end of its list")
    return np.ascontiguousarray(table[numbers])
