"""WebP in: a walk over the chunks; the samples are decoded by Pillow's libwebp."""

import io
from typing import Final

import numpy as np
from PIL import WebPImagePlugin

from hvpzip.image_io.form import Chunk
from hvpzip.image_io.metadata import exif_chunk, icc_chunk, xmp_chunk
from hvpzip.image_io.pillow_forms import form_of_image, same_form
from hvpzip.image_io.refusals import Dropped, Found, check_pixels, counted, damaged, take_frame
from hvpzip.image_io.rows import array_of

__all__ = ["read_webp"]

_PICTURES: Final = frozenset({b"VP8 ", b"VP8L", b"VP8X", b"ALPH", b"ANIM", b"ANMF"})
_NAMES: Final = {b"ICCP": "colour profile", b"EXIF": "EXIF", b"XMP ": "XMP"}


def read_webp(data: bytes, max_pixels: int, frame: int | None) -> Found:
    """Raises: ImageError, LimitError; what Pillow raises on damage."""
    # Sizes are read before Pillow opens it, as that already allocates the canvas.
    end = 8 + int.from_bytes(data[4:8], "little")
    if end > len(data):
        raise damaged("WebP", f"the file ends after {len(data)} bytes of {end}")
    chunks = _chunks(data[:end])
    dropped = Dropped()
    if not chunks or chunks[0].name not in (b"VP8 ", b"VP8L", b"VP8X") or len(chunks[0].data) < 10:
        raise damaged("WebP", "its header is not valid")
    check_pixels(*_size(chunks[0]), max_pixels)
    frames = max(1, sum(chunk.name == b"ANMF" for chunk in chunks))
    animated = chunks[0].name == b"VP8X" and bool(chunks[0].data[0] & 2)
    number = take_frame("WebP", frame, frames, "animated")
    if frames > 1:
        dropped.content.add(counted(frames - 1, "other picture"))
    elif animated:
        dropped.metadata.add("what says that it is animated")
    kept: dict[bytes, Chunk] = {}
    for chunk in chunks:
        if chunk.name in _PICTURES:
            continue
        if chunk.name in kept or chunk.name not in _NAMES:
            dropped.metadata.add(f"second {_NAMES[chunk.name]}" if chunk.name in kept else f"chunk {chunk.name.decode('latin-1')!r}")
        else:
            make = {b"ICCP": icc_chunk, b"EXIF": exif_chunk, b"XMP ": xmp_chunk}[chunk.name]
            kept[chunk.name] = make(chunk.data)
    if end < len(data):
        dropped.content.add(f"{counted(len(data) - end, 'byte')} after the end")
    with WebPImagePlugin.WebPImageFile(io.BytesIO(data[:end])) as image:
        image.seek(number)
        form = form_of_image(image, "WebP")
        check_pixels(*image.size, max_pixels)
        samples = array_of(image, np.uint8)
        same_form(image, form, "WebP")
    return Found(samples, form._replace(chunks=tuple(kept.values())), dropped, frames)


def _chunks(data: bytes) -> list[Chunk]:
    """Those of the outermost level. Raises: ImageError if one goes beyond the end."""
    found = []
    place = 12
    while place < len(data):
        size = int.from_bytes(data[place + 4 : place + 8], "little")
        if place + 8 + size > len(data):
            raise damaged("WebP", f"the chunk at byte {place} goes beyond the end of the file")
        found.append(Chunk(data[place : place + 4], data[place + 8 : place + 8 + size]))
        place += 8 + size + size % 2
    return found


def _size(first: Chunk) -> tuple[int, int]:
    name, body = first
    if name == b"VP8X":
        return 1 + int.from_bytes(body[4:7], "little"), 1 + int.from_bytes(body[7:10], "little")
    if name == b"VP8L":
        bits = int.from_bytes(body[1:5], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    return int.from_bytes(body[6:8], "little") & 0x3FFF, int.from_bytes(body[8:10], "little") & 0x3FFF
