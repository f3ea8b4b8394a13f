"""Memory and time of one large picture: compressed with its verification, decompressed whole, at smaller scales, and of it one group.

    python -m benchmarks large FOLDER [--megapixels 100] [--effort 2] [--threads 2] [--limit-mib 1145] [--quick]

The picture is a square mosaic of the photos in the folder, each part turned over and shifted at random, so that no two are the same. Every
action runs in a process of its own, which reads and writes files; what it wrote is compared with the mosaic, sample for sample.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, PngImagePlugin

from benchmarks.machine import describe_machine, say
from benchmarks.report import aligned
from benchmarks.runner import find_photos
from benchmarks.worker import read_samples

__all__ = ["Row", "main", "measure", "mosaic"]

Samples = npt.NDArray[np.uint8]

_ROOT = Path(__file__).resolve().parent.parent
_CHILD = """
import json, sys, time
import numpy as np
import hvpzip
from benchmarks.worker import peak_memory_bytes
hvpzip.decompress(hvpzip.compress(np.zeros((16, 16, 3), np.uint8)))
action, source, target, options = sys.argv[1:]
begin, used = time.perf_counter(), time.process_time()
result = getattr(hvpzip, action)(source, target, **json.loads(options))
times = time.perf_counter() - begin, time.process_time() - used
print(json.dumps({"seconds": times[0], "processor_s": times[1], "peak_bytes": peak_memory_bytes(), "size_bytes": result.output_bytes}))
"""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One action: what it took once the model was loaded, the file that it wrote, and whether that holds what it should."""

    action: str
    seconds: float
    processor_s: float
    peak_bytes: int
    size_bytes: int
    equal: bool


def mosaic(photos: Sequence[Path], side: int) -> Samples:
    """A picture (side, side, 3) of the photos one after the other, turned over and shifted: the same in every run."""
    generator = np.random.default_rng(side)
    picture = np.empty((side, side, 3), np.uint8)
    sources = [samples if samples.ndim == 3 else np.repeat(samples[:, :, None], 3, axis=2) for samples in map(read_samples, photos)]
    height, width = (min(source.shape[axis] for source in sources) for axis in (0, 1))
    number = 0
    for y in range(0, side, height):
        for x in range(0, side, width):
            source = sources[number % len(sources)]
            part = source[:: generator.choice((1, -1)), :: generator.choice((1, -1))]
            part = np.roll(part, generator.integers(0, 1 << 16, 2), axis=(0, 1))
            picture[y : y + height, x : x + width] = part[: min(height, side - y), : min(width, side - x)]
            number += 1
    return picture


def measure(
    picture: Samples, folder: Path, threads: int, scales: Sequence[int] = (2, 4, 8), effort: int | None = None, quick: bool = False
) -> list[Row]:
    """All actions on the picture, or both ways alone; files are made in the folder. Raises: RuntimeError if one of them fails."""
    source, packed = folder / "large.png", folder / "large.hvz"
    Image.fromarray(picture).save(source, compress_level=1)
    given = {"threads": threads, "effort": effort, "verify": not quick}
    rows = [_row("compress" if quick else "compress and verify", "compress_file", source, packed, given, None)]
    if quick:
        return [*rows, _row("decompress", "decompress_file", packed, folder / "again.png", {"threads": threads, "force": True}, picture)]
    side = picture.shape[0]
    corner = min(1024, side // 2)
    crop = (side - corner, side - corner, corner, corner)
    actions: list[tuple[str, dict[str, Any], Samples]] = [
        ("decompress", {}, picture),
        *((f"decompress 1/{n}", {"scale": 1 / n}, picture[::n, ::n]) for n in scales),
        (f"decompress {corner} x {corner}", {"crop": crop}, picture[-corner:, -corner:]),
    ]
    for name, options, expected in actions:
        rows.append(_row(name, "decompress_file", packed, folder / "again.png", {"threads": threads, "force": True, **options}, expected))
    return rows


def _row(name: str, action: str, source: Path, target: Path, options: dict[str, Any], expected: Samples | None) -> Row:
    """``expected``: what the target must hold; None where the action itself has compared it."""
    counts = {variable: str(options["threads"]) for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")}
    path = os.pathsep.join(part for part in (str(_ROOT), os.environ.get("PYTHONPATH", "")) if part)
    command = [sys.executable, "-c", _CHILD, action, str(source), str(target), json.dumps(options)]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | counts | {"PYTHONPATH": path})
    if done.returncode:
        raise RuntimeError(f"{name}: {(done.stderr.strip().splitlines() or ['no message'])[-1]}")
    equal = expected is None or np.array_equal(_read(target), expected)
    row = Row(action=name, **json.loads(done.stdout), equal=equal)
    say(f"{name}: {row.processor_s:.1f} s of the processor, peak {row.peak_bytes / 2**20:.0f} MiB")
    return row


def _read(path: Path) -> Samples:
    with open(path, "rb") as file, PngImagePlugin.PngImageFile(file) as image:  # Image.open would warn of so many pixels
        return np.asarray(image)


def main(arguments: Sequence[str]) -> int:
    """Prints the table; returns 0 if all was equal and within the limit, 1 if not."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks large", description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path, help="a folder of 8-bit gray or RGB photos")
    parser.add_argument("--megapixels", type=float, default=100, metavar="N", help="of the mosaic (default: %(default)s)")
    parser.add_argument("--effort", type=int, default=None, metavar="N", help="of the compression (default: the usual one)")
    parser.add_argument("--threads", type=int, default=2, metavar="N", help="of the network (default: %(default)s)")
    parser.add_argument("--limit-mib", type=float, default=1200e6 / 2**20, metavar="M", help="of memory (default: 1.2 GB)")
    parser.add_argument("--quick", action="store_true", help="compress without verification and decompress whole, nothing else")
    parser.add_argument("--out", type=Path, default=Path("runs/large"), metavar="DIR", help="for the results (default: %(default)s)")
    options = parser.parse_args(arguments)
    photos, _ = find_photos(options.folder, None) if options.folder.is_dir() else ([], [])
    if not photos:
        parser.error(f"no photos in {options.folder}")
    side = -int(-((options.megapixels * 1e6) ** 0.5) // 1)
    picture = mosaic([photo.path for photo in photos], side)
    with tempfile.TemporaryDirectory(prefix="hvpzip-large-") as folder:
        rows = measure(picture, Path(folder), options.threads, effort=options.effort, quick=options.quick)
    options.out.mkdir(parents=True, exist_ok=True)
    machine = describe_machine(["large", *arguments], options.threads)
    record = {"machine": machine, "side": side, "rows": [asdict(row) for row in rows]}
    (options.out / "results.json").write_text(json.dumps(record, indent=1) + "\n")
    print(f"{side} x {side} pixels of {len(photos)} photos, {options.threads} threads, {machine['processor']}\n")
    head = ("action", "s", "processor s", "peak MiB", "bytes", "equal")
    body = [
        (row.action, f"{row.seconds:.1f}", f"{row.processor_s:.1f}", f"{row.peak_bytes / 2**20:.0f}", f"{row.size_bytes:,}", str(row.equal))
        for row in rows
    ]
    print(aligned([head, *body]))
    return 0 if all(row.equal and row.peak_bytes <= options.limit_mib * 2**20 for row in rows) else 1
