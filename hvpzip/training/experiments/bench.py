"""A bench for ideas: variants of one base setting, trained for the same number of steps from the same seed, measured on the same crops.

The variants are data (``models/configs/variants.json``): dotted settings that differ from the base, and what was expected of them before
they ran. Results are kept in docs/experiments.md.
"""

from __future__ import annotations

import dataclasses
import json
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor

from hvpzip.nn.graph.ops import FloatOps
from hvpzip.training.config import TrainConfig
from hvpzip.training.data import load_photos
from hvpzip.training.loop import Run
from hvpzip.training.loss import path_bits

__all__ = ["HEADINGS", "Bench", "Outcome", "Variant", "overridden"]

HEADINGS = ("variant", "expected", "bits/dim", "levels 1, 2, coarser", "weights", "processor s/step")


@dataclass(frozen=True, kw_only=True)
class Variant:
    """What differs from the base, by dotted name ({"network.channels": 96}), and what was expected before it ran."""

    expected: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What came of a variant.

    Attributes:
        name, expected: Of the variant.
        bits_per_dim: Bound of the schedule's first path on each validation source, and as ``source/path`` of each other one.
        levels: Its parts of the finest level, the second, and all coarser ones, averaged over the sources; bits per dimension of the image.
        weights: Numbers that were trained.
        step_s: Processor seconds a training step, of all threads.
    """

    name: str
    expected: str
    bits_per_dim: Mapping[str, float]
    levels: tuple[float, float, float]
    weights: int
    step_s: float

    def row(self) -> str:
        """A row of a Markdown table under ``HEADINGS``."""
        bits = ", ".join(f"{name} {value:.4f}" for name, value in self.bits_per_dim.items())
        levels = ", ".join(f"{value:.4f}" for value in self.levels)
        return f"| {self.name} | {self.expected} | {bits} | {levels} | {self.weights:,} | {self.step_s:.3f} |"


@dataclass(frozen=True, kw_only=True)
class Bench:
    """Variants and what they have in common.

    Attributes:
        base: Settings that variants start from.
        steps, cooldown: Length of a run, and how many of its last steps the rate falls in.
        variants: By name.
    """

    base: TrainConfig
    steps: int
    cooldown: int
    variants: Mapping[str, Variant]

    def __post_init__(self) -> None:
        if not 0 < self.cooldown <= self.steps:
            raise ValueError(f"the cool-down must be 1 to {self.steps} steps, not {self.cooldown}")

    @classmethod
    def read(cls, path: str | Path) -> Bench:
        """A bench from a JSON file; ValueError where a variant names a setting that does not exist."""
        data = json.loads(Path(path).read_text())
        base = TrainConfig.from_dict(data.pop("base"))
        bench = cls(base=base, variants={name: Variant(**variant) for name, variant in data.pop("variants").items()}, **data)
        for variant in bench.variants.values():
            overridden(base, variant.settings)
        return bench

    def of_length(self, steps: int) -> Bench:
        """The bench with runs of another length, the cool-down in proportion."""
        return dataclasses.replace(self, steps=steps, cooldown=max(1, round(self.cooldown * steps / self.steps)))

    def run(
        self, names: Sequence[str], changes: Mapping[str, Any], *, device: str = "cpu", initial: Path | None = None
    ) -> Iterator[Outcome]:
        """Train and measure the named variants one after the other.

        Args:
            names: Variants; ValueError where there is none of a name.
            changes: Further settings for all of them.
            device: "cpu" or "cuda".
            initial: Checkpoint that all go on from, for variants that change nothing in the network.
        """
        unknown = [name for name in names if name not in self.variants]
        if unknown:
            raise ValueError(f"no variant {', '.join(unknown)}; there are {', '.join(self.variants)}")
        photos: dict[tuple[str, ...], list[list[Tensor]]] = {}
        for name in names:
            variant = self.variants[name]
            config = overridden(self.base, {**variant.settings, **changes})
            if config.sources not in photos:
                photos = {config.sources: load_photos(config.sources)}
            with tempfile.TemporaryDirectory() as folder:
                run = Run(config, Path(folder), device, initial, photos=photos[config.sources])
                if run.config != config:
                    raise ValueError(f"variant {name} has another network than {initial}")
                yield self._outcome(name, variant.expected, run)

    def _outcome(self, name: str, expected: str, run: Run) -> Outcome:
        began = time.process_time()
        run.train(max_steps=self.steps - self.cooldown, report=lambda line: None)
        run.cool_down(self.cooldown)
        run.train(report=lambda line: None)
        step_s = (time.process_time() - began) / self.steps
        levels, bits = [0.0, 0.0, 0.0], {}
        for source, terms in run.validation_terms(FloatOps(simulate=True)).items():
            schedules = {term.level: run.model.schedule.level(term.level) for term in terms}
            first, *others = run.model.schedule.path_names
            count = run.validation[source].numel()
            parts = [float(path_bits([t for t in terms if t.level == level], schedules, first)) / count for level in sorted(schedules)]
            bits[source] = sum(parts)
            bits |= {f"{source}/{path}": float(path_bits(terms, schedules, path)) / count for path in others}
            for level, part in enumerate(parts):
                levels[min(level, 2)] += part / len(run.validation)
        weights = sum(p.numel() for p in run.model.parameters())
        return Outcome(
            name=name, expected=expected, bits_per_dim=bits, levels=(levels[0], levels[1], levels[2]), weights=weights, step_s=step_s
        )


def overridden(config: TrainConfig, settings: Mapping[str, Any]) -> TrainConfig:
    """``config`` with dotted settings changed; ValueError names an unknown one."""
    data = config.to_dict()
    for dotted, value in settings.items():
        *path, last = dotted.split(".")
        inner = data
        for part in path:
            if not isinstance(inner.get(part), dict):
                raise ValueError(f"unknown setting {dotted!r}: {part!r} holds no settings")
            inner = inner[part]
        inner[last] = value
    return TrainConfig.from_dict(data)
