"""JPEG in: a walk over all segments, of which metadata is taken and the rest named; the samples are decoded by Pillow's libjpeg.

libjpeg fills what is missing or not valid in the scans and only warns, which Pillow does not pass on, so ``jpeg_scans`` goes through the
codes first and refuses them.
"""

import io
import struct
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import JpegImagePlugin

from hvpzip.image_io.form import Chunk, Form, Kind
from hvpzip.image_io.jpeg_scans import check_scans
from hvpzip.image_io.metadata import Resolution, exif_chunk, icc_chunk, raw_text_chunk, xmp_chunk
from hvpzip.image_io.refusals import Dropped, Found, check_pixels, counted, damaged, take_frame, unsupported
from hvpzip.image_io.rows import array_of

__all__ = ["Segment", "jpeg_samples", "jpeg_segments", "jpeg_size", "read_jpeg"]

Samples = NDArray[np.unsignedinteger[Any]]

_SOI, _EOI, _SOS, _COM, _DNL = 0xD8, 0xD9, 0xDA, 0xFE, 0xDC
_FRAMES: Final = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # the headers of a frame; between them are tables
_DECODED: Final = frozenset({0xC0, 0xC1, 0xC2, 0xC9, 0xCA})  # sequential and progressive, Huffman or arithmetic
_NO_LENGTH: Final = frozenset({0x01, *range(0xD0, 0xD8)})
_STRUCTURE: Final = frozenset({*range(0xC0, 0xD0), _SOS, 0xDB, 0xDD, _DNL})
_XMP: Final = b"http://ns.adobe.com/xap/1.0/\0"
_KINDS: Final = {1: Kind.GRAY, 3: Kind.RGB, 4: Kind.CMYK}
# Names of what programs put into segments of their own, by how the segment begins.
_OWNERS: Final = (
    (b"http://ns.adobe.com/xmp/extension/\0", "extended XMP"),
    (b"Photoshop 3.0\0", "Photoshop"),
    (b"JFXX\0", "JFXX thumbnail"),
    (b"FLIR\0", "FLIR"),
    (b"FPXR\0", "FPXR"),
    (b"MPF\0", "MPF"),
    (b"JP", "JUMBF"),
    (b"Exif\0\0", "second EXIF"),
    (_XMP, "second XMP"),
)


class Segment(NamedTuple):
    """One marker (its second byte) and what belongs to it; ``scan`` is what follows a start of scan, up to the next marker."""

    marker: int
    data: bytes
    scan: bytes = b""


def jpeg_segments(data: bytes) -> tuple[list[Segment], int, int]:
    """(all segments between start and end of the picture, where it ends, how many bytes lie between segments).

    Raises: ImageError if the markers do not lead to an end of the picture.
    """
    found: list[Segment] = []
    place, stray = 2, 0
    while True:
        begin = data.find(b"\xff", place)
        at = begin
        while 0 <= at < len(data) and data[at] == 0xFF:
            at += 1
        if begin < 0 or at >= len(data):
            raise damaged("JPEG", f"the file ends after {len(data)} bytes, before the end of the picture")
        stray += begin - place
        marker, place = data[at], at + 1
        if marker == _EOI:
            return found, place, stray
        if marker in _NO_LENGTH:
            continue
        if marker in (0x00, _SOI):
            raise damaged("JPEG", f"a marker that does not belong there, at byte {begin}")
        size = int.from_bytes(data[place : place + 2], "big")
        if size < 2 or place + size > len(data):
            raise damaged("JPEG", f"the segment at byte {begin} goes beyond the end of the file ({len(data)} bytes)")
        body, place, scan = data[place + 2 : place + size], place + size, b""
        if marker == _SOS:
            end = _end_of_scan(data, place)
            scan, place = data[place:end], end
        found.append(Segment(marker, body, scan))


def _end_of_scan(data: bytes, place: int) -> int:
    """Where the next marker begins that is not of the scan itself (a restart, or a stuffed byte)."""
    while (place := data.find(b"\xff", place)) >= 0:
        following = data[place + 1 : place + 2]
        if following == b"\xff":
            place += 1
        elif following == b"\0" or (following and 0xD0 <= following[0] <= 0xD7):
            place += 2
        else:
            return place
    return len(data)


def jpeg_size(segments: list[Segment]) -> tuple[int, int, int]:
    """(width, height, components). Raises: ImageError if there is not one frame, or one that is not decoded."""
    frames = [segment for segment in segments if segment.marker in _FRAMES]
    if len(frames) != 1 or len(frames[0].data) < 6:
        raise damaged("JPEG", f"{len(frames)} frame headers in place of one" if frames else "it has no frame header")
    precision, height, width, components = struct.unpack_from(">BHHB", frames[0].data)
    if frames[0].marker not in _DECODED:
        raise unsupported("JPEG", "lossless or hierarchical coding")
    if precision != 8:
        raise unsupported("JPEG", f"{precision} bits a sample")
    if components not in _KINDS:
        raise unsupported("JPEG", f"{components} components")
    if not height:
        raise unsupported("JPEG", "a height that only stands after the scan")
    if not width:
        raise damaged("JPEG", "it is 0 pixels wide")
    return width, height, components


def jpeg_samples(segments: list[Segment]) -> Samples:
    """The samples, (H, W) or (H, W, C), uint8; CMYK as most programs store it, 255 for full ink.

    Raises: ImageError if a scan is damaged or rows are missing; what Pillow raises on other damage.
    """
    _, _, components = jpeg_size(segments)
    check_scans([(segment.marker, segment.data, segment.scan) for segment in segments])
    # Without metadata, on which Pillow has opinions of its own; the segments that say what colours the components are stay.
    parts = [b"\xff\xd8"]
    for segment in segments:
        if segment.marker in _STRUCTURE or (segment.marker, segment.data[:5]) in ((0xE0, b"JFIF\0"), (0xEE, b"Adobe")):
            parts += [bytes((0xFF, segment.marker)), (len(segment.data) + 2).to_bytes(2, "big"), segment.data, segment.scan]
    parts.append(b"\xff\xd9")
    with JpegImagePlugin.JpegImageFile(io.BytesIO(b"".join(parts))) as image:
        if image.mode != {1: "L", 3: "RGB", 4: "CMYK"}[components]:
            raise unsupported("JPEG", f"mode {image.mode}")
        return array_of(image, np.uint8)


def read_jpeg(data: bytes, max_pixels: int, frame: int | None) -> Found:
    """The picture, its metadata, and names of what is not kept.

    Raises: ImageError, LimitError; what Pillow raises on damage.
    """
    segments, end, stray = jpeg_segments(data)
    dropped = Dropped()
    others = _other_pictures(data, segments)
    count = 1 + sum(1 for _, _, full in others if full)
    number = take_frame("JPEG", frame, count, f"{count} pictures in one file")
    if number:
        begin, size, _ = [other for other in others if other[2]][number - 1]
        inner, end, stray = jpeg_segments(data[begin : begin + size])
        dropped.metadata.add("metadata of the other pictures")
        segments, rest = inner, 0
    else:
        rest = len(data) - end
        if len(others) >= count:
            dropped.content.add(f"{counted(len(others) - count + 1, 'picture')} for the main one (MPF: previews, gain maps)")
    if count > 1:
        dropped.content.add(counted(count - 1, "other picture"))
    if stray:
        dropped.content.add(f"{counted(stray, 'byte')} between segments")
    if rest:
        dropped.content.add(f"{counted(rest, 'byte')} after the end")
    width, height, components = jpeg_size(segments)
    check_pixels(width, height, max_pixels)
    chunks = tuple(_chunks(segments, dropped))
    return Found(jpeg_samples(segments), Form(_KINDS[components], chunks=chunks), dropped, count)


def _other_pictures(data: bytes, segments: list[Segment]) -> list[tuple[int, int, bool]]:
    """(begin, size, whether it is a picture of its own) of those that an MPF segment lists besides the first."""
    from hvpzip.image_io.tiff_tags import Tags

    body = next((segment.data[4:] for segment in segments if segment.marker == 0xE2 and segment.data.startswith(b"MPF\0")), b"")
    base = data.find(b"MPF\0" + body) + 4 if body else 0
    if not body:
        return []
    try:
        tags = Tags(body)
        entries = tags.directory(tags.first).entries
    except Exception:
        return []
    has_gain_map = any(segment.marker == 0xE1 and b"hdrgm:" in segment.data for segment in segments)
    listed = entries[0xB002].data if 0xB002 in entries else b""
    found = []
    for at in range(16, len(listed) - 15, 16):
        attribute, size, offset = struct.unpack_from(tags.order + "III", listed, at)
        kind = attribute & 0xFFFFFF
        if data[base + offset : base + offset + 2] == b"\xff\xd8" and size:
            found.append((base + offset, size, kind >> 16 == 2 or (kind == 0 and not has_gain_map)))
    return found


def _chunks(segments: list[Segment], dropped: Dropped) -> Iterator[Chunk]:
    """The metadata; names of the rest are added to ``dropped``."""
    profile = [segment.data[12:] for segment in segments if segment.marker == 0xE2 and segment.data.startswith(b"ICC_PROFILE\0")]
    if profile:
        pieces = {piece[0]: piece[2:] for piece in profile if len(piece) >= 2 and piece[1] == len(profile)}
        if sorted(pieces) == list(range(1, len(profile) + 1)):
            yield icc_chunk(b"".join(pieces[number] for number in sorted(pieces)))
        else:
            dropped.metadata.add("incomplete colour profile")
    seen: set[str] = set()
    for marker, data, _ in segments:
        if marker == _COM:
            text = raw_text_chunk("Comment", data)
            if text is None:
                dropped.metadata.add("comment with NUL bytes inside")
            else:
                yield text
        elif marker == 0xE1 and data.startswith(b"Exif\0\0") and "exif" not in seen:
            seen.add("exif")
            yield exif_chunk(data)
        elif marker == 0xE1 and data.startswith(_XMP) and "xmp" not in seen:
            seen.add("xmp")
            yield xmp_chunk(data[len(_XMP) :])
        elif marker == 0xE0 and data.startswith(b"JFIF\0") and len(data) >= 12 and "jfif" not in seen:
            seen.add("jfif")
            unit, x, y = struct.unpack_from(">BHH", data, 7)
            if x and y and unit <= 2:
                yield Resolution(x, 1, y, 1, unit + 1).chunk()
            if len(data) > 14:
                dropped.metadata.add("JFIF thumbnail")
        elif marker not in _STRUCTURE and not (marker == 0xEE and data[:5] == b"Adobe") and not data.startswith(b"ICC_PROFILE\0"):
            dropped.metadata.add(_owner(marker, data))


def _owner(marker: int, data: bytes) -> str:
    place = f"APP{marker - 0xE0}" if 0xE0 <= marker < 0xF0 else f"marker {marker:02x}"
    for start, name in _OWNERS:
        if data.startswith(start):
            return f"{name} ({place})"
    start = data[:16].split(b"\0")[0]
    return f"{place} '{start.decode('ascii')}'" if start.isalnum() and start.isascii() else place
