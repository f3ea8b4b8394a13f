"""Whole numbers as LEB128: seven bits a byte, low ones first, the top bit set on all but the last byte; one way only to write a number."""

from hvpzip.errors import CorruptError, TruncatedError

__all__ = ["read", "write"]


def write(value: int) -> bytes:
    """The bytes of ``value``, which must not be negative (ValueError)."""
    if value < 0:
        raise ValueError(f"a varint cannot hold {value}")
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def read(data: memoryview, offset: int, largest: int, what: str) -> tuple[int, int]:
    """(value, offset after it) of the number that begins at ``offset``; ``what`` names it in messages.

    Raises:
        TruncatedError: the data ends inside the number.
        CorruptError: it is above ``largest``, or has a zero byte too many at its end.
    """
    value = shift = 0
    for position in range(offset, len(data)):
        byte = data[position]
        value |= (byte & 0x7F) << shift
        if value > largest or shift > largest.bit_length():
            raise CorruptError(f"{what} at byte {offset} is above its limit of {largest}")
        if byte < 0x80:
            if byte == 0 and shift:
                raise CorruptError(f"{what} at byte {offset} is not in its shortest form")
            return value, position + 1
        shift += 7
    raise TruncatedError(f"the file ends after {len(data)} bytes, inside {what}")
