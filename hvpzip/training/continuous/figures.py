"""The commands that print or draw the figures of docs/diffusion.md; options are those of ``cli``."""

from __future__ import annotations

import argparse
import dataclasses
import math
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from hvpzip.ans import message_bits, message_equal
from hvpzip.codec.fill import fill_in
from hvpzip.nn.bundled import load_model
from hvpzip.training.continuous.cascade import DiffusionCascade
from hvpzip.training.continuous.evaluate import continuous_bound, discrete_bound
from hvpzip.training.continuous.figure_tools import given, plot, random_message
from hvpzip.training.continuous.images import lifted, read_pictures, unlifted
from hvpzip.training.continuous.log_snr import SHAPES, LogSnrSchedule
from hvpzip.training.continuous.loop import load_cascade
from hvpzip.training.continuous.sampling import FILLS, complete, enlarge
from hvpzip.training.continuous.sampling import samples as drawn

__all__ = [
    "bound",
    "local_bits_back",
    "maps",
    "ode",
    "ood",
    "progressive",
    "samples",
    "steps",
    "superres",
]

STEPS = (4, 8, 16, 32, 64, 128, 256)
COLUMNS = 8  # of a grid of pictures


def bound(options: argparse.Namespace) -> None:
    """The bound, as the options say."""
    cascade, planes = given(options)
    cascade.to(options.device)
    common = {"draws": options.draws, "seed": options.seed, "device": options.device}
    if options.steps is not None:
        print("| T | bits/dim | Monte-Carlo error |\n| --- | --- | --- |")
        for steps in options.steps or STEPS:
            found = discrete_bound(cascade, planes, steps, mixtures=options.mixtures, **common)
            print(f"| {steps} | {found.total:.4f} | {found.noise_error:.4f} |", flush=True)
        return
    if options.invariance:
        print("| shape | bits/dim | Monte-Carlo error |\n| --- | --- | --- |")
        for shape in SHAPES:
            schedules = None
            if shape != cascade.config.shape:
                ends = [cascade.scale(i).schedule.ends.tolist() for i in range(len(cascade.scales))]
                schedules = [LogSnrSchedule(shape, *pair).to(options.device).requires_grad_(False) for pair in ends]
            found = continuous_bound(cascade, planes, schedules=schedules, **common)
            print(f"| {shape} | {found.total:.4f} | {found.noise_error:.4f} |", flush=True)
        return
    found = continuous_bound(cascade, planes, **common)
    print(found.table())
    print(
        f"\ncontinuous bound of {len(planes)} pictures: {found.total:.4f} bits/dim, Monte-Carlo error {found.noise_error:.4f}, "
        f"error as a sample of pictures {found.picture_error:.3f}"
    )


def ode(options: argparse.Namespace) -> None:
    """Likelihood of the ODE, plain and importance-weighted, beside the bound."""
    from hvpzip.training.continuous.ode import ode_bits

    cascade, planes = given(options)
    found = ode_bits(cascade, planes, options.draws, options.seed, options.dequantisation, options.tolerance)
    beside = continuous_bound(cascade, planes, draws=64, seed=options.seed)
    print(
        f"{len(planes)} pictures, dequantisation by {options.dequantisation}, {found.evaluations} evaluations of networks a draw and batch"
    )
    print(f"ODE                      {found.total:.4f} bits/dim, error of the draws {found.draw_error:.4f}")
    print(f"importance-weighted      {found.importance_weighted(cascade.dims):.4f} bits/dim ({options.draws} draws)")
    print(f"continuous bound         {beside.total:.4f} bits/dim, Monte-Carlo error {beside.noise_error:.4f}")


def steps(options: argparse.Namespace) -> None:
    """Rate against the number of steps: best paths and even ones."""
    from hvpzip.training.continuous.steps import best_path, cost_tables, uniform_bits

    cascade, planes = given(options)
    tables = cost_tables(cascade, planes, options.levels, not options.gaussian, options.seed)
    print("| T | best | even |\n| --- | --- | --- |")
    rows = []
    for count in range(options.budget + 1):
        best = sum(best_path(table, count)[0] for table in tables)
        even = sum(uniform_bits(table, count) for table in tables) if count else math.nan
        rows.append((count, best, even))
        print(f"| {count} | {best:.4f} | {even:.4f} |")
    if options.plot:
        series = {"best (dynamic programming)": [row[:2] for row in rows], "even in t": [(row[0], row[2]) for row in rows[1:]]}
        plot(options.plot, series, "steps a scale", "bits per dimension")


def local_bits_back(options: argparse.Namespace) -> None:
    """Crops coded and decoded one by one in a chain; net rate beside the ODE's on the same crops."""
    from hvpzip.training.continuous.local_bits_back import LocalCoder
    from hvpzip.training.continuous.ode import ode_bits

    whole = load_cascade(options.checkpoint)
    crops = lifted(read_pictures(options.pictures, whole.config.side)[: options.limit, : options.crop, : options.crop])
    cascade = cropped(whole, options.crop)
    likelihood = ode_bits(cascade, crops, draws=8, seed=options.seed)
    coder = LocalCoder(cascade)
    start = message = random_message(options.seed, lanes=1)
    for number in range(len(crops)):
        message = coder.encode(message, crops[number : number + 1])
    bits = (message_bits(message) - message_bits(start)) / crops.size
    for number in reversed(range(len(crops))):
        message, back = coder.decode(message)
        if not np.array_equal(back, crops[number : number + 1]):
            raise AssertionError(f"crop {number} did not come back")
    if not message_equal(message, start):
        raise AssertionError("the borrowed bits did not come back")
    print(f"{len(crops)} crops of {options.crop}x{options.crop}, all decoded and compared, the stack back at its start")
    print(f"local bits-back    {bits:.4f} bits/dim net")
    print(f"ODE's likelihood   {likelihood.total:.4f} bits/dim, error of the draws {likelihood.draw_error:.4f}")


def cropped(cascade: DiffusionCascade, side: int) -> DiffusionCascade:
    """The cascade for smaller pictures: the finest scales as they are, the base of the whole picture for the crop's own base."""
    fewer = dataclasses.replace(cascade.config, side=side)
    finer = len(DiffusionCascade(fewer).scales) - 1
    widths, blocks = zip(*(cascade.config.network(place) for place in (*range(finer), len(cascade.scales) - 1)), strict=True)
    small = DiffusionCascade(dataclasses.replace(fewer, widths=widths, blocks=blocks))
    for number in range(len(small.scales)):
        other = cascade.scale(len(cascade.scales) - len(small.scales) + number) if number else cascade.scale(0)
        small.scale(number).load_state_dict(other.state_dict())
    return small.eval().requires_grad_(False)


def maps(options: argparse.Namespace) -> None:
    """The same multiply-adds a picture and the same steps on each map: continuous bound on the pictures held out."""
    from hvpzip.training.continuous.cascade import CascadeConfig
    from hvpzip.training.continuous.loop import DiffusionRun, DiffusionTrainConfig

    base = DiffusionTrainConfig.read(options.config)
    print("| map | width | M multiply-adds a picture | bits/dim | Monte-Carlo error | processor s |\n|" + " --- |" * 6)
    wanted: float | None = None
    for name in options.names:
        found: list[tuple[float, CascadeConfig]] = []
        for width in range(16, 100, 4) if wanted else base.cascade.widths[:1]:
            config = dataclasses.replace(base.cascade, map_name=name, widths=(width,))
            found.append((DiffusionCascade(config).multiply_adds(), config))
        cost, config = min(found, key=lambda pair: abs(pair[0] - (wanted or 0.0)))
        wanted = wanted or cost
        folder = options.into / name.replace("/", "")
        run = DiffusionRun(dataclasses.replace(base, cascade=config), folder, cooldown=options.steps)
        run.train(report=lambda line: None)
        bound = continuous_bound(load_cascade(folder / "last.safetensors"), run.validation, draws=3)
        cells = f"{config.widths[0]} | {cost / 1e6:.1f} | {bound.total:.4f} | {bound.noise_error:.4f} | {run.seconds:.0f}"
        print(f"| {name} | {cells} |", flush=True)


def samples(options: argparse.Namespace) -> None:
    """A grid of draws."""
    planes = drawn(load_cascade(options.checkpoint), options.count, options.steps, options.seed)
    grid(unlifted(planes)).save(options.image)


def progressive(options: argparse.Namespace) -> None:
    """Pictures of which the coarser scales are known, the rest filled in: PSNR against the bits of what is known."""
    cascade, planes = given(options)
    spent = np.cumsum([scale.total for scale in continuous_bound(cascade, planes, draws=4, seed=options.seed).scales])
    pictures = unlifted(planes).astype(np.float64)
    print("| scales known | bits/dim | PSNR, mean | PSNR, sample |\n| --- | --- | --- | --- |")
    series: dict[str, list[tuple[float, float]]] = {fill: [] for fill in FILLS}
    for number, scale in enumerate(cascade.hierarchy.split(planes)):
        bits = 0.0 if number == 0 else float(spent[number - 1])
        for fill in FILLS:
            found = unlifted(complete(cascade, scale.known, number, fill)).astype(np.float64)
            error = ((found - pictures) ** 2).mean((1, 2, 3))
            series[fill].append((bits, float(np.mean(10 * np.log10(255**2 / np.maximum(error, 1e-9))))))
        print(f"| {number} | {bits:.3f} | {series['mean'][-1][1]:.2f} | {series['sample'][-1][1]:.2f} |")
    if options.plot:
        plot(options.plot, series, "bits per dimension known", "PSNR in dB")


def superres(options: argparse.Namespace) -> None:
    """A picture enlarged: bicubic, mean, sample, side by side. A name instead of a checkpoint is that of a photo model."""
    with Image.open(options.picture) as opened:
        picture = opened.convert("RGB")
    factor, seed = options.factor, options.seed
    size = (factor * picture.width, factor * picture.height)
    found = [np.asarray(picture.resize(size, Image.Resampling.BICUBIC))]
    if Path(options.checkpoint).exists():
        cascade, planes = load_cascade(options.checkpoint), lifted(np.asarray(picture)[None])
        found += [unlifted(enlarge(cascade, planes, factor, fill, options.steps, seed))[0] for fill in FILLS]
    else:
        model, shape = load_model(str(options.checkpoint)), (3, size[1], size[0])
        found += [fill_in(np.asarray(picture), shape, model, fill, np.random.default_rng(seed)) for fill in FILLS]
    Image.fromarray(np.concatenate(found, 1)).save(options.image)


def ood(options: argparse.Namespace) -> None:
    """AUROC of every score against every other kind, constant pictures and noise."""
    from hvpzip.training.continuous.ood import codec_bits, scores, table

    cascade, planes = given(options)
    side = cascade.config.side
    typical_planes = lifted(read_pictures(options.typical, side)[: options.limit]) if options.typical else planes
    typical = continuous_bound(cascade, typical_planes, draws=options.draws, seed=options.seed + 1).total

    def scored(pictures: NDArray[np.uint8]) -> dict[str, NDArray[np.float64]]:
        return scores(continuous_bound(cascade, lifted(pictures), options.draws, options.seed), codec_bits(pictures), typical)

    rng = np.random.default_rng(options.seed)
    shape = (len(planes), side, side, 3)
    others = {path.stem: read_pictures(path, side)[: options.limit] for path in options.others}
    others["constant"] = np.broadcast_to(rng.integers(0, 256, (len(planes), 1, 1, 3)), shape).astype(np.uint8)
    others["noise"] = rng.integers(0, 256, shape).astype(np.uint8)
    print(table(scored(unlifted(planes)), {name: scored(pictures) for name, pictures in others.items()}))


def grid(pictures: NDArray[np.uint8]) -> Image.Image:
    """Pictures (N, H, W, 3) in rows of ``COLUMNS``, enlarged twice by repetition."""
    rows = -(-len(pictures) // COLUMNS)
    sheet = np.zeros((rows * COLUMNS, *pictures.shape[1:]), np.uint8)
    sheet[: len(pictures)] = pictures
    whole = np.concatenate([np.concatenate(list(row), 1) for row in sheet.reshape(rows, COLUMNS, *pictures.shape[1:])])
    return Image.fromarray(whole.repeat(2, 0).repeat(2, 1))
