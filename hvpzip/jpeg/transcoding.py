"""JPEG files recompressed without loss by libjxl, through imagecodecs where that is installed. The packed bytes are not trusted.

The invariant: of bytes that someone sent no more memory is asked for than a picture of the sides in the ``.hvz`` header takes.
"""

from collections.abc import Iterator
from typing import Final

from hvpzip.errors import CorruptError, LibraryError
from hvpzip.jpeg.facts import JpegFacts

__all__ = ["rebuilt", "transcoded"]

_NEEDED: Final = (
    "its JPEG file is recompressed as JPEG XL, and opening that needs a package that is not installed: "
    "pip install imagecodecs (or 'hvpzip[jpeg]')"
)
_CONTAINER: Final = b"\0\0\0\x0cJXL \r\n\x87\n"
_CODESTREAM: Final = b"\xff\x0a"
_RATIOS: Final = ((1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))  # width to height, by the number in the header less 1


def transcoded(file: bytes) -> bytes | None:
    """The JPEG file as a JPEG XL file that holds it; None if the library is not installed, or does not take it (CMYK, damage)."""
    try:
        from imagecodecs import JpegxlError, jpegxl_encode_jpeg
    except ImportError:
        return None
    try:
        return bytes(jpegxl_encode_jpeg(file, usecontainer=True, numthreads=1))
    except (JpegxlError, ValueError):
        return None


def rebuilt(data: bytes, size_bytes: int, facts: JpegFacts) -> bytes:
    """The JPEG file, of ``size_bytes`` bytes, in a JPEG XL file whose picture has those sides.

    Raises: CorruptError, LibraryError if the library is not installed.
    """
    if _sides(data) != (facts.width, facts.height):
        raise CorruptError(f"the JPEG XL data is not that of a picture of {facts.width} x {facts.height} pixels")
    try:
        from imagecodecs import JpegxlError, jpegxl_decode_jpeg
    except ImportError as error:
        raise LibraryError(_NEEDED) from error
    room = bytearray(size_bytes)  # the library writes no more than fits
    try:
        return bytes(jpegxl_decode_jpeg(data, numthreads=1, out=room))
    except (JpegxlError, ValueError) as error:
        raise CorruptError(f"the JPEG file cannot be rebuilt from its JPEG XL data: {' '.join(str(error).split())}") from error


def _sides(data: bytes) -> tuple[int, int] | None:
    """(width, height) of the picture in a JPEG XL file, None if they cannot be found: the library would ask for memory by them."""
    codestream = next(_codestreams(data), b"")
    if not codestream.startswith(_CODESTREAM):
        return None
    bits, place = int.from_bytes(codestream[2:16], "little"), 0

    def take(count: int) -> int:
        nonlocal place
        place += count
        return bits >> place - count & (1 << count) - 1

    def side(small: int) -> int:
        return 8 * (take(5) + 1) if small else take((9, 13, 18, 30)[take(2)]) + 1

    small = take(1)
    height = side(small)
    ratio = take(3)
    width = side(small) if ratio == 0 else height * _RATIOS[ratio - 1][0] // _RATIOS[ratio - 1][1]
    return width, height


def _codestreams(data: bytes) -> Iterator[bytes]:
    """Where codestreams begin in the boxes of a JPEG XL file (up to 16 bytes of each): the first one has the picture's header."""
    if not data.startswith(_CONTAINER):
        return
    place = len(_CONTAINER)
    while place + 8 <= len(data):
        size, kind, start = int.from_bytes(data[place : place + 4], "big"), data[place + 4 : place + 8], place + 8
        if size == 1:
            size, start = int.from_bytes(data[start : start + 8], "big"), start + 8
        if kind in (b"jxlc", b"jxlp"):
            start += 4 * (kind == b"jxlp")  # the number of the piece
            yield data[start : start + 16]
        if size == 0:  # to the end of the file
            return
        if size < 8:
            return
        place += size
