"""JPEG files kept whole: sizes stored and recompressed, and whether the identical file comes back.

    python -m benchmarks jpegs PATH... [--crop 512]

A path is a file, or a folder that is searched. JPEG files are taken as they are; of every other picture (its central crop) JPEG files are
made: three chroma subsamplings at five qualities, progressive, optimised, restart markers, gray, CMYK, with EXIF and comment, with bytes
behind the end, cut short, cut and closed, and with garbage in the scan. Without imagecodecs every file is stored.
"""

import argparse
import io
import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from PIL import Image

from benchmarks.machine import say
from benchmarks.report import aligned
from hvpzip import compress_file, decompress_file
from hvpzip.errors import HvpzipError

__all__ = ["Outcome", "made_of", "main", "tried"]

_SUFFIXES = frozenset({".jpg", ".jpeg", ".jpe", ".jfif"})
_PICTURES = frozenset({".png", ".webp", ".tif", ".tiff", ".bmp", ".ppm"})


class Outcome(NamedTuple):
    """Of one JPEG file: what the ``.hvz`` holds ("refused" if nothing), bytes of both, whether the same file came back, the notices."""

    name: str
    holds: str
    source_bytes: int
    packed_bytes: int
    same: bool
    notices: tuple[str, ...]


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints the table; returns 0 if every file came back or was refused, 1 if one did not."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks jpegs", description=__doc__)
    parser.add_argument("paths", nargs="+", type=Path, metavar="PATH")
    parser.add_argument(
        "--crop", type=int, default=512, metavar="SIDE", help="of pictures of which JPEG files are made (default: %(default)s)"
    )
    options = parser.parse_args(arguments)
    started, used = time.perf_counter(), time.process_time()
    outcomes = [tried(name, file) for name, file in _files(options.paths, options.crop)]
    if not outcomes:
        parser.error("there are no JPEG files, and no pictures to make some of")
    for outcome in outcomes:
        if not outcome.same or outcome.notices:
            say(f"{outcome.name}: {outcome.holds}{'' if outcome.same else ' DIFFERS'} {'; '.join(outcome.notices)}")
    rows: list[tuple[str, ...]] = [("", "files", "bytes", ".hvz", "ratio", "most added")]
    for holds in sorted({outcome.holds for outcome in outcomes}):
        rows.append(_row(holds, [outcome for outcome in outcomes if outcome.holds == holds]))
    rows.append(_row("all", outcomes))
    print(aligned(rows))
    differ = sum(not outcome.same for outcome in outcomes)
    print(f"{differ} differ; {time.perf_counter() - started:.0f} s, {time.process_time() - used:.0f} s of the processor")
    return 1 if differ else 0


def tried(name: str, file: bytes) -> Outcome:
    """Compresses the file, decompresses the result, and compares."""
    packed, again = io.BytesIO(), io.BytesIO()
    try:
        result = compress_file(io.BytesIO(file), packed)
    except HvpzipError as error:
        return Outcome(name, "refused", len(file), len(file), True, (str(error),))
    decompress_file(io.BytesIO(packed.getvalue()), again)
    return Outcome(name, str(result.holds), len(file), len(packed.getvalue()), again.getvalue() == file, result.notices)


def made_of(picture: Image.Image) -> Iterator[tuple[str, bytes]]:
    """(kind, JPEG file) of each kind, made of an RGB picture."""
    ways: dict[str, dict[str, object]] = {
        f"quality {quality}, subsampling {ratio}": {"quality": quality, "subsampling": number}
        for quality in (30, 75, 90, 95, 100)
        for number, ratio in enumerate(("4:4:4", "4:2:2", "4:2:0"))
    }
    exif = Image.Exif()
    exif[271], exif[274] = "Maker", 6
    ways |= {
        "progressive": {"quality": 85, "progressive": True},
        "optimised": {"quality": 85, "optimize": True},
        "restart markers": {"quality": 85, "restart_marker_blocks": 5},
        "EXIF and comment": {"quality": 85, "exif": exif, "comment": b"caf\xe9"},
    }
    for name, way in ways.items():
        yield name, _jpeg(picture, way)
    plain = _jpeg(picture, {"quality": 85})
    middle = len(plain) // 2
    yield "gray", _jpeg(picture.convert("L"), {"quality": 85})
    yield "CMYK", _jpeg(picture.convert("CMYK"), {"quality": 85})
    yield "bytes behind the end", plain + bytes(range(256)) * 16
    yield "cut", plain[:middle]
    yield "cut and closed", plain[:middle] + b"\xff\xd9"
    yield "garbage in the scan", plain[:middle] + b"\xff\x13" * 8 + plain[middle + 16 :]


def _jpeg(picture: Image.Image, options: dict[str, object]) -> bytes:
    out = io.BytesIO()
    picture.save(out, "JPEG", **options)
    return out.getvalue()


def _files(paths: Sequence[Path], side: int) -> Iterator[tuple[str, bytes]]:
    for path in paths:
        found = sorted(Path(folder, name) for folder, _, names in os.walk(path) for name in names) if path.is_dir() else [path]
        for file in found:
            if file.suffix.lower() in _SUFFIXES:
                yield file.name, file.read_bytes()
            elif file.suffix.lower() in _PICTURES:
                with Image.open(file) as picture:
                    left, top = (max(0, (length - side) // 2) for length in picture.size)
                    crop = picture.convert("RGB").crop((left, top, min(left + side, picture.width), min(top + side, picture.height)))
                yield from ((f"{file.name}, {kind}", data) for kind, data in made_of(crop))


def _row(name: str, outcomes: Sequence[Outcome]) -> tuple[str, ...]:
    before, after = (sum(getattr(outcome, field) for outcome in outcomes) for field in ("source_bytes", "packed_bytes"))
    most = max(outcome.packed_bytes - outcome.source_bytes for outcome in outcomes)
    return name, f"{len(outcomes):,}", f"{before:,}", f"{after:,}", f"{after / before:.4f}", f"{most:+,}"
