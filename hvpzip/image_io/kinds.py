"""The kind of a picture file, told from its own bytes.

Pillow opens many kinds that it then changes without a word (16-bit RGB becomes 8-bit, a maximum of 100 is stretched to 255), so what
decides whether samples come in exactly is read here, before Pillow is asked.
"""

import re
import struct
from typing import NamedTuple

from hvpzip.errors import ImageError

__all__ = ["Facts", "bmp_facts", "pnm_facts", "sniff", "tiff_facts", "webp_facts"]


class Facts(NamedTuple):
    """What the bytes say.

    ``unsupported`` names what hvpzip does not take ("" if nothing), ``several`` what kind of sequence the picture is in ("" if none),
    ``mode`` is that in which Pillow gives the samples as they are ("" where it may choose), ``wide`` says that they have 16 bits in
    several channels, which Pillow does not give, ``dropped`` names metadata that is not kept.
    """

    width: int
    height: int
    unsupported: str = ""
    several: str = ""
    mode: str = ""
    wide: bool = False
    dropped: frozenset[str] = frozenset()


_SIGNATURES = (
    ("PNG", (b"\x89PNG\r\n\x1a\n",)),
    ("JPEG", (b"\xff\xd8\xff",)),
    ("TIFF", (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")),
    ("GIF", (b"GIF87a", b"GIF89a")),
    ("BMP", (b"BM",)),
    ("PNM", (b"P1", b"P2", b"P3", b"P4", b"P5", b"P6", b"P7", b"PF", b"Pf")),
    ("JPEG 2000", (b"\0\0\0\x0cjP  \r\n\x87\n", b"\xff\x4f\xff\x51")),
    ("JPEG XL", (b"\xff\x0a", b"\0\0\0\x0cJXL \r\n\x87\n")),
    ("PDF", (b"%PDF",)),
    ("SVG", (b"<svg", b"<?xml")),
    (".hvz", (b"\x89HVZ",)),
)
_TIFF_COLOURS = {0: "gray", 1: "gray", 2: "RGB", 3: "palette", 4: "mask", 5: "CMYK", 6: "YCbCr", 8: "Lab", 9: "Lab", 10: "Lab"}
_TIFF_FORMATS = {1: "", 2: "signed ", 3: "floating-point "}
# Tags of TIFF, and the bytes and letters of its types of whole numbers.
_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC, _SAMPLES = 256, 257, 258, 259, 262, 277
_PLANAR, _EXTRA_SAMPLES, _SAMPLE_FORMAT = 284, 338, 339
_TIFF_TYPES = {1: (1, "B"), 3: (2, "H"), 4: (4, "I"), 16: (8, "Q")}
_JPEG_IN_TIFF = 7
_ALPHA = 2  # in the tag of extra samples: alpha that the colours are not multiplied with
_TIFF_MODES = {
    "1-bit gray": "1",
    "8-bit gray": "L",
    "16-bit gray": "I;16",
    "8-bit gray with alpha": "LA",
    "1-bit palette": "P",
    "2-bit palette": "P",
    "4-bit palette": "P",
    "8-bit palette": "P",
    "8-bit RGB": "RGB",
    "8-bit RGB with alpha": "RGBA",
    "16-bit RGB": "RGB",
    "16-bit RGB with alpha": "RGBA",
    "8-bit CMYK": "CMYK",
}
_TIFF_DROPPED = {33723: "iptc", 34377: "photoshop"}


def sniff(data: bytes) -> str | None:
    """Name of the kind of file by its first bytes, None if they are of no known kind."""
    for name, starts in _SIGNATURES:
        if data.startswith(starts):
            return name
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WebP"
    if data[4:8] == b"ftyp":
        brand = data[8:12]
        return "AVIF" if brand in (b"avif", b"avis") else "HEIF" if brand[:2] in (b"he", b"mi", b"ms") else None
    return None


def pnm_facts(data: bytes) -> Facts:
    """Facts of a PPM or PGM file. Samples come in exactly only where its maximum is 255: Pillow stretches others.

    Raises:
        ImageError: the file is damaged.
    """
    if data[1:2] not in b"123456":
        return Facts(0, 0, "PAM" if data[1:2] == b"7" else "floating-point")
    gap = rb"(?:\s|#[^\r\n]*[\r\n])+"
    bilevel = data[1:2] in b"14"
    found = re.match(rb"P[1-6]%b(\d{1,9})%b(\d{1,9})%b\s" % (gap, gap, b"" if bilevel else gap + rb"(\d{1,9})"), data)
    if not found:
        raise ImageError("damaged PNM: its header is not valid")
    width, height, largest = map(int, (*found.groups(), 255)[:3])
    if min(width, height) < 1 or not 1 <= largest <= 65535:
        raise ImageError(f"damaged PNM: no such kind of picture ({width} x {height}, maximum {largest})")
    unsupported = "" if largest == 255 else f"a maximum of {largest} in place of 255"
    if not unsupported and data[1:2] in b"456":
        expected = found.end() + height * (-(-width // 8) if bilevel else width * (3 if data[1:2] == b"6" else 1))
        if len(data) < expected:
            raise ImageError(f"damaged PNM: the file ends after {len(data)} bytes of {expected}")
        if len(data) > expected:
            unsupported = "more than one picture"
    return Facts(width, height, unsupported)


def bmp_facts(data: bytes) -> Facts:
    """Facts of a BMP file: 24-bit RGB, 1, 4 and 8 bits with a palette, and what has an alpha channel are what comes in exactly.

    Raises:
        ImageError: the file is damaged.
    """
    if len(data) < 30:
        raise ImageError(f"damaged BMP: the file ends after {len(data)} bytes, inside its header")
    (header_size,) = struct.unpack_from("<I", data, 14)
    if header_size == 12:  # the oldest header
        width, height, _, bits = struct.unpack_from("<HHHH", data, 18)
    else:
        width, height, _, bits = struct.unpack_from("<iiHH", data, 18)
    unsupported = "" if bits in (1, 4, 8, 24, 32) else f"{bits}-bit"
    return Facts(width, abs(height), unsupported, mode="RGBA" if bits == 32 else "")


def webp_facts(data: bytes) -> Facts:
    """Facts of a WebP file. Read before Pillow opens it, as that already allocates the canvas.

    Raises:
        ImageError: the file is damaged.
    """
    kind, body = data[12:16], data[20:30]
    several = ""
    if len(body) < 10 or kind not in (b"VP8 ", b"VP8L", b"VP8X"):
        raise ImageError("damaged WebP: its header is not valid")
    if kind == b"VP8X":
        width, height = (1 + int.from_bytes(body[at : at + 3], "little") for at in (4, 7))
        several = "animated" if body[0] & 0x02 else ""
    elif kind == b"VP8L":
        bits = int.from_bytes(body[1:5], "little")
        width, height = 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    else:
        width, height = (int.from_bytes(body[at : at + 2], "little") & 0x3FFF for at in (6, 8))
    return Facts(width, height, several=several)


def tiff_facts(data: bytes, page: int | None = None) -> Facts:
    """Facts of a TIFF file, from the tags of one page; None is the first, which then must be the only one.

    Raises:
        ImageError: the tags cannot be read, or there is no such page.
    """
    try:
        tags, present, more_pages = _tiff_tags(data, page or 0)
    except struct.error as error:
        raise ImageError(f"damaged TIFF: its tags go beyond the end of the file ({len(data)} bytes)") from error
    (width, *_), (height, *_) = tags.get(_WIDTH, (0,)), tags.get(_HEIGHT, (0,))
    if min(width, height) < 1:
        raise ImageError("damaged TIFF: it does not say its size")
    bits, (photometric, *_) = max(tags.get(_BITS, (1,))), tags.get(_PHOTOMETRIC, (-1,))
    colour = _TIFF_COLOURS.get(photometric, f"colour kind {photometric}")
    if photometric == 6 and tags.get(_COMPRESSION) == (_JPEG_IN_TIFF,):
        colour = "RGB"  # as in a JPEG file
    kind = _TIFF_FORMATS.get(max(tags.get(_SAMPLE_FORMAT, (1,))), "unknown ")
    found = f"{bits}-bit {kind}{colour}"
    channels = {"gray": 1, "palette": 1, "RGB": 3, "CMYK": 4, "Lab": 3}.get(colour, 1)
    if tags.get(_EXTRA_SAMPLES) == (_ALPHA,) and tags.get(_SAMPLES) == (channels + 1,):
        found += " with alpha"
    elif tags.get(_EXTRA_SAMPLES) or tags.get(_SAMPLES, (1,)) != (channels,):
        found += " with extra channels"
    if bits == 16 and tags.get(_PLANAR, (1,)) != (1,) and channels > 1:
        found += " in planes"
    if bits == 16 and photometric == 0:
        found += " with 0 for white"
    dropped = frozenset(name for tag, name in _TIFF_DROPPED.items() if tag in present)
    several = "more than one page" if more_pages and page is None else ""
    mode = _TIFF_MODES.get(found, "")
    return Facts(width, height, "" if mode else found, several, mode, bits == 16 and mode in ("RGB", "RGBA"), dropped)


def _tiff_tags(data: bytes, page: int) -> tuple[dict[int, tuple[int, ...]], set[int], bool]:
    """A page's tags of few whole numbers, all its tags, whether more pages follow. struct.error: they are outside the file."""
    order = "<" if data[:2] == b"II" else ">"
    big = data[2:4] in (b"+\0", b"\0+")
    offset_letter, count_letter, entry_size, inline = ("Q", "Q", 20, 8) if big else ("I", "H", 12, 4)
    (place,) = struct.unpack_from(order + offset_letter, data, 8 if big else 4)
    for number in range(page + 1):
        (count,) = struct.unpack_from(order + count_letter, data, place)
        place += struct.calcsize(order + count_letter)
        if number < page:
            (place,) = struct.unpack_from(order + offset_letter, data, place + count * entry_size)
            if place == 0:
                raise ImageError(f"there is no picture {page} in this TIFF: it has {number + 1}, counted from 0")
    tags: dict[int, tuple[int, ...]] = {}
    present = set()
    for at in range(place, min(place + count * entry_size, len(data)), entry_size):
        tag, kind, length = struct.unpack_from(f"{order}HH{offset_letter}", data, at)
        present.add(tag)
        # Long lists are places of strips, which do not matter here.
        if kind not in _TIFF_TYPES or not 1 <= length <= 64:
            continue
        size, letter = _TIFF_TYPES[kind]
        values = at + entry_size - inline
        if size * length > inline:
            (values,) = struct.unpack_from(order + offset_letter, data, values)
        tags[tag] = struct.unpack_from(f"{order}{length}{letter}", data, values)
    (following,) = struct.unpack_from(order + offset_letter, data, place + count * entry_size)
    return tags, present, following != 0
