"""The methods, each named by the first byte of what it writes (docs/format.md, section 8).

The invariant: ``decode(encode(x))`` equals x; ``encode`` gives the smallest result of all methods that can hold x.

Integer arithmetic only: this file reaches the bit stream.
"""

import functools
import io
import lzma
import struct
import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from hvpzip.errors import CorruptError
from hvpzip.image_io.png_writing import image_data, samples_of_data
from hvpzip.image_io.rows import packed_bits

__all__ = [
    "CONSTANT",
    "DEFLATE",
    "LZMA",
    "PLAIN_METHODS",
    "PNG",
    "WEBP",
    "Picture",
    "PlainMethod",
    "candidates",
    "decode",
    "decode_by",
    "encode",
    "quick_bytes",
    "slowest_webp",
]

CONSTANT: Final = 1
DEFLATE: Final = 2
LZMA: Final = 3
WEBP: Final = 4
PNG: Final = 5

Samples = NDArray[np.unsignedinteger[Any]]  # uint8 or uint16
Shape = tuple[int, int, int]  # (h, w, C)

_LZMA: Final = [{"id": lzma.FILTER_LZMA2, "preset": 6, "dict_size": 1 << 22, "lc": 3, "lp": 0, "pb": 0}]
# A tenth of the memory, and a third of the time, for up to so many bytes: the same bytes come out (docs/experiments.md, 362).
_LITTLE: Final = 1 << 12
_LZMA_OF_LITTLE: Final = [{**_LZMA[0], "dict_size": 1 << 16}]
_WEBP_SIDE: Final = 16383
# WebP searches most in small pictures, and in larger ones of few bits or that are graphics: of these the quicker search makes less than
# this share of the bytes. (A group of graphics with alpha takes 2 s instead of 0.4 s for it, and a quarter fewer bytes.)
_SMALL_PIXELS: Final = 1 << 14
_GRAPHICS: Final = 8
_MOST, _LESS = 6, 4
# Of fewer rows or columns the search takes up to twenty times as long as of a square of as many pixels (a row of 8,190 pixels 4.6 s, the
# quicker search 0.2 s, for 0.2 % more bytes), so it is not made.
_NARROW: Final = 8
_LESS_GREEN: Final = 4  # a bit of the filter byte


class Picture:
    """Samples (h, w, C) as the methods read them. What several methods need is made once.

    Attributes:
        samples: C 1 to 4: uint8 for depths up to 8, uint16 beyond, all below ``2**bit_depth``.
        bit_depth: 1 to 16.
    """

    def __init__(self, samples: Samples, bit_depth: int) -> None:
        self.samples, self.bit_depth = np.ascontiguousarray(samples), bit_depth

    @functools.cached_property
    def is_constant(self) -> bool:
        """Whether all pixels are equal."""
        return bool((self.samples == self.samples[0, 0]).all())

    @functools.cached_property
    def streams(self) -> list[bytes]:
        """The two filtered streams that deflate's quickest search makes smallest: the runner-up often suits another method."""
        streams = list(_filtered(self.samples, self.bit_depth))
        sizes = [len(zlib.compress(stream[1:], 1)) for stream in streams]
        return [streams[number] for number in sorted(range(len(streams)), key=sizes.__getitem__)[:2]]


class PlainMethod(NamedTuple):
    """One method.

    Attributes:
        number: The byte before its data.
        name: For people.
        skip: Why it does not take a picture, or None.
        encode: Its data for a picture that it takes, in all ways that are worth a try.
        decode: (data, shape, depth) to the samples, or any exception.
    """

    number: int
    name: str
    skip: Callable[[Picture], str | None]
    encode: Callable[[Picture], Iterable[bytes]]
    decode: Callable[[bytes, Shape, int], Samples]


def candidates(samples: Samples, bit_depth: int) -> Iterator[bytes]:
    """What every method that takes the samples makes of them, its byte first. Arguments as of ``Picture``."""
    picture = Picture(samples, bit_depth)
    for method in PLAIN_METHODS:
        if method.skip(picture) is None:
            yield from (bytes((method.number,)) + data for data in method.encode(picture))


def encode(samples: Samples, bit_depth: int) -> bytes:
    """The method's byte and its data, the smallest that was found. Arguments as of ``Picture``."""
    return min(candidates(samples, bit_depth), key=len)


def decode(data: bytes | memoryview, shape: Shape, bit_depth: int) -> Samples:
    """Inverse of ``encode`` for samples of that shape and depth: a new array.

    Raises:
        CorruptError: ``encode`` does not write such data for this shape.
    """
    data = bytes(data)
    for method in PLAIN_METHODS:
        if data[:1] == bytes((method.number,)):
            return decode_by(method, data[1:], shape, bit_depth)
    raise CorruptError(f"method {data[:1].hex() or 'missing'} is unknown")


def decode_by(method: PlainMethod, body: bytes, shape: Shape, bit_depth: int) -> Samples:
    """As ``decode``, of one method's data without its byte."""
    try:
        samples = method.decode(body, shape, bit_depth)
    except (CorruptError, MemoryError):
        raise
    except Exception as error:
        # zlib.error, LZMAError, EOFError, and whatever Pillow raises on bytes that it does not expect.
        raise CorruptError(f"the data of method {method.name} is damaged: {' '.join(str(error).split())}") from error
    if samples.shape != shape or samples.dtype != (np.uint8 if bit_depth <= 8 else np.uint16) or int(samples.max()) >> bit_depth:
        raise CorruptError(f"method {method.name} gives samples of another shape or range")
    return samples


# ---- rows of differences, for deflate and LZMA: one byte names the filter, then the stream ----


def _filtered(samples: Samples, bit_depth: int) -> Iterator[bytes]:
    for number in range(8 if samples.shape[2] >= 3 else 4):
        rest = _packed(samples, bit_depth)
        if number & _LESS_GREEN:
            rest = rest.copy()
            rest[:, :, [0, 2]] -= rest[:, :, 1:2]
        if number & 1:
            rest = np.concatenate([rest[:, :1], rest[:, 1:] - rest[:, :-1]], axis=1)
        if number & 2:
            rest = np.concatenate([rest[:1], rest[1:] - rest[:-1]])
        yield bytes((number,)) + _to_bytes(rest)


def _rows(body: bytes, shape: tuple[int, int, int], bit_depth: int, unpack: "zlib._Decompress | lzma.LZMADecompressor") -> Samples:
    height, width, channels = _packed_shape(shape, bit_depth)
    size = height * width * channels * (1 if bit_depth <= 8 else 2)
    number = body[0]
    stream = unpack.decompress(body[1:], size + 1)  # never more than one byte too many
    if number >= (8 if channels >= 3 else 4) or len(stream) != size or unpack.unused_data or getattr(unpack, "unconsumed_tail", b""):
        raise CorruptError("rows of another filter or length")
    rest = _from_bytes(stream, (height, width, channels), bit_depth)
    for axis in (0, 1):
        if number & (2 >> axis):
            rest = np.cumsum(rest, axis=axis, dtype=rest.dtype)
    if number & _LESS_GREEN:
        rest[:, :, [0, 2]] += rest[:, :, 1:2]
    return _unpacked(rest, shape, bit_depth)


def _packed_shape(shape: tuple[int, int, int], bit_depth: int) -> tuple[int, int, int]:
    height, width, channels = shape
    return (height, -(-width * bit_depth // 8), 1) if _packs(channels, bit_depth) else shape


def _packs(channels: int, bit_depth: int) -> bool:
    return channels == 1 and bit_depth in (1, 2, 4)


def _packed(samples: Samples, bit_depth: int) -> Samples:
    """Depths of 1, 2 and 4 bits fill whole bytes, the first sample in the high bits, rows padded with zeros."""
    if not _packs(samples.shape[2], bit_depth):
        return samples
    return packed_bits(samples[:, :, 0], bit_depth)[:, :, None]


def _unpacked(rest: Samples, shape: tuple[int, int, int], bit_depth: int) -> Samples:
    if not _packs(shape[2], bit_depth):
        return rest
    bits = np.unpackbits(rest[:, :, 0].astype(np.uint8), axis=1, count=shape[1] * bit_depth).reshape(shape[0], shape[1], bit_depth)
    whole = np.zeros((shape[0], shape[1], 8), np.uint8)
    whole[:, :, 8 - bit_depth :] = bits
    return np.packbits(whole, axis=2)


def _to_bytes(rest: Samples) -> bytes:
    """16-bit differences, folded so that small ones of both signs are small, as all their high bytes and then all their low ones."""
    if rest.dtype == np.uint8:
        return rest.tobytes()
    folded = rest << 1 ^ (0 - (rest >> 15)).astype(np.uint16)
    return (folded >> 8).astype(np.uint8).tobytes() + (folded & 255).astype(np.uint8).tobytes()


def _from_bytes(stream: bytes, shape: tuple[int, int, int], bit_depth: int) -> Samples:
    if bit_depth <= 8:
        return np.frombuffer(stream, np.uint8).reshape(shape).copy()
    high, low = np.frombuffer(stream, np.uint8).reshape(2, *shape).astype(np.uint16)
    folded = high << np.uint16(8) | low
    rest: Samples = folded >> np.uint16(1) ^ (0 - (folded & np.uint16(1))).astype(np.uint16)
    return rest


def _deflate(picture: Picture) -> Iterator[bytes]:
    for stream in picture.streams:
        deflate = zlib.compressobj(9, wbits=-15)
        yield stream[:1] + deflate.compress(stream[1:]) + deflate.flush()


def _lzma(picture: Picture) -> Iterator[bytes]:
    for stream in picture.streams:
        filters = _LZMA if len(stream) > _LITTLE else _LZMA_OF_LITTLE
        yield stream[:1] + lzma.compress(stream[1:], lzma.FORMAT_RAW, filters=filters)


# ---- the other methods ----


def _one_colour(picture: Picture) -> bytes:
    value: Samples = picture.samples[0, 0].astype("<u2" if picture.bit_depth > 8 else np.uint8)
    return value.tobytes()


def _constant(body: bytes, shape: tuple[int, int, int], bit_depth: int) -> Samples:
    value = np.frombuffer(body, np.uint8 if bit_depth <= 8 else "<u2")
    if value.shape != shape[2:]:
        raise CorruptError("a constant of another number of channels")
    return np.broadcast_to(value.astype(np.uint8 if bit_depth <= 8 else np.uint16), shape).copy()


def quick_bytes(samples: Samples) -> int:
    """Bytes that WebP's fastest method needs for samples (h, w, C) of 8 bits: a tenth of a second a megapixel, for a first impression."""
    found = None if max(samples.shape[:2]) > _WEBP_SIDE else _webp(samples, 0, quality=0)
    return samples.size if found is None else len(found)


def _smallest_webp(picture: Picture) -> Iterator[bytes]:
    samples, pixels = picture.samples, picture.samples[:, :, 0].size
    narrow = min(samples.shape[:2]) < _NARROW
    found = _webp(samples, _MOST if pixels <= _SMALL_PIXELS and not narrow else _LESS)
    if pixels > _SMALL_PIXELS and not narrow and found is not None and (picture.bit_depth < 8 or _GRAPHICS * len(found) < samples.size):
        found = _webp(samples, _MOST)
    if found is not None:
        yield found


def slowest_webp(picture: Picture) -> bytes | None:
    """The smallest that WebP makes, its byte first, for what ``PLAIN_METHODS`` search less, as that takes a second or more."""
    found = _webp(picture.samples, _MOST)
    return None if found is None else bytes((WEBP,)) + found


def _webp(samples: Samples, method: int, quality: int = 100) -> bytes | None:
    """The contents of the VP8L chunk, whose frame follows from them; gray becomes three equal channels. ``method``: how much to search."""
    from PIL import WebPImagePlugin  # known to Pillow now, or it would load its readers of all formats to find this one

    channels = samples.shape[2]
    planes = {1: [0, 0, 0], 2: [0, 0, 0, 1], 3: [0, 1, 2], 4: [0, 1, 2, 3]}[channels]
    buffer = io.BytesIO()
    picture = Image.fromarray(np.ascontiguousarray(samples[:, :, planes]))
    picture.save(buffer, format=WebPImagePlugin.WebPImageFile.format, lossless=True, exact=True, quality=quality, method=method)
    data = buffer.getvalue()
    size = int.from_bytes(data[16:20], "little")
    if data[12:16] != b"VP8L" or len(data) != 20 + size + size % 2:
        return None
    return data[20 : 20 + size]


def _from_webp(body: bytes, shape: tuple[int, int, int]) -> Samples:
    from PIL import WebPImagePlugin  # most files need none

    height, width, channels = shape
    bits = int.from_bytes(body[1:5], "little")
    if (1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)) != (width, height):
        raise CorruptError("a WebP picture of other sides")
    chunk = b"WEBPVP8L" + struct.pack("<I", len(body)) + body + bytes(len(body) % 2)
    with WebPImagePlugin.WebPImageFile(io.BytesIO(b"RIFF" + struct.pack("<I", len(chunk)) + chunk)) as image:
        decoded = np.array(image, np.uint8)
    wanted = {1: [0], 2: [0, 3], 3: [0, 1, 2], 4: [0, 1, 2, 3]}[channels]
    if channels in (2, 4) and decoded.shape[2] == 3:  # all opaque
        decoded = np.concatenate([decoded, np.full_like(decoded[:, :, :1], 255)], axis=2)
    return np.ascontiguousarray(decoded[:, :, wanted])


def _png(picture: Picture) -> bytes:
    samples = picture.samples
    return image_data(samples[:, :, 0] if samples.shape[2] == 1 else samples, picture.bit_depth)


# ---- the table ----


def _varies(picture: Picture) -> str | None:
    return None if picture.is_constant else "its pixels differ"


def _is_constant(picture: Picture) -> str | None:
    return "one colour says it all" if picture.is_constant else None


def _no_webp(picture: Picture) -> str | None:
    if picture.bit_depth > 8 or max(picture.samples.shape[:2]) > _WEBP_SIDE:
        return f"WebP holds at most 8 bits and {_WEBP_SIDE} pixels a side"
    return _is_constant(picture)


def _no_png(picture: Picture) -> str | None:
    channels, depth = picture.samples.shape[2], picture.bit_depth
    if depth not in (1, 2, 4, 8, 16) or (channels > 1 and depth < 8):
        return f"PNG has no {channels} channels of {depth} bits"
    return _is_constant(picture)


# In the order in which they are tried.
PLAIN_METHODS: Final = (
    PlainMethod(CONSTANT, "constant", _varies, lambda picture: [_one_colour(picture)], _constant),
    PlainMethod(DEFLATE, "deflate", _is_constant, _deflate, lambda b, shape, depth: _rows(b, shape, depth, zlib.decompressobj(-15))),
    PlainMethod(
        LZMA,
        "LZMA",
        _is_constant,
        _lzma,
        lambda b, shape, depth: _rows(b, shape, depth, lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=_LZMA)),
    ),
    PlainMethod(WEBP, "WebP", _no_webp, _smallest_webp, lambda b, shape, depth: _from_webp(b, shape)),
    PlainMethod(PNG, "PNG", _no_png, lambda picture: [_png(picture)], samples_of_data),
)
