"""BMP out: 1, 4 and 8 bits with a palette, 24 bits, and 32 with alpha; with a colour profile or alpha the header is of version 5."""

import struct
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from hvpzip.errors import ImageError
from hvpzip.image_io.form import CHANNELS, Chunk, Form, Kind
from hvpzip.image_io.metadata import icc_of, named
from hvpzip.image_io.rows import packed_bits

__all__ = ["bmp_file"]

Samples = NDArray[np.unsignedinteger[Any]]  # uint8 or uint16

_INTENTS: Final = {2: 1, 1: 2, 0: 4, 3: 8}  # of sRGB chunks to those of Windows
_DEPTHS: Final = {Kind.GRAY: (1, 4, 8), Kind.PALETTE: (1, 4, 8), Kind.RGB: (8,), Kind.RGB_ALPHA: (8,)}
_FIELDS: Final = 3
_MASKS: Final = (0xFF0000, 0xFF00, 0xFF, 0xFF000000)


def bmp_file(samples: Samples, form: Form) -> bytes:
    """The BMP of a picture.

    Raises:
        ImageError: BMP cannot hold the form or its metadata; the message names it.
    """
    if form.bit_depth not in _DEPTHS.get(form.kind, ()) or form.transparency:
        raise ImageError(f"BMP cannot hold {form.words}: choose {'TIFF' if form.kind is Kind.CMYK else 'PNG'}")
    resolution, profile, space, intent = (0, 0), b"", 0, 0
    lost: list[Chunk] = []
    for chunk in form.chunks:
        if chunk.name == b"pHYs" and len(chunk.data) == 9 and chunk.data[8] == 1 and max(chunk.data[0], chunk.data[4]) < 128:
            resolution = struct.unpack_from(">II", chunk.data)
        elif chunk.name == b"iCCP" and (profile := icc_of(chunk)) and not space:
            space = int.from_bytes(b"MBED", "big")
        elif chunk.name == b"sRGB" and len(chunk.data) == 1 and chunk.data[0] in _INTENTS and not space:
            space, intent = int.from_bytes(b"sRGB", "big"), _INTENTS[chunk.data[0]]
        elif chunk.name != b"cmAP":
            lost.append(chunk)
    if lost:
        raise ImageError(f"BMP cannot hold this metadata: {', '.join(named(lost))}; choose PNG, or leave it out with --strip")
    height, width = samples.shape[:2]
    bits = form.bit_depth * CHANNELS[form.kind]
    rows = _rows(samples[::-1], form)
    rows = np.pad(rows, ((0, 0), (0, -rows.shape[1] % 4)))
    table = _table(form)
    alpha = form.kind is Kind.RGB_ALPHA
    header_size = 124 if alpha or space else 40
    start = 14 + header_size + len(table)
    header = struct.pack(
        "<IiiHHIIiiII",
        *(header_size, width, height, 1, bits, _FIELDS if alpha else 0, rows.size, *resolution, len(table) // 4, 0),
    )
    if header_size == 124:
        header += struct.pack("<IIIII", *(_MASKS if alpha else (0, 0, 0, 0)), space or int.from_bytes(b"Win ", "big")) + bytes(48)
        header += struct.pack("<IIII", intent, start - 14 + rows.size if profile else 0, len(profile), 0)
    size = start + rows.size + len(profile)
    if size >> 32:
        raise ImageError(f"BMP cannot hold this picture of {width} x {height} pixels: it has more than 4 GB; choose PNG")
    return struct.pack("<2sIHHI", b"BM", size, 0, 0, start) + header + table + rows.tobytes() + profile


def _rows(samples: Samples, form: Form) -> NDArray[np.uint8]:
    if form.kind is Kind.RGB:
        return samples[:, :, ::-1].reshape(len(samples), -1).astype(np.uint8)
    if form.kind is Kind.RGB_ALPHA:
        return samples[:, :, [2, 1, 0, 3]].reshape(len(samples), -1).astype(np.uint8)
    return samples.astype(np.uint8) if form.bit_depth == 8 else packed_bits(samples, form.bit_depth)


def _table(form: Form) -> bytes:
    """Blue, green, red, 0 of each entry."""
    if form.kind is Kind.GRAY:
        most = 1 << form.bit_depth
        return b"".join(bytes((level,) * 3 + (0,)) for level in range(0, 256, 255 // (most - 1)))
    if form.kind is Kind.PALETTE:
        entries = np.frombuffer(form.palette, np.uint8).reshape(-1, 3)
        return np.pad(entries[:, ::-1], ((0, 0), (0, 1))).tobytes()
    return b""
