"""What the network alone costs: a photo's predictions in each arithmetic, by part, and what starting a process costs.

The network runs along the default path as the codec runs it, on the photo's own values (latents are the values rounded to their lattice),
and nothing is coded. All arithmetics must give the same integers.
"""

import argparse
import hashlib
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np

from benchmarks.experiment import Planes, add_options, find_models, leave_out, planes_of, write_results
from benchmarks.machine import say
from benchmarks.runner import find_photos
from benchmarks.worker import read_samples

if TYPE_CHECKING:
    from hvpzip.nn.ops import Conv, Ops
    from hvpzip.nn.weights import Model

__all__ = ["ClockedOps", "Evaluation", "arithmetics", "evaluate", "main", "start_seconds", "table"]

Tensor: TypeAlias = Any  # torch.Tensor; benchmarks do not import torch

ARITHMETICS = ("float32", "int8")
REST = "closed forms, inputs"
# What a process that codes does before its first photo, one after the other, each timed on its own.
STARTING = {
    "import torch": "import torch",
    "import hvpzip.codec.bitsback.group_codec": "import hvpzip.codec.bitsback.group_codec",
    "load_model": "from hvpzip.nn.weights import load_model; load_model({name!r})",
}


@dataclass(frozen=True)
class Row:
    """Processor seconds of a part of the network for one photo; multiply-adds are 0 where it is no convolution."""

    photo: str
    model: str
    arithmetic: str
    part: str
    seconds: float
    multiply_adds: int


class ClockedOps:
    """``Ops`` that keeps the processor time and the multiply-adds of every kind of operation."""

    def __init__(self, ops: "Ops") -> None:
        self._ops = ops
        self.seconds: dict[str, float] = {}
        self.multiply_adds: dict[str, int] = {}

    def inputs(self, values: Tensor) -> Tensor:
        return self._timed("inputs", lambda: self._ops.inputs(values))

    def activate(self, f: Tensor) -> Tensor:
        return self._timed("activations", lambda: self._ops.activate(f))

    def conv_activate(self, conv: "Conv", a: Tensor) -> Tensor:
        return self._timed("to activations", lambda: self._ops.conv_activate(conv, a), conv, a)

    def conv_carry(self, conv: "Conv", a: Tensor, f: Tensor) -> Tensor:
        return self._timed("to features", lambda: self._ops.conv_carry(conv, a, f), conv, a)

    def conv_out(self, conv: "Conv", a: Tensor) -> Tensor:
        return self._timed("to corrections", lambda: self._ops.conv_out(conv, a), conv, a)

    def _timed(self, part: str, call: Callable[[], Tensor], conv: "Conv | None" = None, a: Tensor = None) -> Tensor:
        if conv is not None and a is not None:
            side = conv.weight.shape[-1]
            part = f"{side}x{side} {part}"
            positions = a.shape[0] * a.shape[2] * a.shape[3]
            self.multiply_adds[part] = self.multiply_adds.get(part, 0) + conv.weight.numel() * positions
        begin = time.process_time()
        found = call()
        self.seconds[part] = self.seconds.get(part, 0.0) + time.process_time() - begin
        return found


class Evaluation(NamedTuple):
    """SHA-256 of all predictions, and the processor seconds of the network without that digest."""

    digest: str
    seconds: float


def evaluate(planes: Planes, model: "Model", ops: "Ops") -> Evaluation:
    """All predictions of the default path for a picture, uint8 ``(C, h, w)``."""
    from hvpzip.codec.walk.geometry import coarse_images, geometry_of, lift_of
    from hvpzip.codec.walk.level_walk import LevelWalk
    from hvpzip.nn.integer import exact_arithmetic
    from hvpzip.transform import colour, pyramid

    digest, clock = hashlib.sha256(), _Clock()
    channels, height, width = planes.shape
    geometry = geometry_of((channels, height, width), 8, model)
    split = pyramid.split(colour.forward(planes, lift_of(channels, model)), model.config.transform, len(geometry.levels))
    walker = LevelWalk(replace(model, ops=ops), channels)
    with exact_arithmetic():
        for level, bands, coarse in zip(geometry.levels, reversed(split.levels), coarse_images(split, model), strict=True):
            with clock:
                state = walker.begin(level, coarse)
            source, path = state, level.schedule.paths[model.schedule.path_names[0]]
            for index in path:
                step = level.schedule.steps[index]
                with clock:
                    found = walker.network(level).predict(ops, source, index)
                for part in (found.mean, found.log2_scale, found.corrections):
                    digest.update(part.int().contiguous().numpy().tobytes())
                values = bands[step.unit]
                if step.is_latent:
                    delta = np.array([1 << log2 for log2 in step.log2_delta[:channels]])[:, None, None]
                    with clock:
                        source = walker.reveal(level, state, index, (values + delta // 2) // delta * delta)
                elif index != path[-1]:
                    with clock:
                        source = state = walker.reveal(level, state, index, values)
    return Evaluation(digest.hexdigest(), clock.seconds)


class _Clock:
    """Processor seconds inside its ``with`` blocks."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __enter__(self) -> None:
        self._begin = time.process_time()

    def __exit__(self, *_: object) -> None:
        self.seconds += time.process_time() - self._begin


def arithmetics(model: "Model", wanted: Sequence[str]) -> "dict[str, Ops]":
    """The arithmetics by name, without those that do not work here."""
    from hvpzip.nn.int8 import Int8Ops
    from hvpzip.nn.integer import IntegerOps

    found: dict[str, Ops] = {}
    for name in wanted:
        if name == "int8" and not isinstance(model.ops, Int8Ops):
            say("left out: int8: its kernels are missing, slow or not exact here, or HVPZIP_ARITHMETIC asks for another")
        else:
            found[name] = model.ops if name == "int8" else IntegerOps()
    return found


def start_seconds(model: str) -> dict[str, float]:
    """Processor seconds of what a fresh process does before it codes, one after the other."""
    lines = ["import time", "begin = time.process_time()"]
    for statement in STARTING.values():
        lines += [statement.format(name=model), "print(time.process_time() - begin)", "begin = time.process_time()"]
    done = subprocess.run([sys.executable, "-c", "\n".join(lines)], capture_output=True, text=True, check=True)
    return dict(zip(STARTING, map(float, done.stdout.split()), strict=True))


def main(arguments: Sequence[str]) -> int:
    """Measures; returns 0 if all arithmetics gave the same integers, 1 if not, 2 for a usage error."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks network", description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="a folder of 8-bit gray or RGB pictures")
    parser.add_argument("--limit", type=int, default=None, metavar="N", help="only the first N photos")
    parser.add_argument("--arithmetic", default=",".join(ARITHMETICS), metavar="A,B", help="(default: %(default)s)")
    add_options(parser, "network")
    options = parser.parse_args(arguments)
    wanted = options.arithmetic.split(",")
    if not options.folder.is_dir() or options.threads < 1 or not set(wanted) <= set(ARITHMETICS):
        parser.error(f"FOLDER must be a folder, --threads at least 1 and --arithmetic of {', '.join(ARITHMETICS)}")
    photos, left_out = find_photos(options.folder, options.limit)
    leave_out(left_out)
    if not photos:
        parser.error("no photos to measure")

    from hvpzip.api.runtime import torch_threads

    rows: list[Row] = []
    same = True
    starting = {}
    with torch_threads(options.threads):
        for model in find_models(parser, options.model):
            starting[model.name] = start_seconds(model.name)
            usable = arithmetics(model, wanted)
            for photo in photos:
                planes = planes_of(read_samples(photo.path))
                digests = set()
                for name, ops in usable.items():
                    evaluate(planes, model, ops)  # memory that the process has not touched yet costs as much as the arithmetic
                    clocked = ClockedOps(ops)
                    found = evaluate(planes, model, clocked)
                    digests.add(found.digest)
                    parts = clocked.seconds | {REST: found.seconds - sum(clocked.seconds.values())}
                    for part, seconds in parts.items():
                        rows.append(Row(photo.path.name, model.name, name, part, seconds, clocked.multiply_adds.get(part, 0)))
                    say(f"{photo.path.name} {model.name} {name}: {found.seconds:.3f} s")
                if len(digests) > 1:
                    same = False
                    say(f"{photo.path.name} {model.name}: FAILED: the arithmetics differ")
    if not rows:
        parser.error("no arithmetic to measure")
    write_results(options.out, "network", arguments, options.threads, rows, {"starting": starting})
    print(f"{len(photos)} photos of {options.folder.resolve().name}, {options.threads} threads; processor seconds a photo\n")
    print(table(rows, len(photos)))
    for name, parts in starting.items():
        print(f"\nstarting a process with {name}: " + ", ".join(f"{part} {seconds:.2f} s" for part, seconds in parts.items()))
    print(f"\nwritten to {options.out}")
    return 0 if same else 1


def table(rows: Sequence[Row], photos: int) -> str:
    """Mean seconds and 10^9 multiply-adds a second of each part, by model and arithmetic, in Markdown."""
    lines = ["| model | arithmetic | part | s | G multiply-adds | G/s |", "| --- | --- | --- | ---: | ---: | ---: |"]
    for model, arithmetic in dict.fromkeys((row.model, row.arithmetic) for row in rows):
        chosen = [row for row in rows if (row.model, row.arithmetic) == (model, arithmetic)]
        for part in [*dict.fromkeys(row.part for row in chosen), "all"]:
            seconds = sum(row.seconds for row in chosen if part in (row.part, "all"))
            products = sum(row.multiply_adds for row in chosen if part in (row.part, "all"))
            rate = f"{products / 1e9 / photos:.2f} | {products / 1e9 / seconds:.0f}" if products else "- | -"
            lines.append(f"| {model} | {arithmetic} | {part} | {seconds / photos:.3f} | {rate} |")
    return "\n".join(lines)
