"""``python -m hvpzip.training diffusion COMMAND``: every figure of docs/diffusion.md is one of these commands."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path

import torch

__all__ = ["add_parser", "run"]


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

    widen = ways.add_parser("widen", help="a checkpoint with larger networks that begin as the same functions")
    widen.add_argument("checkpoint", type=Path)
    widen.add_argument("into", type=Path, help="folder of the run that goes on from it")
    widen.add_argument(
        "--widths", type=int, nargs="+", required=True, metavar="N", help="finest scale first, the last for all coarser ones"
    )
    widen.add_argument("--blocks", type=int, nargs="+", required=True, metavar="N", help="likewise")

    bound = _measuring(ways, "bound", "the bound in continuous time or in T steps, by term and scale")
    bound.add_argument("--draws", type=int, default=8, help="times and noises a picture (default: %(default)s)")
    bound.add_argument("--steps", type=int, nargs="*", metavar="T", help="discrete bounds; without numbers 4, 8, 16 ... 256")
    bound.add_argument("--mixtures", action="store_true", help="steps with the belief carried over instead of one Gaussian")
    bound.add_argument("--invariance", action="store_true", help="the continuous bound with other shapes between the same end points")

    ode = _measuring(ways, "ode", "likelihood of the probability-flow ODE beside the bound, same pictures", 64)
    ode.add_argument("--draws", type=int, default=2, help="noises and probes a picture (default: %(default)s)")
    ode.add_argument("--dequantisation", choices=("noise", "truncated"), default="noise", help="(default: %(default)s)")
    ode.add_argument("--tolerance", type=float, default=1e-3, help="of the solver (default: %(default)s)")

    steps = _measuring(ways, "steps", "the best few steps by dynamic programming against even ones", 64)
    steps.add_argument("--levels", type=int, default=24, help="noise levels to choose from (default: %(default)s)")
    steps.add_argument("--budget", type=int, default=12, help="most steps (default: %(default)s)")
    steps.add_argument("--gaussian", action="store_true", help="steps of one Gaussian, as in the papers, instead of mixtures")
    steps.add_argument("--plot", type=Path, help="PNG of rate against steps")

    code = _measuring(ways, "code", "code and decode pictures in one chain by bits-back, and compare with the bound", 20)
    code.add_argument("--steps", type=int, default=4, help="steps of each scale, the best ones (default: %(default)s)")
    code.add_argument("--plot", type=Path, help="PNG of the debt: what the chain has cost after each picture")

    export = _measuring(ways, "export", "the cascade as a model that compresses small pictures; PICTURES choose its noise levels", 128)
    export.add_argument("folder", type=Path, help="of the model, beside that of the photo model")
    export.add_argument("--steps", type=int, default=4, help="steps of each scale, the best ones (default: %(default)s)")
    export.add_argument("--photo-model", default="small-3", help="codes what this one cannot (default: %(default)s)")

    files = ways.add_parser("files", help="each picture as a .hvz file by a model that ships, and by its photo model")
    files.add_argument("model", help="name of a model that ships, with a noise path")
    files.add_argument("pictures", type=Path, help="as for the other commands")
    files.add_argument("--limit", type=int, default=50, help="only the first so many pictures (default: %(default)s)")

    local = _measuring(ways, "local-bits-back", "code and decode crops with the ODE as a flow, beside the ODE's likelihood", 2)
    local.add_argument("--crop", type=int, default=8, help="side of the crops from the pictures' corners (default: %(default)s)")

    maps = ways.add_parser("maps", help="train the same network budget on each map, and print a table")
    maps.add_argument("--config", type=Path, required=True, help="JSON settings; map and widths are replaced")
    maps.add_argument("names", nargs="+", metavar="MAP", help="maps; widths are chosen so that all have the multiply-adds of the first")
    maps.add_argument("--into", type=Path, default=Path("runs/maps"), help="folder of the runs (default: %(default)s)")
    maps.add_argument("--steps", type=int, default=200, help="all of them with a falling rate (default: %(default)s)")

    samples = ways.add_parser("samples", help="draw pictures from nothing, as a grid")
    samples.add_argument("checkpoint", type=Path)
    samples.add_argument("image", type=Path, help="PNG")
    samples.add_argument("--count", type=int, default=64)
    samples.add_argument("--steps", type=int, default=64, help="a scale (default: %(default)s)")
    samples.add_argument("--seed", type=int, default=0)

    progressive = _measuring(ways, "progressive", "PSNR of pictures of which only the coarser scales are known, against their bits", 100)
    progressive.add_argument("--plot", type=Path, help="PNG")

    photo = ways.add_parser("photo-progressive", help="the same for one photo and a photo model, beside bicubic interpolation")
    photo.add_argument("model", help="name of a model that ships")
    photo.add_argument("picture", type=Path)
    photo.add_argument("--seed", type=int, default=0)
    photo.add_argument("--plot", type=Path, help="PNG")

    likeness = ways.add_parser("likeness", help="a model's bits over the plain coder's, by percentile: what is usual, and what is unlike")
    likeness.add_argument("model", help="name of a model that ships")
    likeness.add_argument("pictures", type=Path, nargs="+")
    likeness.add_argument("--crop", type=int, default=256, help="side of the crop from the middle (default: %(default)s)")
    likeness.add_argument("--mosaic", action="store_true", help="the files are mosaics (or .npz) of small pictures")
    likeness.add_argument("--limit", type=int, default=200, help="of each mosaic the first so many (default: %(default)s)")

    superres = ways.add_parser("superres", help="enlarge a picture by the model of the finest scales")
    superres.add_argument("checkpoint", type=Path, help="of a run, or the name of a photo model")
    superres.add_argument("picture", type=Path)
    superres.add_argument("image", type=Path, help="PNG: bicubic beside mean beside sample")
    superres.add_argument("--factor", type=int, default=2)
    superres.add_argument("--steps", type=int, default=32)
    superres.add_argument("--seed", type=int, default=0)

    ood = _measuring(ways, "ood", "AUROC of scores that tell other pictures from those of the kind", 200)
    ood.add_argument("others", type=Path, nargs="+", help="mosaics of other kinds")
    ood.add_argument("--draws", type=int, default=2, help="times and noises a picture (default: %(default)s)")
    ood.add_argument("--typical", type=Path, help="pictures of the kind whose mean bits are the typical ones; the first ones by default")


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
    from hvpzip.training.continuous import coded_figures, figures, photo_figures

    ways: dict[str, Callable[[argparse.Namespace], None]] = {
        "train": _train,
        "widen": _widen,
        "bound": figures.bound,
        "ode": figures.ode,
        "steps": figures.steps,
        "code": coded_figures.code,
        "export": coded_figures.exported,
        "files": coded_figures.files,
        "local-bits-back": figures.local_bits_back,
        "likeness": photo_figures.likeness,
        "maps": figures.maps,
        "samples": figures.samples,
        "photo-progressive": photo_figures.photo_progressive,
        "progressive": figures.progressive,
        "superres": figures.superres,
        "ood": figures.ood,
    }
    ways[options.way](options)
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


def _widen(options: argparse.Namespace) -> None:
    from hvpzip.training.continuous.widen import widen_cascade

    widen_cascade(options.checkpoint, options.into / "last.safetensors", options.widths, options.blocks)
