"""Which file is written for which, as the command line and the batches agree."""

import functools
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from hvpzip.api.options import CompressOptions, DecompressOptions
from hvpzip.errors import HvpzipError, NotHvpzipError

__all__ = ["JPEG_SUFFIXES", "SOURCE_SUFFIXES", "SUFFIX", "PlannedFile", "apart", "compressed_name", "decompressed_name", "plan_outputs"]

SUFFIX = ".hvz"
_PICTURE_SUFFIXES = frozenset({".png", ".webp", ".tif", ".tiff", ".bmp", ".ppm", ".pgm", ".pnm"})
_JPEG = ".jpg"
JPEG_SUFFIXES = frozenset({_JPEG, ".jpeg", ".jpe", ".jfif"})
SOURCE_SUFFIXES = _PICTURE_SUFFIXES | JPEG_SUFFIXES | {".gif", ".pbm"}


class PlannedFile(NamedTuple):
    """One input and its output; ``error`` is set where there can be none."""

    path: str
    output: str | None
    error: HvpzipError | OSError | None

    @classmethod
    def clash(cls, path: str, output: str, owner: str) -> "PlannedFile":
        """The plan of an input whose output is already that of another one."""
        return cls(path, None, HvpzipError(f"output {output} is already that of {owner}"))


def compressed_name(path: str, *, pixels: bool = False) -> str:
    """``photo.png`` gives ``photo.hvz``, and ``scan.2024`` gives ``scan.2024.hvz``: only the suffix of a picture is replaced.

    Of JPEG files only ``.jpg`` is, the suffix that they get back: ``photo.JPEG`` gives ``photo.JPEG.hvz``; with ``pixels``, any.
    """
    stem, suffix = os.path.splitext(path)
    replaced = suffix.lower() in SOURCE_SUFFIXES and (pixels or suffix.lower() not in JPEG_SUFFIXES or suffix == _JPEG)
    return (stem if replaced and os.path.basename(stem) else path) + SUFFIX


def decompressed_name(path: str, *, part: bool = False) -> str:
    """``photo.hvz`` gives ``photo.png``, or ``photo.tif`` if the file at ``path`` holds CMYK; a lossless picture suffix in front is kept:
    ``photo.tif.hvz`` gives ``photo.tif``.

    If the file holds a JPEG file, it is ``photo.jpg``, and a suffix of JPEG in front is kept. With ``part`` it is that of its pixels: of a
    crop, or at another scale.
    Raises: NotHvpzipError if ``path`` does not end in ``.hvz``.
    """
    stem, suffix = os.path.splitext(path)
    if suffix.lower() != SUFFIX or not os.path.basename(stem):
        raise NotHvpzipError(f"unknown suffix, expected {SUFFIX}: name the output to decompress it all the same")
    holds_jpeg, holds_cmyk = _held(path)
    kept = Path(stem).suffix.lower()
    if holds_jpeg and not part:
        return stem if kept in JPEG_SUFFIXES else stem + _JPEG
    return stem if kept in _PICTURE_SUFFIXES else stem + (".tif" if holds_cmyk else ".png")


def _held(path: str) -> tuple[bool, bool]:
    """Whether the file is a ``.hvz`` of a JPEG file, and of CMYK; a file that cannot be read is neither, and whoever decompresses it will
    say why."""
    from hvpzip import container

    if not os.path.isfile(path):  # a pipe could be read only once
        return False, False
    unlimited = container.Limits(max_pixels=1 << 60)  # nothing is decoded here, and the format's sides are at most 2**30
    try:
        with open(path, "rb") as file:
            header = container.read_header(file.read(64), unlimited)
            if header.jpeg or header.channels != 4:
                return header.jpeg, header.channels == 4
            file.seek(0)
            head = container.read_head(file, unlimited)
    except (OSError, HvpzipError):
        return False, False
    return False, any(section.type == container.FORM_SECTION and section.data[:1] == b"\x05" for section in head.metadata)


def apart(plans: Iterable[PlannedFile]) -> list[PlannedFile]:
    """The same plans, with an error in the place of each whose output is that of one before it, by whatever name."""
    owners: dict[tuple[str, str], str] = {}
    found = []
    for plan in plans:
        if plan.output is not None:
            key = _identity(plan.output)
            if key in owners:
                plan = PlannedFile.clash(plan.path, plan.output, owners[key])
            else:
                owners[key] = plan.path
        found.append(plan)
    return found


def _identity(output: str) -> tuple[str, str]:
    """The same for two paths that lead to one file, whether it is there already or not: writing follows links too."""
    folder, name = os.path.split(os.path.realpath(output))
    return (folder, name.casefold() if _folds_case(folder) else name)


@functools.lru_cache(maxsize=256)
def _folds_case(folder: str) -> bool:
    """Whether names in a folder that differ in case alone are one name there, as far as its own name tells."""
    other = os.path.join(os.path.dirname(folder), os.path.basename(folder).swapcase())
    try:
        return other != folder and os.path.samefile(folder, other)
    except OSError:
        return False


def plan_outputs(
    paths: Iterable[str | os.PathLike[str]],
    out_dir: str | os.PathLike[str] | None,
    options: CompressOptions | DecompressOptions,
) -> Sequence[PlannedFile]:
    """The output of each input, in order: beside it, or in ``out_dir``, named as the options make it. Two inputs never share an output;
    the later one gets an error."""
    plans: list[PlannedFile] = []
    for path in [os.fspath(path) for path in paths]:
        try:
            if isinstance(options, CompressOptions):
                output = compressed_name(path, pixels=options.pixels)
            else:
                output = decompressed_name(path, part=options.part)
        except NotHvpzipError as error:
            plans.append(PlannedFile(path, None, error))
            continue
        if out_dir is not None:
            output = os.path.join(out_dir, os.path.basename(output))
        plans.append(PlannedFile(path, output, None))
    return apart(plans)
