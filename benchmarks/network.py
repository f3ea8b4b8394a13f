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
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from benchmarks.experiment import Planes, add_options, find_models, leave_out, planes_of, write_results
from benchmarks.machine import say
from benchmarks.runner import find_photos
from benchmarks.worker import read_samples

if TYPE_CHECKING:
    from hvpzip.nn.layers import BranchLayers, HeadLayers
    from hvpzip.nn.model import Model
    from hvpzip.nn.predictor import Operations

__all__ = ["ClockedOperations", "Evaluation", "arithmetics", "evaluate", "main", "start_seconds", "table"]

Array: TypeAlias = NDArray[Any]
Found = TypeVar("Found")

REST = "planes laid together"
# What a process that codes does before its first photo, one after the other, each timed on its own.
STARTING = {
    "import numpy": "import numpy",
    "import hvpzip.codec.bitsback.group_codec": "import hvpzip.codec.bitsback.group_codec",
    "load_model": "from hvpzip.nn.bundled import load_model; load_model({name!r})",
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


class ClockedOperations:
    """``Operations`` that keep the processor time and the multiply-adds of every kind of operation."""

    def __init__(self, operations: "Operations") -> None:
        self._operations = operations
        self.seconds: dict[str, float] = {}
        self.multiply_adds: dict[str, int] = {}

    def coarse_inputs(self, values: Array) -> tuple[Array, Array]:
        return self._timed("inputs", 0, lambda: self._operations.coarse_inputs(values))

    def unit_inputs(self, values: Array, prediction: Array) -> tuple[Array, Array]:
        return self._timed("inputs", 0, lambda: self._operations.unit_inputs(values, prediction))

    def linear(self, planes: Array, weight: Array, bias: Array, shift: int) -> Array:
        return self._timed("closed forms", weight.size * planes[0].size, lambda: self._operations.linear(planes, weight, bias, shift))

    def branch(self, layers: "BranchLayers", inputs: Array, carried: Array | None, *, reuse: bool = False) -> Array:
        weights = layers.embed.weight.size + sum(layer.weight.size for block in layers.blocks for layer in block)
        return self._timed("branches", weights * inputs[..., 0].size, lambda: self._operations.branch(layers, inputs, carried, reuse=reuse))

    def head(self, layers: "HeadLayers", carried: Array, size: tuple[int, int]) -> Array:
        weights = layers.hidden.weight.size + layers.out.weight.size
        return self._timed("heads", weights * size[0] * size[1], lambda: self._operations.head(layers, carried, size))

    def _timed(self, part: str, products: int, call: Callable[[], Found]) -> Found:
        begin = time.process_time()
        found = call()
        self.seconds[part] = self.seconds.get(part, 0.0) + time.process_time() - begin
        self.multiply_adds[part] = self.multiply_adds.get(part, 0) + products
        return found


class Evaluation(NamedTuple):
    """SHA-256 of all predictions, and the processor seconds of the network without that digest."""

    digest: str
    seconds: float


def evaluate(planes: Planes, model: "Model", operations: "Operations") -> Evaluation:
    """All predictions of the default path for a picture, uint8 ``(C, h, w)``."""
    from hvpzip.codec.walk.geometry import coarse_images, geometry_of, lift_of
    from hvpzip.codec.walk.level_walk import LevelWalk
    from hvpzip.nn.predictor import IntegerPredictor
    from hvpzip.transform import colour, pyramid

    digest, clock = hashlib.sha256(), _Clock()
    channels, height, width = planes.shape
    geometry = geometry_of((channels, height, width), 8, model)
    split = pyramid.split(colour.forward(planes, lift_of(channels, model)), model.config.transform, len(geometry.levels))
    walker = LevelWalk(replace(model, predictor=IntegerPredictor(model.levels, operations)), channels)
    for level, bands, coarse in zip(geometry.levels, reversed(split.levels), coarse_images(split, model), strict=True):
        schedule, path = level.schedule, model.schedule.path_names[0]
        known = {}
        for index in schedule.paths[path]:  # latents are their units, rounded to the lattice
            step = schedule.steps[index]
            values = bands[step.unit].astype(np.int64)[: schedule.colours(index)]
            if step.is_latent:
                delta = np.array([1 << log2 for log2 in step.log2_delta[: len(values)]])[:, None, None]
                values = (values + delta // 2) // delta * delta
            known[index] = values
        with clock:
            states = walker.along(level, path, coarse, known)
        for index in states.steps:
            with clock:
                found = walker.predict(level, states, index)
            for part in (found.mean, found.log2_scale, found.corrections):
                digest.update(np.ascontiguousarray(part).tobytes())
    return Evaluation(digest.hexdigest(), clock.seconds)


class _Clock:
    """Processor seconds inside its ``with`` blocks."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __enter__(self) -> None:
        self._begin = time.process_time()

    def __exit__(self, *_: object) -> None:
        self.seconds += time.process_time() - self._begin


def arithmetics(wanted: Sequence[str]) -> "dict[str, Operations]":
    """The arithmetics by name: the core's instruction sets that this processor has, and numpy; all for an empty list."""
    from hvpzip.nn import reference
    from hvpzip.nn.compiled import Compiled, instruction_sets

    found: dict[str, Operations] = {name: Compiled(name) for name in instruction_sets()}
    found["numpy"] = reference
    return {name: operations for name, operations in found.items() if not wanted or name in wanted}


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
    parser.add_argument("--arithmetic", default="", metavar="A,B", help="instruction sets, or numpy (default: all)")
    add_options(parser, "network")
    options = parser.parse_args(arguments)
    wanted = options.arithmetic.split(",") if options.arithmetic else []
    usable = arithmetics(wanted)
    if not options.folder.is_dir() or options.threads < 1 or not set(wanted) <= set(usable):
        parser.error(f"FOLDER must be a folder, --threads at least 1 and --arithmetic of {', '.join(arithmetics([]))}")
    photos, left_out = find_photos(options.folder, options.limit)
    leave_out(left_out)
    if not photos:
        parser.error("no photos to measure")

    from hvpzip.threads import using_threads

    rows: list[Row] = []
    same = True
    starting = {}
    with using_threads(options.threads):
        for model in find_models(parser, options.model):
            starting[model.name] = start_seconds(model.name)
            for photo in photos:
                planes = planes_of(read_samples(photo.path))
                digests = set()
                for name, operations in usable.items():
                    evaluate(planes, model, operations)  # memory that the process has not touched yet costs as much as the arithmetic
                    clocked = ClockedOperations(operations)
                    found = evaluate(planes, model, clocked)
                    digests.add(found.digest)
                    parts = clocked.seconds | {REST: found.seconds - sum(clocked.seconds.values())}
                    for part, seconds in parts.items():
                        rows.append(Row(photo.path.name, model.name, name, part, seconds, clocked.multiply_adds.get(part, 0)))
                    say(f"{photo.path.name} {model.name} {name}: {found.seconds:.3f} s")
                if len(digests) > 1:
                    same = False
                    say(f"{photo.path.name} {model.name}: FAILED: the arithmetics differ")
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
