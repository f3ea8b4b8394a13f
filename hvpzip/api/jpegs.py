"""JPEG files kept whole in ``.hvz`` files: packed here, and told apart from files of pixels.

The invariant: what comes back is the identical file, or an error.
"""

import zlib
from collections.abc import Iterator

from hvpzip.api.encoding import NO_MODEL, Coded
from hvpzip.errors import HvpzipError, ImageError, LimitError

__all__ = ["encode_jpeg", "jpeg_notices", "refuse_parts"]


def encode_jpeg(file: bytes, max_pixels: int) -> Coded:
    """The one group of a JPEG file, ready to be written.

    Raises: ImageError if the file does not say its sides, LimitError if they are of more than ``max_pixels``.
    """
    from hvpzip import container, jpeg

    facts = jpeg.jpeg_facts(file)
    if facts.width * facts.height > max_pixels:
        pixels = f"{facts.width} x {facts.height} = {facts.width * facts.height}"
        raise LimitError(f"the picture has {pixels} pixels, over the limit of {max_pixels}")
    group = container.Group(jpeg.pack(file, facts), zlib.crc32(file))
    header = container.Header(
        width=facts.width,
        height=facts.height,
        channels=facts.channels,
        bit_depth=facts.bit_depth,
        colour_lift=0,
        map=0,
        levels=0,
        model_id=NO_MODEL,
        effort=0,
        jpeg=True,
    )
    return Coded(header=header, sections=(), groups=(group,), costs=(), other_bits=8 * len(group.payload))


def refuse_parts(*, frame: int | None, strip: bool) -> None:
    """Says that a file is kept whole or not at all. Raises: ImageError."""
    if frame is not None:
        raise ImageError(f"a JPEG file is kept whole, with all its pictures; --pixels --frame {frame} takes the pixels of one")
    if strip:
        raise ImageError("a JPEG file is kept whole, with its metadata; --pixels --strip keeps its pixels alone")


def jpeg_notices(file: bytes, max_pixels: int) -> Iterator[str]:
    """What a user should know of a JPEG file that is kept: that its picture is damaged, say. It is decoded for it."""
    from hvpzip import image_io

    try:
        image_io.picture_of(file, max_pixels, frame=0, strip=True)
    except HvpzipError as error:
        yield f"the JPEG file is kept as it is, but its picture cannot be decoded: {error}"
