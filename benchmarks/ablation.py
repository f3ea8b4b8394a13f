"""What the order of bits-back costs: three orders, images alone and in a chain, every configuration really encoded and decoded.

    python -m benchmarks ablation FOLDER [--chain 24] [--crop SIDE] [--model A,B] [--path P,Q] [--ratios 0.5,1,2] [--order O,P]

A model's schedule has its noise levels, path by path. Other lattice ratios sigma / delta need no other weights: the noise is the same, only
its lattice is finer or coarser (the weights were trained on the schedule's own, so another bound is partly that). The messages are counted
without container (``overhead`` measures files) and code colours as the model predicts them, without the reweighting that files use where it
pays.
"""

import argparse
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.experiment import (
    CODED_HEAD,
    CodedRow,
    Planes,
    add_options,
    centre,
    code_groups,
    find_models,
    leave_out,
    noise_of,
    percent,
    planes_of,
    write_results,
)
from benchmarks.machine import say
from benchmarks.orders import ORDERS, Chain
from benchmarks.report import aligned
from benchmarks.runner import find_photos

if TYPE_CHECKING:
    from hvpzip.diffusion.schedule import Step
    from hvpzip.nn.model import Model

__all__ = ["Row", "main", "run", "with_ratio"]


@dataclass(frozen=True, kw_only=True)
class Row(CodedRow):
    """One configuration: ``noise`` in words, the order, and "alone" or "chain"."""

    noise: str
    order: str
    mode: str

    @property
    def label(self) -> str:
        """Path and noise, without the ids."""
        return f"{self.path}: {self.noise}"


def with_ratio(model: "Model", ratio: float) -> "Model":
    """The model with its latents on lattices of ``sigma / ratio``, rounded to a power of two of at least 1. Raises ModelError where that is
    outside the proof.
    """
    from hvpzip.nn.model import operations
    from hvpzip.nn.predictor import IntegerPredictor
    from hvpzip.nn.proof import prove

    def other(step: "Step") -> "Step":
        return replace(step, log2_delta=tuple(max(0, round(index / 16 - 3 - math.log2(ratio))) for index in step.sigma))

    levels = tuple(replace(level, steps=tuple(map(other, level.steps))) for level in model.schedule.levels)
    networks = tuple(replace(layers, schedule=level) for layers, level in zip(model.levels, levels, strict=False))
    prove(networks)
    schedule = replace(model.schedule, levels=levels)
    return replace(model, schedule=schedule, levels=networks, predictor=IntegerPredictor(networks, operations()))


def run(images: Sequence[Planes], model: "Model", path: str, orders: Sequence[str] = ORDERS) -> tuple[list[Row], dict[str, Chain]]:
    """A row for each order, alone and as a chain, and the first image's message in each order; without latents all orders are one."""
    rows: list[Row] = []
    firsts: dict[str, Chain] = {}
    noise = noise_of(model, path)
    for order in orders if noise != "0" else orders[-1:]:
        for mode, groups in (("alone", [[image] for image in images]), ("chain", [list(images)])):
            coded, first = code_groups(groups, model, order, path)
            row = Row(**asdict(coded), noise=noise, order=order, mode=mode)
            rows.append(row)
            firsts.setdefault(order, first)
            say(f"{row.label} {order} {mode}: {percent(row.overhead)} over the bound, {row.encode_s:.0f} s, {row.decode_s:.0f} s")
    return rows, firsts


def main(arguments: Sequence[str]) -> int:
    """Runs the ablation; returns 0 if everything came back, 1 if not, 2 for a usage error."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks ablation", description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="a folder of 8-bit gray or RGB pictures")
    parser.add_argument(
        "--chain", type=int, default=24, metavar="N", help="the first N photos, alone and in a chain (default: %(default)s)"
    )
    parser.add_argument("--crop", type=int, default=None, metavar="SIDE", help="only the centre of each photo")
    parser.add_argument("--path", default=None, metavar="P,Q", help="paths of the models' schedules (default: their first)")
    parser.add_argument("--ratios", default=None, metavar="R,S", help="lattice ratios sigma / delta (default: the schedules' own)")
    parser.add_argument("--order", default=",".join(ORDERS), metavar="O,P", help="orders of bits-back (default: %(default)s)")
    add_options(parser, "ablation")
    options = parser.parse_args(arguments)
    if not options.folder.is_dir() or options.chain < 1 or options.threads < 1 or (options.crop or 1) < 1:
        parser.error("FOLDER must be a folder, and --chain, --crop and --threads at least 1")
    orders = options.order.split(",")
    if not set(orders) <= set(ORDERS):
        parser.error(f"--order takes {', '.join(ORDERS)}, not {options.order!r}")
    models = find_models(parser, options.model)
    paths = options.path.split(",") if options.path else [None]
    try:
        ratios = [float(text) for text in options.ratios.split(",")] if options.ratios else [None]
        if any(ratio is not None and not 0.01 <= ratio <= 100 for ratio in ratios):
            raise ValueError
    except ValueError:
        parser.error(f"--ratios takes numbers from 0.01 to 100, not {options.ratios!r}")
    for model in models:
        for path in paths:
            if path not in (None, *model.schedule.path_names):
                parser.error(f"model {model.name} has no path {path!r}, only {', '.join(model.schedule.path_names)}")
    photos, left_out = find_photos(options.folder, options.chain)
    leave_out(left_out)
    if not photos:
        parser.error("no photos to measure")

    from hvpzip.threads import using_threads

    images = [planes_of(centre(photo, options.crop)) for photo in photos]
    rows: list[Row] = []
    curves: dict[str, dict[str, Chain]] = {}
    seen: set[tuple[str, str, str]] = set()
    with using_threads(options.threads):
        for model in models:
            for path in paths:
                for ratio in ratios:
                    name, variant = path or model.schedule.path_names[0], model if ratio is None else with_ratio(model, ratio)
                    key = (model.id.hex(), name, noise_of(variant, name))
                    if key not in seen:  # a path without latents has no ratio
                        seen.add(key)
                        found, curves[f"{model.name} {name}: {key[2]}"] = run(images, variant, name, orders)
                        rows += found
                        write_results(options.out, "ablation", arguments, options.threads, rows, {})  # what is done, should a run be cut
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
    """One line a configuration, those of one path and noise together under a line that says which."""
    lines: list[list[str]] = [["order", "images", *CODED_HEAD]]
    headings: list[str] = []
    for row in rows:
        if f"{row.model}, {row.label}" not in headings:
            headings.append(f"{row.model}, {row.label}")
        lines.append([f"{len(headings)} {row.order}", f"{row.images} {row.mode}", *row.cells()])
    return "\n".join([aligned(lines), "", *(f"{number}: {heading}" for number, heading in enumerate(headings, start=1))])


def plot(path: Path, rows: Sequence[Row], curves: dict[str, dict[str, Chain]], title: str) -> None:
    """Overhead of each configuration, and the stack of the first image alone in the first one with latents. Raises ImportError without
    matplotlib.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    colours = dict(zip(ORDERS, ("#8da0b6", "#dd9a4e", "#c44e52"), strict=True))
    figure = Figure(figsize=(13, 2 + 0.22 * len(rows)), layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2)
    bars = left.barh(range(len(rows)), [100 * row.overhead for row in rows], color=[colours[row.order] for row in rows])
    left.bar_label(bars, labels=[percent(row.overhead) for row in rows], padding=3, fontsize=7)
    left.set_yticks(range(len(rows)), [f"{row.path} {row.noise.split(';')[0]}, {row.order}, {row.mode}" for row in rows], fontsize=6)
    left.invert_yaxis()
    left.margins(x=0.18)
    left.set_xlabel("coded bits over the bound, %")
    left.set_title(title, fontsize=9)
    name, chains = next(((name, chains) for name, chains in curves.items() if len(chains) > 1), next(iter(curves.items())))
    for order, chain in chains.items():
        kilobits = [point.bits / 1000 for point in chain.curve]
        right.plot(kilobits, color=colours[order], marker=".", label=f"{order}: {chain.initial_bits:,} initial bits")
    right.axhline(0, color="black", linewidth=0.8)
    right.set_xlabel("steps of the encoder, finest scale first")
    right.set_ylabel("kilobits on the stack beyond the initial ones")
    right.set_title(f"{name.split(';')[0]}: debt curve of the first photo alone", fontsize=9)
    right.legend(loc="lower right")
    figure.savefig(path, dpi=90)
