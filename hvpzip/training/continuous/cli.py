"""``python -m hvpzip.training diffusion COMMAND``: every figure of docs/diffusion.md is one of these commands."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import torch

from hvpzip.training.continuous.images import lifted, read_pictures
from hvpzip.training.continuous.log_snr import SHAPES

__all__ = ["add_parser", "run"]

STEPS = (4, 8, 16, 32, 64, 128, 256)


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``diffusion`` with its commands."""
    parser = commands.add_parser("diffusion", help="the papers' diffusion on small pictures: train a cascade, its bounds and uses")
    ways = parser.add_subparsers(dest="way", required=True)

    train = ways.add_parser("train", help="train in a folder; resumes where the folder holds a checkpoint")
    train.add_argument("--config", type=Path, required=True, help="JSON settings (hvpzip.training.continuous.loop.DiffusionTrainConfig)")
    train.add_argument("--pictures", type=str, help="mosaic, folder of mosaics or .npz, instead of that of the settings")
    train.add_argument("--into", type=Path, help="folder of the run; runs/NAME for settings in NAME.json")
    train.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    train.add_argument("--initial", type=Path, help="checkpoint to branch from, where the folder holds none")
    train.add_argument("--cooldown", type=int, metavar="STEPS", help="end with this many steps of falling rate")
    train.add_argument("--steps", type=int, help="stop at this step")
    train.add_argument("--minutes", type=float, help="stop after so many minutes")
    train.add_argument("--threads", type=int, help="CPU threads")

    bound = _measuring(ways, "bound", "the bound in continuous time or in T steps, by term and scale")
    bound.add_argument("--draws", type=int, default=8, help="times and noises a picture (default: %(default)s)")
    bound.add_argument("--steps", type=int, nargs="*", metavar="T", help=f"discrete bounds; without numbers {', '.join(map(str, STEPS))}")
    bound.add_argument("--mixtures", action="store_true", help="steps with the belief carried over instead of one Gaussian")
    bound.add_argument("--invariance", action="store_true", help="the continuous bound with other shapes between the same end points")


def _measuring(
    ways: argparse._SubParsersAction[argparse.ArgumentParser], name: str, text: str, limit: int | None = None
) -> argparse.ArgumentParser:
    parser = ways.add_parser(name, help=text)
    parser.add_argument("checkpoint", type=Path, help="of a trained run")
    parser.add_argument("pictures", type=Path, help="mosaic, folder of mosaics, or .npz with uint8 images (N, h, w, 3)")
    parser.add_argument("--limit", type=int, default=limit, help="only the first so many pictures (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    return parser


def run(options: argparse.Namespace) -> int:
    """Run one command; the exit code."""
    {"train": _train, "bound": _bound}[options.way](options)
    return 0


def _train(options: argparse.Namespace) -> None:
    from hvpzip.training.continuous.loop import DiffusionRun, DiffusionTrainConfig

    data = json.loads(options.config.read_text())
    config = DiffusionTrainConfig.from_dict(data if options.pictures is None else {**data, "pictures": options.pictures})
    if options.threads:
        torch.set_num_threads(options.threads)
    into = options.into or Path("runs") / options.config.stem
    DiffusionRun(config, into, options.device, options.initial, options.cooldown).train(
        max_steps=options.steps,
        max_seconds=None if options.minutes is None else 60 * options.minutes,
        report=lambda line: print(line, flush=True),
    )


def _bound(options: argparse.Namespace) -> None:
    from hvpzip.training.continuous.evaluate import continuous_bound, discrete_bound
    from hvpzip.training.continuous.log_snr import LogSnrSchedule
    from hvpzip.training.continuous.loop import load_cascade

    cascade = load_cascade(options.checkpoint).to(options.device)
    planes = lifted(read_pictures(options.pictures, cascade.config.side)[: options.limit])
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
