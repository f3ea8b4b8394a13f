"""What a command costs from its first moment to its last: whole processes, processor seconds, peak memory, and what two threads save.

    python -m benchmarks startup PHOTO [--repeats 5] [--threads 1 2] [--release PYTHON]

Every command runs ``--repeats`` times in a process of its own on warm caches; the least time counts. What was decompressed is compared
with the photo. ``--release`` measures another installation beside this one, run by run in turns: the interpreter of its environment.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.machine import describe_machine, say
from benchmarks.report import aligned
from benchmarks.worker import read_samples

__all__ = ["RELEASE_SECONDS", "Row", "commands", "main", "measure", "table"]

_TINY = 16  # the side of a picture for which all is start-up
# Processor seconds of release 0.1.0 for kodim08 on an Intel processor with AVX-512 VNNI, as measured when it was made.
RELEASE_SECONDS = {
    "decompress photo": 6.2,
    "compress photo, effort 1": 5.1,
    "compress photo": 13.0,
    "compress 16x16": 3.4,
    "decompress 16x16": 2.5,
}


@dataclass(frozen=True, kw_only=True)
class Row:
    """The best of a command's runs on so many threads."""

    installation: str
    command: str
    threads: int
    processor_s: float
    wall_s: float
    peak_mib: float


def commands(folder: Path, threads: int) -> dict[str, list[str]]:
    """Arguments by name, in an order in which each finds what it reads: photo.png and tiny.png in ``folder``."""
    quiet = ["-q", "-f", "-T", str(threads)]

    def compress(name: str, *options: str) -> list[str]:
        return ["compress", *quiet, "--no-verify", *options, "-o", str(folder / f"{name}.hvz"), str(folder / f"{name}.png")]

    def decompress(name: str) -> list[str]:
        return ["decompress", *quiet, "-o", str(folder / f"{name}-again.png"), str(folder / f"{name}.hvz")]

    return {
        "compress photo, effort 1": compress("photo", "--effort", "1"),
        "compress photo": compress("photo"),
        "decompress photo": decompress("photo"),
        "compress 16x16": compress("tiny"),
        "decompress 16x16": decompress("tiny"),
        "info": ["info", str(folder / "photo.hvz")],
        "--version": ["--version"],
    }


def measure(python: Path, arguments: Sequence[str]) -> tuple[float, float, float]:
    """Processor seconds, wall seconds and peak MiB of ``python -m hvpzip ARGUMENTS``. Raises RuntimeError if it fails."""
    begin = time.perf_counter()
    child = subprocess.Popen([python, "-m", "hvpzip", *arguments], stdout=subprocess.DEVNULL, cwd=tempfile.gettempdir())
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise RuntimeError(f"hvpzip {' '.join(arguments)} ended with status {child.returncode}")
    wall, peak = time.perf_counter() - begin, usage.ru_maxrss / (1 << 20 if sys.platform == "darwin" else 1 << 10)
    return usage.ru_utime + usage.ru_stime, wall, peak


def main(arguments: Sequence[str]) -> int:
    """Measures; returns 0 if the photo came back, 1 if not, 2 for a usage error."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks startup", description=__doc__.splitlines()[0])
    parser.add_argument("photo", type=Path, help="an 8-bit RGB picture")
    parser.add_argument("--repeats", type=int, default=5, metavar="N", help="runs of each command (default: %(default)s)")
    parser.add_argument("--threads", type=int, nargs="+", choices=(1, 2), default=(1, 2), help="to measure with (default: %(default)s)")
    parser.add_argument("--release", type=Path, default=None, metavar="PYTHON", help="interpreter of an environment with another hvpzip")
    parser.add_argument(
        "--out", type=Path, default=Path("benchmark-startup"), metavar="DIR", help="for results.json (default: %(default)s)"
    )
    options = parser.parse_args(arguments)
    if not options.photo.is_file() or options.repeats < 1 or not hasattr(os, "wait4"):
        parser.error("PHOTO must be a file, --repeats at least 1, and the system one that counts a child's time")
    installations = {"this": Path(sys.executable)} | ({"release": options.release} if options.release else {})
    samples = read_samples(options.photo)
    rows, same = [], True
    with tempfile.TemporaryDirectory() as name:
        folders = {installation: Path(name, installation) for installation in installations}
        for folder in folders.values():
            folder.mkdir()
            Image.fromarray(samples).save(folder / "photo.png")
            Image.fromarray(np.ascontiguousarray(samples[:_TINY, :_TINY])).save(folder / "tiny.png")
        for threads in sorted(set(options.threads)):
            for command in commands(Path(name), threads):
                if threads == 2 and not command.endswith(" photo"):
                    continue
                runs: dict[str, list[tuple[float, float, float]]] = {installation: [] for installation in installations}
                for _ in range(options.repeats):
                    for installation, python in installations.items():
                        runs[installation].append(measure(python, commands(folders[installation], threads)[command]))
                for installation, found in runs.items():
                    processor, wall, peak = zip(*found, strict=True)
                    row = Row(
                        installation=installation,
                        command=command,
                        threads=threads,
                        processor_s=min(processor),
                        wall_s=min(wall),
                        peak_mib=max(peak),
                    )
                    rows.append(row)
                    say(f"{installation}, {threads} threads, {command}: {row.processor_s:.2f} s, {row.peak_mib:.0f} MiB")
        for installation, folder in folders.items():
            for picture in ("photo", "tiny"):
                if not np.array_equal(read_samples(folder / f"{picture}-again.png"), read_samples(folder / f"{picture}.png")):
                    say(f"{installation}: FAILED: {picture} came back otherwise")
                    same = False
    options.out.mkdir(parents=True, exist_ok=True)
    document = {"machine": describe_machine(["startup", *arguments], 1), "rows": [asdict(row) for row in rows]}
    (options.out / "results.json").write_text(json.dumps(document, indent=1) + "\n")
    print(table(rows))
    return 0 if same else 1


def table(rows: Sequence[Row]) -> str:
    """Every command of this installation, with the release beside it, and the wall time of two threads as a share of that of one."""
    found = {(row.installation, row.command, row.threads): row for row in rows}
    lines = [["command", "s", "release s", "0.1.0 s", "this / release", "MiB", "release MiB", "wall, 2 threads / 1"]]
    for row in rows:
        if row.installation != "this" or (row.threads == 2 and (row.installation, row.command, 1) in found):
            continue
        release, two = found.get(("release", row.command, row.threads)), found.get(("this", row.command, 2))
        documented = RELEASE_SECONDS.get(row.command)
        lines.append(
            [
                row.command,
                f"{row.processor_s:.2f}",
                f"{release.processor_s:.2f}" if release else "-",
                f"{documented:.1f}" if documented else "-",
                f"{row.processor_s / release.processor_s:.2f}" if release else "-",
                f"{row.peak_mib:.0f}",
                f"{release.peak_mib:.0f}" if release else "-",
                f"{two.wall_s / row.wall_s:.2f}" if two and row is not two else "-",
            ]
        )
    return aligned(lines)
