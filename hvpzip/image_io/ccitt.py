"""The fax codes of TIFF (CCITT T.4 and T.6) to rows of bits, strictly: what is no code, and rows that are missing, are errors.

libtiff fills such rows as it can and goes on, which is why they are decoded here.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["fax_rows"]


def _codes(text: str) -> list[str]:
    return text.split()


# Lengths 0 to 63, then 64, 128 ... 1728, then what both colours share, 1792 to 2560.
_WHITE: Final = _codes(
    "00110101 000111 0111 1000 1011 1100 1110 1111 10011 10100 00111 01000 001000 000011 110100 110101 101010 101011 0100111 0001100 "
    "0001000 0010111 0000011 0000100 0101000 0101011 0010011 0100100 0011000 00000010 00000011 00011010 00011011 00010010 00010011 "
    "00010100 00010101 00010110 00010111 00101000 00101001 00101010 00101011 00101100 00101101 00000100 00000101 00001010 00001011 "
    "01010010 01010011 01010100 01010101 00100100 00100101 01011000 01011001 01011010 01011011 01001010 01001011 00110010 00110011 "
    "00110100 11011 10010 010111 0110111 00110110 00110111 01100100 01100101 01101000 01100111 011001100 011001101 011010010 011010011 "
    "011010100 011010101 011010110 011010111 011011000 011011001 011011010 011011011 010011000 010011001 010011010 011000 010011011 "
)
_BLACK: Final = _codes(
    "0000110111 010 11 10 011 0011 0010 00011 000101 000100 0000100 0000101 0000111 00000100 00000111 000011000 0000010111 0000011000 "
    "0000001000 00001100111 00001101000 00001101100 00000110111 00000101000 00000010111 00000011000 000011001010 000011001011 "
    "000011001100 000011001101 000001101000 000001101001 000001101010 000001101011 000011010010 000011010011 000011010100 000011010101 "
    "000011010110 000011010111 000001101100 000001101101 000011011010 000011011011 000001010100 000001010101 000001010110 000001010111 "
    "000001100100 000001100101 000001010010 000001010011 000000100100 000000110111 000000111000 000000100111 000000101000 000001011000 "
    "000001011001 000000101011 000000101100 000001011010 000001100110 000001100111 0000001111 000011001000 000011001001 000001011011 "
    "000000110011 000000110100 000000110101 0000001101100 0000001101101 0000001001010 0000001001011 0000001001100 0000001001101 "
    "0000001110010 0000001110011 0000001110100 0000001110101 0000001110110 0000001110111 0000001010010 0000001010011 0000001010100 "
    "0000001010101 0000001011010 0000001011011 0000001100100 0000001100101 "
)
_LONG: Final = _codes(
    "00000001000 00000001100 00000001101 000000010010 000000010011 000000010100 000000010101 000000010110 000000010111 000000011100 "
    "000000011101 000000011110 000000011111 "
)
_PASS, _HORIZONTAL = 10, 11
_MODES: Final = {
    "1": 0, "011": 1, "010": -1, "0001": _PASS, "001": _HORIZONTAL, "000011": 2, "000010": -2, "0000011": 3, "0000010": -3,
}  # fmt: skip
_CODE_BITS: Final = 13  # of the longest code
_MODE_BITS: Final = 7


def _table(codes: Sequence[tuple[str, int]], width: int) -> list[tuple[int, int]]:
    """For each number of so many bits: how many of them are a code, 0 for none, and what it means."""
    table = [(0, 0)] * (1 << width)
    for code, value in codes:
        spare = width - len(code)
        begin = int(code, 2) << spare
        table[begin : begin + (1 << spare)] = [(len(code), value)] * (1 << spare)
    return table


def _runs(codes: Sequence[str]) -> list[tuple[int, int]]:
    lengths = [*range(64), *range(64, 2561, 64)]
    return _table(list(zip((*codes, *_LONG), lengths, strict=True)), _CODE_BITS)


_RUNS: Final = (_runs(_WHITE), _runs(_BLACK))
_MODE_TABLE: Final = _table(list(_MODES.items()), _MODE_BITS)


class _Bits:
    """Bits of a strip, the first one highest."""

    def __init__(self, data: bytes) -> None:
        self._data, self._place, self._held, self._count = data, 0, 0, 0
        self._size = 8 * len(data)

    def peek(self, count: int) -> int:
        """The next bits as a number, zeros behind the end; nothing is taken."""
        while self._count < count:
            piece = self._data[self._place : self._place + 64]
            self._held = (self._held & ((1 << self._count) - 1)) << 512 | int.from_bytes(piece.ljust(64, b"\0"), "big")
            self._count += 512
            self._place += 64
        return self._held >> (self._count - count) & ((1 << count) - 1)

    @property
    def place(self) -> int:
        """How many bits are taken."""
        return 8 * self._place - self._count

    def take(self, count: int) -> None:
        """Raises: ValueError behind the end."""
        self.peek(count)
        self._count -= count
        if self.place > self._size:
            raise ValueError("the codes end too early")

    def align(self, size: int) -> None:
        self.take(-self.place % size)


def _run(bits: _Bits, colour: int) -> int:
    """The length of a run, of which all but the last code are multiples of 64."""
    table, length = _RUNS[colour], 0
    while True:
        size, value = table[bits.peek(_CODE_BITS)]
        if not size:
            raise ValueError("a code that does not exist")
        bits.take(size)
        length += value
        if value < 64:
            return length


def _row(bits: _Bits, width: int) -> list[int]:
    """Where the colour changes in a row of its own, white first."""
    changes: list[int] = []
    place, colour = 0, 0
    while place < width:
        place += _run(bits, colour)
        changes.append(place)
        colour ^= 1
    if place > width:
        raise ValueError("a run that goes beyond the row")
    return changes


def _row_after(bits: _Bits, width: int, above: list[int]) -> list[int]:
    """Where the colour changes in a row that says how it differs from the one above."""
    above = [*above, width, width, width]
    changes: list[int] = []
    place, colour, index = -1, 0, 0
    while place < width:
        # The first change above that is further right, and to the other colour.
        while index > 0 and above[index - 1] > place:
            index -= 1
        while above[index] < width and (above[index] <= place or index % 2 != colour):
            index += 1
        size, mode = _MODE_TABLE[bits.peek(_MODE_BITS)]
        if not size:
            raise ValueError("a code that does not exist")
        bits.take(size)
        if mode == _PASS:
            place = above[index + 1]
        elif mode == _HORIZONTAL:
            first = max(place, 0) + _run(bits, colour)
            place = first + _run(bits, colour ^ 1)
            changes += [first, place]
        else:
            changed = above[index] + mode
            if changed < max(place, 0):
                raise ValueError("a change that goes back")
            place = changed
            changes.append(place)
            colour ^= 1
        if place > width:
            raise ValueError("a run that goes beyond the row")
    return changes


def _skip_eol(bits: _Bits) -> bool:
    """Takes the mark between rows, with what fills up before it, if it is there."""
    if bits.peek(11):
        return False
    while not bits.peek(1):
        bits.take(1)
    bits.take(1)
    return True


def fax_rows(data: bytes, width: int, height: int, *, compression: int, two_dimensional: bool = False) -> NDArray[np.uint8]:
    """The rows, (height, width) of 0 for white and 1 for black.

    Args:
        data: the codes, the first one in the highest bits.
        width, height: pixels.
        compression: 2 (rows of bytes, one-dimensional), 3 (T.4) or 4 (T.6), as in TIFF.
        two_dimensional: T.4 with rows that refer to the row above.

    Raises:
        ValueError: a code that does not exist, or the codes end before the last row; the message counts rows.
    """
    bits = _Bits(data)
    rows: list[list[int]] = []
    above: list[int] = []
    try:
        while len(rows) < height:
            if compression == 4:
                above = _row_after(bits, width, above)
            elif compression == 2:
                above = _row(bits, width)
                bits.align(8)
            else:
                marked = _skip_eol(bits)
                if two_dimensional and not marked:
                    raise ValueError("a row without its mark")
                alone = True
                if two_dimensional:
                    alone = bool(bits.peek(1))
                    bits.take(1)
                above = _row(bits, width) if alone else _row_after(bits, width, above)
            rows.append(above)
    except ValueError as error:
        raise ValueError(f"{len(rows)} of {height} rows: {error}") from None
    changes = np.array([change for row in rows for change in row], np.int64)
    lines = np.repeat(np.arange(height), [len(row) for row in rows])
    pixels = np.zeros((height, width), np.uint8)
    inside = changes < width
    np.bitwise_xor.at(pixels, (lines[inside], changes[inside]), 1)
    np.bitwise_xor.accumulate(pixels, axis=1, out=pixels)
    return pixels
