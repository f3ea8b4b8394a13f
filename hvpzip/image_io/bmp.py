"""BMP in: headers of every version, rows of 1 to 32 bits, packed or not; what a packed picture leaves out is counted."""

import struct
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from hvpzip.image_io.form import Chunk, Form, Kind
from hvpzip.image_io.metadata import icc_chunk
from hvpzip.image_io.refusals import Dropped, Found, check_pixels, counted, damaged, take_frame, unsupported
from hvpzip.image_io.rows import unpacked_bits

__all__ = ["read_bmp"]

Samples = NDArray[np.unsignedinteger[Any]]

_RGB, _RLE8, _RLE4, _FIELDS, _ALPHA_FIELDS = 0, 1, 2, 3, 6
_HEADERS: Final = (12, 16, 40, 52, 56, 64, 108, 124)
_V4, _V5 = 108, 124
_INTENTS: Final = {1: 2, 2: 1, 4: 0, 8: 3}  # of Windows to those of sRGB chunks


def read_bmp(data: bytes, max_pixels: int, frame: int | None) -> Found:
    """Raises: ImageError, LimitError."""
    take_frame("BMP", frame, 1, "")
    (header_size,) = _numbers("I", data, 14)
    if header_size not in _HEADERS:
        raise unsupported("BMP", f"a header of {header_size} bytes")
    if len(data) < 14 + header_size:
        raise damaged("BMP", f"the file ends after {len(data)} bytes, inside its header")
    if header_size == 12:
        width, height, _, bits = _numbers("HHHH", data, 18)
        packing = colours = 0
    else:
        width, height, _, bits = _numbers("iiHH", data, 18)
        packing, colours = (_numbers("I", data, 30)[0], _numbers("I", data, 46)[0]) if header_size >= 40 else (0, 0)
    upwards, height = height > 0, abs(height)
    if min(width, height) < 1:
        raise damaged("BMP", f"no such kind of picture ({width} x {height})")
    check_pixels(width, height, max_pixels)
    (start,) = _numbers("I", data, 10)
    dropped = Dropped()
    if bits in (1, 4, 8):
        form, samples, end = _numbered(data, header_size, width, height, bits, packing, colours, start, dropped)
    elif bits in (24, 32):
        form, samples, end = _coloured(data, header_size, width, height, bits, packing, start, dropped)
    else:
        raise unsupported("BMP", f"{bits} bits a pixel")
    if upwards:
        samples = samples[::-1]
    chunks, end = _metadata(data, header_size, end, dropped)
    if len(data) > end and data[end:].strip(b"\0"):
        dropped.content.add(f"{counted(len(data) - end, 'byte')} after the end")
    return Found(np.ascontiguousarray(samples), form._replace(chunks=tuple(chunks)), dropped)


def _numbers(letters: str, data: bytes, place: int) -> tuple[int, ...]:
    if place + struct.calcsize("<" + letters) > len(data):
        raise damaged("BMP", f"the file ends after {len(data)} bytes, inside its header")
    return struct.unpack_from("<" + letters, data, place)


def _rows(data: bytes, start: int, width: int, height: int, bits: int) -> NDArray[np.uint8]:
    """The bytes of rows that are not packed, (height, bytes of the pixels). The padding of the last row may be missing."""
    size, used = (width * bits + 31) // 32 * 4, -(-width * bits // 8)
    there = len(data) - start
    if there < size * (height - 1) + used:
        raise damaged("BMP", f"{max(there, 0) // size} of {height} rows")
    padded = np.zeros(size * height, np.uint8)
    found = np.frombuffer(data, np.uint8, min(there, size * height), start)
    padded[: len(found)] = found
    return padded.reshape(height, size)[:, :used]


def _numbered(
    data: bytes, header_size: int, width: int, height: int, bits: int, packing: int, colours: int, start: int, dropped: Dropped
) -> tuple[Form, Samples, int]:
    """Numbers of palette entries; a palette of grays in their order is gray. (form, samples, where the file goes on)."""
    entry = 3 if header_size == 12 else 4
    place = 14 + header_size
    most = 1 << bits
    count = min(colours or most, most, max(start - place, 0) // entry)
    if count < 1:
        raise damaged("BMP", "its palette is missing")
    table = np.frombuffer(data, np.uint8, count * entry, place).reshape(count, entry)
    palette = np.ascontiguousarray(table[:, 2::-1])
    if place + count * entry < start and data[place + count * entry : start].strip(b"\0"):
        dropped.content.add(f"{counted(start - place - count * entry, 'byte')} before the samples")
    if packing == _RGB:
        rows = _rows(data, start, width, height, bits)
        samples = (rows if bits == 8 else unpacked_bits(rows, bits))[:, :width].copy()
        end = start + (width * bits + 31) // 32 * 4 * height
    elif (packing, bits) in ((_RLE8, 8), (_RLE4, 4)):
        samples, end = _unpacked(data, start, width, height, bits)
    else:
        raise unsupported("BMP", f"packing {packing} with {bits} bits a pixel")
    if samples.max() >= count:
        raise damaged("BMP", f"a pixel of entry {samples.max()} in a palette of {count}")
    grays = np.arange(most)[:, None] * (255 // (most - 1))
    if count == most and np.array_equal(palette, np.broadcast_to(grays, (most, 3))):
        return Form(Kind.GRAY, bits), samples, end
    return Form(Kind.PALETTE, bits, palette.tobytes()), samples, end


def _unpacked(data: bytes, start: int, width: int, height: int, bits: int) -> tuple[NDArray[np.uint8], int]:
    """Runs of RLE4 and RLE8. Raises: ImageError if a pixel is not said, or the runs go beyond a row or the file."""
    samples = np.zeros((height, width), np.uint8)
    x = y = 0
    place = start
    try:
        while True:
            count, value = data[place], data[place + 1]
            place += 2
            if count:
                pair = (value, value) if bits == 8 else (value >> 4, value & 15)
                if y >= height or x + count > width:
                    raise damaged("BMP", f"a run goes beyond row {y} of {height}")
                samples[y, x : x + count : 2] = pair[0]
                samples[y, x + 1 : x + count : 2] = pair[1]
                x += count
            elif value == 1:
                break
            elif value == 0:
                if x != width:
                    raise unsupported("BMP", f"packed rows that leave pixels out (row {y} of {height})")
                x, y = 0, y + 1
            elif value == 2:
                raise unsupported("BMP", f"packed rows that leave pixels out (row {y} of {height})")
            else:
                size = value if bits == 8 else (value + 1) // 2
                raw = np.frombuffer(data, np.uint8, size, place)
                if y >= height or x + value > width:
                    raise damaged("BMP", f"a run goes beyond row {y} of {height}")
                samples[y, x : x + value] = raw if bits == 8 else np.stack([raw >> 4, raw & 15], axis=1).reshape(-1)[:value]
                x += value
                place += size + size % 2
    except (IndexError, ValueError):
        raise damaged("BMP", f"{min(y, height)} of {height} rows") from None
    if y + (x == width) < height:
        raise damaged("BMP", f"{y} of {height} rows")
    return samples, place


def _coloured(
    data: bytes, header_size: int, width: int, height: int, bits: int, packing: int, start: int, dropped: Dropped
) -> tuple[Form, Samples, int]:
    step = bits // 8
    alpha = False
    places = {"r": 2, "g": 1, "b": 0, "a": 3}
    if packing in (_FIELDS, _ALPHA_FIELDS) and bits == 32:
        masks = [*_numbers("III", data, 54), *(_numbers("I", data, 66) if header_size >= 56 or packing == _ALPHA_FIELDS else (0,))]
        bytes_of = {0xFF << 8 * byte: byte for byte in range(4)}
        if any(mask not in bytes_of for mask in masks[:3]) or (masks[3] and masks[3] not in bytes_of):
            raise unsupported("BMP", f"channels of other than 8 bits ({', '.join(f'{mask:08x}' for mask in masks)})")
        alpha = bool(masks[3])
        places = dict(zip("rgb", (bytes_of[mask] for mask in masks[:3]), strict=True))
        places["a"] = bytes_of[masks[3]] if alpha else 6 - sum(places.values())
    elif packing != _RGB:
        raise unsupported("BMP", f"packing {packing} with {bits} bits a pixel")
    pixels = _rows(data, start, width, height, bits).reshape(height, width, step)
    if step == 4 and not alpha and pixels[:, :, places["a"]].any():
        dropped.content.add("the fourth byte of the pixels, which the header does not call alpha")
    samples = pixels[:, :, [places[name] for name in ("rgba" if alpha else "rgb")]]
    return Form(Kind.RGB_ALPHA if alpha else Kind.RGB), samples, start + (width * bits + 31) // 32 * 4 * height


def _metadata(data: bytes, header_size: int, end: int, dropped: Dropped) -> tuple[list[Chunk], int]:
    """(chunks, where the file ends)."""
    chunks = []
    if header_size >= 40:
        x, y = _numbers("ii", data, 38)
        if x > 0 and y > 0:
            chunks.append(Chunk(b"pHYs", struct.pack(">IIB", x, y, 1)))
        elif x or y:
            dropped.metadata.add(f"resolution {x} x {y}")
    if header_size >= _V4:
        (space,) = _numbers("I", data, 70)
        intent = _numbers("I", data, 122)[0] if header_size == _V5 else 0
        tag = space.to_bytes(4, "big")
        if tag == b"sRGB":
            chunks.append(Chunk(b"sRGB", bytes((_INTENTS.get(intent, 0),))))
        elif tag in (b"MBED", b"LINK") and header_size == _V5:
            begin, size = _numbers("II", data, 126)
            profile = data[14 + begin : 14 + begin + size]
            if tag == b"LINK" or len(profile) < size or not profile:
                dropped.metadata.add("a colour profile in another file" if tag == b"LINK" else "incomplete colour profile")
            else:
                chunks.append(icc_chunk(profile))
                if 14 + begin > end and data[end : 14 + begin].strip(b"\0"):
                    dropped.content.add(f"{counted(14 + begin - end, 'byte')} before the colour profile")
                end = max(end, 14 + begin + size)
        elif space == 0 and any(data[74:122]):
            dropped.metadata.add("gamma and primaries of the header")
        elif tag != b"Win " and space:
            dropped.metadata.add(f"colour space {tag!r}")
    return chunks, end
