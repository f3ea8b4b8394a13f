"""Metadata as PNG chunks, whatever file it comes from or goes to.

PNG has a chunk for each kind that pictures carry, so its chunks are the one form in which metadata is kept. Resolution in fractions, as
TIFF and JPEG have it, does not fit into pHYs (whole pixels a metre), so it has a private chunk ``reSo``, which PNG readers skip:
numerator and denominator across, the same down (four bytes each, low one first), and TIFF's unit (1 none, 2 inch, 3 centimetre). A palette
of TIFF has 16 bits; where those are not 257 times the 8 bits of PNG's, ``cmAP`` has them (red, green and blue of each entry, low byte
first). Other tags of TIFF are in ``tiTg`` (``tiff_metadata``).
"""

import struct
import zlib
from collections.abc import Iterable
from typing import Final, NamedTuple

from hvpzip.image_io.form import Chunk
from hvpzip.image_io.tiff_tags import tag_name

__all__ = [
    "TEXT_TAGS",
    "Resolution",
    "exif_chunk",
    "icc_chunk",
    "icc_of",
    "named",
    "physical",
    "raw_text_chunk",
    "resolution_of",
    "text_chunk",
    "text_of",
    "xmp_chunk",
]

# Tags of TIFF with text, and the keywords that stand for them in PNG.
TEXT_TAGS: Final = {
    269: "Document",
    270: "Description",
    271: "Make",
    272: "Model",
    305: "Software",
    306: "DateTime",
    315: "Author",
    316: "Host",
    33432: "Copyright",
}
_XMP: Final = b"XML:com.adobe.xmp"
_MAX_PROFILE: Final = 16 << 20
_NAMES: Final = {
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
    b"reSo": "resolution",
    b"tIME": "time",
    b"bKGD": "background",
    b"sBIT": "significant_bits",
    b"hIST": "histogram",
    b"PLTE": "suggested_palette",
    b"oFFs": "offset",
    b"pCAL": "calibration",
    b"sCAL": "scale",
    b"sTER": "stereo",
    b"cmAP": "palette_of_16_bits",
    b"sPLT": "suggested_palette",
}
_METRE: Final = {2: (10000, 254), 3: (100, 1)}  # units in a metre


class Resolution(NamedTuple):
    """Pixels a unit, across and down, as fractions; the unit is 1 (none), 2 (inch) or 3 (centimetre)."""

    x_numerator: int
    x_denominator: int
    y_numerator: int
    y_denominator: int
    unit: int

    def chunk(self) -> Chunk:
        """As the chunk ``reSo``. Raises: struct.error if a number does not fit."""
        return Chunk(b"reSo", struct.pack("<IIIIB", *self))


def named(chunks: Iterable[Chunk]) -> list[str]:
    """What the chunks are, in words, sorted."""
    return sorted({_name(chunk) for chunk in chunks})


def _name(chunk: Chunk) -> str:
    if _is_xmp(chunk):
        return "xmp"
    if chunk.name == b"tiTg" and len(chunk.data) >= 4:
        return tag_name(int.from_bytes(chunk.data[2:4], "little" if chunk.data[:1] == b"I" else "big"))
    return _NAMES.get(chunk.name, chunk.name.decode("latin-1"))


def icc_chunk(profile: bytes) -> Chunk:
    """A colour profile."""
    return Chunk(b"iCCP", b"ICC Profile\0\0" + zlib.compress(profile, 9))


def icc_of(chunk: Chunk) -> bytes:
    """The colour profile in an iCCP chunk; nothing if it is damaged or absurdly large."""
    _, _, packed = chunk.data.partition(b"\0")
    try:
        unpack = zlib.decompressobj()
        profile = unpack.decompress(packed[1:], _MAX_PROFILE)
    except zlib.error:
        return b""
    return b"" if unpack.unconsumed_tail else profile


def exif_chunk(exif: bytes) -> Chunk:
    """EXIF, with or without the six bytes that JPEG puts before it."""
    return Chunk(b"eXIf", exif.removeprefix(b"Exif\0\0"))


def xmp_chunk(xmp: bytes) -> Chunk:
    """XMP."""
    return Chunk(b"iTXt", _XMP + b"\0\0\0\0\0" + xmp)


def text_chunk(keyword: str, text: str) -> Chunk:
    """A text under a keyword of Latin letters."""
    try:
        return Chunk(b"tEXt", keyword.encode("latin-1") + b"\0" + text.encode("latin-1"))
    except UnicodeEncodeError:
        return Chunk(b"iTXt", keyword.encode("latin-1") + b"\0\0\0\0\0" + text.encode("utf-8", "surrogatepass"))


def raw_text_chunk(keyword: str, text: bytes) -> Chunk | None:
    """A text of a file that does not say how its letters are coded, byte for byte but for NULs at its end; None if there are some inside.

    It is marked as UTF-8 where it could be that and is not ASCII, otherwise as Latin-1, which any bytes could be.
    """
    text = text.rstrip(b"\0")
    if b"\0" in text:
        return None
    try:
        plain = text.isascii() or not text.decode("utf-8")
    except UnicodeDecodeError:
        plain = True
    name = keyword.encode("latin-1")
    return Chunk(b"tEXt", name + b"\0" + text) if plain else Chunk(b"iTXt", name + b"\0\0\0\0\0" + text)


def text_of(chunk: Chunk) -> tuple[str, bytes] | None:
    """(keyword, text as the bytes that it is) of a chunk that ``text_chunk`` or ``xmp_chunk`` could have made; None for others."""
    keyword, _, rest = chunk.data.partition(b"\0")
    if chunk.name == b"tEXt":
        return keyword.decode("latin-1"), rest
    if chunk.name == b"iTXt" and rest[:4] == bytes(4):
        return keyword.decode("latin-1"), rest[4:]
    return None


def resolution_of(chunk: Chunk) -> Resolution | None:
    """The resolution in a ``reSo`` or ``pHYs`` chunk; None if it is not valid."""
    if chunk.name == b"reSo" and len(chunk.data) == 17:
        return Resolution(*struct.unpack("<IIIIB", chunk.data))
    if chunk.name == b"pHYs" and len(chunk.data) == 9:
        x, y, unit = struct.unpack(">IIB", chunk.data)
        return Resolution(x, 100, y, 100, 3) if unit == 1 else Resolution(x, 1, y, 1, 1)
    return None


def physical(resolution: Resolution) -> Chunk | None:
    """The nearest pHYs chunk; None if there is none."""
    across, down = resolution[:2], resolution[2:4]
    factor = _METRE.get(resolution.unit, (1, 1))
    if not across[1] or not down[1]:
        return None
    sides = [(2 * top * factor[0] + bottom * factor[1]) // (2 * bottom * factor[1]) for top, bottom in (across, down)]
    if max(sides) >> 31:
        return None
    return Chunk(b"pHYs", struct.pack(">IIB", *sides, 1 if resolution.unit in _METRE else 0))


def _is_xmp(chunk: Chunk) -> bool:
    return chunk.name == b"iTXt" and chunk.data.startswith(_XMP + b"\0")
