"""PNG out: files row by row, and image data alone, which a fallback stores without the rest of the file."""

import io
import struct
import zlib
from collections.abc import Iterator
from functools import partial
from typing import Any, BinaryIO, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from hvpzip.image_io.form import CHANNELS, Chunk, Form, Kind
from hvpzip.image_io.png import COLOURS, EARLY, MAGIC, png_samples
from hvpzip.image_io.rows import filtered, packed_bits
from hvpzip.threads import side_by_side

__all__ = ["PngWriter", "chunk_bytes", "image_data", "samples_of_data"]

Samples = NDArray[np.unsignedinteger[Any]]  # uint8 or uint16

_PIECE: Final = 1 << 20  # bytes of image data in a chunk
# Pictures of so many samples are packed as well as zlib can, larger ones at level 4: 1 to 2 % more bytes than at 6 in half the time.
_SMALL: Final = 1 << 20
_BAND: Final = 1 << 17  # bytes that a thread packs at a time
_BANDS: Final = 16  # so many wait for each other
_REACH: Final = 1 << 15  # of deflate
_ZLIB_HEAD: Final = b"\x78\x9c"  # deflate with that reach


class PngWriter:
    """Writes a PNG row by row: nothing of the picture is held but what zlib holds.

    Args:
        out: a binary stream.
        width, height: pixels.
        form: what the samples mean, and the metadata.

    Raises:
        ValueError: PNG has no such form (CMYK).
        OSError: ``out`` cannot be written; so do the methods.
    """

    def __init__(self, out: BinaryIO, width: int, height: int, form: Form) -> None:
        if form.kind not in COLOURS:
            raise ValueError(f"PNG has no {form.words}")
        self._out, self._width, self._form, self._left = out, width, form, height
        channels, bits = CHANNELS[form.kind], form.bit_depth
        self._step = channels * bits // 8  # 0: rows of packed samples, which filters do not make smaller
        if form.kind is Kind.PALETTE:
            self._step = 0
        level = 9 if width * height * channels <= _SMALL else 4
        self._deflate = _Deflate(level, zlib.Z_FILTERED if self._step else zlib.Z_DEFAULT_STRATEGY)
        self._above = np.zeros(-(-width * channels * bits // 8), np.uint8)
        self._pending = bytearray()
        out.write(MAGIC)
        for chunk in _head(width, height, form):
            out.write(chunk_bytes(chunk))

    def write(self, samples: Samples) -> None:
        """The next rows, (h, W) or (h, W, C), uint16 for 16 bits, otherwise uint8. Raises: ValueError if they do not go with the rest."""
        channels, bits = CHANNELS[self._form.kind], self._form.bit_depth
        if samples.shape[1:] not in ((self._width, channels), (self._width,) * (channels == 1)) or len(samples) > self._left:
            raise ValueError(f"rows of shape {samples.shape} do not go with a picture {self._width} wide, {self._left} rows before its end")
        self._left -= len(samples)
        if not len(samples):
            return
        flat = np.ascontiguousarray(samples).reshape(len(samples), -1)
        rows = packed_bits(flat, bits) if bits < 8 else flat.astype(">u2").view(np.uint8) if bits == 16 else flat
        if self._step:
            for lines in filtered(rows, self._above, self._step):
                self._pack(lines)
            self._above = rows[-1].copy()
        else:
            self._pack(np.pad(rows, ((0, 0), (1, 0))).tobytes())

    def close(self) -> tuple[str, ...]:
        """The end of the file; the stream stays open. Nothing is ever left out. Raises: ValueError if rows are missing."""
        if self._left:
            raise ValueError(f"{self._left} rows are missing")
        self._pending += self._deflate.flush()
        self._send(1)
        self._out.write(chunk_bytes(Chunk(b"IEND", b"")))
        return ()

    def _pack(self, lines: bytes) -> None:
        self._pending += self._deflate.compress(lines)
        self._send(_PIECE)

    def _send(self, least: int) -> None:
        if len(self._pending) >= least:
            self._out.write(chunk_bytes(Chunk(b"IDAT", bytes(self._pending))))
            self._pending.clear()


class _Deflate:
    """A zlib stream whose bytes are packed in bands, several side by side: each knows the end of the one before, as if it were one stream.
    What comes out does not depend on the number of threads.
    """

    def __init__(self, level: int, strategy: int) -> None:
        self._level, self._strategy = level, strategy
        self._waiting, self._known, self._sum = bytearray(), b"", zlib.adler32(b"")
        self._head = _ZLIB_HEAD

    def compress(self, data: bytes) -> bytes:
        """What can be packed now."""
        self._waiting += data
        return self._packed(len(self._waiting) // _BAND, zlib.Z_SYNC_FLUSH) if len(self._waiting) >= _BANDS * _BAND else b""

    def flush(self) -> bytes:
        """The rest, and the end of the stream."""
        bands = max(0, len(self._waiting) - 1) // _BAND
        return self._packed(bands, zlib.Z_SYNC_FLUSH) + self._packed(1, zlib.Z_FINISH) + self._sum.to_bytes(4, "big")

    def _packed(self, bands: int, flush: int) -> bytes:
        """The next bands, the last of which may be shorter. flush: how each of them ends."""
        data = bytes(memoryview(self._waiting)[: bands * _BAND])
        del self._waiting[: bands * _BAND]
        self._sum = zlib.adler32(data, self._sum)
        works, known = [], self._known
        for begin in range(0, bands * _BAND, _BAND):
            band = data[begin : begin + _BAND]
            works.append(partial(self._band, known, band, flush))
            known = band[-_REACH:]
        head, self._head, self._known = self._head, b"", known
        return head + b"".join(side_by_side(works))

    def _band(self, known: bytes, band: bytes, flush: int) -> bytes:
        packer = zlib.compressobj(self._level, zlib.DEFLATED, -15, 9, self._strategy, known)
        return packer.compress(band) + packer.flush(flush)


def _head(width: int, height: int, form: Form) -> Iterator[Chunk]:
    """The chunks before the image data."""
    yield Chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, form.bit_depth, COLOURS[form.kind], 0, 0, 0))
    yield from (chunk for chunk in form.chunks if chunk.name in EARLY)
    if form.palette:
        yield Chunk(b"PLTE", form.palette)
    else:
        yield from (chunk for chunk in form.chunks if chunk.name == b"PLTE")
    if form.transparency:
        yield Chunk(b"tRNS", form.transparency)
    yield from (chunk for chunk in form.chunks if chunk.name not in EARLY and chunk.name != b"PLTE")


def chunk_bytes(chunk: Chunk) -> bytes:
    """A chunk as it stands in a file, with its length and its checksum."""
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
    offset = len(MAGIC)
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
    chunks = (*_head(width, height, form), Chunk(b"IDAT", stream), Chunk(b"IEND", b""))
    return png_samples(io.BytesIO(MAGIC + b"".join(map(chunk_bytes, chunks))), form).reshape(shape)


def _filtered_16(samples: Samples) -> bytes:
    """A zlib stream of rows of 16-bit samples (H, W, C), each with the filter that gives the smallest sum of differences."""
    height, _, channels = samples.shape
    rows = samples.astype(">u2").view(np.uint8).reshape(height, -1)
    return zlib.compress(b"".join(filtered(rows, np.zeros_like(rows[0]), 2 * channels)), 9)
