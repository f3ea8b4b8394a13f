"""What latents gain: every photo along each path of the schedule, with learnt colours, payload bytes beside processor seconds.

    python -m benchmarks paths FOLDER [FOLDER ...] [--crop N] [--fit] [--model NAME] [--limit N]

All paths of a model were trained together, so what differs is what the path is: with noise levels, or without. Every payload is decoded and
compared. ``--fit`` adapts the heads as the default effort does.
"""

import argparse
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.experiment import Planes, add_options, centre, find_models, leave_out, percent, planes_of, write_results
from benchmarks.machine import say
from benchmarks.report import aligned
from benchmarks.runner import find_photos
from hvpzip.nn.model import Model

__all__ = ["Row", "main", "measured", "table"]


@dataclass(frozen=True, kw_only=True)
class Row:
    """One photo along one path. ``payload_bytes`` is None where the stack cannot carry its latents, which take ``borrowed_bits``."""

    folder: str
    photo: str
    path: str
    samples: int
    payload_bytes: int | None
    borrowed_bits: float
    encode_s: float
    decode_s: float
    decoded: bool


def measured(planes: Planes, folder: str, photo: str, model: Model, *, fit: bool) -> list[Row]:
    """A row a path, uint8 ``(C, h, w)``."""
    from hvpzip.codec.bitsback import group_codec
    from hvpzip.codec.efforts import DEFAULT_EFFORT, EFFORTS

    rows = []
    for place, path in enumerate(model.schedule.path_names):
        begin = time.process_time()
        found = group_codec.encode_along(planes, model, place, learn_colours=True, fit=EFFORTS[DEFAULT_EFFORT].fit if fit else None)
        middle = time.process_time()
        back = group_codec.decode_group(found[0], planes.shape, 8, model) if found else planes
        rows.append(
            Row(
                folder=folder,
                photo=photo,
                path=path,
                samples=planes.size,
                payload_bytes=len(found[0]) if found else None,
                borrowed_bits=sum(term.bits for term in found[1].terms if term.kind == "refund") if found else 0.0,
                encode_s=middle - begin,
                decode_s=time.process_time() - middle,
                decoded=np.array_equal(back, planes),
            )
        )
    return rows


def table(rows: Sequence[Row]) -> str:
    """A line a folder and path; "saved" and "larger on" are against the last path, "borrowed" is in bits per dimension."""
    lines = [["photos of", "path", "photos", "bits/dim", "saved", "larger on", "borrowed", "enc s", "dec s", "came back"]]
    paths = list(dict.fromkeys(row.path for row in rows))
    for folder in dict.fromkeys(row.folder for row in rows):
        by_photo: dict[str, dict[str, Row]] = {}
        for row in rows:
            if row.folder == folder:
                by_photo.setdefault(row.photo, {})[row.path] = row
        carried = [photo for photo in by_photo.values() if all(row.payload_bytes is not None for row in photo.values())]
        for path in paths:
            sizes, plain = ([photo[name].payload_bytes or 0 for photo in carried] for name in (path, paths[-1]))
            samples = sum(photo[path].samples for photo in carried)
            ours = [photo[path] for photo in carried]
            lines.append(
                [
                    folder,
                    path,
                    f"{len(carried)} of {len(by_photo)}",
                    f"{8 * sum(sizes) / samples:.4f}" if samples else "-",
                    percent(1 - sum(sizes) / sum(plain), 3) if samples else "-",
                    str(sum(one > other for one, other in zip(sizes, plain, strict=True))),
                    f"{sum(row.borrowed_bits for row in ours) / samples:.4f}" if samples else "-",
                    f"{sum(row.encode_s for row in ours):.1f}",
                    f"{sum(row.decode_s for row in ours):.1f}",
                    "yes" if all(row.decoded for row in ours) else "NO",
                ]
            )
    return aligned(lines)


def main(arguments: Sequence[str]) -> int:
    """0 if every photo came back along every path, else 1."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks paths", description=__doc__.splitlines()[0])
    parser.add_argument("folders", type=Path, nargs="+", metavar="FOLDER")
    parser.add_argument("--crop", type=int, default=None, metavar="N", help="centres of at most N pixels a side (default: whole photos)")
    parser.add_argument("--fit", action="store_true", help="adapt the heads to each photo")
    parser.add_argument("--limit", type=int, default=None, metavar="N", help="photos of each folder, evenly spaced")
    add_options(parser, "paths")
    options = parser.parse_args(arguments)
    [model, *others] = find_models(parser, options.model)
    if others:
        parser.error("one model at a time")
    rows: list[Row] = []
    for folder in options.folders:
        photos, left_out = find_photos(folder, None)
        leave_out(left_out)
        for photo in photos[:: max(1, len(photos) // options.limit)][: options.limit] if options.limit else photos:
            rows += measured(planes_of(centre(photo, options.crop)), folder.resolve().name, photo.path.name, model, fit=options.fit)
            sizes = ", ".join(f"{row.path} {row.payload_bytes}" for row in rows[-len(model.schedule.path_names) :])
            say(f"{photo.path.name}: {sizes}")
    if not rows:
        parser.error("no photos")
    print(table(rows))
    write_results(options.out, "paths", arguments, options.threads, rows, {"model": f"{model.name} {model.id.hex()}"})
    return 0 if all(row.decoded for row in rows) else 1
