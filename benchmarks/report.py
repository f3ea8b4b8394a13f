"""What a run leaves behind: tables on the terminal, ``results.csv``, ``scales.csv``, ``results.json`` and ``results.png``."""

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from benchmarks.codecs import REFERENCE_CODEC
from benchmarks.runner import Row, Summary
from benchmarks.scales import ScaleBits, total

__all__ = ["aligned", "codec_table", "plot", "scale_table", "write_csv", "write_json", "write_scales_csv"]

_MIB = 1 << 20


def codec_table(summaries: Sequence[Summary]) -> str:
    """One line a codec; times and peaks are of a single photo, the mean and the worst."""
    head = ["codec", "bits/dim", "mean", "/ JXL e7", "enc s", "max", "dec s", "max", "enc MiB", "dec MiB", "failures"]
    body = [
        [
            summary.codec,
            _number(summary.bits_per_dim, 3),
            _number(summary.bits_per_dim_mean, 3),
            _number(summary.ratio_to_reference, 3),
            _number(summary.encode_s_mean, 2),
            _number(summary.encode_s_max, 2),
            _number(summary.decode_s_mean, 2),
            _number(summary.decode_s_max, 2),
            _number(_mib(summary.encode_peak_bytes), 0),
            _number(_mib(summary.decode_peak_bytes), 0),
            f"{summary.failures} of {summary.photos}",
        ]
        for summary in summaries
    ]
    return aligned([head, *body])


def scale_table(rows: Sequence[ScaleBits], samples: int) -> str:
    """Bound and coded bits by scale, in bits per dimension of the whole photos (``samples`` in all), and the excess over the bound."""
    head = ["scale", "bound", "coded", "over bound"]
    body = [_scale_line(row, samples) for row in rows]
    return aligned([head, *body, _scale_line(total(rows), samples)])


def write_csv(path: Path, rows: Sequence[Row]) -> None:
    """One line a codec and photo, all figures in plain units (bytes, bits, seconds); empty where there is none."""
    names = [field.name for field in fields(Row) if field.name != "scales"]
    reference = {row.photo: row.size_bytes for row in rows if row.codec == REFERENCE_CODEC and row.error is None}
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow([*names, "ratio_to_reference"])
        for row in rows:
            base = reference.get(row.photo)
            ratio = row.size_bytes / base if row.error is None and row.size_bytes is not None and base else None
            writer.writerow([*(getattr(row, name) for name in names), ratio])


def write_scales_csv(path: Path, rows: Sequence[Row]) -> None:
    """One line a photo and scale, for the codecs that tell their bound."""
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(["codec", "photo", "samples", "scale", "bound_bits", "coded_bits"])
        for row in rows:
            for scale in row.scales:
                writer.writerow([row.codec, row.photo, row.samples, scale.scale, scale.bound_bits, scale.coded_bits])


def write_json(
    path: Path, machine: Mapping[str, Any], summaries: Sequence[Summary], rows: Sequence[Row], scales: Mapping[str, Sequence[ScaleBits]]
) -> None:
    """Everything: the machine and the command, the codecs' versions and flags with their sums, bits by scale, and every row."""
    document = {
        "machine": dict(machine),
        "codecs": [asdict(summary) for summary in summaries],
        "scales": {codec: [asdict(row) for row in (*parts, total(parts))] for codec, parts in scales.items()},
        "rows": [asdict(row) for row in rows],
    }
    path.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def plot(path: Path, summaries: Sequence[Summary], rows: Sequence[Row], scales: Mapping[str, Sequence[ScaleBits]], title: str) -> None:
    """A bar a codec with a tick a photo; beside it, for each codec that tells its bound, bound and file by scale.

    Raises: ImportError without matplotlib.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    shown = [summary for summary in summaries if summary.bits_per_dim is not None]
    figure = Figure(figsize=(6.4 * (1 + len(scales)), 4.4), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(1, 1 + len(scales), squeeze=False)[0]

    left = axes[0]
    values = [summary.bits_per_dim or 0.0 for summary in shown]
    bars = left.barh(range(len(shown)), values, color=["#c44e52" if s.codec.startswith("hvpzip") else "#8da0b6" for s in shown])
    left.bar_label(bars, fmt="%.3f", label_type="center", color="white", fontweight="bold")
    for index, summary in enumerate(shown):
        dots = [row.bits_per_dim for row in rows if row.codec == summary.codec and row.error is None and row.bits_per_dim is not None]
        left.plot(dots, [index] * len(dots), "|", color="black", alpha=0.45, markersize=9)
    left.set_yticks(range(len(shown)), [summary.codec for summary in shown])
    left.invert_yaxis()
    left.set_xlabel("bits per dimension, whole files (ticks: single photos)")
    left.set_title(title)

    for right, (codec, parts) in zip(axes[1:], scales.items(), strict=True):
        samples = sum(row.samples for row in rows if row.codec == codec and row.scales)
        everything = [*parts, total(parts)]
        places = range(len(everything))
        bound_bits, coded_bits = [row.bound_bits / samples for row in everything], [row.coded_bits / samples for row in everything]
        right.bar([place - 0.2 for place in places], bound_bits, 0.4, label="bound (theory)", color="#8da0b6")
        coded = right.bar([place + 0.2 for place in places], coded_bits, 0.4, label="file (achieved)", color="#c44e52")
        right.bar_label(coded, labels=[_percent(row) for row in everything], fontsize=7, padding=2)
        right.set_xticks(places, [row.scale for row in everything], rotation=45, ha="right")
        right.set_ylabel("bits per dimension of the whole photo")
        right.set_title(f"{codec}: achieved against theory, by scale")
        right.legend(loc="upper left")
        right.margins(y=0.1)
    figure.savefig(path, dpi=120)


def _scale_line(row: ScaleBits, samples: int) -> list[str]:
    return [row.scale, _number(row.bound_bits / samples, 5), _number(row.coded_bits / samples, 5), _percent(row)]


def _percent(row: ScaleBits) -> str:
    return f"{100 * (row.coded_bits / row.bound_bits - 1):+.2f} %" if row.bound_bits > 0 else ""


def _mib(size_bytes: int | None) -> float | None:
    return None if size_bytes is None else size_bytes / _MIB


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def aligned(lines: Sequence[Sequence[str]]) -> str:
    """The cells in columns: the first one left, all others right."""
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    aligned = []
    for line in lines:
        numbers = [cell.rjust(width) for cell, width in zip(line[1:], widths[1:], strict=True)]
        aligned.append("  ".join([line[0].ljust(widths[0]), *numbers]))
    return "\n".join(aligned)
