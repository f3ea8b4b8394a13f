"""What a picture is besides its samples: what they mean, and what came with them."""

from enum import IntEnum
from typing import Final, NamedTuple

__all__ = ["CHANNELS", "DEPTHS", "Chunk", "Form", "Kind", "plain_form"]


class Kind(IntEnum):
    """What the samples mean. The numbers stand in files (docs/format.md)."""

    GRAY = 0
    GRAY_ALPHA = 1
    RGB = 2
    RGB_ALPHA = 3
    PALETTE = 4
    CMYK = 5


CHANNELS: Final = {Kind.GRAY: 1, Kind.GRAY_ALPHA: 2, Kind.RGB: 3, Kind.RGB_ALPHA: 4, Kind.PALETTE: 1, Kind.CMYK: 4}
# Bits a sample: what files of pictures hold.
DEPTHS: Final = {
    Kind.GRAY: (1, 2, 4, 8, 16),
    Kind.GRAY_ALPHA: (8, 16),
    Kind.RGB: (8, 16),
    Kind.RGB_ALPHA: (8, 16),
    Kind.PALETTE: (1, 2, 4, 8),
    Kind.CMYK: (8,),
}


class Chunk(NamedTuple):
    """One record of metadata: a PNG chunk's name of four letters and its contents, or ``reSo`` (``hvpzip.image_io.metadata``)."""

    name: bytes
    data: bytes


class Form(NamedTuple):
    """Everything about a picture that is not a sample.

    Attributes:
        kind: what the samples mean.
        bit_depth: 1, 2, 4, 8 or 16; samples are below ``2**bit_depth``.
        palette: red, green and blue bytes of up to 256 entries; only with ``Kind.PALETTE``.
        transparency: as in PNG's tRNS: alpha of the palette's entries, or the gray or RGB value that is transparent, two bytes a sample.
        chunks: metadata, in the order of the file.
    """

    kind: Kind
    bit_depth: int = 8
    palette: bytes = b""
    transparency: bytes = b""
    chunks: tuple[Chunk, ...] = ()

    @property
    def words(self) -> str:
        """The form as a refusal names it, such as "16-bit RGB with alpha"."""
        kind = ("gray", "gray with alpha", "RGB", "RGB with alpha", "palette", "CMYK")[self.kind]
        return f"{self.bit_depth}-bit {kind}{' with transparency' if self.transparency else ''}"


def plain_form(channels: int, bit_depth: int) -> Form:
    """The form of samples of which nothing else is known: 1 channel is gray, 2 gray with alpha, 3 RGB, 4 RGB with alpha."""
    return Form((Kind.GRAY, Kind.GRAY_ALPHA, Kind.RGB, Kind.RGB_ALPHA)[channels - 1], bit_depth)
