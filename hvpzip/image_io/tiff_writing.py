"""TIFF out: strips packed with deflate, the tags behind them, every value as the bytes that it came as."""

import struct
import zlib
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from hvpzip.errors import ImageError
from hvpzip.image_io.exif import Folders, joined, read_block
from hvpzip.image_io.form import CHANNELS, Chunk, Form, Kind
from hvpzip.image_io.metadata import TEXT_TAGS, icc_of, resolution_of, text_of
from hvpzip.image_io.rows import packed_bits
from hvpzip.image_io.tiff_metadata import STORAGE, chunks_entry, is_carried, tag_of
from hvpzip.image_io.tiff_tags import Entry, entry_of, tag_name

__all__ = ["tiff_file"]

Samples = NDArray[np.unsignedinteger[Any]]  # uint8 or uint16

_ICC, _XMP, _X, _Y, _UNIT, _ORIENTATION = 34675, 700, 282, 283, 296, 274
_KEYWORDS: Final = {keyword: tag for tag, keyword in TEXT_TAGS.items()}
_PHOTOMETRIC: Final = {Kind.PALETTE: 3, Kind.CMYK: 5, Kind.RGB: 2, Kind.RGB_ALPHA: 2, Kind.GRAY: 1, Kind.GRAY_ALPHA: 1}
_BYTE, _ASCII, _SHORT, _LONG, _RATIONAL, _UNDEFINED = 1, 2, 3, 4, 5, 7
_STRIP_BYTES: Final = 1 << 18
_MOST_BYTES: Final = (1 << 32) - (1 << 25)  # places have 32 bits


def tiff_file(samples: Samples, form: Form) -> tuple[bytes, tuple[str, ...]]:
    """(the TIFF of a picture, names of what of its EXIF does not come along).

    Raises:
        ImageError: TIFF cannot hold the form, which the message names, or its EXIF is damaged.
    """
    if form.transparency:
        raise ImageError(f"TIFF cannot hold {form.words}: choose PNG")
    raw = [found for chunk in form.chunks if (found := tag_of(chunk)) is not None]
    blocks = [chunk.data for chunk in form.chunks if chunk.name == b"eXIf"]
    orders = {order for order, _ in raw}
    order, own, folders, lost = read_block(blocks[0], "".join(orders) if len(orders) == 1 else "") if blocks else ("", {}, Folders(), set())
    if not order:
        order = "".join(orders) if len(orders) == 1 else "<"
    # Other programs would turn the picture, so they do not get to see such EXIF.
    hidden = _ORIENTATION in own and (*own[_ORIENTATION].numbers(order), 1)[0] != 1
    if hidden:
        own, folders, lost = {}, Folders(), {"EXIF for other programs (its orientation would turn the picture)"}
    tags: dict[int, Entry] = {}
    rest: list[Chunk] = []
    for chunk in form.chunks:
        found = tag_of(chunk)
        taken = [found[1]] if found is not None and found[0] == order else _tags_of(chunk, order)
        if taken and not any(entry.tag in tags for entry in taken):
            tags.update({entry.tag: entry for entry in taken})
        elif chunk.name == b"iCCP" and not taken:
            raise ImageError("TIFF cannot hold this metadata: icc_profile (damaged or too large); leave it out with --strip")
        elif chunk.name != b"cmAP" and (chunk.name != b"eXIf" or hidden or chunk.data != blocks[0]):
            rest.append(chunk)
    if rest:
        entry = chunks_entry(rest)
        tags[entry.tag] = entry
    for tag, entry in own.items():
        if is_carried(entry):
            tags.setdefault(tag, entry)
        elif tag not in STORAGE:
            lost.add(f"EXIF's {tag_name(tag)}")
    return _file(samples, form, order, tags, folders), tuple(sorted(lost))


def _tags_of(chunk: Chunk, order: str) -> list[Entry]:
    """The tags that hold a chunk; none if there are none."""
    if chunk.name == b"iCCP":
        profile = icc_of(chunk)
        return [Entry(_ICC, _UNDEFINED, len(profile), profile)] if profile else []
    text = text_of(chunk)
    if text is not None and text[0] in _KEYWORDS and b"\0" not in text[1]:
        data = text[1] + b"\0"
        return [Entry(_KEYWORDS[text[0]], _ASCII, len(data), data)]
    if text is not None and text[0] == "XML:com.adobe.xmp":
        return [Entry(_XMP, _BYTE, len(text[1]), text[1])]
    resolution = resolution_of(chunk)
    if resolution is not None and resolution.unit in (1, 2, 3):
        x, y = resolution[:2], resolution[2:4]
        return [entry_of(order, _X, _RATIONAL, *x), entry_of(order, _Y, _RATIONAL, *y), entry_of(order, _UNIT, _SHORT, resolution.unit)]
    return []


def _file(samples: Samples, form: Form, order: str, tags: dict[int, Entry], folders: Folders) -> bytes:
    height, width = samples.shape[:2]
    channels, bits = CHANNELS[form.kind], form.bit_depth
    size = -(-width * channels * bits // 8)
    count = max(1, _STRIP_BYTES // size)
    strips, sizes = bytearray(8), []
    for top in range(0, height, count):
        rows = samples[top : top + count].reshape(-1, width * channels)
        if bits < 8:
            data = packed_bits(rows, bits).tobytes()
        else:
            data = rows.astype(order + "u2").tobytes() if bits == 16 else np.ascontiguousarray(rows).tobytes()
        packed = zlib.compress(data, 9 if samples.size <= 1 << 20 else 6)
        sizes.append(len(packed))
        strips += packed + bytes(len(packed) % 2)
        if len(strips) > _MOST_BYTES:
            raise ImageError(f"TIFF cannot hold this picture of {width} x {height} pixels: it has more than 4 GB; choose PNG")
    offsets = [8]
    for packed_size in sizes[:-1]:
        offsets.append(offsets[-1] + packed_size + packed_size % 2)
    listed = {
        256: entry_of(order, 256, _LONG, width),
        257: entry_of(order, 257, _LONG, height),
        258: entry_of(order, 258, _SHORT, *[bits] * channels),
        259: entry_of(order, 259, _SHORT, 8),
        262: entry_of(order, 262, _SHORT, _PHOTOMETRIC[form.kind]),
        273: entry_of(order, 273, _LONG, *offsets),
        277: entry_of(order, 277, _SHORT, channels),
        278: entry_of(order, 278, _LONG, count),
        279: entry_of(order, 279, _LONG, *sizes),
        284: entry_of(order, 284, _SHORT, 1),
        **tags,
    }
    if form.kind in (Kind.GRAY_ALPHA, Kind.RGB_ALPHA):
        listed[338] = entry_of(order, 338, _SHORT, 2)
    if form.kind is Kind.PALETTE:
        listed[320] = entry_of(order, 320, _SHORT, *_colour_map(form))
    place = len(strips)
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", place)
    strips[:8] = head
    return bytes(strips) + joined(order, listed.values(), folders, place)


def _colour_map(form: Form) -> list[int]:
    """Red, green and blue of 16 bits for all entries: those that the file came with where they still go with the palette."""
    size = 1 << form.bit_depth
    palette = np.frombuffer(form.palette.ljust(3 * size, b"\0")[: 3 * size], np.uint8).reshape(-1, 3)
    wide = palette.astype(np.uint16) * 257
    for chunk in form.chunks:
        if chunk.name == b"cmAP" and len(chunk.data) == 6 * size:
            exact = np.frombuffer(chunk.data, "<u2").reshape(-1, 3)
            small = exact if exact.max() < 256 else exact >> 8
            if np.array_equal(small, palette):
                wide = exact.astype(np.uint16)
    return [int(value) for value in wide.T.ravel()]
