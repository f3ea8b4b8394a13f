"""What the commands that make figures share: their pictures, and their plots."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hvpzip.ans import Message, base_message, push
from hvpzip.training.continuous.cascade import DiffusionCascade
from hvpzip.training.continuous.images import lifted, read_pictures
from hvpzip.training.continuous.loop import load_cascade

__all__ = ["given", "plot", "random_message"]

LANES = 16
SEED_WORDS = 4096  # random words a lane on the stack before a chain; what is left of them is checked


def given(options: argparse.Namespace) -> tuple[DiffusionCascade, NDArray[np.int32]]:
    """The cascade of the options' checkpoint, and their pictures, lifted: int32 (N, 3, side, side)."""
    cascade = load_cascade(options.checkpoint)
    return cascade, lifted(read_pictures(options.pictures, cascade.config.side)[: options.limit])


def plot(image: Path, series: Any, across: str, up: str) -> None:
    """Draw lines into a PNG: ``series`` has the points (x, y) of each by its name; ``across`` and ``up`` name the axes."""
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


def random_message(seed: int, lanes: int = LANES) -> Message:
    """A message with two times ``SEED_WORDS`` random numbers of 16 bits on each lane."""
    message = base_message(lanes)
    for row in np.random.default_rng(seed).integers(0, 1 << 16, (2 * SEED_WORDS, lanes)):
        message = push(message, row, np.ones_like(row), 16)
    return message
