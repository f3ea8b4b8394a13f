"""How TIFF packs strips: LZW, PackBits, LZMA and deflate are unpacked here, Zstandard by Pillow's libtiff.

libtiff could unpack all of them, but it writes of damage to standard error; and where a strip ends is counted only here.
"""

import io
import lzma
import struct
import zlib
from typing import Final

from PIL import TiffImagePlugin

from hvpzip.image_io.tiff_tags import directory_bytes, entry_of

__all__ = ["DEFLATE", "LZW", "PACKBITS", "PACKINGS", "unpacked"]

LZW, PACKBITS, _LZMA, _ZSTD = 5, 32773, 34925, 50000
DEFLATE: Final = frozenset({8, 32946})
PACKINGS: Final = frozenset({1, LZW, PACKBITS, _LZMA, _ZSTD, *DEFLATE})
_CLEAR, _END, _FIRST = 256, 257, 258  # codes of LZW
_MAX_CODE_BITS: Final = 12
_REFILL: Final = 8  # bytes taken at once
_MEMORY: Final = 1 << 28  # that LZMA may take


def unpacked(data: bytes, compression: int, size: int, height: int) -> bytes:
    """The rows of a strip or tile, of so many bytes each; there may be more behind them.

    Raises:
        ValueError: there are fewer, or the data is damaged; the message counts bytes.
    """
    expected = size * height
    if compression in DEFLATE:
        return _inflated(data, expected)
    if compression == LZW:
        found = _lzw(data, expected)
    elif compression == PACKBITS:
        found = _packbits(data, expected)
    elif compression == _LZMA:
        try:
            found = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_MEMORY).decompress(data, expected)
        except lzma.LZMAError as error:
            raise ValueError(f"its {expected} bytes cannot be unpacked ({error})") from None
    elif compression == _ZSTD:
        found = _by_libtiff(data, compression, size, height)
    else:
        found = data
    if len(found) < expected:
        raise ValueError(f"{len(found)} of {expected} bytes")
    return found


def _inflated(data: bytes, expected: int) -> bytes:
    unpack = zlib.decompressobj()
    try:
        found = unpack.decompress(data, expected + 1)
        if len(found) == expected and not unpack.eof:
            found += unpack.decompress(unpack.unconsumed_tail, 1)
    except zlib.error as error:
        raise ValueError(f"its {expected} bytes cannot be unpacked ({error})") from None
    if len(found) < expected:
        raise ValueError(f"{len(found)} of {expected} bytes")
    if not unpack.eof and len(found) == expected:
        raise ValueError(f"{expected} of {expected} bytes, but the end of the packed data, with its checksum, is missing")
    return found + unpack.unused_data.rstrip(b"\0")  # zeros fill up


def _lzw(data: bytes, expected: int) -> bytes:
    if data[:1] == b"\0" and data[1:2] and data[1] & 1:
        raise ValueError("LZW codes in the order of old files, lowest bit first, which are not supported")
    table = [bytes((value,)) for value in range(256)] + [b"", b""]
    found: list[bytes] = []
    size, total, previous = 9, 0, b""
    held = count = place = 0
    while total < expected:
        if count < size:
            piece = data[place : place + _REFILL]
            held = (held & ((1 << count) - 1)) << 8 * len(piece) | int.from_bytes(piece, "big")
            count += 8 * len(piece)
            place += _REFILL
            if count < size:
                break
        count -= size
        code = held >> count & ((1 << size) - 1)
        if code == _CLEAR:
            del table[_FIRST:]
            size, previous = 9, b""
            continue
        if code == _END:
            break
        known = len(table)
        if not previous:
            if code >= _CLEAR:
                raise ValueError(f"{total} of {expected} bytes: a code that does not exist")
            entry = table[code]
        elif code < known:
            entry = table[code]
            table.append(previous + entry[:1])
        elif code == known:
            entry = previous + previous[:1]
            table.append(entry)
        else:
            raise ValueError(f"{total} of {expected} bytes: a code that does not exist")
        found.append(entry)
        total += len(entry)
        previous = entry
        known = len(table)
        if known >= (1 << size) - 1:  # one code earlier than in GIF
            if size < _MAX_CODE_BITS:
                size += 1
            elif known > 1 << _MAX_CODE_BITS:
                table.pop()
    return b"".join(found)


def _packbits(data: bytes, expected: int) -> bytes:
    found = bytearray()
    place = 0
    while len(found) < expected and place < len(data):
        head = data[place]
        place += 1
        if head < 128:
            found += data[place : place + head + 1]
            place += head + 1
        elif head > 128:
            found += data[place : place + 1] * (257 - head)
            place += 1
    return bytes(found) + (data[place:].rstrip(b"\0") if len(found) >= expected else b"")


def _by_libtiff(part: bytes, compression: int, size: int, height: int) -> bytes:
    """libtiff gets the rows of bytes as a gray picture of one strip."""
    order = "<"
    entries = [
        entry_of(order, tag, kind, value)
        for tag, kind, value in (
            (256, 4, size),
            (257, 4, height),
            (258, 3, 8),
            (259, 3, compression),
            (262, 3, 1),
            (273, 4, 8),
            (277, 3, 1),
            (278, 4, height),
            (279, 4, len(part)),
        )
    ]
    place = 8 + len(part) + len(part) % 2
    file = struct.pack("<2sHI", b"II", 42, place) + part + bytes(len(part) % 2) + directory_bytes(order, entries, place)
    try:
        with TiffImagePlugin.TiffImageFile(io.BytesIO(file)) as image:
            image.load()
            return image.tobytes()
    except OSError as error:
        raise ValueError(f"its {size * height} bytes cannot be unpacked ({error})") from None
