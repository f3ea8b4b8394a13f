"""Photos after common edits: sizes as JPEG XL and ``.hvz``, with gaps between values closed and without.

    python -m benchmarks edits FOLDER [--limit 4] [--crop 384] [--edit levels-1.1,gray] [--effort N]

A photo whose contrast was raised in 8 bits leaves values out, one that was scaled is smooth, one that was a JPEG is made of blocks. How a
codec does on them is no less worth knowing than how it does on a test set. Every ``.hvz`` file is decoded and compared.
"""

import argparse
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
from PIL import Image

from benchmarks.codecs import adapter_for
from benchmarks.experiment import add_options, centre, find_models, leave_out, percent, write_results
from benchmarks.machine import say
from benchmarks.report import aligned
from benchmarks.runner import find_photos

__all__ = ["EDITS", "Row", "main", "measure", "table"]

Samples = npt.NDArray[np.uint8]  # (h, w) or (h, w, 3)


def _levels(gain: float) -> Callable[[Samples], Samples]:
    """Black point up to 10, contrast up, in 8 bits as most programs do it."""
    return lambda samples: np.clip(np.rint((samples.astype(np.float64) - 10) * gain), 0, 255).astype(np.uint8)


def _gamma(power: float) -> Callable[[Samples], Samples]:
    return lambda samples: np.rint(255 * (samples / 255) ** power).astype(np.uint8)


def _balanced(samples: Samples) -> Samples:
    """Another curve for each colour."""
    curves = (_levels(1.2), _gamma(0.9), _levels(1.1))
    return np.stack([curve(samples[:, :, colour]) for colour, curve in enumerate(curves)], axis=2)


def _jpeg(quality: int) -> Callable[[Samples], Samples]:
    def edit(samples: Samples) -> Samples:
        stream = io.BytesIO()
        Image.fromarray(samples).save(stream, "JPEG", quality=quality)
        return np.array(Image.open(stream))

    return edit


def _scaled(factor: float, how: Image.Resampling) -> Callable[[Samples], Samples]:
    def edit(samples: Samples) -> Samples:
        image = Image.fromarray(samples)
        return np.array(image.resize((round(image.width * factor), round(image.height * factor)), how))

    return edit


def _noisy(samples: Samples) -> Samples:
    noise = np.random.default_rng(0).normal(0, 5, samples.shape)
    return np.clip(np.rint(samples + noise), 0, 255).astype(np.uint8)


def _framed(samples: Samples) -> Samples:
    """A black frame of an eighth of the sides."""
    framed = np.zeros_like(samples)
    down, across = samples.shape[0] // 8, samples.shape[1] // 8
    framed[down:-down, across:-across] = samples[down:-down, across:-across]
    return framed


def _mosaic(samples: Samples) -> Samples:
    """As from a sensor with one colour a pixel (red and green, green and blue), the others bilinear and rounded; sides become even."""
    samples = samples[: samples.shape[0] // 2 * 2, : samples.shape[1] // 2 * 2]
    y, x = np.indices(samples.shape[:2]) & 1
    known = np.stack([(y == 0) & (x == 0), y != x, (y == 1) & (x == 1)], axis=2)
    values, count = (
        np.pad(part, ((1, 1), (1, 1), (0, 0)), "reflect") for part in (np.where(known, samples, 0).astype(np.int64), known.astype(np.int64))
    )
    filled = samples.copy()
    height, width = samples.shape[:2]
    for steps in (((0, 1), (0, -1), (1, 0), (-1, 0)), ((1, 1), (1, -1), (-1, 1), (-1, -1))):
        near = [(slice(1 + dy, 1 + dy + height), slice(1 + dx, 1 + dx + width)) for dy, dx in steps]
        total, places = sum(values[at] for at in near), sum(count[at] for at in near)
        wanted = ~known & (places > 0)
        filled[wanted] = ((2 * total + places) // np.maximum(2 * places, 1))[wanted]
        known = known | wanted
    return filled


EDITS: Final[dict[str, Callable[[Samples], Samples]]] = {
    "none": lambda samples: samples,
    "gray": lambda samples: np.array(Image.fromarray(samples).convert("L")),
    "levels-1.02": _levels(1.02),
    "levels-1.1": _levels(1.1),
    "levels-1.4": _levels(1.4),
    "gray-levels-1.1": lambda samples: _levels(1.1)(EDITS["gray"](samples)),
    "gamma-0.9": _gamma(0.9),
    "gamma-1.1": _gamma(1.1),
    "balance": _balanced,
    "jpeg-90": _jpeg(90),
    "jpeg-75": _jpeg(75),
    "half": _scaled(0.5, Image.Resampling.LANCZOS),
    "bicubic-1.5": _scaled(1.5, Image.Resampling.BICUBIC),
    "nearest-2": _scaled(2, Image.Resampling.NEAREST),
    "noise-5": _noisy,
    "mosaic": _mosaic,
    "frame": _framed,
}


@dataclass(frozen=True, kw_only=True)
class Row:
    """One photo after one edit: bytes of whole files; ``open_bytes`` are those of a ``.hvz`` file whose gaps were not closed."""

    photo: str
    edit: str
    samples: int
    jxl_bytes: int
    open_bytes: int
    hvz_bytes: int
    decoded: bool


def measure(samples: Samples, photo: str, edit: str, model: str | None, effort: int) -> Row:
    """The row of a photo (h, w, 3) of one group."""
    from hvpzip import api, container
    from hvpzip.api.runtime import model_by_name
    from hvpzip.codec import rewrites
    from hvpzip.codec.method import Part
    from hvpzip.codec.registry import by_model

    picture = np.ascontiguousarray(EDITS[edit](samples))
    data = api.compress(picture, model=model, effort=effort)
    found = container.read(data)
    open_bytes = len(data)
    if found.header.parts and found.groups[0].payload[0] == rewrites.DENSE:
        alone = by_model(Part(picture.reshape(*picture.shape[:2], -1), 8, model_by_name(model), effort))
        open_bytes = found.header_bytes + len(alone.data) - 1  # the method is not written
    return Row(
        photo=photo,
        edit=edit,
        samples=picture.size,
        jxl_bytes=min(len(adapter_for(name).encode(picture, 1).data) for name in ("jxl-e7", "jxl-e9")),
        open_bytes=open_bytes,
        hvz_bytes=len(data),
        decoded=bool(np.array_equal(api.decompress(data), picture)),
    )


def table(rows: Sequence[Row]) -> str:
    """A line for each edit: bits per dimension of all photos together."""
    lines: list[list[str]] = [["edit", "JPEG XL", "gaps open", ".hvz", "against JPEG XL", "against gaps open", "worst photo", "came back"]]
    for edit in dict.fromkeys(row.edit for row in rows):
        own = [row for row in rows if row.edit == edit]
        jxl, gappy, hvz = (sum(getattr(row, name) for row in own) for name in ("jxl_bytes", "open_bytes", "hvz_bytes"))
        samples = sum(row.samples for row in own)
        lines.append(
            [
                edit,
                *(f"{8 * size / samples:.3f}" for size in (jxl, gappy, hvz)),
                percent(hvz / jxl - 1, 1),
                percent(hvz / gappy - 1, 1),
                percent(max(row.hvz_bytes / row.jxl_bytes for row in own) - 1, 1),
                f"{sum(row.decoded for row in own)} of {len(own)}",
            ]
        )
    return aligned(lines)


def main(arguments: Sequence[str]) -> int:
    """Prints a line for each edit; returns 0 if everything came back, 1 if not, 2 for a usage error."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks edits", description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="a folder of 8-bit RGB photos")
    parser.add_argument("--limit", type=int, default=4, metavar="N", help="so many photos, evenly spread (default: %(default)s)")
    parser.add_argument("--crop", type=int, default=384, metavar="SIDE", help="only the centre of each photo (default: %(default)s)")
    parser.add_argument("--edit", default=",".join(EDITS), metavar="A,B", help="which edits (default: %(default)s)")
    parser.add_argument("--effort", type=int, default=None, metavar="N", help="of hvpzip (default: its own)")
    add_options(parser, "edits")
    options = parser.parse_args(arguments)
    edits = options.edit.split(",")
    if not options.folder.is_dir() or options.limit < 1 or not 16 <= options.crop <= 512:
        parser.error("FOLDER must be a folder, --limit at least 1, and --crop 16 to 512, so that twice as much is one group")
    if not set(edits) <= set(EDITS):
        parser.error(f"--edit takes {', '.join(EDITS)}, not {options.edit!r}")
    (model,) = find_models(parser, options.model)
    photos, left_out = find_photos(options.folder, None)
    leave_out(left_out)
    photos = [photo for photo in photos if photo.channels == 3]
    photos = photos[:: max(1, len(photos) // options.limit)][: options.limit]
    if not photos:
        parser.error("no photos to measure")

    from hvpzip.codec.efforts import DEFAULT_EFFORT
    from hvpzip.threads import using_threads

    rows: list[Row] = []
    with using_threads(options.threads):
        for edit in edits:
            for photo in photos:
                rows.append(measure(centre(photo, options.crop), photo.path.stem, edit, model.name, options.effort or DEFAULT_EFFORT))
            say(table([row for row in rows if row.edit == edit]).splitlines()[-1])
            write_results(options.out, "edits", arguments, options.threads, rows, {})
    print(f"{len(photos)} photos of {options.folder.resolve().name}, centres of {options.crop}x{options.crop}, bits per dimension\n")
    print(table(rows))
    return 0 if all(row.decoded for row in rows) else 1
