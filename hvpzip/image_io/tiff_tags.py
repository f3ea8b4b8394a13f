"""The tags of TIFF, which are those of EXIF too: directories in and out, their values as the bytes that they are.

Every number that says where something lies is checked before it is followed. What no tag refers to is counted, so that it can be named.
"""

import struct
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from hvpzip.errors import ImageError

__all__ = ["ITEM_BYTES", "TAG_NAMES", "Directory", "Entry", "Tags", "directory_bytes", "entry_of", "reordered", "tag_name"]

# Bytes of one item by type; of them, those of a number that the byte order turns (a fraction is two numbers).
ITEM_BYTES: Final = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
_TURNED_BYTES: Final = {**ITEM_BYTES, 5: 4, 10: 4}
_LETTERS: Final = {1: "B", 3: "H", 4: "I", 13: "I", 16: "Q", 18: "Q", 6: "b", 8: "h", 9: "i", 17: "q"}
_MAX_PAGES: Final = 1 << 16

TAG_NAMES: Final = {
    254: "NewSubfileType",
    255: "SubfileType",
    269: "DocumentName",
    270: "ImageDescription",
    271: "Make",
    272: "Model",
    280: "MinSampleValue",
    281: "MaxSampleValue",
    282: "XResolution",
    283: "YResolution",
    285: "PageName",
    288: "FreeOffsets",
    289: "FreeByteCounts",
    290: "GrayResponseUnit",
    291: "GrayResponseCurve",
    296: "ResolutionUnit",
    297: "PageNumber",
    301: "TransferFunction",
    305: "Software",
    306: "DateTime",
    315: "Artist",
    316: "HostComputer",
    318: "WhitePoint",
    319: "PrimaryChromaticities",
    330: "SubIFDs",
    333: "InkNames",
    400: "GlobalParametersIFD",
    513: "JPEGInterchangeFormat",
    514: "JPEGInterchangeFormatLength",
    700: "XMP",
    33432: "Copyright",
    33550: "ModelPixelScale",
    33723: "IPTC",
    33922: "ModelTiepoint",
    34264: "ModelTransformation",
    34377: "Photoshop",
    34665: "EXIF",
    34675: "ICCProfile",
    34735: "GeoKeyDirectory",
    34736: "GeoDoubleParams",
    34737: "GeoAsciiParams",
    34853: "GPS",
    37500: "MakerNote",
    37724: "ImageSourceData",
    40965: "Interoperability",
    42112: "GDAL_METADATA",
    42113: "GDAL_NODATA",
    50838: "ImageJMetadataByteCounts",
    50839: "ImageJMetadata",
}


class Entry(NamedTuple):
    """One tag: its number, type and number of items, and the bytes of its value in the order of its file."""

    tag: int
    type: int
    items: int
    data: bytes

    def numbers(self, order: str) -> tuple[int, ...]:
        """The whole numbers; none where the type is of others. order: "<" or ">"."""
        letter = _LETTERS.get(self.type)
        return struct.unpack(f"{order}{self.items}{letter}", self.data) if letter else ()


class Directory(NamedTuple):
    """One directory: its tags by number, names of what of it could not be read, where the next one lies (0: none)."""

    entries: Mapping[int, Entry]
    unreadable: tuple[str, ...]
    following: int


class Tags:
    """The directories of a TIFF file or an EXIF block.

    Attributes:
        order: "<" or ">".
        big: whether it is BigTIFF.
        first: where the first directory lies.

    Raises:
        ImageError: the bytes do not begin as TIFF does.
    """

    def __init__(self, data: bytes) -> None:
        if data[:4] not in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
            raise ImageError("damaged TIFF: it does not begin as one")
        self.data, self.order, self.big = data, "<" if data[:2] == b"II" else ">", b"+" in data[:4]
        self._ranges: list[tuple[int, int]] = []
        self._values = 0
        if self.big and self._numbers("HH", 4) != (8, 0):
            raise ImageError("damaged TIFF: its header is not valid")
        (self.first,) = self._numbers("Q" if self.big else "I", 8 if self.big else 4)
        self.use(0, 16 if self.big else 8)

    def use(self, begin: int, size: int) -> None:
        """Remember that these bytes are part of what the file says."""
        self._ranges.append((begin, begin + size))

    def unused(self) -> int:
        """How many bytes nothing refers to, runs of zeros left out: those fill up."""
        count, end = 0, 0
        for begin, stop in (*sorted(self._ranges), (len(self.data), len(self.data))):
            if begin > end:
                gap = self.data[end:begin]
                count += len(gap) if gap.strip(b"\0") else 0
            end = max(end, stop)
        return count

    def pages(self) -> list[Directory]:
        """All pictures that follow each other. Raises: ImageError if a directory lies outside of the file, or they run in a circle."""
        found: list[Directory] = []
        seen = set()
        place = self.first
        while place or not found:
            if place in seen or len(found) >= _MAX_PAGES:
                raise ImageError(f"damaged TIFF: after {len(found)} pages its directories run in a circle")
            seen.add(place)
            found.append(self.directory(place))
            place = found[-1].following
        return found

    def directory(self, place: int) -> Directory:
        """The directory at that byte.

        A tag whose value lies outside of the file, or is of an unknown type, is left out and named.

        Raises:
            ImageError: the directory itself lies outside.
        """
        offset, count_letter, entry_size, inline = ("Q", "Q", 20, 8) if self.big else ("I", "H", 12, 4)
        (count,) = self._numbers(count_letter, place)
        begin = place + struct.calcsize(self.order + count_letter)
        if begin + count * entry_size > len(self.data):
            raise self._outside(place)
        entries: dict[int, Entry] = {}
        unreadable = []
        for at in range(begin, begin + count * entry_size, entry_size):
            tag, kind, length = self._numbers("HH" + offset, at)
            size = ITEM_BYTES.get(kind, 0) * length
            value = at + entry_size - inline
            if size > inline:
                (value,) = self._numbers(offset, value)
            if kind not in ITEM_BYTES or value + size > len(self.data):
                unreadable.append(f"{tag_name(tag)} (its value is of an unknown type or outside of the file)")
            elif tag in entries:
                unreadable.append(f"a second {tag_name(tag)}")
            else:
                self._values += size
                if self._values > len(self.data) + (1 << 16):  # values that overlap would take memory without bound
                    raise ImageError("damaged TIFF: the values of its tags lie one over the other")
                entries[tag] = Entry(tag, kind, length, self.data[value : value + size])
                self.use(value, size)
        end = begin + count * entry_size
        # Some writers leave out the place of the next one where there is none.
        last = end + struct.calcsize(self.order + offset)
        (following,) = self._numbers(offset, end) if last <= len(self.data) else (0,)
        self.use(place, last - place)
        return Directory(entries, tuple(unreadable), following)

    def _numbers(self, letters: str, place: int) -> tuple[int, ...]:
        if place + struct.calcsize(self.order + letters) > len(self.data):
            raise self._outside(place)
        return struct.unpack_from(self.order + letters, self.data, place)

    def _outside(self, place: int) -> ImageError:
        return ImageError(f"damaged TIFF: its tags go beyond the end of the file (byte {place} of {len(self.data)})")


def tag_name(tag: int) -> str:
    """Name of a tag with its number, as in notices."""
    return f"TIFF tag {tag} ({TAG_NAMES[tag]})" if tag in TAG_NAMES else f"TIFF tag {tag}"


def entry_of(order: str, tag: int, type: int, *values: int) -> Entry:
    """A tag of whole numbers; two for each fraction (type 5)."""
    letter = "I" if type == 5 else _LETTERS[type]
    return Entry(tag, type, len(values) // (2 if type == 5 else 1), struct.pack(f"{order}{len(values)}{letter}", *values))


def reordered(entry: Entry, before: str, after: str) -> Entry:
    """The same value in another byte order."""
    size = _TURNED_BYTES[entry.type]
    if before == after or size == 1:
        return entry
    turned = bytearray(len(entry.data))
    for place in range(size):
        turned[place::size] = entry.data[size - 1 - place :: size]
    return entry._replace(data=bytes(turned))


def directory_bytes(order: str, entries: Iterable[Entry], place: int, following: int = 0) -> bytes:
    """A directory that will lie at that byte, which is even, with the values that do not fit into it behind it. Places have 32 bits."""
    ordered = sorted(entries)
    listing = [struct.pack(order + "H", len(ordered))]
    start = place + 2 + 12 * len(ordered) + 4
    values = bytearray()
    for entry in ordered:
        value = entry.data.ljust(4, b"\0")
        if len(entry.data) > 4:
            value = struct.pack(order + "I", start + len(values))
            values += entry.data + bytes(len(entry.data) % 2)
        listing.append(struct.pack(order + "HHI", entry.tag, entry.type, entry.items) + value)
    listing.append(struct.pack(order + "I", following))
    return b"".join(listing) + bytes(values)
