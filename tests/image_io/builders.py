"""Picture files made by hand, so that tests do not ask the libraries that they test."""

import io
import struct
import zlib

import numpy as np
import pytest

from hvpzip.errors import ImageError
from hvpzip.image_io import read_image
from hvpzip.image_io.tiff_tags import Tags, directory_bytes, entry_of


def png_chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(width, height, depth=8, colour=2, extra=(), raw=None, interlace=0):
    """A PNG by hand; the default picture is black."""
    channels = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[colour]
    raw = bytes((1 + (width * channels * depth + 7) // 8) * height) if raw is None else raw
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlace)
    chunks = [png_chunk(b"IHDR", header), *extra, png_chunk(b"IDAT", zlib.compress(raw)), png_chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def refusal(source, **options):
    """The message of the refusal, which is one line."""
    with pytest.raises(ImageError) as caught:
        read_image(io.BytesIO(source) if isinstance(source, bytes) else source, **options)
    message = str(caught.value)
    assert message
    assert "\n" not in message
    return message


def encoded(image, **options):
    buffer = io.BytesIO()
    image.save(buffer, **options)
    return buffer.getvalue()


def photo(*shape):
    return np.random.default_rng(sum(shape)).integers(0, 256, shape).astype(np.uint8)


def jpeg_with(data, *segments):
    """A JPEG with segments (marker, contents) after its first one."""
    at = 4 + int.from_bytes(data[4:6], "big")
    return data[:at] + b"".join(struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body for marker, body in segments) + data[at:]


def webp_with(data, *chunks):
    """A WebP of 5 x 6 pixels in the extended layout, with chunks (name, contents) at its end."""
    body = data[12:] if data[12:16] == b"VP8X" else b"VP8X" + struct.pack("<IIHBHB", 10, 0x0C, 4, 0, 5, 0) + data[12:]
    body += b"".join(name + struct.pack("<I", len(data)) + data + bytes(len(data) % 2) for name, data in chunks)
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body


def _lzw(values):
    """The codes of GIF that never join two values: a clear code before each table is full."""
    count, held = 0, 0
    for number, value in enumerate(values):
        for code in ([256] if number % 250 == 0 else []) + [int(value)]:
            held |= code << count
            count += 9
    held |= 257 << count
    return held.to_bytes(-(-(count + 9) // 8), "little")


def gif(samples, extra=b"", rows=None):
    """A GIF of palette entries by hand, with the codes of so many rows."""
    height, width = samples.shape
    codes = _lzw(samples[:rows].ravel())
    blocks = b"".join(bytes((len(codes[i : i + 255]),)) + codes[i : i + 255] for i in range(0, len(codes), 255))
    head = b"GIF89a" + struct.pack("<HHBBB", width, height, 0xF7, 0, 0) + bytes(range(256)) * 3
    return head + extra + b"," + struct.pack("<HHHHB", 0, 0, width, height, 0) + b"\x08" + blocks + b"\0;"


def bmp(width, height, bits, rows, *, packing=0, palette=b"", version=3, profile=b"", gamma=0, space=b""):
    """A BMP by hand; rows are the bytes as they stand, the lowest first."""
    if bits <= 8 and not palette:
        palette = bytes(range(256)) * 3
    table = b"".join(palette[i + 2 : i + 3] + palette[i + 1 : i + 2] + palette[i : i + 1] + b"\0" for i in range(0, len(palette), 3))
    size = {3: 40, 4: 108, 5: 124}[version]
    start = 14 + size + len(table)
    header = struct.pack("<IiiHHIIiiII", size, width, height, 1, bits, packing, len(rows), 0, 0, len(table) // 4, 0)
    if version > 3:
        tag = b"MBED" if profile else space
        header += bytes(16) + (tag[::-1] or bytes(4)) + bytes(36) + struct.pack("<III", gamma, gamma, gamma)
    if version > 4:
        header += struct.pack("<IIII", 4, start - 14 + len(rows) if profile else 0, len(profile), 0)
    return struct.pack("<2sIHHI", b"BM", start + len(rows) + len(profile), 0, 0, start) + header + table + rows + profile


def tiff(samples, *, order="<", compression=1, planar=False, extra=None, photometric=None, colour_map=None, tags=(), behind=b""):
    """A TIFF by hand: one strip, or one a plane, with more bytes behind it; tags replace those of the same number."""
    height, width = samples.shape[:2]
    channels = 1 if samples.ndim == 2 else samples.shape[2]
    colours = channels - (extra is not None)
    planes = [samples[..., i] for i in range(channels)] if planar else [samples]
    strips = [_packed(plane.astype(plane.dtype.newbyteorder(order)).tobytes(), compression) + behind for plane in planes]
    body, offsets = b"", []
    for strip in strips:
        offsets.append(8 + len(body))
        body += strip + bytes(len(strip) % 2)
    entries = {
        256: entry_of(order, 256, 4, width),
        257: entry_of(order, 257, 4, height),
        258: entry_of(order, 258, 3, *[8 * samples.itemsize] * channels),
        259: entry_of(order, 259, 3, compression),
        262: entry_of(order, 262, 3, {1: 1, 3: 2, 4: 5}[colours] if photometric is None else photometric),
        273: entry_of(order, 273, 4, *offsets),
        277: entry_of(order, 277, 3, channels),
        278: entry_of(order, 278, 4, height),
        279: entry_of(order, 279, 4, *map(len, strips)),
        284: entry_of(order, 284, 3, 2 if planar else 1),
    }
    if extra is not None:
        entries[338] = entry_of(order, 338, 3, extra)
    if colour_map is not None:
        entries[320] = entry_of(order, 320, 3, *map(int, colour_map.ravel()))
    entries |= {entry.tag: entry for entry in tags}
    start = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", 8 + len(body))
    return start + body + directory_bytes(order, entries.values(), 8 + len(body))


def _packed(data, compression):
    if compression == 8:
        return zlib.compress(data)
    if compression == 32773:
        return b"".join(bytes((len(data[i : i + 128]) - 1,)) + data[i : i + 128] for i in range(0, len(data), 128))
    if compression == 5:
        codes = [code for i, byte in enumerate(data) for code in ([256] if i % 200 == 0 else []) + [byte]] + [257]
        bits = "".join(f"{code:09b}" for code in codes)
        return int(bits.ljust(-(-len(bits) // 8) * 8, "0"), 2).to_bytes(-(-len(bits) // 8), "big")
    return data


def tiff_tags(data):
    """The whole numbers of the tags of the first page."""
    tags = Tags(data)
    return {tag: list(entry.numbers(tags.order)) for tag, entry in tags.pages()[0].entries.items()}
