"""EXIF blocks and the directories of TIFF that hold the same: out of one, into the other, values as the bytes that they are."""

import struct
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from hvpzip.errors import ImageError
from hvpzip.image_io.refusals import counted
from hvpzip.image_io.tiff_tags import Directory, Entry, Tags, directory_bytes, entry_of, reordered, tag_name

__all__ = ["EXIF_FOLDERS", "Folders", "exif_block", "folders_of", "joined", "read_block"]

_EXIF, _GPS, _INTEROP, _MAKER = 34665, 34853, 40965, 37500
EXIF_FOLDERS: Final = frozenset({_EXIF, _GPS})
_PLACES: Final = (13, 16, 17, 18)  # types of places, and of what classic TIFF does not have


class Folders(NamedTuple):
    """The directories beside the picture's own: of the camera, of the place, and of interoperability, each None if it is not there."""

    exif: tuple[Entry, ...] | None = None
    gps: tuple[Entry, ...] | None = None
    interop: tuple[Entry, ...] | None = None


def folders_of(tags: Tags, entries: Mapping[int, Entry]) -> tuple[Folders, set[str]]:
    """The folders that a directory points to, and names of what of them is lost when they move."""
    lost: set[str] = set()

    def folder(pointers: Mapping[int, Entry], tag: int, name: str) -> Directory | None:
        if tag not in pointers:
            return None
        place = (*pointers[tag].numbers(tags.order), 0)[0]
        try:
            found = tags.directory(place) if place else None
        except ImageError:
            found = None
        if found is None:
            lost.add(f"{name} folder (it lies outside of the file)")
            return None
        lost.update(found.unreadable)
        if found.following:
            lost.add(f"a second {name} folder")
        return found

    def kept(found: Directory | None, besides: int) -> tuple[Entry, ...] | None:
        if found is None:
            return None
        lost.update(tag_name(entry.tag) for entry in found.entries.values() if entry.type in _PLACES and entry.tag != besides)
        return tuple(entry for entry in found.entries.values() if entry.type not in _PLACES and entry.tag != besides)

    exif, gps = folder(entries, _EXIF, "EXIF"), folder(entries, _GPS, "GPS")
    interop = folder(exif.entries, _INTEROP, "interoperability") if exif else None
    if exif and _MAKER in exif.entries:
        lost.add("places inside of the maker note (its bytes are kept, but lie elsewhere)")
    return Folders(kept(exif, _INTEROP), kept(gps, 0), kept(interop, 0)), lost


def joined(order: str, entries: Iterable[Entry], folders: Folders, place: int) -> bytes:
    """A directory at that byte, which is even, with its folders behind it."""

    def size(listed: Iterable[Entry]) -> int:
        return len(directory_bytes(order, listed, 0))

    def pointer(tag: int, value: int = 0) -> Entry:
        return entry_of(order, tag, 4, value)

    main = list(entries)
    main += [pointer(tag) for tag, folder in ((_EXIF, folders.exif), (_GPS, folders.gps)) if folder is not None]
    exif = [*(folders.exif or ()), *([pointer(_INTEROP)] if folders.interop is not None else [])]
    exif_at = place + size(main)
    interop_at = exif_at + (size(exif) if folders.exif is not None else 0)
    gps_at = interop_at + (size(folders.interop) if folders.interop is not None else 0)
    at = {_EXIF: exif_at, _GPS: gps_at, _INTEROP: interop_at}
    placed = [[pointer(entry.tag, at[entry.tag]) if entry.tag in at else entry for entry in listed] for listed in (main, exif)]
    parts = [directory_bytes(order, placed[0], place)]
    if folders.exif is not None:
        parts.append(directory_bytes(order, placed[1], exif_at))
    if folders.interop is not None:
        parts.append(directory_bytes(order, folders.interop, interop_at))
    if folders.gps is not None:
        parts.append(directory_bytes(order, folders.gps, gps_at))
    return b"".join(parts)


def exif_block(order: str, folders: Folders) -> bytes:
    """A block as JPEG and PNG hold it, of the folders alone: the picture's own tags would contradict those of another file."""
    start = b"II*\0" if order == "<" else b"MM\0*"
    return start + struct.pack(order + "I", 8) + joined(order, (), folders, 8)


def read_block(block: bytes, order: str = "") -> tuple[str, Mapping[int, Entry], Folders, set[str]]:
    """Inverse of ``exif_block``, for any block: (order, the picture's own tags, folders, names of what is lost).

    order: that in which the values are to come; "" for the block's own.
    Raises: ImageError if it is damaged.
    """
    try:
        tags = Tags(block)
        main = tags.directory(tags.first)
    except ImageError as error:
        raise ImageError(f"damaged EXIF: {error}") from error
    folders, lost = folders_of(tags, main.entries)
    lost.update(main.unreadable)
    if main.following:
        lost.add("EXIF's thumbnail")
    elif unused := tags.unused():
        lost.add(f"{counted(unused, 'byte')} that no tag of the EXIF refers to")
    order = order or tags.order

    def turned(listed: Iterable[Entry]) -> tuple[Entry, ...]:
        return tuple(reordered(entry, tags.order, order) for entry in listed)

    own = {entry.tag: entry for entry in turned(main.entries.values()) if entry.tag not in EXIF_FOLDERS}
    return order, own, Folders(*(None if folder is None else turned(folder) for folder in folders)), lost
