"""What is left of a damaged ``.hvz`` file. The bytes are not trusted.

The invariant: a group is given only if its checksum holds, which covers the header's, its number and all of its bytes.

::

    header | section | group 0 | group 1 | ....damage.... | group 5 | group 6 |
    forwards, length by length ------->                    <------- backwards from the end of the file
"""

from collections.abc import Iterator
from dataclasses import dataclass

from hvpzip import varint
from hvpzip.container.checksum import CRC_BYTES
from hvpzip.container.layout import Group, Header, Limits, Section
from hvpzip.container.reader import LARGEST_LENGTH, Cursor, read_group, read_section, read_start
from hvpzip.errors import CorruptError, FormatError, LimitError, TruncatedError, UnsupportedVersionError

__all__ = ["Salvaged", "salvage"]

_LENGTH_BYTES = 6  # of the longest length of a group
_DAMAGED_IN_A_ROW = 2  # groups that the way backwards may pass: more would let chance matches multiply


@dataclass(frozen=True, kw_only=True, slots=True)
class Salvaged:
    """The header, the sections that are whole, every group that is whole (None for the others), and how many sections were lost.

    ``jpeg_rest``: where the group of a JPEG file is damaged or cut short, its payload as it stands, with whatever follows it; else None.
    """

    header: Header
    metadata: tuple[Section, ...]
    groups: tuple[Group | None, ...]
    lost_sections: int
    jpeg_rest: bytes | None = None


def salvage(data: bytes | bytearray | memoryview, limits: Limits | None = None) -> Salvaged:
    """What is whole in a file that ``read`` may refuse: the header must be.

    Groups are followed from the first one as far as their lengths lead; where a length is damaged, bytes are missing or added, or the
    file was cut, the rest is sought backwards from the end of the file. What follows the last group is ignored.

    Raises:
        FormatError: the header is damaged, or the file is of another kind or version: nothing can be salvaged then.
        LimitError: as for ``read``.
    """
    limits = limits or Limits()
    whole = bytes(data)
    cursor = Cursor(memoryview(whole))
    header, num_sections = read_start(cursor, limits)
    file_mark = whole[cursor.offset - CRC_BYTES : cursor.offset]
    metadata, floor, in_step = _sections(cursor, num_sections, limits, file_mark)
    found: dict[int, Group] = {}
    payloads = cursor.offset
    for number in range(header.num_groups if in_step else 0):
        start = cursor.offset
        try:
            found[number] = read_group(cursor, number, header.num_groups, file_mark)
            floor = cursor.offset
        except CorruptError:
            if cursor.offset == start:
                break  # not even a length
        except TruncatedError:
            break
    search = _Search(whole, header.num_groups, file_mark, found, floor)
    search.backwards(len(whole), header.num_groups - 1, _DAMAGED_IN_A_ROW)
    groups = tuple(found.get(number) for number in range(header.num_groups))
    rest = _payload_from(whole, payloads) if header.jpeg and not found and in_step else None
    return Salvaged(header=header, metadata=metadata, groups=groups, lost_sections=num_sections - len(metadata), jpeg_rest=rest)


def _payload_from(data: bytes, start: int) -> bytes | None:
    """The payload of the group that begins at ``start``, unchecked, and all that follows it; None if its beginning cannot be found."""
    cursor = Cursor(memoryview(data))
    cursor.offset = start
    try:
        cursor.varint(LARGEST_LENGTH, "the group")
    except FormatError:
        return None
    return data[cursor.offset + CRC_BYTES :] or None


def _sections(cursor: Cursor, count: int, limits: Limits, file_mark: bytes) -> tuple[tuple[Section, ...], int, bool]:
    """The sections that are whole, the end of the last one (of the header), and whether lengths led the cursor past all of them."""
    sections: list[Section] = []
    budget, floor = limits.max_metadata_bytes, cursor.offset
    for number in range(count):
        start = cursor.offset
        try:
            section = read_section(cursor, number, count, limits, budget, file_mark)
        except UnsupportedVersionError:
            raise
        except CorruptError:
            if cursor.offset == start:
                return tuple(sections), floor, False
        except (FormatError, LimitError):
            return tuple(sections), floor, False
        else:
            budget -= len(section.data)
            floor = cursor.offset
            sections.append(section)
    return tuple(sections), floor, True


@dataclass(frozen=True, slots=True)
class _Search:
    """The bytes, and what was found in them; nothing below ``floor`` is looked at."""

    data: bytes
    count: int
    file_mark: bytes
    found: dict[int, Group]
    floor: int

    def backwards(self, end: int, number: int, passes: int) -> bool:
        """Find group ``number``, which ends at ``end``, and those before it, down to the first that is known; True if there were any.

        A group's end and its number are known here, so a place that may be its beginning is one whose length leads to the end. Up to
        ``passes`` groups in a row may be damaged if their lengths are not.
        """
        any_found = False
        while number >= 0 and number not in self.found:
            starts = list(self._starts(end))
            start = next((start for start in starts if self._read(start, number)), None)
            if start is None:
                return (passes > 0 and any(self.backwards(start, number - 1, passes - 1) for start in starts)) or any_found
            any_found, passes = True, _DAMAGED_IN_A_ROW
            end, number = start, number - 1
        return any_found

    def _read(self, start: int, number: int) -> bool:
        cursor = Cursor(memoryview(self.data))
        cursor.offset = start
        try:
            self.found[number] = read_group(cursor, number, self.count, self.file_mark)
        except FormatError:
            return False
        return True

    def _starts(self, end: int) -> Iterator[int]:
        """Places whose bytes are the length of a group that begins there and ends at ``end``."""
        for size in range(1, _LENGTH_BYTES + 1):
            rest = end - size - 2 * CRC_BYTES  # where a group without payload would begin
            lowest = 0 if size == 1 else 1 << 7 * (size - 1)
            highest = min((1 << 7 * size) - 1, rest - self.floor)
            # 128 lengths in a row have all bytes but the first in common.
            for block in range(lowest >> 7, (highest >> 7) + 1):
                last = rest - (block << 7)
                first = max(last - 127, self.floor)
                for start in range(last, first - 1, -1) if size == 1 else self._before(varint.write(block), first, last):
                    if self.data[start] == (rest - start) & 0x7F | (0x80 if size > 1 else 0):
                        yield start

    def _before(self, tail: bytes, first: int, last: int) -> Iterator[int]:
        """Places from ``first`` to ``last`` behind whose byte ``tail`` stands."""
        place = self.data.find(tail, first + 1, last + 1 + len(tail))
        while place >= 0:
            yield place - 1
            place = self.data.find(tail, place + 1, last + 1 + len(tail))
