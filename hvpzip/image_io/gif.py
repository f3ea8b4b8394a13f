"""GIF in: a walk over all blocks, in which the codes of every picture are counted; frames are put together by Pillow.

Pillow fills what the codes do not say, so a picture with too few of them is refused before.
"""

import io
import struct
from typing import Final, NamedTuple

import numpy as np
from PIL import GifImagePlugin

from hvpzip.image_io.form import Chunk, Form
from hvpzip.image_io.metadata import icc_chunk, raw_text_chunk, xmp_chunk
from hvpzip.image_io.pillow_forms import form_of_image, same_form
from hvpzip.image_io.refusals import Dropped, Found, check_pixels, counted, damaged, take_frame
from hvpzip.image_io.rows import array_of

__all__ = ["read_gif"]

_EXTENSION, _IMAGE, _TRAILER = 0x21, 0x2C, 0x3B
_COMMENT, _APPLICATION, _CONTROL, _TEXT = 0xFE, 0xFF, 0xF9, 0x01
_MAX_CODE_BITS: Final = 12
_XMP_TAIL: Final = bytes((1, *range(255, -1, -1), 0))


class _Blocks(NamedTuple):
    pictures: int
    chunks: tuple[Chunk, ...]
    dropped: Dropped


def read_gif(data: bytes, max_pixels: int, frame: int | None) -> Found:
    """Raises: ImageError, LimitError; what Pillow raises on damage."""
    if len(data) < 13:
        raise damaged("GIF", f"the file ends after {len(data)} bytes, inside its header")
    width, height = struct.unpack_from("<HH", data, 6)
    check_pixels(width, height, max_pixels)
    blocks = _blocks(data, max_pixels, frame or 0)
    number = take_frame("GIF", frame, blocks.pictures, f"{blocks.pictures} pictures in one file")
    dropped = blocks.dropped
    if blocks.pictures > 1:
        dropped.content.add(counted(blocks.pictures - 1, "other picture"))
    with GifImagePlugin.GifImageFile(io.BytesIO(data)) as image:
        image.seek(number)
        form: Form = form_of_image(image, "GIF")
        check_pixels(*image.size, max_pixels)
        samples = array_of(image, np.uint8)
        same_form(image, form, "GIF")
    return Found(samples, form._replace(chunks=blocks.chunks), dropped, blocks.pictures)


def _blocks(data: bytes, max_pixels: int, frame: int) -> _Blocks:
    """Walks over all blocks, and counts the pixels of the pictures up to the wanted one."""
    flags, _, aspect = data[10:13]
    place = 13 + (3 << (flags & 7) + 1 if flags & 0x80 else 0)
    pictures = behind = 0
    chunks: list[Chunk] = []
    dropped = Dropped()
    if aspect not in (0, 49):
        dropped.metadata.add(f"pixel aspect ratio {aspect}")
    while True:
        if place >= len(data):
            # Many programs leave the trailer out; only what is before it must be whole.
            if not pictures:
                raise damaged("GIF", f"the file ends after {len(data)} bytes, before its picture")
            break
        kind = data[place]
        if kind == _TRAILER:
            place += 1
            break
        if kind == _EXTENSION:
            label = data[place + 1] if place + 1 < len(data) else 0
            begin = place + 2
            parts, place = _sub_blocks(data, begin)
            _extension(label, parts, data[begin:place], chunks, dropped)
        elif kind == _IMAGE and place + 10 < len(data):
            *corner, width, height, flags = struct.unpack_from("<HHHHB", data, place + 1)
            if pictures == frame == 0 and (*corner, width, height) != (0, 0, *struct.unpack_from("<HH", data, 6)):
                dropped.content.add("which part of its canvas the picture covers")
            place += 10 + (3 << (flags & 7) + 1 if flags & 0x80 else 0)
            bits = data[place] if place < len(data) else 0
            parts, place = _sub_blocks(data, place + 1)
            check_pixels(width, height, max_pixels)
            if pictures <= frame:
                behind += _check_codes(b"".join(parts), bits, width, height)
            pictures += 1
        elif pictures:
            break  # no trailer, and something else behind the pictures
        else:
            raise damaged("GIF", f"a block of an unknown kind ({kind:02x}) at byte {place} of {len(data)}")
    if not pictures:
        raise damaged("GIF", "it holds no picture")
    if behind:
        dropped.content.add(f"{counted(behind, 'byte')} behind the image data")
    if place < len(data):
        dropped.content.add(f"{counted(len(data) - place, 'byte')} after the end")
    return _Blocks(pictures, tuple(chunks), dropped)


def _sub_blocks(data: bytes, place: int) -> tuple[list[bytes], int]:
    parts: list[bytes] = []
    while True:
        if place >= len(data) or place + 1 + data[place] > len(data):
            raise damaged("GIF", f"the file ends after {len(data)} bytes, inside a block")
        size = data[place]
        if not size:
            return parts, place + 1
        parts.append(data[place + 1 : place + 1 + size])
        place += 1 + size


def _extension(label: int, parts: list[bytes], raw: bytes, chunks: list[Chunk], dropped: Dropped) -> None:
    if label == _CONTROL:
        return  # what it says is in the samples and the transparency; a lone picture has nothing to wait for
    if label == _COMMENT:
        text = raw_text_chunk("Comment", b"".join(parts))
        if text is None:
            dropped.metadata.add("comment with NUL bytes inside")
        else:
            chunks.append(text)
    elif label == _APPLICATION and parts and parts[0] == b"XMP DataXMP":
        # It stands there as it is, and a tail leads readers of blocks to its end.
        body = raw[12:]
        chunks.append(xmp_chunk(body.removesuffix(_XMP_TAIL)))
    elif label == _APPLICATION and parts and parts[0] == b"ICCRGBG1012":
        chunks.append(icc_chunk(b"".join(parts[1:])))
    elif label == _APPLICATION and parts:
        dropped.metadata.add(f"application extension {parts[0].decode('latin-1')!r}")
    else:
        dropped.content.add("plain text" if label == _TEXT else f"extension {label:02x}")  # the text is drawn on the picture


def _check_codes(data: bytes, bits: int, width: int, height: int) -> int:
    """How many bytes follow the codes. Of what they stand for, lengths alone are kept. Raises: ImageError if they do not say all pixels."""
    if not 1 <= bits <= 8:
        raise damaged("GIF", f"codes of {bits} bits")
    clear, count = 1 << bits, width * height
    lengths = [1] * clear + [0, 0]
    size, previous, pixels = bits + 1, 0, 0
    held = held_bits = place = 0
    while pixels < count:
        while held_bits < size:
            if place >= len(data):
                raise damaged("GIF", f"{pixels // max(width, 1)} of {height} rows")
            piece = data[place : place + 6]
            held |= int.from_bytes(piece, "little") << held_bits
            held_bits += 8 * len(piece)
            place += 6
        code = held & ((1 << size) - 1)
        held >>= size
        held_bits -= size
        if code == clear:
            del lengths[clear + 2 :]
            size, previous = bits + 1, 0
            continue
        if code == clear + 1:
            raise damaged("GIF", f"{pixels // max(width, 1)} of {height} rows")
        if code > len(lengths) or (code == len(lengths) and not previous) or (not previous and code > clear):
            raise damaged("GIF", f"a code that does not exist, after {pixels // max(width, 1)} of {height} rows")
        length = previous + 1 if code == len(lengths) else lengths[code]
        if previous and len(lengths) < 1 << _MAX_CODE_BITS:
            lengths.append(previous + 1)
            if len(lengths) == 1 << size and size < _MAX_CODE_BITS:
                size += 1
        previous = length
        pixels += length
    # The code of the end follows, and some writers clear the table once more before it.
    return max(0, len(data) - (8 * min(place, len(data)) - held_bits + 2 * _MAX_CODE_BITS + 7) // 8)
