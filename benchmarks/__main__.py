"""Rates, times and memory of lossless codecs over a folder of photos; every output is decoded and compared."""

import argparse
import os
import platform
import subprocess
import sys
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from benchmarks import report
from benchmarks.codecs import DEFAULT_CODECS, Adapter, UnknownCodecError, adapter_for
from benchmarks.runner import Row, find_photos, measure, summarise
from benchmarks.scales import summed

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the benchmark; returns 0 if every photo came back from every codec, 1 if not, 2 for a usage error."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if not options.folder.is_dir():
        parser.error(f"{options.folder} is not a folder")
    if options.threads < 1:
        parser.error("--threads must be at least 1")
    try:
        wanted = [adapter_for(name) for name in options.codecs.split(",")]
    except UnknownCodecError as error:
        parser.error(str(error))
    adapters, versions = _installed(wanted)
    photos, left_out = find_photos(options.folder, options.limit)
    for line in left_out:
        _say(f"left out: {line}")
    if not photos or not adapters:
        parser.error(f"nothing to measure: {len(photos)} photos, {len(adapters)} codecs")

    options.out.mkdir(parents=True, exist_ok=True)
    keep = options.out / "files" if options.keep else None
    if keep:
        keep.mkdir(exist_ok=True)
    rows: list[Row] = []
    for number, photo in enumerate(photos, start=1):
        for adapter in adapters:
            check = _check_threads(options, adapter)
            row = measure(adapter, photo, threads=options.threads, check_threads=check, timeout_s=options.timeout, keep=keep)
            rows.append(row)
            _say(f"[{number}/{len(photos)}] {_line(row)}")

    summaries = summarise(adapters, rows, versions)
    scales = {}
    for adapter in adapters:
        told = [row for row in rows if row.codec == adapter.name and row.scales]
        if told:
            scales[adapter.name] = summed(row.scales for row in told)
    title = f"{len(photos)} photo{'s' * (len(photos) > 1)} of {options.folder.resolve().name}"
    machine = _machine(list(sys.argv[1:] if arguments is None else arguments), options)
    report.write_csv(options.out / "results.csv", rows)
    report.write_scales_csv(options.out / "scales.csv", rows)
    report.write_json(options.out / "results.json", machine, summaries, rows, scales)
    try:
        report.plot(options.out / "results.png", summaries, rows, scales, title)
    except ImportError:
        _say("no plot: matplotlib is not installed (pip install 'hvpzip[bench]')")

    print(f"{title}; {options.threads} threads, {machine['processor']}; rates of whole files; all outputs decoded and compared\n")
    print(report.codec_table(summaries))
    for codec, parts in scales.items():
        print(f"\n{codec}, bits per dimension by scale: the model's bound, and the file\n")
        print(report.scale_table(parts, sum(row.samples for row in rows if row.codec == codec and row.scales)))
    print(f"\nwritten to {options.out}")
    return 1 if any(row.error for row in rows) else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("folder", type=Path, help="a folder of 8-bit gray or RGB pictures; others are left out by name")
    codecs = ",".join(DEFAULT_CODECS)
    parser.add_argument("--codecs", default=codecs, metavar="A,B", help="also jxl-eN and hvpzip-eN (default: %(default)s)")
    parser.add_argument("--out", type=Path, default=Path("runs/benchmark"), metavar="DIR", help="for the results (default: %(default)s)")
    parser.add_argument("--limit", type=int, default=None, metavar="N", help="only the first N photos")
    parser.add_argument("--threads", type=int, default=2, metavar="N", help="given to every codec that takes it (default: %(default)s)")
    parser.add_argument("--keep", action="store_true", help="keep the coded files in DIR/files")
    parser.add_argument("--timeout", type=float, default=3600, metavar="S", help="seconds until one has failed (default: %(default)s)")
    parser.add_argument(
        "--fresh-process",
        choices=("hvpzip", "all", "none"),
        default="hvpzip",
        help="whose files are decoded once more, in a new process with another thread count, and compared again (default: %(default)s)",
    )
    return parser


def _check_threads(options: argparse.Namespace, adapter: Adapter) -> int | None:
    if options.fresh_process == "none" or (options.fresh_process == "hvpzip" and not adapter.other_threads):
        return None
    return 1 if options.threads > 1 else 2


def _installed(wanted: Sequence[Adapter]) -> tuple[list[Adapter], dict[str, str]]:
    adapters, versions = [], {}
    for adapter in wanted:
        try:
            versions[adapter.name] = adapter.version()
        except ImportError as error:
            _say(f"left out: {adapter.name}: {error} (pip install 'hvpzip[bench]')")
            continue
        adapters.append(adapter)
    return adapters, versions


def _line(row: Row) -> str:
    if row.error:
        return f"{row.photo} {row.codec}: FAILED: {row.error}"
    return f"{row.photo} {row.codec}: {row.bits_per_dim:.3f} bits/dim, {row.encode_s:.2f} s, {row.decode_s:.2f} s"


def _machine(arguments: list[str], options: argparse.Namespace) -> dict[str, Any]:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {
        "command": ["python", "-m", "benchmarks", *arguments],
        "threads": options.threads,
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "revision": _revision(),
        "system": f"{platform.system()} {platform.release()}",
        "processor": _processor(),
        "cores": cores,
        "python": platform.python_version(),
        "packages": _packages("hvpzip", "imagecodecs", "numba", "numpy", "pillow", "torch"),
    }


def _packages(*names: str) -> dict[str, str | None]:
    from importlib.metadata import PackageNotFoundError, version

    found: dict[str, str | None] = {}
    for name in names:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = None
    return found


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _revision() -> str | None:
    """The commit of the checkout, with "+" where the work tree differs from it; None outside git."""
    root = Path(__file__).resolve().parent.parent
    try:
        done = subprocess.run(["git", "-C", str(root), "describe", "--always", "--dirty=+"], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
