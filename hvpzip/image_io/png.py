"""PNG in: its chunks, and its image data to samples of every depth.

Pillow does the unpacking. It offers 16-bit RGB and alpha in 8 bits only, so such a picture is unpacked twice, once for the high bytes
and once, by naming the other byte order, for the low ones. No other library is needed for that.
"""

import bisect
import io
import struct
import sys
import zlib
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import ImageFile, PngImagePlugin

from hvpzip.errors import ImageError
from hvpzip.image_io.form import CHANNELS, DEPTHS, Chunk, Form, Kind
from hvpzip.image_io.rows import array_of, strips_of

__all__ = ["COLOURS", "EARLY", "MAGIC", "METADATA", "Png", "both_bytes", "png_samples", "png_strips", "read_png"]

MAGIC: Final = b"\x89PNG\r\n\x1a\n"
_KINDS: Final = {0: Kind.GRAY, 2: Kind.RGB, 3: Kind.PALETTE, 4: Kind.GRAY_ALPHA, 6: Kind.RGB_ALPHA}
COLOURS: Final = {kind: colour for colour, kind in _KINDS.items()}
_DEPTHS: Final = {colour: DEPTHS[kind] for colour, kind in _KINDS.items()}
# Chunks that are kept. Those of the first line must come before the palette.
EARLY: Final = frozenset({b"cHRM", b"gAMA", b"iCCP", b"sRGB", b"sBIT", b"cICP", b"mDCV", b"cLLI"})
METADATA: Final = EARLY | {b"bKGD", b"hIST", b"pHYs", b"sPLT", b"tIME", b"tEXt", b"zTXt", b"iTXt", b"eXIf", b"reSo", b"PLTE"}
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

_PIECE: Final = 1 << 20  # bytes of image data read at once

Samples = NDArray[np.unsignedinteger[Any]]  # uint8 or uint16


class Png(NamedTuple):
    """The parts of a PNG file: sides, form with its metadata, names of chunks that are not kept, whether it is animated."""

    width: int
    height: int
    form: Form
    dropped: tuple[str, ...]
    animated: bool


def read_png(file: BinaryIO) -> Png:
    """The parts of a PNG; every chunk's checksum is verified, as Pillow leaves that of the image data out.

    Args:
        file: the whole file, which can be sought in.

    Raises:
        ImageError: the file is damaged or ends too early.
    """
    chunks = _chunks(file)
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


def _chunks(file: BinaryIO) -> list[Chunk]:
    """All chunks up to the last, those of the image data without it: that is left to Pillow."""
    chunks: list[Chunk] = []
    size = file.seek(0, io.SEEK_END)
    offset = file.seek(len(MAGIC))
    while not chunks or chunks[-1].name != b"IEND":
        if offset + 12 > size:
            raise ImageError(f"damaged PNG: the file ends after {size} bytes, before its last chunk")
        length, name = struct.unpack(">I4s", file.read(8))
        if offset + 12 + length > size:
            raise ImageError(f"damaged PNG: the chunk at byte {offset} goes beyond the end of the file")
        if (name == b"IHDR") == bool(chunks) or (name == b"IHDR" and length != 13):
            raise ImageError("damaged PNG: it does not begin with one header")
        data, crc = b"", zlib.crc32(name)
        if name in (b"IDAT", b"fdAT"):
            for begin in range(0, length, _PIECE):
                crc = zlib.crc32(file.read(min(_PIECE, length - begin)), crc)
        else:
            data = file.read(length)
            crc = zlib.crc32(data, crc)
        if int.from_bytes(file.read(4), "big") != crc:
            raise ImageError(f"damaged PNG: the chunk at byte {offset} does not match its checksum")
        chunks.append(Chunk(name, data))
        offset += length + 12
    return chunks


def png_samples(file: BinaryIO, form: Form) -> Samples:
    """The samples of a PNG file that ``read_png`` found to be of this form: (H, W) or (H, W, C), of uint8, of uint16 for 16 bits.

    Raises: what Pillow raises where the image data is damaged.
    """
    channels = CHANNELS[form.kind]
    if form.bit_depth == 16 and channels > 1:
        return _wide_samples(file, channels)
    with _opened(file) as image:
        samples = array_of(image, np.uint16 if form.bit_depth == 16 else np.uint8)
    samples //= samples.dtype.type(_stretch(form))
    return samples


def png_strips(file: BinaryIO, form: Form) -> Iterator[Samples]:
    """As ``png_samples``, from top to bottom, some rows at a time; those of 16 bits with several channels at once."""
    if form.bit_depth == 16 and CHANNELS[form.kind] > 1:
        yield _wide_samples(file, CHANNELS[form.kind])
        return
    with _opened(file) as image:
        for strip in strips_of(image):
            samples: Samples = strip.astype(np.uint16 if form.bit_depth == 16 else np.uint8)
            samples //= samples.dtype.type(_stretch(form))
            yield samples


def _stretch(form: Form) -> int:
    """By what Pillow multiplies samples: it stretches gray of 2 and 4 bits to 0..255, and reads 1 bit as true and false."""
    return 255 // ((1 << form.bit_depth) - 1) if form.kind is Kind.GRAY and form.bit_depth in (2, 4) else 1


def _wide_samples(file: BinaryIO, channels: int) -> Samples:
    if channels > 2:
        return both_bytes(lambda: _opened(file))
    # 32 bits a pixel, as in 8-bit RGB with alpha, so the four bytes come as they are.
    with _opened(file) as image:
        image._mode = "RGBA"
        image.tile = [tile._replace(args="RGBA") for tile in image.tile]
        return array_of(image, np.uint8).view(">u2").astype(np.uint16)


def both_bytes(opened: Callable[[], ImageFile.ImageFile]) -> NDArray[np.uint16]:
    """16-bit samples (H, W, C) of a picture that Pillow gives in 8 bits, unpacked twice; ``opened()`` opens the file anew.

    Raises:
        ImageError: it is laid out in a way of which the low bytes cannot be had.
    """
    joined: NDArray[np.uint16] | None = None
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
            image.load()
            place = 0
            for strip in strips_of(image):
                if joined is None:
                    joined = np.empty((image.size[1], *strip.shape[1:]), np.uint16)
                rows = joined[place : place + len(strip)]
                if swapped:
                    rows |= strip
                else:
                    np.left_shift(strip, 8, out=rows, dtype=np.uint16)
                place += len(strip)
    assert joined is not None, "a picture has rows"
    return joined


def _opened(file: BinaryIO) -> PngImagePlugin.PngImageFile:
    """The picture without its metadata, which Pillow would read too, with limits and opinions of its own."""
    kept = [(0, len(MAGIC))]
    offset = len(MAGIC)
    name = b""
    while name != b"IEND":  # what may follow is no part of the picture
        file.seek(offset)
        length, name = struct.unpack(">I4s", file.read(8))
        if name in (b"IHDR", b"PLTE", b"IDAT", b"IEND"):
            kept.append((offset, length + 12))
        offset += length + 12
    return PngImagePlugin.PngImageFile(io.BufferedReader(_Excerpt(file, kept)))


class _Excerpt(io.RawIOBase):
    """Some ranges (begin, size) of a file as a file of their own, without a copy."""

    def __init__(self, file: BinaryIO, ranges: list[tuple[int, int]]) -> None:
        self._file = file
        self._ranges: list[tuple[int, int, int]] = []  # begin here, begin there, size
        self._size = self._place = 0
        for begin, size in ranges:
            self._ranges.append((self._size, begin, size))
            self._size += size

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._place = offset + (0, self._place, self._size)[whence]
        return self._place

    def readinto(self, buffer: Any) -> int:
        number = bisect.bisect_right(self._ranges, self._place, key=lambda part: part[0]) - 1
        here, there, size = self._ranges[number]
        skip = self._place - here
        if skip >= size:
            return 0
        self._file.seek(there + skip)
        piece = self._file.read(min(len(buffer), size - skip))
        buffer[: len(piece)] = piece
        self._place += len(piece)
        return len(piece)
