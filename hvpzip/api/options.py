"""What can be asked for when a picture file is compressed or decompressed: each option once, with its default and what it means.

The functions on files take the fields as keywords, a ``Job`` carries the object, and the command line makes its options from the same
fields (``hvpzip.cli.options``). Everything is by value, so that it can travel to another process or machine. Python cannot say "the
keywords of this class" to a type checker, so the two ``...Keywords`` repeat names and types for it; ``tests/api/test_options.py`` holds
them to the classes.
"""

from dataclasses import dataclass
from typing import TypedDict

from hvpzip.api.view import Crop, checked_fill, checked_scale
from hvpzip.arguments import integer
from hvpzip.threads import checked_threads

__all__ = ["DEFAULT_MAX_PIXELS", "CompressKeywords", "CompressOptions", "DecompressKeywords", "DecompressOptions", "FileOptions"]

DEFAULT_MAX_PIXELS = 1 << 28


@dataclass(frozen=True, kw_only=True, slots=True)
class FileOptions:
    """What both directions know.

    Attributes:
        force: replace an existing output.
        strip: leave the metadata out; formats that cannot hold it will do then.
        threads: cores for one file, 0 for all; None for all, or what a caller set. The bytes do not depend on it.
        max_pixels: pictures with more (width times height) are refused before anything is allocated for them.
    Raises: TypeError if ``threads`` or ``max_pixels`` is no integer; ValueError if ``threads`` is negative.
    """

    force: bool = False
    strip: bool = False
    threads: int | None = None
    max_pixels: int = DEFAULT_MAX_PIXELS

    def __post_init__(self) -> None:
        checked_threads(self.threads)
        if integer(self.max_pixels, "max_pixels") < 1:
            raise ValueError(f"max_pixels must be at least 1, not {self.max_pixels}")

    @property
    def part(self) -> bool:
        """Whether a part of the picture is wanted, or a smaller one."""
        return False

    @property
    def whole(self) -> bool:
        """Whether an output holds all that its source does."""
        return True


@dataclass(frozen=True, kw_only=True, slots=True)
class CompressOptions(FileOptions):
    """What ``compress_file`` can be asked for.

    Attributes:
        effort: 1 (quickest), 2 (None means this), 3 or 4 (smallest). It has no bearing on a JPEG file that is kept, nor has ``model``.
        model: the name of a bundled model; None for the default.
        verify: decode what was written, and compare it with the samples before the file gets its name.
        frame: the picture of an animation or of several pages, counted from 0; None refuses such files.
        pixels: keep the pixels and the metadata of a JPEG file in the place of the file itself, which takes more room. ``frame`` and
            ``strip`` need it there.
    """

    effort: int | None = None
    model: str | None = None
    verify: bool = True
    frame: int | None = None
    pixels: bool = False

    def __post_init__(self) -> None:
        FileOptions.__post_init__(self)  # super() does not work in a class with slots
        if self.effort is not None:
            integer(self.effort, "effort")
        if self.frame is not None and integer(self.frame, "frame") < 0:
            raise ValueError(f"frame must be 0 or more, not {self.frame}")


@dataclass(frozen=True, kw_only=True, slots=True)
class DecompressOptions(FileOptions):
    """What ``decompress_file`` can be asked for.

    Attributes:
        crop: (x, y, width, height) in pixels of a rectangle inside the picture; only the groups that it takes are decoded. None for all.
        scale: 1/n for n = 1, 2, 4 and so on, at most the side of a group: every n-th row and column, in a fraction of the time.
        fill: "mean" or "sample", with a scale: a picture of the whole size, of which the smaller one is exact and the rest is what the
            model expects of it, or one draw from that. None for the smaller picture.
        salvage: take a damaged file if its header is whole, with 0 in the place of what is lost.
    Raises: ValueError if the scale or the fill is none of those, or ``threads`` is negative.
    """

    crop: Crop | None = None
    scale: float = 1
    fill: str | None = None
    salvage: bool = False

    def __post_init__(self) -> None:
        FileOptions.__post_init__(self)
        checked_scale(self.scale)
        checked_fill(self.fill, self.scale)

    @property
    def part(self) -> bool:
        """Whether a part of the picture is wanted, or a smaller one."""
        return self.crop is not None or self.scale != 1

    @property
    def whole(self) -> bool:
        """Whether an output holds all that its source does."""
        return not self.part and not self.salvage


class _FileKeywords(TypedDict, total=False):
    force: bool
    strip: bool
    threads: int | None
    max_pixels: int


class CompressKeywords(_FileKeywords, total=False):
    """The fields of ``CompressOptions`` as keywords."""

    effort: int | None
    model: str | None
    verify: bool
    frame: int | None
    pixels: bool


class DecompressKeywords(_FileKeywords, total=False):
    """The fields of ``DecompressOptions`` as keywords."""

    crop: Crop | None
    scale: float
    fill: str | None
    salvage: bool
