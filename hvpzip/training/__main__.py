"""``python -m hvpzip.training``: train, widen, try variants and noise levels, search schedules, export, plot, pack.

``diffusion`` has the commands of the papers' own, on small pictures.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import torch

from hvpzip.diffusion.schedule import Schedule
from hvpzip.training import parallel
from hvpzip.training.config import TrainConfig
from hvpzip.training.continuous import cli as diffusion
from hvpzip.training.data import pack
from hvpzip.training.experiments.bench import HEADINGS, Bench
from hvpzip.training.experiments.levels import levels_table, logged_table, train_levels
from hvpzip.training.experiments.search import search_schedules
from hvpzip.training.export import export_checkpoint, integer_cost
from hvpzip.training.loop import Run
from hvpzip.training.luma import luma_checkpoint
from hvpzip.training.plot import plot_log
from hvpzip.training.widen import widen_checkpoint


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m hvpzip.training", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    train = commands.add_parser("train", help="train in a folder; resumes where the folder holds a checkpoint")
    train.add_argument("--config", type=Path, required=True, help="JSON settings (hvpzip.training.config.TrainConfig)")
    train.add_argument("--into", type=Path, help="folder of the run; runs/NAME for settings in NAME.json")
    train.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    train.add_argument("--initial", type=Path, help="checkpoint to branch from, where the folder holds none")
    train.add_argument("--cooldown", type=int, metavar="STEPS", help="end with this many steps of falling rate and fake quantisation")
    train.add_argument("--steps", type=int, help="stop after so many steps")
    train.add_argument("--minutes", type=float, help="stop after so many minutes")
    train.add_argument("--threads", type=int, help="CPU threads")
    train.add_argument("--dry-run", action="store_true", help="print the settings and stop")
    plot = commands.add_parser("plot", help="draw a run's log as a PNG")
    plot.add_argument("log", type=Path, help="log.jsonl of a run")
    plot.add_argument("image", type=Path)
    exporting = commands.add_parser("export", help="make a checkpoint a model: integers, proof, id")
    exporting.add_argument("checkpoint", type=Path)
    exporting.add_argument("folder", type=Path, help="models/NAME")
    exporting.add_argument("--default", action="store_true", help="make it the default model")
    cost = commands.add_parser("cost", help="what the integers cost against the float network")
    cost.add_argument("checkpoint", type=Path)
    cost.add_argument("sources", nargs="+", help="folders of photos; centre crops are measured")
    trying = commands.add_parser("variant", help="train variants for a fixed number of steps and print their validation bounds per scale")
    trying.add_argument("names", nargs="+", metavar="NAME", help="variants of the bench, or 'all'")
    trying.add_argument("--bench", type=Path, default=Path("models/configs/variants.json"), help="JSON (Bench in training/experiments)")
    trying.add_argument(
        "--set", type=_setting, action="append", default=[], metavar="SETTING=VALUE", help="change all, as network.channels=48"
    )
    trying.add_argument("--seed", type=int, help="of everything drawn; the bench's own by default")
    trying.add_argument("--steps", type=int, help="length of a run; the bench's own by default")
    trying.add_argument("--initial", type=Path, help="checkpoint that all go on from")
    trying.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    levels = commands.add_parser("levels", help="try other noise levels on a trained model: train new steps alone, and compare")
    levels.add_argument("checkpoint", type=Path, help="of a trained run; its photos are used")
    levels.add_argument("schedule", type=Path, help="JSON schedule that begins with the checkpoint's steps")
    levels.add_argument("into", type=Path, help="folder for the model with all paths, and levels.json")
    levels.add_argument("--steps", type=int, default=400, help="training steps of each new step (default: %(default)s)")
    levels.add_argument("--crop", type=int, help="side of the crops, if not that of the checkpoint's run")
    levels.add_argument("--against", default="one-shot", help="path to compare with (default: %(default)s)")
    gains = commands.add_parser("gains", help="what noise levels gain in a run's last validation, by level")
    gains.add_argument("folder", type=Path, help="of the run")
    schedule = commands.add_parser("schedule", help="search schedules: the shortest path through states of a pilot network")
    schedule.add_argument("--config", type=Path, required=True, help="JSON settings: photos, batch, crop")
    schedule.add_argument("--into", type=Path, default=Path("runs/schedule"), help="folder of the results (default: %(default)s)")
    schedule.add_argument("--steps", type=int, default=2500, help="training steps of the pilots (default: %(default)s)")
    schedule.add_argument("--budget", type=int, default=8, help="network evaluations a level, at most (default: %(default)s)")
    schedule.add_argument("--pilots", type=Path, help="pilots.safetensors of an earlier search, to use instead of training")
    widening = commands.add_parser("widen", help="give a trained network more channels; it begins as the same function")
    widening.add_argument("checkpoint", type=Path)
    widening.add_argument("into", type=Path, help="folder of the wide run, which then goes on from there")
    widening.add_argument("--channels", type=int, required=True)
    lumas = commands.add_parser("luma", help="go on from a trained network with latents of luma alone")
    lumas.add_argument("checkpoint", type=Path)
    lumas.add_argument("into", type=Path, help="folder of the run, which then goes on from there")
    packing = commands.add_parser("pack", help="put photos of a folder into an archive to train from elsewhere")
    packing.add_argument("source", type=Path)
    packing.add_argument("archive", type=Path)
    packing.add_argument("--megabytes", type=float, default=48.0)
    diffusion.add_parser(commands)
    return parser


def _setting(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"expected SETTING=VALUE, not {text!r}")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value  # a word


def _try_variants(options: argparse.Namespace) -> None:
    bench = Bench.read(options.bench)
    if options.steps is not None:
        bench = bench.of_length(options.steps)
    changes = dict(options.set) if options.seed is None else {**dict(options.set), "seed": options.seed}
    names = list(bench.variants) if options.names == ["all"] else options.names
    print(f"| {' | '.join(HEADINGS)} |\n|{' --- |' * len(HEADINGS)}", flush=True)
    for outcome in bench.run(names, changes, device=options.device, initial=options.initial):
        print(outcome.row(), flush=True)


def main(arguments: list[str] | None = None) -> int:
    """Run one command; the exit code."""
    arguments = sys.argv[1:] if arguments is None else arguments
    if arguments and arguments[0].startswith("--") and arguments[0] != "--help":
        arguments = ["train", *arguments]  # the command to train is the default
    options = _parser().parse_args(arguments)
    if options.command == "diffusion":
        return diffusion.run(options)
    if options.command == "pack":
        print(f"{pack(options.source, options.archive, int(options.megabytes * 1e6))} photos in {options.archive}")
        return 0
    if options.command == "plot":
        plot_log(options.log, options.image)
        return 0
    if options.command == "export":
        model = export_checkpoint(options.checkpoint, options.folder, default=options.default)
        print(f"{model.name}: id {model.id.hex()}")
        return 0
    if options.command == "widen":
        widen_checkpoint(options.checkpoint, options.into / "last.safetensors", options.channels)
        return 0
    if options.command == "luma":
        luma_checkpoint(options.checkpoint, options.into / "last.safetensors")
        return 0
    if options.command == "cost":
        for name, (real, integer) in integer_cost(options.checkpoint, tuple(options.sources)).items():
            print(f"{name}: float {real:.4f}, integer {integer:.4f} bits/dim ({100 * (integer / real - 1):+.2f} %)")
        return 0
    if options.command == "variant":
        _try_variants(options)
        return 0
    if options.command == "levels":
        schedule = Schedule.from_dict(json.loads(options.schedule.read_text()))
        bits = train_levels(options.checkpoint, schedule, options.into, options.steps, crop=options.crop)
        print(levels_table(bits, schedule, options.against))
        return 0
    if options.command == "gains":
        print(logged_table(options.folder))
        return 0
    config = TrainConfig.read(options.config)
    if options.command == "schedule":
        print(search_schedules(config, options.into, options.steps, options.budget, options.pilots))
        return 0
    if options.dry_run:
        print(config)
        return 0
    if options.threads:
        torch.set_num_threads(options.threads)
    parallel.start(options.device)
    run = Run(config, options.into or Path("runs") / options.config.stem, options.device, options.initial, options.cooldown)
    run.train(
        max_steps=options.steps,
        max_seconds=None if options.minutes is None else 60 * options.minutes,
        report=lambda line: print(line, flush=True),
    )
    parallel.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
