"""PNG: its chunks, and its image data to samples of every depth and back.

Pillow does the unpacking. It offers 16-bit RGB and alpha in 8 bits only, so such a picture is unpacked twice, once for the high bytes
and once, by naming the other byte order, for the low ones. No other library is needed for that.
"""

import io
import struct
import sys
import zlib
from collections.abc import Callable
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile, PngImagePlugin

from hvpzip.errors import ImageError
from hvpzip.image_io.form import CHANNELS, DEPTHS, Chunk, Form, Kind

__all__ = ["METADATA", "Png", "both_bytes", "image_data", "png_file", "png_samples", "read_png", "samples_of_data"]

_MAGIC: Final = b"\x89PNG\r\n\x1a\n"
_KINDS: Final = {0: Kind.GRAY, 2: Kind.RGB, 3: Kind.PALETTE, 4: Kind.GRAY_ALPHA, 6: Kind.RGB_ALPHA}
_COLOURS: Final = {kind: colour for colour, kind in _KINDS.items()}
_DEPTHS: Final = {colour: DEPTHS[kind] for colour, kind in _KINDS.items()}
# Chunks that are kept. Those of the first line must come before the palette.
_EARLY: Final = frozenset({b"cHRM", b"gAMA", b"iCCP", b"sRGB", b"sBIT", b"cICP", b"mDCV", b"cLLI"})
METADATA: Final = _EARLY | {b"bKGD", b"hIST", b"pHYs", b"sPLT", b"tIME", b"tEXt", b"zTXt", b"iTXt", b"eXIf", b"reSo", b"PLTE"}
_ANIMATION: Final = frozenset({b"acTL", b"fcTL", b"fdAT"})
# The same bits in the other byte order: what Pillow then takes for the high bytes are the low ones.
_OTHER_ORDER: Final = {
    "RGB;16B": "RGB;16L",
    "RGB;16L": "RGB;16B",
    "RGB;16N": "RGB;16B" if sys.byteorder == "little" else "RGB;16L",
    "RGBA;16B": "RGBA;16L",
    "RGBA;16L": "RGBA;16B",
    "RGBA;16N": "RGBA;16B" if sys.byteorder == "little" else "RGBA;16L",
}

Samples = NDArray[np.unsignedinteger[Any]]  # uint8 or uint16


class Png(NamedTuple):
    """The parts of a PNG file: sides, form with its metadata, names of chunks that are not kept, whether it is animated."""

    width: int
    height: int
    form: Form
    dropped: tuple[str, ...]
    animated: bool


def read_png(data: bytes) -> Png:
    """The parts of a PNG; every chunk's checksum is verified, as Pillow leaves that of the image data out.

    Raises:
        ImageError: the file is damaged or ends too early.
    """
    chunks = _chunks(data)
    width, height, depth, colour = struct.unpack_from(">IIBB", chunks[0].data)
    if min(width, height) < 1 or depth not in _DEPTHS.get(colour, ()):
        raise ImageError(f"damaged PNG: no such kind of picture ({width} x {height}, colour type {colour}, {depth} bits)")
    named = {chunk.name: chunk.data for chunk in chunks}
    if b"IDAT" not in named:
        raise ImageError("damaged PNG: it holds no image data")
    kind = _KINDS[colour]
    palette = named.get(b"PLTE", b"") if kind is Kind.PALETTE else b""
    if kind is Kind.PALETTE and (not palette or len(palette) % 3 or len(palette) > 768):
        raise ImageError("damaged PNG: its palette is missing or not valid")
    transparency = named.get(b"tRNS", b"")
    largest = {Kind.GRAY: 2, Kind.RGB: 6, Kind.PALETTE: len(palette) // 3}.get(kind, 0)
    if len(transparency) > largest or (kind is not Kind.PALETTE and len(transparency) not in (0, largest)):
        raise ImageError("damaged PNG: its transparency is not valid")
    kept = tuple(chunk for chunk in chunks if chunk.name in METADATA and not (chunk.name == b"PLTE" and palette))
    if any(chunk.name == b"reSo" for chunk in kept):
        kept = tuple(chunk for chunk in kept if chunk.name != b"pHYs")  # made of the other, which is exact
    known = METADATA | _ANIMATION | {b"IHDR", b"IDAT", b"IEND", b"tRNS"}
    dropped = tuple(sorted({f"chunk {chunk.name.decode('latin-1')!r}" for chunk in chunks if chunk.name not in known}))
    return Png(width, height, Form(kind, depth, palette, transparency, kept), dropped, b"acTL" in named)


def _chunks(data: bytes) -> list[Chunk]:
    chunks: list[Chunk] = []
    offset = len(_MAGIC)
    while not chunks or chunks[-1].name != b"IEND":
        if offset + 12 > len(data):
            raise ImageError(f"damaged PNG: the file ends after {len(data)} bytes, before its last chunk")
        length, name = struct.unpack_from(">I4s", data, offset)
        body = offset + 8
        if body + length + 4 > len(data):
            raise ImageError(f"damaged PNG: the chunk at byte {offset} goes beyond the end of the file")
        if int.from_bytes(data[body + length : body + length + 4], "big") != zlib.crc32(memoryview(data)[offset + 4 : body + length]):
            raise ImageError(f"damaged PNG: the chunk at byte {offset} does not match its checksum")
        if (name == b"IHDR") == bool(chunks) or (name == b"IHDR" and length != 13):
            raise ImageError("damaged PNG: it does not begin with one header")
        # The image data itself is left to Pillow.
        chunks.append(Chunk(name, b"" if name in (b"IDAT", b"fdAT") else data[body : body + length]))
        offset = body + length + 4
    return chunks


def png_samples(data: bytes, form: Form) -> Samples:
    """The samples of a PNG file that ``read_png`` found to be of this form: (H, W) or (H, W, C), of uint8, of uint16 for 16 bits.

    Raises: what Pillow raises where the image data is damaged.
    """
    channels = CHANNELS[form.kind]
    if form.bit_depth == 16 and channels == 2:
        # 32 bits a pixel, as in 8-bit RGB with alpha, so the four bytes come as they are.
        with _opened(data) as image:
            image._mode = "RGBA"
            image.tile = [tile._replace(args="RGBA") for tile in image.tile]
            return np.array(image, np.uint8).view(">u2").astype(np.uint16)
    if form.bit_depth == 16 and channels > 1:
        return both_bytes(lambda: _opened(data))
    with _opened(data) as image:
        if form.bit_depth == 16:
            return np.array(image).astype(np.uint16)
        samples = np.array(image).astype(np.uint8)
    # Pillow stretches gray of 2 and 4 bits to 0..255, and reads 1 bit as true and false.
    return samples // np.uint8(255 // ((1 << form.bit_depth) - 1)) if form.kind is Kind.GRAY and form.bit_depth in (2, 4) else samples


def both_bytes(opened: Callable[[], ImageFile.ImageFile]) -> NDArray[np.uint16]:
    """16-bit samples (H, W, C) of a picture that Pillow gives in 8 bits, unpacked twice; ``opened()`` opens the file anew.

    Raises:
        ImageError: it is laid out in a way of which the low bytes cannot be had.
    """
    halves = []
    for swapped in (False, True):
        with opened() as image:
            tiles = []
            for tile in image.tile:
                mode, *rest = (tile.args,) if isinstance(tile.args, str) else tile.args or ("of no name",)
                if mode not in _OTHER_ORDER:
                    raise ImageError(f"16-bit samples in the layout {mode} are not supported")
                mode = _OTHER_ORDER[mode] if swapped else mode
                tiles.append(tile._replace(args=mode if isinstance(tile.args, str) else (mode, *rest)))
            image.tile = tiles
            halves.append(np.array(image, np.uint8))
    joined = halves[0].astype(np.uint16)
    joined <<= np.uint16(8)
    joined |= halves[1]
    return joined


def _opened(data: bytes) -> PngImagePlugin.PngImageFile:
    """The picture without its metadata, which Pillow would read too, with limits and opinions of its own."""
    kept = [data[: len(_MAGIC)]]
    offset = len(_MAGIC)
    name = b""
    while name != b"IEND":  # what may follow is no part of the picture
        length, name = struct.unpack_from(">I4s", data, offset)
        if name in (b"IHDR", b"PLTE", b"IDAT", b"IEND"):
            kept.append(data[offset : offset + length + 12])
        offset += length + 12
    return PngImagePlugin.PngImageFile(io.BytesIO(b"".join(kept)))


def png_file(samples: Samples, form: Form) -> bytes:
    """The PNG of a picture. Raises: ValueError if PNG has no such form (CMYK)."""
    if form.kind not in _COLOURS:
        raise ValueError(f"PNG has no {form.words}")
    return _assembled(image_data(samples, form.bit_depth), samples.shape[1], samples.shape[0], form)


def _assembled(stream: bytes, width: int, height: int, form: Form) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, form.bit_depth, _COLOURS[form.kind], 0, 0, 0)
    early = [chunk for chunk in form.chunks if chunk.name in _EARLY]
    late = [chunk for chunk in form.chunks if chunk.name not in _EARLY and chunk.name != b"PLTE"]
    palette = [chunk for chunk in form.chunks if chunk.name == b"PLTE"]
    if form.palette:
        palette = [Chunk(b"PLTE", form.palette)]
    if form.transparency:
        palette.append(Chunk(b"tRNS", form.transparency))
    largest = 1 << 30
    parts = [Chunk(b"IDAT", stream[at : at + largest]) for at in range(0, len(stream), largest)]
    chunks = (Chunk(b"IHDR", header), *early, *palette, *late, *parts, Chunk(b"IEND", b""))
    return _MAGIC + b"".join(_chunk_bytes(chunk) for chunk in chunks)


def _chunk_bytes(chunk: Chunk) -> bytes:
    body = chunk.name + chunk.data
    return len(chunk.data).to_bytes(4, "big") + body + zlib.crc32(body).to_bytes(4, "big")


def image_data(samples: Samples, bit_depth: int) -> bytes:
    """The contents of PNG's IDAT chunks for samples (H, W) or (H, W, C) of 1, 2, 4, 8 or 16 bits: a zlib stream of filtered rows."""
    if samples.dtype == np.uint16 and samples.ndim == 3:
        return _filtered_16(samples)
    buffer = io.BytesIO()
    options: dict[str, object] = {}
    if samples.ndim == 2 and bit_depth < 8:
        image = Image.fromarray(samples)
        image.putpalette(bytes(768))  # the image data of a palette and of gray are the same
        options = {"bits": bit_depth}
    else:
        image = Image.fromarray(samples)
    image.save(buffer, format="PNG", optimize=samples.size <= 1 << 20, **options)
    data = buffer.getvalue()
    stream = []
    offset = len(_MAGIC)
    while offset < len(data):
        length, name = struct.unpack_from(">I4s", data, offset)
        if name == b"IDAT":
            stream.append(data[offset + 8 : offset + 8 + length])
        offset += length + 12
    return b"".join(stream)


def samples_of_data(stream: bytes, shape: tuple[int, int, int], bit_depth: int) -> Samples:
    """Inverse of ``image_data`` for samples of a shape (H, W, C).

    Raises: what Pillow raises where the stream is damaged.
    """
    height, width, channels = shape
    kind = (Kind.GRAY if bit_depth in (8, 16) else Kind.PALETTE, Kind.GRAY_ALPHA, Kind.RGB, Kind.RGB_ALPHA)[channels - 1]
    form = Form(kind, bit_depth, bytes(768) if kind is Kind.PALETTE else b"")
    return png_samples(_assembled(stream, width, height, form), form).reshape(shape)


def _filtered_16(samples: Samples) -> bytes:
    """A zlib stream of rows of 16-bit samples (H, W, C), each with the filter that gives the smallest sum of differences."""
    height, width, channels = samples.shape
    rows = samples.astype(">u2").view(np.uint8).reshape(height, -1)
    step = 2 * channels
    left = np.zeros_like(rows)
    left[:, step:] = rows[:, :-step] if width > 1 else rows[:, :0]
    up = np.zeros_like(rows)
    up[1:] = rows[:-1]
    corner = np.zeros_like(rows)
    corner[1:] = left[:-1]
    a, b, c = (part.astype(np.int16) for part in (left, up, corner))
    from_a, from_b, from_c = abs(b - c), abs(a - c), abs(a + b - 2 * c)
    paeth = np.where((from_a <= from_b) & (from_a <= from_c), a, np.where(from_b <= from_c, b, c)).astype(np.uint8)
    filtered = np.stack([rows, rows - left, rows - up, rows - ((a + b) >> 1).astype(np.uint8), rows - paeth])
    cost = np.abs(filtered.view(np.int8).astype(np.int16)).sum(axis=2, dtype=np.int64)
    best = cost.argmin(axis=0)
    lines = np.empty((height, 1 + rows.shape[1]), np.uint8)
    lines[:, 0] = best
    lines[:, 1:] = filtered[best, np.arange(height)]
    return zlib.compress(lines.tobytes(), 9)
