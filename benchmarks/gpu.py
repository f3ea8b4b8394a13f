"""Megapixels a second of the model's own path (effort 1) on devices, photo after photo, and whether all write the same bytes."""

import argparse
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.experiment import write_results
from benchmarks.machine import say
from benchmarks.runner import find_photos
from benchmarks.worker import read_samples

__all__ = ["Row", "main", "measured", "table"]


@dataclass(frozen=True)
class Row:
    """A batch of photos on one device: wall seconds, and whether every file is the first device's and came back."""

    device: str
    photos: int
    megapixels: float
    encode_s: float
    decode_s: float
    same: bool
    decoded: bool


def measured(pictures: Sequence[np.ndarray[Any, Any]], devices: Sequence[str], model: str | None) -> list[Row]:
    """A row for each device. ``pictures``: uint8 (h, w) or (h, w, 3). Raises ModelError where a device is missing."""
    import hvpzip

    rows: list[Row] = []
    first: list[bytes] | None = None
    for device in devices:
        corner = np.ascontiguousarray(pictures[0][:64, :64])  # what is loaded and built once is not counted
        hvpzip.decompress(hvpzip.compress(corner, effort=1, model=model, device=device), device=device)
        begin = time.monotonic()
        files = [hvpzip.compress(picture, effort=1, model=model, device=device) for picture in pictures]
        middle = time.monotonic()
        found = [hvpzip.decompress(data, device=device) for data in files]
        end = time.monotonic()
        first = files if first is None else first
        decoded = all(np.array_equal(one, other) for one, other in zip(pictures, found, strict=True))
        pixels = sum(picture.shape[0] * picture.shape[1] for picture in pictures)
        rows.append(Row(device, len(pictures), pixels / 1e6, middle - begin, end - middle, files == first, decoded))
        say(f"{device}: {len(pictures)} photos")
    return rows


def table(rows: Sequence[Row]) -> str:
    """Markdown: a line a device."""
    lines = ["| device | photos | encode MP/s | decode MP/s | same bytes | exact |", "| --- | --- | --- | --- | --- | --- |"]
    for row in rows:
        speeds = f"{row.megapixels / row.encode_s:.2f} | {row.megapixels / row.decode_s:.2f}"
        lines.append(f"| {row.device} | {row.photos} | {speeds} | {'yes' if row.same else 'NO'} | {'yes' if row.decoded else 'NO'} |")
    return "\n".join(lines)


def main(arguments: Sequence[str]) -> int:
    """Prints the table; 0 if all devices wrote the same bytes and read them back, 1 if not or if a device is missing."""
    from hvpzip.errors import ModelError

    parser = argparse.ArgumentParser(prog="python -m benchmarks gpu", description=__doc__)
    parser.add_argument("folder", type=Path, help="a folder of 8-bit gray or RGB pictures; others are left out by name")
    parser.add_argument("--devices", default="cpu,cuda", metavar="A,B", help="(default: %(default)s)")
    parser.add_argument("--limit", type=int, default=16, metavar="N", help="photos of the batch (default: %(default)s)")
    parser.add_argument("--model", default=None, metavar="NAME", help="a bundled model (default: the default one)")
    parser.add_argument("--out", type=Path, default=Path("runs/gpu-speed"), metavar="DIR", help="for the results (default: %(default)s)")
    options = parser.parse_args(arguments)
    photos, left_out = find_photos(options.folder, options.limit)
    for line in left_out:
        say(f"left out: {line}")
    if not photos:
        parser.error("nothing to measure")
    try:
        rows = measured([read_samples(photo.path) for photo in photos], options.devices.split(","), options.model)
    except ModelError as error:
        say(str(error))
        return 1
    write_results(options.out, "gpu", arguments, 0, rows, {})
    print(table(rows))
    return 0 if all(row.same and row.decoded for row in rows) else 1
