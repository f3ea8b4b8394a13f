"""Refusals that all readers of pictures share: one line that names the kind of file and what is wrong."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hvpzip.errors import ImageError, LimitError
from hvpzip.image_io.form import Form

__all__ = ["Dropped", "Found", "check_pixels", "counted", "damaged", "no_frame", "several", "take_frame", "unsupported"]


class Dropped:
    """Names of what a file holds besides and its reader does not keep.

    Attributes:
        metadata: what ``--strip`` asks to leave out.
        content: other pictures, and bytes that may be anything. Nobody who asked for less metadata asked to lose these.
    """

    def __init__(self) -> None:
        self.metadata: set[str] = set()
        self.content: set[str] = set()


class Found(NamedTuple):
    """What a reader finds in a file.

    Attributes:
        samples: (H, W) or (H, W, C), uint8, or uint16 for 16 bits.
        form: what they mean, and the metadata.
        dropped: what else the file holds.
        pictures: how many it holds.
    """

    samples: NDArray[np.unsignedinteger[Any]]
    form: Form
    dropped: Dropped
    pictures: int = 1


def counted(number: int, what: str) -> str:
    """Such as "1 byte" and "2,000 bytes"."""
    return f"{number:,} {what}{'s' * (number != 1)}"


def damaged(kind: str, what: str) -> ImageError:
    """The bytes are not those of a whole, valid file."""
    return ImageError(f"damaged {kind}: {what}")


def unsupported(kind: str, what: str) -> ImageError:
    """A valid file, perhaps, but not one that is taken."""
    return ImageError(f"unsupported {kind}: {what}; docs/images.md lists what is taken")


def several(kind: str, what: str) -> ImageError:
    """A file of several pictures, of which none was chosen."""
    return ImageError(f"unsupported {kind}: {what}; --frame N takes one picture of it, counted from 0")


def no_frame(kind: str, frame: int, count: int) -> ImageError:
    """The chosen picture is not there."""
    return ImageError(f"there is no picture {frame} in this {kind}: it has {count}, counted from 0")


def take_frame(kind: str, frame: int | None, count: int, what: str) -> int:
    """The number of the picture to take. Raises: ImageError if there are several (``what`` says so) and none was chosen, or no such."""
    if frame is None and count > 1:
        raise several(kind, what)
    if (frame or 0) >= count:
        raise no_frame(kind, frame or 0, count)
    return frame or 0


def check_pixels(width: int, height: int, max_pixels: int) -> None:
    """Raises: LimitError if there are more pixels than that."""
    if width * height > max_pixels:
        raise LimitError(f"the picture has {width} x {height} = {width * height} pixels, over the limit of {max_pixels}")
