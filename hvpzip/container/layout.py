"""What a ``.hvz`` file of version 1 holds; the normative text is docs/format.md.

::

    header:  magic 8, version 1, flags 2+, width 1+, height 1+, samples 1, map 1, levels 1, effort 1, model id 8, sections 1+, CRC 4
    section: type 1+, length 1+, data, CRC 4                     as many as the header says
    group:   length 1+, CRC of samples 4, payload, CRC 4         as many as the grid has, row by row
"""

from dataclasses import dataclass
from typing import Final

__all__ = [
    "COLOUR_LIFTS",
    "FLAG_JPEG",
    "FLAG_PARTS",
    "FORM_SECTION",
    "MAGIC",
    "MAPS",
    "MAX_LEVELS",
    "MAX_SECTIONS",
    "MAX_SIDE",
    "METADATA_SECTION",
    "MODEL_ID_BYTES",
    "SOURCE_SECTION",
    "VERSION",
    "Container",
    "Group",
    "Header",
    "Limits",
    "Section",
]

# The high bit shows transfers that strip it, CR LF and the lone LF those that rewrite line ends, and 0x1A stops a DOS "type".
MAGIC: Final = b"\x89HVZ\r\n\x1a\n"
VERSION: Final = 1
MODEL_ID_BYTES: Final = 8
MAX_SIDE: Final = 1 << 30
MAX_LEVELS: Final = 24
MAX_SECTIONS: Final = 1024
FLAG_PARTS: Final = 1  # must be understood: groups are made of parts, each with a method of its own
FLAG_JPEG: Final = 2  # must be understood: a JPEG file is kept in the place of the groups
FORM_SECTION: Final = 1  # must be understood: what the samples mean
METADATA_SECTION: Final = 2
SOURCE_SECTION: Final = 4  # what the file was from which the picture was read
COLOUR_LIFTS: Final = (0, 1)  # none, YCoCg-R
MAPS: Final = (0, 1, 2)  # subsampling, Haar, LeGall 5/3


@dataclass(frozen=True, kw_only=True, slots=True)
class Header:
    """What the file says about its picture. A value outside the format's range is a ValueError.

    Attributes:
        width: pixels, 1 to 2**30.
        height: pixels, 1 to 2**30.
        channels: 1 to 4.
        bit_depth: bits a sample, 1 to 16.
        colour_lift: id of ``hvpzip.transform.colour``, 0 or 1; 1 only with 3 channels.
        map: id of ``hvpzip.transform.lifting``, 0 to 2.
        levels: levels of the map in the largest group, 0 to 24.
        model_id: the first 8 bytes of the model's SHA-256.
        effort: 0 to 15; its meaning belongs to the model.
        group_size_log2: groups are tiles of ``2**group_size_log2`` pixels a side, 4 to 15.
        parts: groups are made of parts, each coded by the model or by another method.
        jpeg: there is one group, which holds a JPEG file, and ``group_size_log2`` says nothing; not with ``parts``.
    """

    width: int
    height: int
    channels: int
    bit_depth: int
    colour_lift: int
    map: int
    levels: int
    model_id: bytes
    effort: int
    group_size_log2: int = 10
    parts: bool = False
    jpeg: bool = False

    def __post_init__(self) -> None:
        bounds = {
            "width": (1, MAX_SIDE),
            "height": (1, MAX_SIDE),
            "channels": (1, 4),
            "bit_depth": (1, 16),
            "colour_lift": (0, COLOUR_LIFTS[-1]),
            "map": (0, MAPS[-1]),
            "levels": (0, MAX_LEVELS),
            "effort": (0, 15),
            "group_size_log2": (4, 15),
        }
        for name, (lo, hi) in bounds.items():
            if not lo <= getattr(self, name) <= hi:
                raise ValueError(f"{name} must be {lo} to {hi}, not {getattr(self, name)}")
        if self.colour_lift == 1 and self.channels != 3:
            raise ValueError(f"colour lift 1 is for 3 channels, not {self.channels}")
        if self.parts and self.jpeg:
            raise ValueError("a JPEG file is not made of parts")
        if len(self.model_id) != MODEL_ID_BYTES:
            raise ValueError(f"a model id has {MODEL_ID_BYTES} bytes, not {len(self.model_id)}")

    @property
    def num_groups(self) -> int:
        """Tiles in the grid; one where a JPEG file is kept."""
        if self.jpeg:
            return 1
        side = 1 << self.group_size_log2
        return -(-self.width // side) * -(-self.height // side)


@dataclass(frozen=True, slots=True)
class Group:
    """One tile: its coded bytes and the CRC-32 of its samples, in (H, W, C) order, one byte each up to 8 bits, else two, low one first.
    Or a JPEG file: how it is packed, and the CRC-32 of its bytes."""

    payload: bytes
    samples_crc: int


@dataclass(frozen=True, slots=True)
class Section:
    """Metadata: a type and its bytes. A reader skips even types that it does not know, and refuses odd ones."""

    type: int
    data: bytes


@dataclass(frozen=True, kw_only=True, slots=True)
class Container:
    """A parsed file. ``header_bytes`` counts everything in it that is not payload."""

    header: Header
    metadata: tuple[Section, ...]
    groups: tuple[Group, ...]
    header_bytes: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """What a reader accepts at most; files that ask for more raise LimitError before anything is allocated for them."""

    max_pixels: int = 1 << 28
    max_metadata_bytes: int = 16 << 20
    max_groups: int = 1 << 16
    max_group_pixels: int = 1 << 22  # the coder's memory goes with these: groups are decoded one at a time
