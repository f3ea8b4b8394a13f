"""Scales by index, as floats: what an index of the integer table of scales stands for."""

from __future__ import annotations

from typing import Final

from hvpzip.diffusion.schedule import COLOURS, Step

__all__ = ["MAX_LOG2_SCALE", "MIN_LOG2_SCALE", "deltas", "log2_sigma", "sigmas"]

MIN_LOG2_SCALE: Final = -3.0  # the smallest scale of the integer table, 1/8 of a sample
MAX_LOG2_SCALE: Final = 16.9
SCALES_PER_OCTAVE: Final = 16


def log2_sigma(index: int) -> float:
    """log2 of the scale with this index in the integer table: 16 an octave from 1/8 up."""
    return index / SCALES_PER_OCTAVE + MIN_LOG2_SCALE


def sigmas(step: Step) -> tuple[float, ...]:
    """Noise of each colour of a latent, in sample units; 0 for an exact step."""
    return tuple(2.0 ** log2_sigma(index) for index in step.sigma) or (0.0,) * COLOURS


def deltas(step: Step) -> tuple[float, ...]:
    """Lattice step of each colour of a latent, in sample units; 1 for an exact step."""
    return tuple(2.0**log2 for log2 in step.log2_delta) or (1.0,) * COLOURS
