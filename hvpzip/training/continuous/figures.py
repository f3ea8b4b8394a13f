"""The commands that print or draw the figures of docs/diffusion.md; options are those of ``cli``."""

from __future__ import annotations

import argparse
import dataclasses
import math
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from hvpzip.ans import Message, base_message, message_bits, message_equal, push
from hvpzip.codec.bitsback.group_codec import encode_along
from hvpzip.codec.fill import fill_in
from hvpzip.codec.noise_path import Ledger, decode, encode
from hvpzip.nn.bundled import load_model
from hvpzip.training.continuous.cascade import DiffusionCascade
from hvpzip.training.continuous.evaluate import continuous_bound, discrete_bound
from hvpzip.training.continuous.images import lifted, read_pictures, unlifted
from hvpzip.training.continuous.log_snr import SHAPES, LogSnrSchedule
from hvpzip.training.continuous.loop import load_cascade
from hvpzip.training.continuous.path import Path as NoisePath
from hvpzip.training.continuous.path import noise_path, path_terms
from hvpzip.training.continuous.sampling import FILLS, complete, enlarge
from hvpzip.training.continuous.sampling import samples as drawn

__all__ = ["bound", "code", "local_bits_back", "maps", "ode", "ood", "photo_progressive", "progressive", "samples", "steps", "superres"]

STEPS = (4, 8, 16, 32, 64, 128, 256)
COLUMNS = 8  # of a grid of pictures
LANES = 16
SEED_WORDS = 4096  # random words a lane on the stack before a chain; what is left of them is checked


def _given(options: argparse.Namespace) -> tuple[DiffusionCascade, NDArray[np.int32]]:
    cascade = load_cascade(options.checkpoint)
    return cascade, lifted(read_pictures(options.pictures, cascade.config.side)[: options.limit])


def bound(options: argparse.Namespace) -> None:
    """The bound, as the options say."""
    cascade, planes = _given(options)
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

    cascade, planes = _given(options)
    found = ode_bits(cascade, planes, options.draws, options.seed, options.dequantisation, options.tolerance)
    beside = continuous_bound(cascade, planes, draws=8, seed=options.seed)
    print(
        f"{len(planes)} pictures, dequantisation by {options.dequantisation}, {found.evaluations} evaluations of networks a draw and batch"
    )
    print(f"ODE                      {found.total:.4f} bits/dim, error of the draws {found.draw_error:.4f}")
    print(f"importance-weighted      {found.importance_weighted(cascade.dims):.4f} bits/dim ({options.draws} draws)")
    print(f"continuous bound         {beside.total:.4f} bits/dim, Monte-Carlo error {beside.noise_error:.4f}")


def steps(options: argparse.Namespace) -> None:
    """Rate against the number of steps: best paths and even ones."""
    from hvpzip.training.continuous.steps import best_path, cost_tables, uniform_bits

    cascade, planes = _given(options)
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
        _plot(options.plot, series, "steps a scale", "bits per dimension")


def code(options: argparse.Namespace) -> None:
    """A chain of pictures along the best path: file bits, ledger, float bound, everything decoded."""
    from hvpzip.training.continuous.steps import cost_tables, joint_paths

    cascade, planes = _given(options)
    _, path = joint_paths(cost_tables(cascade, planes, 16), options.steps)
    coded = noise_path(cascade, path)
    start = message = _random_message(options.seed)
    ledger, curve = Ledger(), []
    for number in range(len(planes)):
        message = encode(coded, message, planes[number : number + 1], ledger=ledger)
        curve.append((message_bits(message) - message_bits(start), ledger.lowest))
    back = message
    for number in reversed(range(len(planes))):
        back, decoded = decode(coded, back, (1, *planes.shape[2:]))
        if not np.array_equal(decoded, planes[number : number + 1]):
            raise AssertionError(f"picture {number} did not come back")
    if not message_equal(back, start):
        raise AssertionError("the borrowed bits did not come back")
    wanted, error = path_bits(cascade, planes, path, options.seed)
    bits = curve[-1][0] / planes.size
    borrowed = -ledger.lowest / planes[:1].size
    print(f"{len(planes)} pictures in a chain, {options.steps} steps a scale; all decoded and compared, the stack back at its start")
    print(f"file bits          {bits:.4f} bits/dim, {100 * (bits / wanted - 1):+.2f} % of the float bound")
    print(f"ledger             {ledger.net / planes.size:.4f} bits/dim")
    print(f"float bound        {wanted:.4f} bits/dim at the same noise levels, Monte-Carlo error {error:.4f}")
    print(f"debt               {borrowed:.2f} bits/dim of one picture: most that had to be borrowed")
    if options.plot:
        series = {
            "net": [(n + 1, bits / planes[0].size / (n + 1)) for n, (bits, _) in enumerate(curve)],
            "with the debt": [(n + 1, (bits - low) / planes[0].size / (n + 1)) for n, (bits, low) in enumerate(curve)],
        }
        _plot(options.plot, series, "pictures in the chain", "bits per dimension so far")


def path_bits(cascade: DiffusionCascade, planes: NDArray[np.int32], path: NoisePath, seed: int, draws: int = 4) -> tuple[float, float]:
    """(bits per dimension along a path with mixtures, standard error from the draws of noise)."""
    generator = torch.Generator().manual_seed(seed)
    found = []
    for _ in range(draws):
        terms = [
            path_terms(cascade.scale(i), v, k, gammas, generator).total().double().sum()
            for i, ((k, v), gammas) in enumerate(zip(cascade.split(planes), path, strict=True))
        ]
        found.append(float(sum(terms)) / math.log(2) / planes.size)
    return float(np.mean(found)), float(np.std(found, ddof=1) / math.sqrt(draws))


def _random_message(seed: int, lanes: int = LANES) -> Message:
    message = base_message(lanes)
    for row in np.random.default_rng(seed).integers(0, 1 << 16, (2 * SEED_WORDS, lanes)):
        message = push(message, row, np.ones_like(row), 16)
    return message


def local_bits_back(options: argparse.Namespace) -> None:
    """Crops coded and decoded one by one in a chain; net rate beside the ODE's on the same crops."""
    from hvpzip.training.continuous.local_bits_back import LocalCoder
    from hvpzip.training.continuous.ode import ode_bits

    whole = load_cascade(options.checkpoint)
    crops = lifted(read_pictures(options.pictures, whole.config.side)[: options.limit, : options.crop, : options.crop])
    cascade = cropped(whole, options.crop)
    likelihood = ode_bits(cascade, crops, draws=8, seed=options.seed)
    coder = LocalCoder(cascade)
    start = message = _random_message(options.seed, lanes=1)
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
    small = DiffusionCascade(dataclasses.replace(cascade.config, side=side))
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
        bound = continuous_bound(load_cascade(folder / "last.safetensors"), run.validation, draws=6)
        cells = f"{config.widths[0]} | {cost / 1e6:.1f} | {bound.total:.4f} | {bound.noise_error:.4f} | {run.seconds:.0f}"
        print(f"| {name} | {cells} |", flush=True)


def samples(options: argparse.Namespace) -> None:
    """A grid of draws."""
    planes = drawn(load_cascade(options.checkpoint), options.count, options.steps, options.seed)
    grid(unlifted(planes)).save(options.image)


def progressive(options: argparse.Namespace) -> None:
    """Pictures of which the coarser scales are known, the rest filled in: PSNR against the bits of what is known."""
    cascade, planes = _given(options)
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
        _plot(options.plot, series, "bits per dimension known", "PSNR in dB")


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


def photo_progressive(options: argparse.Namespace) -> None:
    """A photo of which the coarser scales are known to a photo model: PSNR against the bits of their part of the payload."""
    with Image.open(options.picture) as opened:
        picture = np.asarray(opened.convert("RGB"))
    model = load_model(options.model)
    found = encode_along(picture.transpose(2, 0, 1), model, model.schedule.plain_path)
    assert found is not None, "the plain path needs no stack"
    terms = found[1].terms
    deepest = min(max(term.level for term in terms), 6)
    print("| scale known | bits/dim | PSNR, mean | PSNR, sample | PSNR, bicubic |\n|" + " --- |" * 5)
    series: dict[str, list[tuple[float, float]]] = {name: [] for name in (*FILLS, "bicubic")}
    for level in range(deepest, 0, -1):
        bits = sum(float(term.bits) for term in terms if term.level == 0 or term.level > level) / picture.size
        small, shape = picture[:: 1 << level, :: 1 << level], (3, *picture.shape[:2])
        filled = {fill: fill_in(small, shape, model, fill, np.random.default_rng(options.seed)) for fill in FILLS}
        filled["bicubic"] = np.asarray(Image.fromarray(small).resize(picture.shape[1::-1], Image.Resampling.BICUBIC))
        for name, other in filled.items():
            series[name].append((bits, _psnr(picture, other)))
        print(f"| 1/{1 << level} | {bits:.3f} | " + " | ".join(f"{series[name][-1][1]:.2f}" for name in series) + " |")
    if options.plot:
        _plot(options.plot, series, "bits per dimension known", "PSNR in dB")


def _psnr(picture: NDArray[np.uint8], other: NDArray[np.uint8]) -> float:
    error = ((picture.astype(np.float64) - other) ** 2).mean()
    return float(10 * np.log10(255**2 / max(error, 1e-9)))


def ood(options: argparse.Namespace) -> None:
    """AUROC of every score against every other kind, constant pictures and noise."""
    from hvpzip.training.continuous.ood import codec_bits, scores, table

    cascade, planes = _given(options)
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


def _plot(image: Path, series: Any, across: str, up: str) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(7, 4.2), layout="constrained")
    for name, points in series.items():
        axes.plot(*zip(*points, strict=True), marker=".", label=name)
    axes.set(xlabel=across, ylabel=up)
    axes.grid(alpha=0.3)
    axes.legend(fontsize="small")
    figure.savefig(image, dpi=100)
    pyplot.close(figure)
