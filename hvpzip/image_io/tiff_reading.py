"""TIFF in: tags, strips and tiles are read here, so that what is missing is noticed and nothing is changed on the way.

Fax codes are decoded by ``ccitt``, JPEG and WebP as in files of their own, the rest is unpacked by ``tiff_packing``.
"""

import io
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import WebPImagePlugin

from hvpzip.errors import LimitError
from hvpzip.image_io.ccitt import fax_rows
from hvpzip.image_io.form import CHANNELS, DEPTHS, Chunk, Form, Kind
from hvpzip.image_io.jpeg import Segment, jpeg_samples, jpeg_segments, jpeg_size
from hvpzip.image_io.refusals import Dropped, Found, check_pixels, counted, damaged, take_frame, unsupported
from hvpzip.image_io.rows import unpacked_bits
from hvpzip.image_io.tiff_metadata import metadata_of
from hvpzip.image_io.tiff_packing import PACKBITS, PACKINGS, unpacked
from hvpzip.image_io.tiff_tags import Directory, Tags

__all__ = ["read_tiff"]

Samples = NDArray[np.unsignedinteger[Any]]
Bytes = NDArray[np.uint8]

_NONE, _FAX, _JPEG, _WEBP = 1, frozenset({2, 3, 4}), 7, 50001
_COMPRESSIONS: Final = {
    6: "old JPEG",
    32771: "fax codes by words",
    32809: "Thunderscan",
    32908: "PixarFilm",
    32909: "PixarLog",
    34661: "JBIG",
    34676: "SGI Log",
    34677: "SGI Log 24",
    34712: "JPEG 2000",
    34887: "LERC",
    34892: "lossy JPEG of DNG",
    50002: "JPEG XL",
    52546: "JPEG XL of DNG",
}
_COLOURS: Final = {0: "gray", 1: "gray", 2: "RGB", 3: "palette", 4: "mask", 5: "CMYK", 6: "YCbCr", 8: "Lab", 9: "Lab", 10: "Lab"}
_FORMATS: Final = {1: "", 4: "", 2: "signed ", 3: "floating-point "}
_KINDS: Final = {("gray", 0): Kind.GRAY, ("gray", 1): Kind.GRAY_ALPHA, ("RGB", 0): Kind.RGB, ("RGB", 1): Kind.RGB_ALPHA}
_KINDS_ALONE: Final = {"palette": Kind.PALETTE, "CMYK": Kind.CMYK}
_REVERSED: Final = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


class _Layout(NamedTuple):
    """What the tags say of the samples."""

    width: int
    height: int
    kind: Kind
    bits: int
    compression: int
    planar: bool
    predictor: int
    inverted: bool
    ycc: bool
    order: str
    reverse: bool
    options: int
    multiplied: bool


def read_tiff(data: bytes, max_pixels: int, frame: int | None) -> Found:
    """One page, upright, its metadata, and names of what is not kept.

    Raises: ImageError, LimitError; what Pillow raises on damage.
    """
    tags = Tags(data)
    pages = tags.pages()
    number = take_frame("TIFF", frame, len(pages), "more than one page")
    page = pages[number]
    if number == 0 and len(pages) == 1 and not page.entries:
        raise damaged("TIFF", "it has no tags")
    layout = _layout(page, tags.order)
    check_pixels(layout.width, layout.height, max_pixels)
    dropped = Dropped()
    dropped.metadata.update(page.unreadable)
    samples = _samples(data, tags, page, layout, max_pixels, dropped)
    if layout.multiplied and (samples[:, :, -1] != (1 << layout.bits) - 1).any():
        raise unsupported("TIFF", f"{Form(layout.kind, layout.bits).words} that the colours are multiplied with")
    if layout.inverted:
        gray = samples[:, :, 0] if samples.ndim == 3 else samples
        np.subtract(samples.dtype.type((1 << layout.bits) - 1), gray, out=gray)
    orientation = _number(page, tags.order, 274, 1)
    form = Form(layout.kind, layout.bits)
    extra: tuple[Chunk, ...] = ()
    if layout.kind is Kind.PALETTE:
        palette, extra = _palette(page, tags.order, layout.bits)
        form = form._replace(palette=palette)
    samples = _upright(samples, orientation)
    found = metadata_of(tags, page, dropped, turned=5 <= orientation <= 8, inverted=layout.inverted)
    if len(pages) == 1:
        unused = tags.unused()
        if unused:
            dropped.content.add(f"{counted(unused, 'byte')} that no tag refers to")
    else:
        dropped.content.add(counted(len(pages) - 1, "other picture"))
    return Found(np.ascontiguousarray(samples), form._replace(chunks=(*extra, *found)), dropped, len(pages))


# ---- what the tags say ----


def _numbers(page: Directory, order: str, tag: int) -> tuple[int, ...]:
    return page.entries[tag].numbers(order) if tag in page.entries else ()


def _number(page: Directory, order: str, tag: int, default: int) -> int:
    return (*_numbers(page, order, tag), default)[0]


def _layout(page: Directory, order: str) -> _Layout:
    """Raises: ImageError if the page is of a kind that is not taken, which is named, or the tags contradict each other."""
    width, height = (_number(page, order, tag, 0) for tag in (256, 257))
    if min(width, height) < 1:
        raise damaged("TIFF", "it does not say its size")
    compression, photometric = _number(page, order, 259, 1), _number(page, order, 262, -1)
    count = _number(page, order, 277, 1)
    depths = set(_numbers(page, order, 258)) or {1}
    bits = max(depths)
    colour = _COLOURS.get(photometric, "a colour kind that is missing" if photometric < 0 else f"colour kind {photometric}")
    ycc = photometric == 6 and compression == _JPEG
    if ycc:
        colour = "RGB"  # as in a JPEG file
    sample_format = _FORMATS.get(max(_numbers(page, order, 339) or (1,)), "unknown ")
    words = f"{bits}-bit {sample_format}{colour}"
    if len(depths) > 1:
        words += f" beside {min(depths)}-bit"
    colours = {"gray": 1, "palette": 1, "RGB": 3, "CMYK": 4}.get(colour, count)
    extras = _numbers(page, order, 338)
    if count == colours + 1 and extras[:1] in ((1,), (2,)):
        words += " with alpha"
    elif count != colours:
        words += f" with {count} channels"
    alpha = int(words.endswith(" with alpha"))
    kind = _KINDS_ALONE.get(colour) if not alpha else None
    kind = _KINDS.get((colour, alpha)) if kind is None else kind
    if _number(page, order, 332, 1) != 1 and colour == "CMYK":
        words += " of other inks"
        kind = None
    if kind is None or sample_format or len(depths) > 1 or count != CHANNELS[kind] or bits not in DEPTHS[kind]:
        raise unsupported("TIFF", words)
    if compression not in {*PACKINGS, *_FAX, _JPEG, _WEBP}:
        name = _COMPRESSIONS.get(compression, f"number {compression}")
        raise unsupported("TIFF", f"{words}, compressed by {name}")
    predictor = _number(page, order, 317, 1)
    packed = compression in PACKINGS - {_NONE, PACKBITS}
    if predictor != 1 and packed and (predictor != 2 or bits < 8):
        raise unsupported("TIFF", f"{words}, predictor {predictor}")
    if compression in _FAX and (bits, CHANNELS[kind]) != (1, 1):
        raise damaged("TIFF", f"fax codes of {words}")
    if compression in (_JPEG, _WEBP) and (bits != 8 or kind is Kind.PALETTE):
        raise unsupported("TIFF", f"{words}, compressed by {'JPEG' if compression == _JPEG else 'WebP'}")
    options = _number(page, order, {3: 292, 4: 293}.get(compression, 0), 0)
    if (compression in (3, 4)) and options & 2:
        raise unsupported("TIFF", "fax codes with uncompressed parts")
    return _Layout(
        width=width,
        height=height,
        kind=kind,
        bits=bits,
        compression=compression,
        planar=_number(page, order, 284, 1) == 2 and count > 1,
        predictor=predictor if packed else 1,
        inverted=photometric == 0,
        ycc=ycc,
        order=order,
        reverse=_number(page, order, 266, 1) == 2 and compression not in (_JPEG, _WEBP),
        options=options,
        multiplied=bool(alpha) and extras[:1] == (1,),
    )


def _palette(page: Directory, order: str, bits: int) -> tuple[bytes, tuple[Chunk, ...]]:
    """Red, green, blue of the entries in 8 bits, and a chunk with all 16 bits where those are not 257 times the 8."""
    table = _numbers(page, order, 320)
    if len(table) != 3 << bits:
        raise damaged("TIFF", f"a palette of {len(table)} numbers in place of {3 << bits}")
    wide = np.array(table, np.uint32).reshape(3, -1).T
    small = wide if wide.max() < 256 else wide >> 8
    palette = small.astype(np.uint8).tobytes()
    if np.array_equal(small * 257, wide):
        return palette, ()
    return palette, (Chunk(b"cmAP", wide.astype("<u2").tobytes()),)


def _upright(samples: Samples, orientation: int) -> Samples:
    """The picture as the tag of orientation says that it is to be seen."""
    if orientation in (5, 6, 7, 8):
        samples = samples.swapaxes(0, 1)
    if orientation in (2, 3, 6, 7):
        samples = samples[:, ::-1]
    if orientation in (3, 4, 7, 8):
        samples = samples[::-1]
    return samples


# ---- strips and tiles ----


def _samples(data: bytes, tags: Tags, page: Directory, layout: _Layout, max_pixels: int, dropped: Dropped) -> Samples:
    """(H, W) or (H, W, C) as they are stored."""
    order, channels = tags.order, CHANNELS[layout.kind]
    tiled = 322 in page.entries or 324 in page.entries
    if tiled:
        across, down = _number(page, order, 322, 0), _number(page, order, 323, 0)
        # Some writers use the tags of strips for tiles.
        offsets = _numbers(page, order, 324) or _numbers(page, order, 273)
        sizes = _numbers(page, order, 325) or _numbers(page, order, 279)
    else:
        across, down = layout.width, min(_number(page, order, 278, layout.height), layout.height)
        offsets, sizes = _numbers(page, order, 273), _numbers(page, order, 279)
    name = "tile" if tiled else "strip"
    if min(across, down) < 1:
        raise damaged("TIFF", f"{name}s of {across} x {down} pixels")
    if across * down > max_pixels + (1 << 20):
        raise LimitError(f"{name}s of {across} x {down} pixels are over the limit of {max_pixels}")
    columns, rows = -(-layout.width // across), -(-layout.height // down)
    planes = channels if layout.planar else 1
    count = columns * rows * planes
    if len(offsets) < count:
        raise damaged("TIFF", f"{len(offsets)} of {count} {name}s")
    depth = 1 if layout.planar else channels
    if not sizes and count == 1 and layout.compression == _NONE:
        sizes = (down * -(-across * depth * layout.bits // 8),)
    if len(sizes) < count:
        raise damaged("TIFF", f"the lengths of {len(sizes)} of {count} {name}s")
    samples = np.empty((layout.height, layout.width, channels), np.uint16 if layout.bits == 16 else np.uint8)
    read = _Segments(data, tags, page, layout, depth)
    for number in range(count):
        plane, inside = divmod(number, columns * rows)
        row, column = divmod(inside, columns)
        y, x = row * down, column * across
        height = down if tiled else min(down, layout.height - y)
        if sizes[number] == 0:
            raise unsupported("TIFF", f"{name} {number} of {count} is left out")
        if offsets[number] + sizes[number] > len(data):
            there = max(len(data) - offsets[number], 0)
            raise damaged("TIFF", f"{name} {number} of {count} has {there} of {sizes[number]} bytes")
        tags.use(offsets[number], sizes[number])
        part = data[offsets[number] : offsets[number] + sizes[number]]
        try:
            piece = read(part, across, height)
        except ValueError as error:
            raise damaged("TIFF", f"{name} {number} of {count}: {error}") from None
        target = samples[y : y + height, x : x + across]
        piece = piece[: target.shape[0], : target.shape[1]]
        if layout.planar:
            target[:, :, plane] = piece[:, :, 0]
        else:
            target[...] = piece
    if read.surplus:
        dropped.content.add(f"data behind the last rows of {name}s")
    return samples[:, :, 0] if channels == 1 else samples


class _Segments:
    """Reads strips or tiles: called with their bytes, width and height, gives (h, w, depth) samples."""

    def __init__(self, data: bytes, tags: Tags, page: Directory, layout: _Layout, depth: int) -> None:
        self._layout, self._depth, self.surplus = layout, depth, False
        self._tables: list[Segment] = []
        if layout.compression == _JPEG and 347 in page.entries:
            self._tables, _, _ = jpeg_segments(page.entries[347].data)

    def __call__(self, part: bytes, width: int, height: int) -> Samples:
        layout, depth = self._layout, self._depth
        if layout.compression == _JPEG:
            return self._jpeg(part, width, height)
        if layout.compression == _WEBP:
            return self._webp(part, width, height)
        if layout.reverse:
            part = part.translate(_REVERSED)
        if layout.compression in _FAX:
            two = layout.compression == 3 and bool(layout.options & 1)
            return fax_rows(part, width, height, compression=layout.compression, two_dimensional=two)[:, :, None]
        size = -(-width * depth * layout.bits // 8)
        rows = np.frombuffer(self._unpacked(part, size, height), np.uint8).reshape(height, size)
        if layout.bits < 8:
            return unpacked_bits(rows, layout.bits)[:, : width * depth].reshape(height, width, depth)
        samples: Samples = rows.view(layout.order + "u2").astype(np.uint16) if layout.bits == 16 else rows.copy()
        samples = samples.reshape(height, width, depth)
        if layout.predictor == 2:
            np.cumsum(samples, axis=1, dtype=samples.dtype, out=samples)
        return samples

    def _unpacked(self, part: bytes, size: int, height: int) -> bytes:
        """Raises: ValueError if there are fewer bytes."""
        found = unpacked(part, self._layout.compression, size, height)
        self.surplus |= len(found) > size * height
        return found[: size * height]

    def _jpeg(self, part: bytes, width: int, height: int) -> Samples:
        segments, _, _ = jpeg_segments(part)
        own = [segment for segment in segments if not 0xE0 <= segment.marker < 0xF0 and segment.marker != 0xFE]
        # Which colours the components are stands in the tags alone, and libjpeg believes this segment.
        adobe = Segment(0xEE, b"Adobe\0\x64\0\0\0\0" + bytes((1 if self._layout.ycc else 0,)))
        tables = [segment for segment in self._tables if segment.marker in (0xC4, 0xDB, 0xDD)]
        found_width, found_height, components = jpeg_size(own)
        if components != self._depth or found_width != width or found_height < height:
            raise ValueError(f"a JPEG of {found_width} x {found_height} with {components} components for {width} x {height}, {self._depth}")
        samples = jpeg_samples([adobe, *tables, *own])
        if components == 4:
            samples = np.subtract(255, samples, dtype=np.uint8)  # in files of their own, CMYK is stored inverted
        return samples.reshape(found_height, width, components)[:height]

    def _webp(self, part: bytes, width: int, height: int) -> Samples:
        with WebPImagePlugin.WebPImageFile(io.BytesIO(part)) as image:
            samples = np.array(image)
        if samples.shape[0] < height or samples.shape[1:] != (width, self._depth):
            raise ValueError(f"a WebP of {samples.shape[1]} x {samples.shape[0]} for {width} x {height}, or of other channels")
        return samples
