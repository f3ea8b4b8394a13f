"""The self-test: every prediction of every network for a fixed picture, as a digest that is part of the model."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np

from hvpzip.diffusion.schedule import UNITS, LevelSchedule
from hvpzip.nn.predictor import Predictor

__all__ = ["self_test"]

_GRID = 24, 40
_RANGES = [(0, 0)] * 3  # the units fill the grid, so nothing is completed


def self_test(predictor: Predictor, schedules: list[LevelSchedule]) -> str:
    """SHA-256 of every prediction of every network for a fixed image of 24x40 positions (from an integer generator), as hexadecimal.

    schedules: one for each network, finest first.
    """
    digest = hashlib.sha256()
    state = np.arange(4 * 3 * _GRID[0] * _GRID[1], dtype=np.uint64)
    for _ in range(3):  # splitmix64 steps: well mixed, the same everywhere
        state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9) + np.uint64(0x9E3779B97F4A7C15)
    noise = (state >> np.uint64(59)).astype(np.int32).reshape(4, 1, 3, *_GRID) - 16
    coarse, *units = (plane[0] for plane in noise + (np.arange(_GRID[0] * _GRID[1], dtype=np.int32) % 97).reshape(_GRID))
    for number, schedule in enumerate(schedules, start=1):
        before = predictor.begin(number, coarse)
        for unit, values in zip(UNITS, units, strict=True):
            side: dict[int, Any] = {}
            for index, step in enumerate(schedule.steps):
                if step.unit != unit:
                    continue
                found = predictor.predict(before if step.given is None else side[step.given], index, _GRID)
                for part in (found.mean, found.log2_scale, found.corrections.T):
                    digest.update(np.ascontiguousarray(part, "<i4").tobytes())
                if step.is_latent:
                    side[index] = predictor.reveal(before, index, values, _RANGES)
            if unit != UNITS[-1]:
                before = predictor.reveal(before, schedule.direct(unit), values, _RANGES)
    return digest.hexdigest()
