"""What the order of bits-back costs: three orders, images alone and in a chain, every configuration really encoded and decoded.

    python -m benchmarks ablation FOLDER [--chain 24] [--crop SIDE] [--model A,B]

Lattice ratios and numbers of noise levels belong to a model's schedule, so other ones need other models: name several, and the table says
which has what. The messages are counted without container (``overhead`` measures files) and code colours as the model predicts them,
without the reweighting that files use where it pays.
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.experiment import Planes, add_options, centre, find_models, leave_out, noise_of, percent, planes_of, write_results
from benchmarks.machine import say
from benchmarks.orders import ORDERS, Chain, code
from benchmarks.report import aligned
from benchmarks.runner import find_photos

if TYPE_CHECKING:
    from hvpzip.nn.weights import Model

__all__ = ["Row", "main", "run"]


@dataclass(frozen=True, kw_only=True)
class Row:
    """One configuration: all images alone (figures are sums) or all on one chain.

    ``coded_bits`` holds the ``initial_bits``, which are random padding that the stack needs and the decoder gets back; ``bound_bits`` is
    the model's bound. ``decoded`` says whether every image came back and the stack ended where it began.
    """

    model: str
    noise: str
    order: str
    mode: str
    images: int
    samples: int
    bound_bits: float
    coded_bits: int
    initial_bits: int
    encode_s: float
    decode_s: float
    decoded: bool

    @property
    def overhead(self) -> float:
        """Coded bits over the bound."""
        return self.coded_bits / self.bound_bits - 1

    @property
    def net_overhead(self) -> float:
        """As ``overhead``, had somebody else a use for the initial bits."""
        return (self.coded_bits - self.initial_bits) / self.bound_bits - 1


def run(images: Sequence[Planes], model: "Model", path: str | None = None) -> tuple[list[Row], dict[str, Chain]]:
    """A row for each order, alone and as a chain, and the first image's message in each order."""
    rows: list[Row] = []
    firsts: dict[str, Chain] = {}
    for order in ORDERS:
        for mode, groups in (("alone", [[image] for image in images]), ("chain", [list(images)])):
            row, first = _measure(groups, model, order, mode, path)
            rows.append(row)
            firsts.setdefault(order, first)
            say(f"{row.model} {order} {mode}: {percent(row.overhead)} over the bound, {row.encode_s:.0f} s, {row.decode_s:.0f} s")
    return rows, firsts


def _measure(groups: list[list[Planes]], model: "Model", order: str, mode: str, path: str | None) -> tuple[Row, Chain]:
    chains, decoded, encode_s, decode_s = [], True, 0.0, 0.0
    for group in groups:
        coded = code(group, model, order, path)
        encode_s, decode_s = encode_s + coded.encode_s, decode_s + coded.decode_s
        decoded &= all(np.array_equal(one, other) for one, other in zip(coded.images, group, strict=True))
        chains.append(coded.chain)
    row = Row(
        model=f"{model.name} {model.id.hex()}",
        noise=noise_of(model, chains[0].path),
        order=order,
        mode=mode,
        images=sum(map(len, groups)),
        samples=sum(image.size for group in groups for image in group),
        bound_bits=sum(chain.bound_bits for chain in chains),
        coded_bits=sum(chain.coded_bits for chain in chains),
        initial_bits=sum(chain.initial_bits for chain in chains),
        encode_s=encode_s,
        decode_s=decode_s,
        decoded=decoded,
    )
    return row, chains[0]


def main(arguments: Sequence[str]) -> int:
    """Runs the ablation; returns 0 if everything came back, 1 if not, 2 for a usage error."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks ablation", description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="a folder of 8-bit gray or RGB pictures")
    parser.add_argument(
        "--chain", type=int, default=24, metavar="N", help="the first N photos, alone and in a chain (default: %(default)s)"
    )
    parser.add_argument("--crop", type=int, default=None, metavar="SIDE", help="only the centre of each photo")
    parser.add_argument("--path", default=None, metavar="NAME", help="path of the models' schedules (default: their first)")
    add_options(parser, "ablation")
    options = parser.parse_args(arguments)
    if not options.folder.is_dir() or options.chain < 1 or options.threads < 1 or (options.crop or 1) < 1:
        parser.error("FOLDER must be a folder, and --chain, --crop and --threads at least 1")
    models = find_models(parser, options.model)
    for model in models:
        if options.path not in (None, *model.schedule.path_names):
            parser.error(f"model {model.name} has no path {options.path!r}, only {', '.join(model.schedule.path_names)}")
    photos, left_out = find_photos(options.folder, options.chain)
    leave_out(left_out)
    if not photos:
        parser.error("no photos to measure")

    from hvpzip.api.runtime import torch_threads

    images = [planes_of(centre(photo, options.crop)) for photo in photos]
    rows: list[Row] = []
    curves: dict[str, dict[str, Chain]] = {}
    with torch_threads(options.threads):
        for model in models:
            found, curves[model.name] = run(images, model, options.path)
            rows += found
    title = f"{len(images)} photo{'s' * (len(images) > 1)} of {options.folder.resolve().name}"
    if options.crop:
        title += f", centres of {options.crop}x{options.crop}"
    more = {"curves": {name: {order: chain.curve for order, chain in found.items()} for name, found in curves.items()}}
    write_results(options.out, "ablation", arguments, options.threads, rows, more)
    try:
        plot(options.out / "results.png", rows, curves, title)
    except ImportError:
        say("no plot: matplotlib is not installed (pip install 'hvpzip[bench]')")
    print(f"{title}; messages without container and without learnt colours, bits per dimension; all of them decoded and compared\n")
    print(table(rows))
    print(f"\nwritten to {options.out}")
    return 0 if all(row.decoded for row in rows) else 1


def table(rows: Sequence[Row]) -> str:
    """One line a configuration, and below what the models are."""
    head = ["order", "images", "bound", "coded", "over bound", "initial bits", "over bound without", "enc s", "dec s", "came back"]
    several = len({row.model for row in rows}) > 1
    body = [
        [
            f"{row.order}{', ' + row.model.split()[0] if several else ''}",
            f"{row.images} {row.mode}",
            f"{row.bound_bits / row.samples:.4f}",
            f"{row.coded_bits / row.samples:.4f}",
            percent(row.overhead),
            f"{row.initial_bits:,}",
            percent(row.net_overhead),
            f"{row.encode_s:.1f}",
            f"{row.decode_s:.1f}",
            "yes" if row.decoded else "NO",
        ]
        for row in rows
    ]
    noise = dict.fromkeys(f"{row.model}: noise levels a scale {row.noise}" for row in rows)
    return "\n".join([aligned([head, *body]), "", *noise])


def plot(path: Path, rows: Sequence[Row], curves: dict[str, dict[str, Chain]], title: str) -> None:
    """Overhead of each configuration, and for each model the stack of the first image alone. Raises ImportError without matplotlib."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    colours = dict(zip(ORDERS, ("#8da0b6", "#dd9a4e", "#c44e52"), strict=True))
    figure = Figure(figsize=(6.4 * (1 + len(curves)), 4.6), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(1, 1 + len(curves), squeeze=False)[0]
    left = axes[0]
    shades = [colours[row.order] for row in rows]
    bars = left.barh(range(len(rows)), [100 * row.overhead for row in rows], color=shades)
    left.bar_label(bars, labels=[percent(row.overhead) for row in rows], padding=3)
    left.set_yticks(range(len(rows)), [f"{row.model.split()[0]}: {row.order}, {row.mode}" for row in rows])
    left.invert_yaxis()
    left.margins(x=0.18)
    left.set_xlabel("coded bits over the bound, %")
    left.set_title(title)
    for right, (name, chains) in zip(axes[1:], curves.items(), strict=True):
        for order, chain in chains.items():
            kilobits = [point.bits / 1000 for point in chain.curve]
            right.plot(kilobits, color=colours[order], marker=".", label=f"{order}: {chain.initial_bits:,} initial bits")
        right.axhline(0, color="black", linewidth=0.8)
        right.set_xlabel("steps of the encoder, finest scale first")
        right.set_ylabel("kilobits on the stack beyond the initial ones")
        right.set_title(f"{name}: debt curve of the first photo alone")
        right.legend(loc="lower right")
    figure.savefig(path, dpi=120)
