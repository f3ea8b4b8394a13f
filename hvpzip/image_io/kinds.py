"""The kind of a picture file, told from its own bytes.

Pillow opens many kinds that it then changes without a word (16-bit RGB becomes 8-bit, a maximum of 100 is stretched to 255), so what
decides whether samples come in exactly is read here, before Pillow is asked.
"""

import re
import struct
import zlib
from typing import NamedTuple

from hvpzip.errors import ImageError

__all__ = ["Facts", "bmp_facts", "png_facts", "pnm_facts", "sniff", "tiff_facts", "webp_facts"]


class Facts(NamedTuple):
    """What the bytes say: ``unsupported`` names what hvpzip does not take ("" if nothing), ``metadata`` what will not be kept."""

    width: int
    height: int
    unsupported: str
    metadata: frozenset[str]


_PNG_MAGIC = b"\x89PNG\r\n\x1a\n"
_SIGNATURES = (
    ("PNG", (_PNG_MAGIC,)),
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
_PNG_COLOURS = {0: "gray", 2: "RGB", 3: "palette", 4: "gray with alpha", 6: "RGB with alpha"}
_PNG_METADATA = {
    b"iCCP": "icc_profile",
    b"eXIf": "exif",
    b"tEXt": "text",
    b"zTXt": "text",
    b"iTXt": "text",
    b"gAMA": "gamma",
    b"cHRM": "chromaticity",
    b"sRGB": "srgb",
    b"cICP": "cicp",
    b"pHYs": "resolution",
    b"tIME": "time",
    b"bKGD": "background",
    b"sBIT": "significant_bits",
    b"hIST": "histogram",
    b"PLTE": "suggested_palette",
    b"sPLT": "suggested_palette",
}
_XMP_KEYWORD = b"XML:com.adobe.xmp\0"
_TIFF_COLOURS = {0: "gray", 1: "gray", 2: "RGB", 3: "palette", 4: "mask", 5: "CMYK", 6: "YCbCr", 8: "Lab", 9: "Lab", 10: "Lab"}
_TIFF_FORMATS = {1: "", 2: "signed ", 3: "floating-point "}
# Tags of TIFF, and the bytes and letters of its types of whole numbers.
_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC, _SAMPLES, _EXTRA_SAMPLES, _SAMPLE_FORMAT = 256, 257, 258, 259, 262, 277, 338, 339
_TIFF_TYPES = {1: (1, "B"), 3: (2, "H"), 4: (4, "I"), 16: (8, "Q")}
_JPEG_IN_TIFF = 7
_TIFF_METADATA = {
    270: "text",
    282: "resolution",
    305: "text",
    306: "text",
    315: "text",
    700: "xmp",
    33432: "text",
    33723: "iptc",
    34665: "exif",
    34853: "exif",
}


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


def png_facts(data: bytes) -> Facts:
    """Facts of a PNG; every chunk's checksum is verified, as Pillow leaves that of the image data out.

    Raises:
        ImageError: the file is damaged or ends too early.
    """
    chunks: list[bytes] = []
    metadata = set()
    offset = len(_PNG_MAGIC)
    width = height = depth = colour = 0
    while not chunks or chunks[-1] != b"IEND":
        if offset + 12 > len(data):
            raise ImageError(f"damaged PNG: the file ends after {len(data)} bytes, before its last chunk")
        length, kind = struct.unpack_from(">I4s", data, offset)
        body = offset + 8
        if body + length + 4 > len(data):
            raise ImageError(f"damaged PNG: the chunk at byte {offset} goes beyond the end of the file")
        if int.from_bytes(data[body + length : body + length + 4], "big") != zlib.crc32(memoryview(data)[offset + 4 : body + length]):
            raise ImageError(f"damaged PNG: the chunk at byte {offset} does not match its checksum")
        if (kind == b"IHDR") == bool(chunks) or (kind == b"IHDR" and length != 13):
            raise ImageError("damaged PNG: it does not begin with one header")
        if kind == b"IHDR":
            width, height, depth, colour = struct.unpack_from(">IIBB", data, body)
        if kind == b"iTXt" and data[body : body + len(_XMP_KEYWORD)] == _XMP_KEYWORD:
            metadata.add("xmp")
        elif kind in _PNG_METADATA:
            metadata.add(_PNG_METADATA[kind])
        chunks.append(kind)
        offset = body + length + 4
    if min(width, height) < 1 or colour not in _PNG_COLOURS or depth not in (1, 2, 4, 8, 16):
        raise ImageError(f"damaged PNG: no such kind of picture ({width} x {height}, colour type {colour}, {depth} bits)")
    if b"IDAT" not in chunks:
        raise ImageError("damaged PNG: it holds no image data")
    found = f"{depth}-bit {_PNG_COLOURS[colour]}"
    if b"tRNS" in chunks:
        found += " with transparency"
    if b"acTL" in chunks:
        found += ", animated"
    return Facts(width, height, "" if found in ("8-bit gray", "8-bit RGB") else found, frozenset(metadata))


def pnm_facts(data: bytes) -> Facts:
    """Facts of a PPM or PGM file. Samples come in exactly only where its maximum is 255: Pillow stretches others.

    Raises:
        ImageError: the file is damaged.
    """
    if data[1:2] in b"14":
        return Facts(0, 0, "1-bit", frozenset())
    if data[1:2] not in b"2356":
        return Facts(0, 0, "PAM" if data[1:2] == b"7" else "floating-point", frozenset())
    gap = rb"(?:\s|#[^\r\n]*[\r\n])+"
    found = re.match(rb"P[2356]%b(\d{1,9})%b(\d{1,9})%b(\d{1,9})\s" % (gap, gap, gap), data)
    if not found:
        raise ImageError("damaged PNM: its header is not valid")
    width, height, largest = map(int, found.groups())
    if min(width, height) < 1 or not 1 <= largest <= 65535:
        raise ImageError(f"damaged PNM: no such kind of picture ({width} x {height}, maximum {largest})")
    unsupported = "" if largest == 255 else f"a maximum of {largest} in place of 255"
    if not unsupported and data[1:2] in b"56":
        expected = found.end() + width * height * (3 if data[1:2] == b"6" else 1)
        if len(data) < expected:
            raise ImageError(f"damaged PNM: the file ends after {len(data)} bytes of {expected}")
        if len(data) > expected:
            unsupported = "more than one picture"
    return Facts(width, height, unsupported, frozenset())


def bmp_facts(data: bytes) -> Facts:
    """Facts of a BMP file: 24-bit RGB and 8 bits with a palette (which may still be other than gray) are what comes in exactly.

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
    unsupported = "" if bits in (8, 24) else f"{bits}-bit"
    return Facts(width, abs(height), unsupported, frozenset())


def webp_facts(data: bytes) -> Facts:
    """Facts of a WebP file. Read before Pillow opens it, as that already allocates the canvas.

    Raises:
        ImageError: the file is damaged.
    """
    kind, body = data[12:16], data[20:30]
    unsupported = ""
    if len(body) < 10 or kind not in (b"VP8 ", b"VP8L", b"VP8X"):
        raise ImageError("damaged WebP: its header is not valid")
    if kind == b"VP8X":
        width, height = (1 + int.from_bytes(body[at : at + 3], "little") for at in (4, 7))
        flags = body[0]
        unsupported = "animated" if flags & 0x02 else "RGB with alpha" if flags & 0x10 else ""
    elif kind == b"VP8L":
        bits = int.from_bytes(body[1:5], "little")
        width, height = 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
        unsupported = "RGB with alpha" if bits >> 28 & 1 else ""
    else:
        width, height = (int.from_bytes(body[at : at + 2], "little") & 0x3FFF for at in (6, 8))
    return Facts(width, height, unsupported, frozenset())


def tiff_facts(data: bytes) -> Facts:
    """Facts of a TIFF file, from the tags of its first page.

    Raises:
        ImageError: the tags cannot be read.
    """
    try:
        tags, present, more_pages = _tiff_tags(data)
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
    if tags.get(_EXTRA_SAMPLES) or tags.get(_SAMPLES, (1,)) != ({"gray": 1, "RGB": 3, "CMYK": 4, "Lab": 3}.get(colour, 1),):
        found += " with extra channels"
    if more_pages:
        found += ", more than one page"
    metadata = frozenset(name for tag, name in _TIFF_METADATA.items() if tag in present)
    return Facts(width, height, "" if found in ("8-bit gray", "8-bit RGB") else found, metadata)


def _tiff_tags(data: bytes) -> tuple[dict[int, tuple[int, ...]], set[int], bool]:
    """The first page's tags of few whole numbers, all its tags, whether there are more pages. struct.error: they are outside the file."""
    order = "<" if data[:2] == b"II" else ">"
    big = data[2:4] in (b"+\0", b"\0+")
    offset_letter, count_letter, entry_size, inline = ("Q", "Q", 20, 8) if big else ("I", "H", 12, 4)
    (place,) = struct.unpack_from(order + offset_letter, data, 8 if big else 4)
    (count,) = struct.unpack_from(order + count_letter, data, place)
    place += struct.calcsize(order + count_letter)
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
