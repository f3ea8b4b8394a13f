"""Picture files of every kind that is taken, generated: each with the samples that it must give, where no coder has changed them.

Files are written by tifffile, imagecodecs and Pillow, and by hand where none of them can: Adam7 of every depth, fill orders, 2 and 4 bits.
"""

import io
import itertools
import struct
import zlib
from collections.abc import Iterable, Iterator
from importlib import import_module
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image

__all__ = ["Case", "cases"]

Samples = npt.NDArray[np.unsignedinteger[Any]]  # uint8 or uint16

_ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
_PNG_DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
_PNG_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_SHAPES = ((37, 53), (1, 1), (8, 64))


class Case(NamedTuple):
    """One file. ``samples`` are what it must give; None where it was coded with losses, so that only readers can be compared."""

    name: str
    kind: str
    data: bytes
    samples: Samples | None


def cases(seed: int = 0, every: int = 1) -> Iterator[Case]:
    """All variants, or one in so many of each kind; those that need tifffile or imagecodecs only where these are installed."""
    rng = np.random.default_rng(seed)
    yield from _png(rng, every)
    yield from _tiff_by_hand(rng, every)
    yield from _tiff_by_pillow(rng, every)
    yield from _tiff_by_tifffile(rng, every)
    yield from _jpeg(rng, every)
    yield from itertools.islice(_others(rng), 0, None, every)


def _choices(every: int, *options: Iterable[Any]) -> Iterator[tuple[Any, ...]]:
    """One in so many of all combinations."""
    return itertools.islice(itertools.product(*options), 0, None, every)


def _random(rng: np.random.Generator, shape: tuple[int, ...], bits: int) -> Samples:
    """Smooth in one half, noise in the other, so that packers find both runs and none."""
    noise = rng.integers(0, 1 << bits, shape)
    ramp = np.add.outer(np.arange(shape[0]), np.arange(shape[1])).reshape(*shape[:2], *(1,) * (len(shape) - 2)) >> 2
    noise[: shape[0] // 2] = np.broadcast_to(ramp % (1 << bits), shape)[: shape[0] // 2]
    return noise.astype(np.uint16 if bits == 16 else np.uint8)


def _saved(image: Image.Image, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, **options)
    return buffer.getvalue()


def _packed_rows(samples: Samples, bits: int) -> npt.NDArray[np.uint8]:
    """(h, w, c) samples to rows of bytes, the first sample in the high bits, 16 bits high byte first."""
    flat = samples.reshape(len(samples), -1)
    if bits == 16:
        return flat.astype(">u2").view(np.uint8)
    spread = np.unpackbits(flat.astype(np.uint8)[:, :, None], axis=2)[:, :, 8 - bits :]
    return np.packbits(spread.reshape(len(samples), -1), axis=1)


# ---- PNG ----


def _png(rng: np.random.Generator, every: int) -> Iterator[Case]:
    kinds = [(colour, depth) for colour, depths in _PNG_DEPTHS.items() for depth in depths]
    for (colour, depth), interlaced, shape, clear in _choices(every, kinds, (False, True), _SHAPES, (False, True)):
        if not clear or colour not in (4, 6):
            channels = _PNG_CHANNELS[colour]
            samples = _random(rng, (*shape, channels) if channels > 1 else shape, depth)
            extra = b""
            if colour == 3:
                extra += _png_chunk(b"PLTE", rng.bytes(3 << depth))
            if clear:
                key = np.atleast_1d(samples[-1, -1]).astype(">u2").tobytes()
                extra += _png_chunk(b"tRNS", rng.bytes(1 << depth) if colour == 3 else key)
            raw = b"".join(_png_passes(rng, samples.reshape(*shape, channels), depth, interlaced))
            head = struct.pack(">IIBBBBB", shape[1], shape[0], depth, colour, 0, 0, interlaced)
            packed = zlib.compress(raw)
            parts = [packed[i : i + 100] for i in range(0, len(packed), 100)]
            data = b"\x89PNG\r\n\x1a\n" + _png_chunk(b"IHDR", head) + extra
            data += b"".join(_png_chunk(b"IDAT", part) for part in parts) + _png_chunk(b"IEND", b"")
            yield Case(f"colour {colour} of {depth}, Adam7 {interlaced}, tRNS {clear}, {shape}", "PNG", data, samples)


def _png_chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def _png_passes(rng: np.random.Generator, samples: Samples, depth: int, interlaced: bool) -> Iterator[bytes]:
    step = max(1, samples.shape[2] * depth // 8)
    for x, y, step_x, step_y in _ADAM7 if interlaced else ((0, 0, 1, 1),):
        part = samples[y::step_y, x::step_x]
        if part.size == 0:
            continue
        above = bytes(-(-part.shape[1] * part.shape[2] * depth // 8))
        for row in _packed_rows(part, depth):
            line = row.tobytes()
            yield _filtered(line, above, step, int(rng.integers(0, 5)))
            above = line


def _filtered(line: bytes, above: bytes, step: int, method: int) -> bytes:
    found = bytearray((method,))
    for i, value in enumerate(line):
        a, b = (line[i - step] if i >= step else 0), above[i]
        c = above[i - step] if i >= step else 0
        distances = [(abs(b - c), a), (abs(a - c), b), (abs(a + b - 2 * c), c)]
        paeth = min(distances, key=lambda pair: pair[0])[1]
        found.append((value - (0, a, b, (a + b) // 2, paeth)[method]) & 255)
    return bytes(found)


# ---- TIFF ----


def _tiff_by_hand(rng: np.random.Generator, every: int) -> Iterator[Case]:
    """Gray and palettes of 1 to 8 bits, both fill orders, byte orders and 0 for white, in strips of 5 rows."""
    reverse = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))
    choices = _choices(every, (1, 2, 4, 8), "<>", (1, 2), (0, 1, 3), (1, 8), _SHAPES)
    for bits, order, fill, photometric, compression, shape in choices:
        samples = _random(rng, shape, bits)
        rows = _packed_rows(samples[:, :, None], bits)
        strips = [rows[top : top + 5].tobytes() for top in range(0, shape[0], 5)]
        if compression == 8:
            strips = [zlib.compress(strip) for strip in strips]
        if fill == 2:
            strips = [strip.translate(reverse) for strip in strips]
        tags: list[tuple[int, str, tuple[int, ...]]] = [
            (256, "I", (shape[1],)),
            (257, "I", (shape[0],)),
            (258, "H", (bits,)),
            (259, "H", (compression,)),
            (262, "H", (photometric,)),
            (266, "H", (fill,)),
            (277, "H", (1,)),
            (278, "I", (5,)),
        ]
        if photometric == 3:
            tags.append((320, "H", tuple(int(value) * 257 for value in rng.integers(0, 256, 3 << bits))))
        name = f"{bits} bits, order {order}, fill {fill}, photometric {photometric}, compression {compression}, {shape}"
        wanted = samples if photometric else (samples ^ np.uint8((1 << bits) - 1))
        yield Case(name, "TIFF", _tiff_file(order, strips, tags), wanted)


def _tiff_file(order: str, strips: list[bytes], tags: list[tuple[int, str, tuple[int, ...]]]) -> bytes:
    offsets = [8, *(8 + end for end in itertools.accumulate(map(len, strips)))]
    place = offsets[-1] + offsets[-1] % 2
    tags = sorted([*tags, (273, "I", tuple(offsets[:-1])), (279, "I", tuple(map(len, strips)))])
    behind = place + 6 + 12 * len(tags)
    listing, values = struct.pack(order + "H", len(tags)), b""
    for number, letter, numbers in tags:
        data = struct.pack(f"{order}{len(numbers)}{letter}", *numbers)
        value = data.ljust(4, b"\0")
        if len(data) > 4:
            value = struct.pack(order + "I", behind + len(values))
            values += data + bytes(len(data) % 2)
        listing += struct.pack(order + "HHI", number, {"H": 3, "I": 4}[letter], len(numbers)) + value
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", place)
    return (head + b"".join(strips)).ljust(place, b"\0") + listing + bytes(4) + values


def _tiff_by_pillow(rng: np.random.Generator, every: int) -> Iterator[Case]:
    """What libtiff writes: fax codes of all kinds, and its other ways of packing."""
    for compression, fill, options, shape in _choices(every, ("group3", "group4", "tiff_ccitt"), (1, 2), (0, 1, 4, 5), _SHAPES):
        if options and compression != "group3":
            continue
        samples = (_random(rng, shape, 8) > 100).astype(np.uint8)
        info = {266: fill, **({292: options} if options else {})}
        data = _saved(Image.fromarray(samples.astype(bool)), format="TIFF", compression=compression, tiffinfo=info)
        yield Case(f"{compression}, fill {fill}, options {options}, {shape}", "TIFF", data, samples)
    for compression, channels, shape in _choices(every, ("tiff_lzw", "packbits", "tiff_deflate", "zstd", "lzma"), (1, 3, 4), _SHAPES):
        samples = _random(rng, (*shape, channels) if channels > 1 else shape, 8)
        data = _saved(Image.fromarray(samples), format="TIFF", compression=compression)
        yield Case(f"{compression} by libtiff, {channels} channels, {shape}", "TIFF", data, samples)
    for quality, channels in itertools.product((50, 95), (1, 3)):
        samples = _random(rng, (37, 53, channels) if channels > 1 else (37, 53), 8)
        data = _saved(Image.fromarray(samples), format="TIFF", compression="jpeg", quality=quality)
        yield Case(f"JPEG by libtiff, {channels} channels, quality {quality}", "TIFF", data, None)


def _tiff_by_tifffile(rng: np.random.Generator, every: int) -> Iterator[Case]:
    try:
        import_module("imagecodecs")  # without it, tifffile packs by zlib alone
        tifffile: Any = import_module("tifffile")
    except ImportError:
        return
    kinds: dict[str, tuple[int, dict[str, Any]]] = {
        "gray": (1, {"photometric": "minisblack"}),
        "gray, 0 white": (1, {"photometric": "miniswhite"}),
        "gray with alpha": (2, {"photometric": "minisblack", "extrasamples": ["unassalpha"]}),
        "RGB": (3, {"photometric": "rgb"}),
        "RGB with alpha": (4, {"photometric": "rgb", "extrasamples": ["unassalpha"]}),
        "CMYK": (4, {"photometric": "separated"}),
    }
    choices = _choices(
        every,
        kinds,
        (8, 16),
        "<>",
        (False, True),
        ("contig", "separate"),
        ({"rowsperstrip": 7}, {"tile": (16, 32)}),
        (None, "zlib", "lzw", "packbits", "zstd", "lzma"),
        (False, True),
    )
    for kind, bits, order, big, planar, layout, compression, predictor in choices:
        channels, options = kinds[kind]
        if (predictor and compression in (None, "packbits")) or (channels == 1 and planar == "separate") or (kind == "CMYK" and bits == 16):
            continue
        shape = (37, 53)
        samples = _random(rng, (*shape, channels) if channels > 1 else shape, bits)
        stored = np.moveaxis(samples, -1, 0) if planar == "separate" else samples
        if channels > 1:
            options = {**options, "planarconfig": planar}
        buffer = io.BytesIO()
        tifffile.imwrite(
            buffer,
            np.ascontiguousarray(stored),
            byteorder=order,
            bigtiff=big,
            compression=compression,
            predictor=predictor,
            metadata=None,
            **layout,
            **options,
        )
        wanted = samples ^ samples.dtype.type((1 << bits) - 1) if kind.endswith("white") else samples
        name = f"{kind} of {bits}, order {order}, big {big}, {planar}, {layout}, {compression}, predictor {predictor}"
        yield Case(name, "TIFF", buffer.getvalue(), wanted)
    segments: tuple[dict[str, Any], ...] = ({"rowsperstrip": 16}, {"tile": (16, 32)})
    for layout, compression in itertools.product(segments, ("jpeg", "webp")):
        samples = _random(rng, (37, 53, 3), 8)
        buffer = io.BytesIO()
        lossless: dict[str, Any] = {"compressionargs": {"lossless": True}} if compression == "webp" else {}
        tifffile.imwrite(buffer, samples, photometric="rgb", compression=compression, metadata=None, **layout, **lossless)
        yield Case(f"{compression} in TIFF, {layout}", "TIFF", buffer.getvalue(), samples if compression == "webp" else None)


# ---- the others ----


def _jpeg(rng: np.random.Generator, every: int) -> Iterator[Case]:
    shapes = (*_SHAPES, (100, 90))
    for mode, progressive, subsampling, restart, quality, shape in _choices(
        every, ("L", "RGB", "CMYK"), (False, True), (0, 1, 2), (0, 3), (30, 100), shapes
    ):
        if mode != "RGB" and subsampling:
            continue
        channels = {"L": 1, "RGB": 3, "CMYK": 4}[mode]
        samples = _random(rng, (*shape, channels) if channels > 1 else shape, 8)
        image = Image.frombytes(mode, shape[::-1], samples.tobytes())
        data = _saved(
            image, format="JPEG", quality=quality, progressive=progressive, subsampling=subsampling, restart_marker_blocks=restart
        )
        name = f"{mode}, progressive {progressive}, subsampling {subsampling}, restarts {restart}, quality {quality}, {shape}"
        yield Case(name, "JPEG", data, None)


def _others(rng: np.random.Generator) -> Iterator[Case]:
    for shape in _SHAPES:
        for channels in (3, 4):
            samples = _random(rng, (*shape, channels), 8)
            yield Case(
                f"lossless, {channels}, {shape}",
                "WebP",
                _saved(Image.fromarray(samples), format="WEBP", lossless=True, exact=True),
                samples,
            )
            yield Case(f"lossy, {channels}, {shape}", "WebP", _saved(Image.fromarray(samples), format="WEBP", quality=70), None)
        indices = _random(rng, shape, 8)
        image = Image.fromarray(indices)
        image.putpalette(rng.bytes(768))
        for interlace in (0, 1):
            yield Case(f"interlaced {interlace}, {shape}", "GIF", _saved(image, format="GIF", interlace=interlace, optimize=False), indices)
        yield Case(f"palette, {shape}", "BMP", _saved(image, format="BMP"), indices)
        for channels in (1, 3, 4):
            samples = _random(rng, (*shape, channels) if channels > 1 else shape, 8)
            data = _bmp_with_alpha(samples) if channels == 4 else _saved(Image.fromarray(samples), format="BMP")
            yield Case(f"{channels} channels, {shape}", "BMP", data, samples)
            if channels < 4:
                yield Case(f"{channels} channels, {shape}", "PNM", _saved(Image.fromarray(samples), format="PPM"), samples)
                wide = _random(rng, samples.shape, 16)
                head = b"P%d %d %d 65535\n" % (5 if channels == 1 else 6, shape[1], shape[0])
                yield Case(f"{channels} channels of 16, {shape}", "PNM", head + wide.astype(">u2").tobytes(), wide)
                letters = " ".join(map(str, samples.ravel())).encode() + b"\n"
                head = b"P%d\n# in letters\n%d %d 255\n" % (2 if channels == 1 else 3, shape[1], shape[0])
                yield Case(f"{channels} channels in letters, {shape}", "PNM", head + letters, samples)
        bilevel = _random(rng, shape, 1)
        yield Case(f"bilevel, {shape}", "PNM", _saved(Image.fromarray(bilevel.astype(bool)), format="PPM"), bilevel)
        yield Case(f"bilevel, {shape}", "BMP", _saved(Image.fromarray(bilevel.astype(bool)), format="BMP"), bilevel)


def _bmp_with_alpha(samples: Samples) -> bytes:
    """Version 4 with masks, from top to bottom; Pillow writes alpha that its header does not call so."""
    height, width, _ = samples.shape
    fields = (108, width, -height, 1, 32, 3, samples.size, 0, 0, 0, 0, 0xFF, 0xFF00, 0xFF0000, 0xFF000000)
    header = struct.pack("<IiiHHIIiiIIIIII", *fields) + b" niW" + bytes(48)
    return struct.pack("<2sIHHI", b"BM", 122 + samples.size, 0, 0, 122) + header + samples.tobytes()
