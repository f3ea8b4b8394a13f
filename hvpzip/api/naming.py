"""Which file is written for which, as the command line and the batches agree."""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from hvpzip.errors import HvpzipError, NotHvpzipError

__all__ = ["SOURCE_SUFFIXES", "SUFFIX", "Plan", "compressed_name", "decompressed_name", "plan_outputs"]

SUFFIX = ".hvz"
_PICTURE_SUFFIXES = frozenset({".png", ".webp", ".tif", ".tiff", ".bmp", ".ppm", ".pgm", ".pnm"})
SOURCE_SUFFIXES = _PICTURE_SUFFIXES | {".jpg", ".jpeg", ".jpe", ".jfif", ".gif", ".pbm"}


class Plan(NamedTuple):
    """One input and its output; ``error`` is set where there can be none."""

    path: str
    output: str | None
    error: HvpzipError | OSError | None

    @classmethod
    def clash(cls, path: str, output: str, owner: str) -> "Plan":
        """The plan of an input whose output is already that of another one."""
        return cls(path, None, HvpzipError(f"output {output} is already that of {owner}"))


def compressed_name(path: str) -> str:
    """``photo.png`` gives ``photo.hvz``, and ``scan.2024`` gives ``scan.2024.hvz``: only the suffix of a picture is replaced."""
    stem, suffix = os.path.splitext(path)
    return (stem if suffix.lower() in SOURCE_SUFFIXES and os.path.basename(stem) else path) + SUFFIX


def decompressed_name(path: str) -> str:
    """``photo.hvz`` gives ``photo.png``, or ``photo.tif`` if the file at ``path`` holds CMYK; a lossless picture suffix in front is kept:
    ``photo.tif.hvz`` gives ``photo.tif``.

    Raises: NotHvpzipError if ``path`` does not end in ``.hvz``.
    """
    stem, suffix = os.path.splitext(path)
    if suffix.lower() != SUFFIX or not os.path.basename(stem):
        raise NotHvpzipError(f"unknown suffix, expected {SUFFIX}: name the output to decompress it all the same")
    return stem if Path(stem).suffix.lower() in _PICTURE_SUFFIXES else stem + (".tif" if _holds_cmyk(path) else ".png")


def _holds_cmyk(path: str) -> bool:
    """Whether the file is a ``.hvz`` of CMYK; a file that cannot be read is not, and whoever decompresses it will say why."""
    from hvpzip import container

    if not os.path.isfile(path):  # a pipe could be read only once
        return False
    unlimited = container.Limits(max_pixels=1 << 60)  # nothing is decoded here, and the format's sides are at most 2**30
    try:
        with open(path, "rb") as file:
            if container.read_header(file.read(64), unlimited).channels != 4:
                return False
            file.seek(0)
            head = container.read_head(file, unlimited)
    except (OSError, HvpzipError):
        return False
    return any(section.type == container.FORM_SECTION and section.data[:1] == b"\x05" for section in head.metadata)


def plan_outputs(paths: Iterable[str | os.PathLike[str]], out_dir: str | os.PathLike[str] | None, *, compressing: bool) -> Sequence[Plan]:
    """The output of each input, in order: beside it, or in ``out_dir``. Two inputs never share an output; the later one gets an error."""
    plans: list[Plan] = []
    owners: dict[str, str] = {}
    for path in [os.fspath(path) for path in paths]:
        try:
            output = compressed_name(path) if compressing else decompressed_name(path)
        except NotHvpzipError as error:
            plans.append(Plan(path, None, error))
            continue
        if out_dir is not None:
            output = os.path.join(out_dir, os.path.basename(output))
        key = os.path.abspath(output)
        if key in owners:
            plans.append(Plan.clash(path, output, owners[key]))
            continue
        owners[key] = path
        plans.append(Plan(path, output, None))
    return plans
