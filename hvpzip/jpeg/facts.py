"""What the frame header of a JPEG file says; nothing is decoded."""

from typing import Final, NamedTuple

from hvpzip.errors import ImageError

__all__ = ["JpegFacts", "is_jpeg", "jpeg_facts"]

_START: Final = b"\xff\xd8\xff"
# Start of frame, of every process: baseline, extended, progressive, lossless, Huffman or arithmetic. C4, C8 and CC are other markers.
_FRAMES: Final = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_ALONE: Final = frozenset({0x01, *range(0xD0, 0xD9)})  # markers without a length: TEM, restarts, start of image
_SCAN: Final = 0xDA
_END: Final = 0xD9


class JpegFacts(NamedTuple):
    """Sides in pixels, colour components (1 to 4), bits a sample."""

    width: int
    height: int
    channels: int
    bit_depth: int


def is_jpeg(data: bytes) -> bool:
    """Whether these are, or begin, the bytes of a JPEG file."""
    return data.startswith(_START)


def jpeg_facts(data: bytes) -> JpegFacts:
    """The first frame header of a JPEG file.

    Raises: ImageError if there is none before the first scan, or it is of a kind that a ``.hvz`` file cannot tell of.
    """
    place = 2
    while place + 4 <= len(data) and data[place] == 0xFF:
        marker = data[place + 1]
        if marker == 0xFF:  # fill
            place += 1
        elif marker in _ALONE:
            place += 2
        elif marker in _FRAMES:
            frame = data[place + 4 : place + 10]
            if len(frame) < 6:
                break
            facts = JpegFacts(int.from_bytes(frame[3:5], "big"), int.from_bytes(frame[1:3], "big"), frame[5], frame[0])
            if min(facts) < 1 or facts.channels > 4 or facts.bit_depth > 16:
                raise ImageError(
                    f"unsupported JPEG: {facts.width} x {facts.height}, {facts.channels} components of {facts.bit_depth} bits; "
                    "sides of at least 1 and 1 to 4 components of up to 16 bits are taken"
                )
            return facts
        elif marker in (_SCAN, _END, 0):
            break
        else:
            place += 2 + int.from_bytes(data[place + 2 : place + 4], "big")
    raise ImageError(f"damaged JPEG: no frame header up to byte {min(place, len(data))} of {len(data)}")
