"""PBM, PGM and PPM in, letters and bytes; of 8 and 16 bits a sample, with the comments of the header."""

import math
import re
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from hvpzip.image_io.form import Chunk, Form, Kind
from hvpzip.image_io.metadata import raw_text_chunk
from hvpzip.image_io.refusals import Dropped, Found, check_pixels, counted, damaged, take_frame, unsupported

__all__ = ["read_pnm"]

Samples = NDArray[np.unsignedinteger[Any]]  # uint8 or uint16

_GAP: Final = rb"(?:\s|#[^\r\n]*[\r\n])+"
_MAX_PICTURES: Final = 1 << 16


def read_pnm(data: bytes, max_pixels: int, frame: int | None) -> Found:
    """Raises: ImageError, LimitError."""
    place, number, found = 0, 0, None
    dropped = Dropped()
    while True:
        kind, head, width, height, largest = _header(data, place)
        check_pixels(width, height, max_pixels)
        begin = place + head
        channels = 3 if kind in b"36" else 1
        if kind in b"456":
            row = -(-width // 8) if kind == b"4" else width * channels * (2 if largest > 255 else 1)
            end = begin + row * height
            if len(data) < end:
                rows = (len(data) - begin) // row
                raise damaged("PNM", f"the file ends after {len(data)} bytes of {end}, {rows} of {height} rows")
        else:
            end = len(data)
        if number == (frame or 0):
            found = (kind, data[place:begin], begin, width, height, largest, channels)
        rest = data[end:].lstrip() if len(data) - end <= 16 else data[end : end + 64].lstrip()
        number, place = number + 1, len(data) - len(data[end:].lstrip()) if rest else len(data)
        if not re.match(rb"P[1-6]\s", rest) or number >= _MAX_PICTURES:
            break
    chosen = take_frame("PNM", frame, number, "more than one picture")
    assert found is not None, f"picture {chosen} was passed"
    if number > 1:
        dropped.content.add(counted(number - 1, "other picture"))
    elif end < len(data):
        dropped.content.add(f"{counted(len(data) - end, 'byte')} after the end")
    kind, header, begin, width, height, largest, channels = found
    samples = _samples(data, kind, begin, (height, width, 3) if channels == 3 else (height, width), largest)
    form = _form(kind, header, largest, dropped)
    return Found(samples, form, dropped, number)


def _header(data: bytes, place: int) -> tuple[bytes, int, int, int, int]:
    """(letter, bytes of the header, width, height, largest sample)."""
    kind = data[place + 1 : place + 2]
    if kind not in b"123456" or not kind:
        raise unsupported("PNM", {b"7": "PAM", b"F": "floating-point", b"f": "floating-point"}.get(kind, f"kind {kind!r}"))
    bilevel = kind in b"14"
    pattern = rb"P[1-6]%b(\d{1,9})%b(\d{1,9})%b\s" % (_GAP, _GAP, b"" if bilevel else _GAP + rb"(\d{1,9})")
    match = re.compile(pattern).match(data, place)
    if not match:
        raise damaged("PNM", "its header is not valid")
    width, height, largest = map(int, (*match.groups(), 1)[:3])
    if min(width, height) < 1 or not 1 <= largest <= 65535:
        raise damaged("PNM", f"no such kind of picture ({width} x {height}, maximum {largest})")
    if not bilevel and largest not in (255, 65535):
        raise unsupported("PNM", f"a maximum of {largest} in place of 255 or 65535")
    return kind, match.end() - place, width, height, largest


def _samples(data: bytes, kind: bytes, begin: int, shape: tuple[int, ...], largest: int) -> Samples:
    count, (height, width) = math.prod(shape), shape[:2]
    if kind == b"4":
        size = -(-width // 8)
        rows = np.frombuffer(data, np.uint8, size * height, begin).reshape(height, size)
        return np.unpackbits(rows, axis=1)[:, :width] ^ np.uint8(1)  # 1 is black
    if kind in b"56":
        if largest > 255:
            return np.frombuffer(data, ">u2", count, begin).astype(np.uint16).reshape(shape)
        return np.frombuffer(data, np.uint8, count, begin).reshape(shape).copy()
    text = re.sub(rb"#[^\r\n]*", b" ", data[begin:])
    if kind == b"1":
        digits = re.sub(rb"\s+", b"", text)
        if digits.strip(b"01") or len(digits) != count:
            raise damaged("PNM", f"{len(digits)} of {count} pixels, or other letters than 0 and 1")
        return (np.frombuffer(digits, np.uint8) ^ np.uint8(ord("1"))).reshape(shape)
    if re.search(rb"[^\d\s]", text):
        raise damaged("PNM", "something that is no number")
    if text and not text[-1:].isspace():
        raise damaged("PNM", "nothing ends its last number, of which digits may be missing")
    values = np.fromstring(text, np.int64, sep=" ")
    if len(values) < count:
        raise damaged("PNM", f"{len(values)} of {count} numbers")
    if len(values) > count:
        raise unsupported("PNM", "more than one picture in letters, or something behind it")
    if values.max() > largest:
        raise damaged("PNM", f"a sample of {values.max()} with a maximum of {largest}")
    samples: Samples = values.astype(np.uint8 if largest == 255 else np.uint16)
    return samples.reshape(shape)


def _form(kind: bytes, header: bytes, largest: int, dropped: Dropped) -> Form:
    chunks: list[Chunk] = []
    for comment in re.findall(rb"#([^\r\n]*)[\r\n]", header):
        text = raw_text_chunk("Comment", comment.removeprefix(b" "))
        if text is None:
            dropped.metadata.add("comment with NUL bytes inside")
        else:
            chunks.append(text)
    depth = 1 if kind in b"14" else 16 if largest == 65535 else 8
    return Form(Kind.RGB if kind in b"36" else Kind.GRAY, depth, chunks=tuple(chunks))
