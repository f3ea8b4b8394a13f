"""Rates, times and memory of lossless codecs over a folder of photos; every output is decoded and compared."""

import argparse
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path

from benchmarks import report
from benchmarks.codecs import DEFAULT_CODECS, Adapter, UnknownCodecError, adapter_for
from benchmarks.machine import describe_machine, say
from benchmarks.runner import Row, find_photos, measure, summarise
from benchmarks.scales import summed

__all__ = ["main"]

# Each is a module of this package with a ``main(arguments)`` of its own.
EXPERIMENTS = (
    "ablation",
    "cifar10",
    "damage",
    "edits",
    "gpu",
    "jpegs",
    "kills",
    "large",
    "larger",
    "modes",
    "network",
    "overhead",
    "paths",
    "readers",
    "startup",
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the benchmark; returns 0 if every photo came back from every codec, 1 if not, 2 for a usage error.

    The name of one of ``EXPERIMENTS`` as the first argument runs that instead; a folder of such a name is ``./ablation``.
    """
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    if arguments and arguments[0] in EXPERIMENTS:
        experiment: Callable[[Sequence[str]], int] = import_module(f"benchmarks.{arguments[0]}").main
        return experiment(arguments[1:])
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
        say(f"left out: {line}")
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
            say(f"[{number}/{len(photos)}] {_line(row)}")

    summaries = summarise(adapters, rows, versions)
    scales = {}
    for adapter in adapters:
        told = [row for row in rows if row.codec == adapter.name and row.scales]
        if told:
            scales[adapter.name] = summed(row.scales for row in told)
    title = f"{len(photos)} photo{'s' * (len(photos) > 1)} of {options.folder.resolve().name}"
    machine = describe_machine(arguments, options.threads)
    report.write_csv(options.out / "results.csv", rows)
    report.write_scales_csv(options.out / "scales.csv", rows)
    report.write_json(options.out / "results.json", machine, summaries, rows, scales)
    try:
        report.plot(options.out / "results.png", summaries, rows, scales, title)
    except ImportError:
        say("no plot: matplotlib is not installed (pip install 'hvpzip[bench]')")

    print(f"{title}; {options.threads} threads, {machine['processor']}; rates of whole files; all outputs decoded and compared\n")
    print(report.codec_table(summaries))
    for codec, parts in scales.items():
        told = [row for row in rows if row.codec == codec and row.scales]
        which = f"{len(told)} of {len(photos)} photos, which it codes"
        print(f"\n{codec}, bits per dimension by scale: the model's bound, and the file; {which}\n")
        print(report.scale_table(parts, sum(row.samples for row in told)))
    print(f"\nwritten to {options.out}")
    return 1 if any(row.error for row in rows) else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=__doc__,
        epilog=f"Experiments, each with a --help of its own: python -m benchmarks {' | '.join(EXPERIMENTS)} ...",
    )
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
            say(f"left out: {adapter.name}: {error} (pip install 'hvpzip[bench]')")
            continue
        adapters.append(adapter)
    return adapters, versions


def _line(row: Row) -> str:
    if row.error:
        return f"{row.photo} {row.codec}: FAILED: {row.error}"
    return f"{row.photo} {row.codec}: {row.bits_per_dim:.3f} bits/dim, {row.encode_s:.2f} s, {row.decode_s:.2f} s"


if __name__ == "__main__":
    sys.exit(main())
