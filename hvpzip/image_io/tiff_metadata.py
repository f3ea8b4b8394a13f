"""The metadata of a page of TIFF as chunks, and names of what is not kept.

What PNG has a chunk for becomes that chunk. Every other tag is carried as it is in a private chunk ``tiTg``, so that a TIFF made from it
has the same bytes: the byte order ("II" or "MM"), number, type and count (2, 2 and 4 bytes in that order), and the value. Not carried are
tags that say how the samples were stored, and those that say where something lies.

The other way round, chunks for which TIFF has no tag stand in one private tag, as in a PNG, each with its length and checksum; a reader of
ours takes them out again.
"""

import struct
from collections.abc import Iterable
from typing import Final

from hvpzip.image_io.exif import EXIF_FOLDERS, exif_block, folders_of
from hvpzip.image_io.form import Chunk
from hvpzip.image_io.metadata import TEXT_TAGS, Resolution, exif_chunk, icc_chunk, raw_text_chunk, xmp_chunk
from hvpzip.image_io.png import is_metadata
from hvpzip.image_io.png_writing import chunk_bytes
from hvpzip.image_io.refusals import Dropped
from hvpzip.image_io.tiff_tags import ITEM_BYTES, Directory, Entry, Tags, tag_name

__all__ = ["STORAGE", "chunks_entry", "is_carried", "metadata_of", "tag_chunk", "tag_of"]

_ICC, _XMP, _X, _Y, _UNIT = 34675, 700, 282, 283, 296
# How the samples are stored, which is said anew in every file.
STORAGE: Final = frozenset(
    {256, 257, 258, 259, 262, 266, 273, 274, 277, 278, 279, 284, 292, 293, 317, 320, 322, 323, 324, 325, 338, 339, 347}
    | {326, 327, 328}  # how clean a fax came in
    | {529, 530, 531, 532}  # how colours became YCbCr; they are RGB again
)
# Where something lies that does not come along.
_PLACES: Final = frozenset({288, 289, 330, 400, 512, 513, 514, 515, 519, 520, 521, 33424, 34310, 50740})
_OF_LEVELS: Final = frozenset({280, 281, 290, 291, 301})  # would be wrong for levels that are turned round
_RATIONAL, _ASCII, _SHORT = 5, 2, 3
_PLACE_TYPES: Final = frozenset({13, 16, 17, 18})
_CHUNKS: Final = 65077  # of the numbers that anybody may use
_CHUNKS_START: Final = b"hvpzip chunks\0"
_UNDEFINED: Final = 7
_MAX_BYTES: Final = 1 << 23  # of tags as they are: Photoshop puts a second copy of the picture into one


def metadata_of(tags: Tags, page: Directory, dropped: Dropped, *, turned: bool, inverted: bool) -> list[Chunk]:
    """The metadata as chunks; names of what is not kept are added to ``dropped``.

    turned: the picture came with its sides exchanged. inverted: its levels were turned round, so that 0 is black.
    """
    found: list[Chunk] = []
    entries = dict(page.entries)
    folders, lost = folders_of(tags, entries)
    dropped.metadata |= lost
    if _ICC in entries:
        found.append(icc_chunk(entries.pop(_ICC).data))
    last = _resolution(entries, tags.order, turned, dropped.metadata)
    if any(folder is not None for folder in folders):
        last.append(exif_chunk(exif_block(tags.order, folders)))
    size = 0
    for tag, entry in sorted(entries.items()):
        if tag in STORAGE or tag in EXIF_FOLDERS or (tag == 254 and not any(entry.data)):
            continue
        if tag == _CHUNKS and (own := _chunks_in(entry.data)):
            found += own
        elif tag in TEXT_TAGS and entry.type == _ASCII and (text := raw_text_chunk(TEXT_TAGS[tag], entry.data)) is not None:
            found.append(text)
        elif tag == _XMP and b"\0" not in entry.data.rstrip(b"\0"):
            found.append(xmp_chunk(entry.data.rstrip(b"\0")))
        elif not is_carried(entry) or (inverted and tag in _OF_LEVELS):
            (dropped.content if tag in _PLACES else dropped.metadata).add(tag_name(tag))
        elif (size := size + len(entry.data)) > _MAX_BYTES:
            dropped.content.add(f"{tag_name(tag)}, {len(entry.data):,} bytes")  # of this size it need not be metadata
            size -= len(entry.data)
        else:
            found.append(tag_chunk(tags.order, entry))
    return found + last


def _resolution(entries: dict[int, Entry], order: str, turned: bool, lost: set[str]) -> list[Chunk]:
    """The resolution, taken out of the entries where it is as it should be."""
    sides = [entries.get(tag) for tag in (_X, _Y)]
    unit = entries[_UNIT].numbers(order) if _UNIT in entries else (2,)
    valid = [side for side in sides if side is not None and (side.type, side.items) == (_RATIONAL, 1)]
    if len(valid) == 2 and len(unit) == 1 and unit[0] in (1, 2, 3):
        x, y = (struct.unpack(order + "II", side.data) for side in (valid[::-1] if turned else valid))
        for tag in (_X, _Y, _UNIT):
            entries.pop(tag, None)
        return [Resolution(x[0], x[1], y[0], y[1], unit[0]).chunk()]
    if turned:
        lost.update(tag_name(tag) for tag in (_X, _Y) if entries.pop(tag, None))
    return []


def chunks_entry(chunks: Iterable[Chunk]) -> Entry:
    """The private tag with chunks for which TIFF has none."""
    data = _CHUNKS_START + b"".join(map(chunk_bytes, chunks))
    return Entry(_CHUNKS, _UNDEFINED, len(data), data)


def _chunks_in(data: bytes) -> list[Chunk]:
    """Inverse of ``chunks_entry``; nothing if it is another's tag, or damaged."""
    found = []
    place = len(_CHUNKS_START)
    if not data.startswith(_CHUNKS_START):
        return []
    while place < len(data):
        size = int.from_bytes(data[place : place + 4], "big")
        chunk = Chunk(data[place + 4 : place + 8], data[place + 8 : place + 8 + size])
        if chunk_bytes(chunk) != data[place : place + 12 + size] or not is_metadata(chunk.name):
            return []
        found.append(chunk)
        place += 12 + size
    return found


def is_carried(entry: Entry) -> bool:
    """Whether a tag means the same in another file."""
    return entry.type in ITEM_BYTES and entry.type not in _PLACE_TYPES and entry.tag not in STORAGE | _PLACES | EXIF_FOLDERS


def tag_chunk(order: str, entry: Entry) -> Chunk:
    """A tag as it is."""
    return Chunk(b"tiTg", (b"II" if order == "<" else b"MM") + struct.pack(order + "HHI", *entry[:3]) + entry.data)


def tag_of(chunk: Chunk) -> tuple[str, Entry] | None:
    """(byte order, tag) of such a chunk; None if it is not one, or damaged."""
    if chunk.name != b"tiTg" or chunk.data[:2] not in (b"II", b"MM") or len(chunk.data) < 10:
        return None
    order = "<" if chunk.data[:2] == b"II" else ">"
    tag, kind, count = struct.unpack_from(order + "HHI", chunk.data, 2)
    entry = Entry(tag, kind, count, chunk.data[10:])
    return (order, entry) if is_carried(entry) and ITEM_BYTES[kind] * count == len(entry.data) else None
