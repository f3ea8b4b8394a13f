"""A JPEG file to the payload of a ``.hvz`` file, and back; the normative text is docs/format.md, section 11. Payloads are not trusted.

::

    payload = packing (1 byte)  size of the file (varint)  SHA-256 of the file (32 bytes)  data

Packing 0 stores the file as it is. Packing 1 is a JPEG XL file (ISO/IEC 18181) from which any decoder of JPEG XL that can rebuild JPEG
files gives the identical one.
"""

import hashlib
from typing import Final, NamedTuple

from hvpzip import varint
from hvpzip.errors import CorruptError, ImageError, LimitError, TruncatedError, UnsupportedVersionError
from hvpzip.jpeg import transcoding
from hvpzip.jpeg.facts import JpegFacts, jpeg_facts

__all__ = ["PACKINGS", "Kept", "kept", "left_of", "pack", "unpack"]

PACKINGS: Final = ("stored", "JPEG XL")
_STORED, _JPEG_XL = range(2)
_DIGEST_BYTES: Final = 32
_LARGEST: Final = (1 << 42) - 1
# As for what is read (hvpzip.source): a JPEG file of so many pixels has no more bytes.
_PIXEL_BYTES: Final = 16
_MORE_BYTES: Final = 1 << 26


class Kept(NamedTuple):
    """What a payload says: how the file is packed (a place in ``PACKINGS``), its size in bytes, its SHA-256, and the packed bytes."""

    packing: int
    size_bytes: int
    sha256: bytes
    data: bytes


def pack(file: bytes, facts: JpegFacts) -> bytes:
    """The payload for a JPEG file: recompressed where the library is installed, it takes the file, gives it back, and that is smaller;
    otherwise as it is. ``facts`` are those of the file."""
    packing, data = _STORED, file
    smaller = transcoding.transcoded(file)
    if smaller is not None and len(smaller) < len(file) and _comes_back(smaller, file, facts):
        packing, data = _JPEG_XL, smaller
    return bytes((packing,)) + varint.write(len(file)) + hashlib.sha256(file).digest() + data


def _comes_back(smaller: bytes, file: bytes, facts: JpegFacts) -> bool:
    """Whether the file can be rebuilt here; one that cannot is stored."""
    try:
        return transcoding.rebuilt(smaller, len(file), facts) == file
    except (CorruptError, LimitError):
        return False


def kept(payload: bytes) -> Kept:
    """The payload's fields. Raises: CorruptError, UnsupportedVersionError."""
    if not payload:
        raise CorruptError("there is no JPEG file where one is kept")
    if payload[0] >= len(PACKINGS):
        raise UnsupportedVersionError(f"a JPEG file packed in the way {payload[0]} is unknown to this hvpzip; a newer one may read it")
    try:
        size, start = varint.read(memoryview(payload), 1, _LARGEST, "the size of the JPEG file")
    except TruncatedError as error:
        raise CorruptError("the size of the JPEG file is not whole") from error
    data = payload[start + _DIGEST_BYTES :]
    if len(payload) < start + _DIGEST_BYTES or (payload[0] == _STORED and len(data) != size):
        raise CorruptError(f"the JPEG file has {size} bytes, of which {len(data)} are stored")
    return Kept(payload[0], size, payload[start : start + _DIGEST_BYTES], data)


def unpack(payload: bytes, facts: JpegFacts) -> bytes:
    """Inverse of ``pack``: the JPEG file, which has the size and the SHA-256 that the payload tells of.

    Raises: CorruptError if it has not, UnsupportedVersionError, LimitError if it says it has more bytes than so many pixels take,
    LibraryError if it needs a library that is not installed.
    """
    found = kept(payload)
    file = found.data
    if found.packing == _JPEG_XL:
        most = _PIXEL_BYTES * facts.width * facts.height + _MORE_BYTES
        if found.size_bytes > most:
            raise LimitError(f"the JPEG file has {found.size_bytes} bytes; one of {facts.width} x {facts.height} pixels has at most {most}")
        file = transcoding.rebuilt(found.data, found.size_bytes, facts)
    if len(file) != found.size_bytes or hashlib.sha256(file).digest() != found.sha256:
        raise CorruptError("the SHA-256 of the JPEG file does not hold")
    try:
        same = jpeg_facts(file) == facts
    except ImageError:
        same = False
    if not same:
        raise CorruptError("the JPEG file is not of the sides, components and bits that the header tells of")
    return file


def left_of(payload: bytes) -> tuple[bytes, int] | None:
    """(bytes, size of the whole) of a stored JPEG file whose payload is damaged or cut short; None where nothing can be told apart."""
    try:
        size, start = varint.read(memoryview(payload), 1, _LARGEST, "the size of the JPEG file")
    except (CorruptError, TruncatedError):
        return None
    data = payload[start + _DIGEST_BYTES :][:size]
    return (data, size) if payload[0] == _STORED and data else None
