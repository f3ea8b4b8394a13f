"""Settings of a training run, read from a JSON file and kept in every checkpoint."""

from __future__ import annotations

import dataclasses
import difflib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hvpzip.diffusion.schedule import ONE_BY_ONE, Schedule, one_latent_level, ordered_level
from hvpzip.nn.config import NetworkConfig
from hvpzip.training.data import Augmentation

__all__ = ["NoiseConfig", "TrainConfig"]


@dataclass(frozen=True, kw_only=True)
class NoiseConfig:
    """The order in which units are revealed, and the latents of some of them.

    Attributes:
        sigma, log2_delta: Of each level's latents, finest level first: scale indices (16 an octave from 1/8 of a sample) and log2 of the
            lattice step, by colour, or of luma alone.
        order: Groups of units that are revealed at once.
        units: Those with a latent.
    """

    sigma: tuple[tuple[int, ...], ...] = ((80, 64, 64), (96, 80, 80), (112, 96, 96))
    log2_delta: tuple[tuple[int, ...], ...] = ((2, 1, 1), (3, 2, 2), (4, 3, 3))
    order: tuple[tuple[str, ...], ...] = ONE_BY_ONE
    units: tuple[str, ...] = ("hh",)

    def schedule(self) -> Schedule:
        """One noise level on ``units`` of every level."""
        drawn = self.order == ONE_BY_ONE and self.units == ("hh",)
        return Schedule(
            levels=tuple(
                one_latent_level(s, d) if drawn else ordered_level(self.order, self.units, s, d)
                for s, d in zip(self.sigma, self.log2_delta, strict=True)
            )
        )


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """One run.

    Attributes:
        sources, weights: Folders or zip archives of photos, and their shares of a batch.
        validation: Folders or archives whose centre crops measure progress; never trained on.
        network, noise, augmentation: What is trained, on which schedule, on which crops.
        batch, crop: Crops a step and their side (a power of two).
        optimizer: "adam", or "muon" for the weights of convolutions and Adam for biases and the heads' last layers.
        learning_rate: Of the body; heads' last layers get ``head_gain`` times as much, for they start at zero.
        matrix_gain: With Muon, how many times the learning rate its weights get.
        warmup: Steps of linear warm-up.
        calibration: Steps on the mixtures' biases alone, before anything else.
        side_weight: Weight of the steps that only the paths beside the first one take.
        ema: Decay of the averaged weights, which validation and export use.
        clip: Largest gradient norm.
        validate_every, save_every_s: Steps between validations; seconds between checkpoints.
        seed: Of everything drawn.
    """

    sources: tuple[str, ...]
    weights: tuple[float, ...]
    validation: tuple[str, ...] = ()
    network: NetworkConfig = field(default_factory=NetworkConfig)
    noise: NoiseConfig = field(default_factory=NoiseConfig)
    augmentation: Augmentation = field(default_factory=Augmentation)
    batch: int = 4
    crop: int = 128
    optimizer: str = "adam"
    learning_rate: float = 1.5e-3
    head_gain: float = 3.0
    matrix_gain: float = 1.0
    warmup: int = 200
    calibration: int = 40
    side_weight: float = 0.25
    ema: float = 0.999
    clip: float = 1.0
    validate_every: int = 1000
    save_every_s: float = 120.0
    seed: int = 0

    def __post_init__(self) -> None:
        if len(self.sources) != len(self.weights) or not self.sources:
            raise ValueError("give as many weights as sources, and at least one")
        if self.crop < 8 or self.crop & (self.crop - 1):
            raise ValueError(f"crop must be a power of two of at least 8, not {self.crop}")
        if self.optimizer not in ("adam", "muon"):
            raise ValueError(f"optimizer must be 'adam' or 'muon', not {self.optimizer!r}")

    def to_dict(self) -> dict[str, Any]:
        """Plain data, ready for JSON."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> TrainConfig:
        """Settings from plain data; ValueError names an unknown key and the nearest known one."""
        nested = {"network": NetworkConfig, "noise": NoiseConfig, "augmentation": Augmentation}
        return _build(cls, {k: _build(nested[k], v) if k in nested else v for k, v in data.items()})  # type: ignore[no-any-return]

    @classmethod
    def read(cls, path: str | Path) -> TrainConfig:
        """Settings from a JSON file."""
        return cls.from_dict(json.loads(Path(path).read_text()))


def _build(cls: Any, data: Mapping[str, Any]) -> Any:
    known = [f.name for f in dataclasses.fields(cls)]
    for key in data:
        if key not in known:
            near = difflib.get_close_matches(key, known, 1)
            raise ValueError(f"unknown setting {key!r} of {cls.__name__}" + (f"; did you mean {near[0]!r}?" if near else ""))
    return cls(**{key: _tuples(value) for key, value in data.items()})


def _tuples(value: Any) -> Any:
    return tuple(_tuples(v) for v in value) if isinstance(value, list) else value
