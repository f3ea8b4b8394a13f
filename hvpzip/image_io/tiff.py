"""TIFF out: by Pillow, except for the 16-bit kinds with several channels, which it cannot write."""

import io
import struct
import zlib
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, TiffImagePlugin

from hvpzip.errors import ImageError
from hvpzip.image_io.form import Chunk, Form, Kind
from hvpzip.image_io.metadata import EXIF_FOLDERS, TEXT_TAGS, icc_of, named, resolution_of, text_of

__all__ = ["tiff_file"]

Samples = NDArray[np.unsignedinteger[Any]]  # uint8 or uint16
_Tag = tuple[int, int, int, bytes]  # number, type, count, little-endian values

_ICC, _XMP, _X, _Y, _UNIT, _ORIENTATION = 34675, 700, 282, 283, 296, 274
_KEYWORDS: Final = {keyword: tag for tag, keyword in TEXT_TAGS.items()}
_ASCII, _SHORT, _LONG, _RATIONAL, _UNDEFINED, _BYTE = 2, 3, 4, 5, 7, 1


def tiff_file(samples: Samples, form: Form) -> bytes:
    """The TIFF of a picture, packed with deflate, or not at all where it has EXIF.

    Raises:
        ImageError: TIFF, or what is written of it here, cannot hold the form or its metadata; the message names it.
    """
    if form.transparency or (form.bit_depth in (2, 4) and form.kind is Kind.GRAY):
        raise ImageError(f"TIFF cannot hold {form.words}: choose PNG")
    by_hand = form.bit_depth == 16 and form.kind is not Kind.GRAY
    tags: list[_Tag] = []
    exif = b""
    lost: list[Chunk] = []
    for chunk in form.chunks:
        tag = _tags_of(chunk)
        if tag:
            tags += tag
        elif chunk.name == b"eXIf" and not by_hand:
            exif = chunk.data
        else:
            lost.append(chunk)
    if exif:
        turned = Image.Exif()
        turned.load(exif)
        if turned.get(_ORIENTATION, 1) != 1:
            raise ImageError("TIFF would turn the picture as its EXIF says: choose PNG, or leave the metadata out with --strip")
    if lost:
        raise ImageError(f"TIFF cannot hold this metadata: {', '.join(named(lost))}; choose PNG, or leave it out with --strip")
    return _by_hand(samples, form, tags) if by_hand else _by_pillow(samples, form, tags, exif)


def _tags_of(chunk: Chunk) -> list[_Tag]:
    """The tags that hold a chunk; none if there are none."""
    if chunk.name == b"iCCP":
        profile = icc_of(chunk)
        return [(_ICC, _UNDEFINED, len(profile), profile)] if profile else []
    text = text_of(chunk)
    if text is not None and text[0] in _KEYWORDS and "\0" not in text[1]:
        data = text[1].encode("utf-8", "surrogateescape") + b"\0"
        return [(_KEYWORDS[text[0]], _ASCII, len(data), data)]
    if text is not None and text[0] == "XML:com.adobe.xmp":
        data = text[1].encode("utf-8", "surrogateescape")
        return [(_XMP, _BYTE, len(data), data)]
    resolution = resolution_of(chunk)
    if resolution is not None and resolution.x_denominator and resolution.y_denominator and resolution.unit in (1, 2, 3):
        values = struct.pack("<IIII", *resolution[:4])
        return [(_X, _RATIONAL, 1, values[:8]), (_Y, _RATIONAL, 1, values[8:]), (_UNIT, _SHORT, 1, struct.pack("<H", resolution.unit))]
    return []


def _by_pillow(samples: Samples, form: Form, tags: Sequence[_Tag], exif: bytes) -> bytes:
    if form.kind is Kind.CMYK:
        image = Image.frombytes("CMYK", (samples.shape[1], samples.shape[0]), np.ascontiguousarray(samples).tobytes())
    elif form.kind is Kind.GRAY and form.bit_depth == 1:
        image = Image.fromarray(samples.astype(bool))
    else:
        image = Image.fromarray(np.ascontiguousarray(samples))
    if form.kind is Kind.PALETTE:
        image.putpalette(form.palette)
    directory = TiffImagePlugin.ImageFileDirectory_v2()
    for number, kind, _, data in tags:
        directory.tagtype[number] = kind
        if kind == _RATIONAL:
            directory[number] = TiffImagePlugin.IFDRational(*struct.unpack("<II", data))
        elif kind == _SHORT:
            directory[number] = struct.unpack("<H", data)[0]
        else:
            directory[number] = data[:-1] if kind == _ASCII else data
    if exif:
        found = Image.Exif()
        found.load(exif)
        for number in (*TEXT_TAGS, _X, _Y, _UNIT):
            if number in found and number not in directory:
                directory[number] = found[number]
        for folder in EXIF_FOLDERS:
            if tags_inside := found.get_ifd(folder):
                directory[folder] = dict(tags_inside)
    buffer = io.BytesIO()
    # libtiff, which packs, does not take folders of tags; without packing Pillow writes the file itself.
    image.save(buffer, format="TIFF", compression="raw" if exif else "tiff_adobe_deflate", tiffinfo=directory)
    return buffer.getvalue()


def _by_hand(samples: Samples, form: Form, tags: Sequence[_Tag]) -> bytes:
    """One strip, packed with deflate, and the tags behind it."""
    height, width, channels = samples.shape
    strip = zlib.compress(samples.astype("<u2").tobytes(), 9)
    strip += bytes(len(strip) % 2)
    colours = 3 if channels >= 3 else 1

    def numbers(tag: int, *values: int, kind: int = _SHORT) -> _Tag:
        return tag, kind, len(values), struct.pack(f"<{len(values)}{'H' if kind == _SHORT else 'I'}", *values)

    entries = [
        numbers(256, width, kind=_LONG),
        numbers(257, height, kind=_LONG),
        numbers(258, *[16] * channels),
        numbers(259, 8),
        numbers(262, 2 if colours == 3 else 1),
        numbers(273, 8, kind=_LONG),
        numbers(277, channels),
        numbers(278, height, kind=_LONG),
        numbers(279, len(strip), kind=_LONG),
        numbers(284, 1),
        *([numbers(338, 2)] if channels > colours else []),
        *tags,
    ]
    entries.sort()
    place = 8 + len(strip)
    rest = b""
    listing = struct.pack("<H", len(entries))
    behind = place + 2 + 12 * len(entries) + 4
    for number, kind, count, data in entries:
        value = data.ljust(4, b"\0")
        if len(data) > 4:
            value = struct.pack("<I", behind + len(rest))
            rest += data + bytes(len(data) % 2)
        listing += struct.pack("<HHI", number, kind, count) + value
    return struct.pack("<2sHI", b"II", 42, place) + strip + listing + bytes(4) + rest
