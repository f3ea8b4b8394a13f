"""PNG in: its chunks, and its image data to samples of every depth.

Pillow does the unpacking. It offers 16-bit RGB and alpha in 8 bits only, so such a picture is unpacked twice, once for the high bytes
and once, by naming the other byte order, for the low ones. No other library is needed for that.
"""

import bisect
import io
import struct
import zlib
from collections.abc import Iterator
from typing import Any, BinaryIO, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import PngImagePlugin

from hvpzip.errors import ImageError
from hvpzip.image_io.form import CHANNELS, DEPTHS, Chunk, Form, Kind
from hvpzip.image_io.metadata import physical, resolution_of
from hvpzip.image_io.refusals import Dropped, check_pixels, counted, damaged, unsupported
from hvpzip.image_io.rows import array_of, strips_of

__all__ = ["COLOURS", "EARLY", "MAGIC", "METADATA", "Png", "is_metadata", "png_samples", "png_strips", "read_png"]

MAGIC: Final = b"\x89PNG\r\n\x1a\n"
_KINDS: Final = {0: Kind.GRAY, 2: Kind.RGB, 3: Kind.PALETTE, 4: Kind.GRAY_ALPHA, 6: Kind.RGB_ALPHA}
COLOURS: Final = {kind: colour for colour, kind in _KINDS.items()}
_DEPTHS: Final = {colour: DEPTHS[kind] for colour, kind in _KINDS.items()}
# Chunks that are kept. Those of the first line must come before the palette.
EARLY: Final = frozenset({b"cHRM", b"gAMA", b"iCCP", b"sRGB", b"sBIT", b"cICP", b"mDCV", b"cLLI"})
METADATA: Final = EARLY | {
    *(b"bKGD", b"hIST", b"pHYs", b"sPLT", b"tIME", b"tEXt", b"zTXt", b"iTXt", b"eXIf", b"PLTE"),
    *(b"oFFs", b"pCAL", b"sCAL", b"sTER"),  # of the extensions
    *(b"reSo", b"cmAP", b"tiTg"),  # ours
}
_STRUCTURE: Final = frozenset({b"IHDR", b"IDAT", b"IEND", b"tRNS", b"PLTE"})
_ANIMATION: Final = frozenset({b"acTL", b"fcTL", b"fdAT"})
_PASSES: Final = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))  # of Adam7: x, y, steps
# The same bits in the other byte order: what Pillow then takes for the high bytes are the low ones.
_OTHER_ORDER: Final = {"RGB;16B": "RGB;16L", "RGBA;16B": "RGBA;16L"}

_PIECE: Final = 1 << 20  # bytes of image data read at once

Samples = NDArray[np.unsignedinteger[Any]]  # uint8 or uint16


class Png(NamedTuple):
    """The parts of a PNG file: sides, form with its metadata, names of what is not kept, how many pictures it holds."""

    width: int
    height: int
    form: Form
    dropped: Dropped
    pictures: int


def is_metadata(name: bytes) -> bool:
    """Whether a chunk of that name is carried: it is metadata, or its letters say that whoever does not know it may copy it."""
    may_copy = len(name) == 4 and name.isalpha() and name[:1].islower() and name[2:3].isupper() and name[3:].islower()
    return name in METADATA or may_copy


def read_png(file: BinaryIO, max_pixels: int, frame: int = 0) -> Png:
    """The parts of a PNG; every chunk's checksum is verified, and the rows of image data are counted, as Pillow leaves both out.

    Args:
        file: the whole file, which can be sought in.
        max_pixels: larger pictures are refused before their data is unpacked.
        frame: the picture of an animation up to which rows are counted.

    Raises:
        ImageError: the file is damaged or ends too early.
        LimitError: more pixels.
    """
    chunks, behind, rest = _chunks(file, max_pixels, frame)
    width, height, depth, colour = _header(chunks[0].data)
    kind = _KINDS[colour]
    names = [chunk.name for chunk in chunks]
    dropped = Dropped()
    if behind:
        dropped.content.add(f"{counted(behind, 'byte')} behind the image data")
    if rest:
        dropped.content.add(f"{counted(rest, 'byte')} after the end")
    for name in (b"PLTE", b"tRNS", b"acTL"):
        if names.count(name) > 1:
            raise damaged("PNG", f"{names.count(name)} chunks {name.decode()!r} in place of one")
    data_at = names.index(b"IDAT")
    end_of_data = len(names) - names[::-1].index(b"IDAT")
    if any(name != b"IDAT" for name in names[data_at:end_of_data]):
        raise damaged("PNG", "its image data is not in one piece")
    palette, palette_at = b"", -1
    if b"PLTE" in names:
        palette_at = names.index(b"PLTE")
        palette = chunks[palette_at].data if kind is Kind.PALETTE else b""
    if kind is Kind.PALETTE and (not palette or len(palette) % 3 or len(palette) > 768 or palette_at > data_at):
        raise damaged("PNG", f"its palette is missing or not valid ({len(palette)} bytes)")
    if len(palette) > 3 << depth:
        dropped.metadata.add("entries of the palette that no sample can name")
        palette = palette[: 3 << depth]
    transparency = b""
    if b"tRNS" in names:
        transparency = chunks[names.index(b"tRNS")].data
        most = {Kind.GRAY: 2, Kind.RGB: 6, Kind.PALETTE: len(palette) // 3}.get(kind, 0)
        lengths = range(1, most + 1) if kind is Kind.PALETTE else (most,)
        if len(transparency) not in lengths or most == 0 or not palette_at < names.index(b"tRNS") < data_at:
            dropped.metadata.add("transparency that is not valid, which other readers ignore too")
            transparency = b""
    kept = []
    for at, (name, data) in enumerate(chunks):
        if name in _STRUCTURE and not (name == b"PLTE" and kind is not Kind.PALETTE):
            continue
        if name not in _ANIMATION and name[:1].isupper() and name != b"PLTE":
            raise unsupported("PNG", f"a chunk {name.decode('latin-1')!r}, without which it cannot be understood")
        if is_metadata(name) and (name in METADATA or at < data_at):
            kept.append(Chunk(name, data))
        elif name not in _ANIMATION:
            dropped.metadata.add(f"chunk {name.decode('latin-1')!r}")
    pictures = 1
    if b"acTL" in names:
        if len(chunks[names.index(b"acTL")].data) != 8:
            raise damaged("PNG", "its animation is not valid")
        frames = names.count(b"fcTL")
        pictures = max(1, frames + (b"fcTL" not in names[:data_at]))
        if pictures == 1:
            dropped.metadata.add("what says that it is animated")
    return Png(width, height, Form(kind, depth, palette, transparency, _consistent(kept)), dropped, pictures)


def _header(data: bytes) -> tuple[int, int, int, int]:
    """(width, height, depth, colour type). Raises: ImageError if there is no such kind of picture."""
    width, height, depth, colour, deflate, filters, interlace = struct.unpack(">IIBBBBB", data)
    if min(width, height) < 1 or depth not in _DEPTHS.get(colour, ()):
        raise damaged("PNG", f"no such kind of picture ({width} x {height}, colour type {colour}, {depth} bits)")
    if deflate or filters or interlace > 1:
        raise damaged("PNG", f"no such kind of picture (packing {deflate}, filters {filters}, interlace {interlace})")
    return width, height, depth, colour


def _consistent(chunks: list[Chunk]) -> tuple[Chunk, ...]:
    """Without the nearest resolution where the exact one is there too; where somebody changed the nearest, without the exact one."""
    exact = [chunk for chunk in chunks if chunk.name == b"reSo"]
    if not exact:
        return tuple(chunks)
    found = resolution_of(exact[0])
    near = [chunk for chunk in chunks if chunk.name == b"pHYs"]
    expected = physical(found) if found else None
    edited = near != ([expected] if expected else [])
    return tuple(chunk for chunk in chunks if chunk.name != (b"reSo" if edited else b"pHYs"))


class _Rows:
    """Counts the rows in the image data of one picture as it is read."""

    def __init__(self, width: int, height: int, bits: int, interlaced: bool) -> None:
        self._unpack, self._bytes, self.started = zlib.decompressobj(), 0, False
        self._behind = 0  # bytes that follow the packed data
        self._passes = []  # rows, and bytes of a row with its filter
        for x, y, step_x, step_y in _PASSES if interlaced else ((0, 0, 1, 1),):
            columns, rows = -(-(width - x) // step_x), -(-(height - y) // step_y)
            if columns > 0 and rows > 0:
                self._passes.append((rows, 1 + -(-columns * bits // 8)))

    def take(self, data: bytes) -> None:
        """Raises: ImageError if it cannot be unpacked."""
        self.started = True
        while data and not self._unpack.eof:
            try:
                self._bytes += len(self._unpack.decompress(data, _PIECE))
            except zlib.error as error:
                raise damaged("PNG", f"{self._counted()} ({error})") from None
            data = self._unpack.unused_data if self._unpack.eof else self._unpack.unconsumed_tail
        self._behind += len(data)

    def _counted(self) -> str:
        left, rows = self._bytes, 0
        for count, size in self._passes:
            rows += min(count, left // size)
            left = max(0, left - count * size)
        return f"{rows} of {sum(count for count, _ in self._passes)} rows{' of all passes' if len(self._passes) > 1 else ''}"

    def finish(self) -> int:
        """How many bytes follow the packed rows. Raises: ImageError if there are other rows than there should be."""
        expected = sum(count * size for count, size in self._passes)
        if self._bytes < expected:
            raise damaged("PNG", self._counted())
        if self._bytes > expected:
            raise damaged("PNG", f"its image data unpacks to {self._bytes:,} bytes in place of {expected:,}")
        if not self._unpack.eof:
            raise damaged("PNG", f"{self._counted()}, but the end of the packed data, with its checksum, is missing")
        return self._behind


def _chunks(file: BinaryIO, max_pixels: int, frame: int) -> tuple[list[Chunk], int, int]:
    """(all chunks up to the last, those of the image data without it: that is left to Pillow, how many bytes follow the packed rows, how
    many the last chunk)."""
    chunks: list[Chunk] = []
    size = file.seek(0, io.SEEK_END)
    offset = file.seek(len(MAGIC))
    rows: _Rows | None = None  # of the picture whose data comes
    bits, interlaced, frames, behind = 0, False, 0, 0
    while not chunks or chunks[-1].name != b"IEND":
        if offset + 12 > size:
            raise damaged("PNG", f"the file ends after {size} bytes, before its last chunk")
        length, name = struct.unpack(">I4s", file.read(8))
        if offset + 12 + length > size:
            raise damaged("PNG", f"the chunk at byte {offset} goes beyond the end of the file")
        if (name == b"IHDR") == bool(chunks) or (name == b"IHDR" and length != 13):
            raise damaged("PNG", "it does not begin with one header")
        data, crc = b"", zlib.crc32(name)
        if name in (b"IDAT", b"fdAT"):
            head = 4 if name == b"fdAT" else 0  # its number in the animation
            for begin in range(0, length, _PIECE):
                piece = file.read(min(_PIECE, length - begin))
                crc = zlib.crc32(piece, crc)
                if rows is not None:
                    rows.take(piece[max(head - begin, 0) :])
        else:
            data = file.read(length)
            crc = zlib.crc32(data, crc)
        if int.from_bytes(file.read(4), "big") != crc:
            raise damaged("PNG", f"the chunk at byte {offset} does not match its checksum")
        chunks.append(Chunk(name, data))
        offset += length + 12
        if name == b"IHDR":
            width, height, depth, colour = _header(data)
            check_pixels(width, height, max_pixels)
            bits, interlaced = depth * CHANNELS[_KINDS[colour]], bool(data[12])
            rows = _Rows(width, height, bits, interlaced)
        elif name == b"fcTL" and length >= 12:
            frames += 1
            if rows is None or rows.started:  # otherwise it tells of the picture that every reader shows
                if rows is not None:
                    behind += rows.finish()
                width, height = struct.unpack_from(">II", data, 4)
                check_pixels(width, height, max_pixels)
                rows = _Rows(width, height, bits, interlaced) if frames <= frame + 1 else None
        elif name == b"IEND":
            if not any(chunk.name == b"IDAT" for chunk in chunks):
                raise damaged("PNG", "it holds no image data")
            if rows is not None:
                behind += rows.finish()
    return chunks, behind, size - offset


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
        return _both_bytes(file)
    # 32 bits a pixel, as in 8-bit RGB with alpha, so the four bytes come as they are.
    with _opened(file) as image:
        image._mode = "RGBA"
        image.tile = [tile._replace(args="RGBA") for tile in image.tile]
        return array_of(image, np.uint8).view(">u2").astype(np.uint16)


def _both_bytes(file: BinaryIO) -> NDArray[np.uint16]:
    """16-bit samples (H, W, C) of a picture of which Pillow gives one byte in two, unpacked twice.

    Raises:
        ImageError: Pillow names the layout in another way than it does today.
    """
    joined: NDArray[np.uint16] | None = None
    for swapped in (False, True):
        with _opened(file) as image:
            if any(tile.args not in _OTHER_ORDER for tile in image.tile):
                raise ImageError(f"16-bit samples in the layout {image.tile[0].args} are not supported")
            if swapped:
                image.tile = [tile._replace(args=_OTHER_ORDER[str(tile.args)]) for tile in image.tile]
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
