"""The self-test: every prediction of every network for a fixed picture, as a digest that is part of the model."""

from __future__ import annotations

import hashlib
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hvpzip.diffusion.schedule import UNITS, LevelSchedule
from hvpzip.diffusion.walk import Walk
from hvpzip.nn.predictor import Predictor
from hvpzip.threads import side_by_side

__all__ = ["FIRST_GRID", "GRID", "self_test"]

# Rows and columns of the test's picture: enough for what kernels take side by side, and for what is left over. The first models' took five
# times as long.
GRID, FIRST_GRID = (8, 29), (24, 40)
_RANGES = [(-255, 255)] * 3  # units fill the grid: only colours that a latent lacks are completed


def self_test(predictor: Predictor, schedules: list[LevelSchedule], grid: tuple[int, int] = GRID) -> str:
    """SHA-256 of every prediction of every network for a fixed image on a grid (from an integer generator), as hexadecimal.

    schedules: one for each network, finest first.
    """
    positions = grid[0] * grid[1]

    def reveal(state: Any, step: int, values: NDArray[np.int32]) -> Any:
        return predictor.reveal(state, step, values, _RANGES)

    state = np.arange(4 * 3 * positions, dtype=np.uint64)
    for _ in range(3):  # splitmix64 steps: well mixed, the same everywhere
        state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9) + np.uint64(0x9E3779B97F4A7C15)
    noise = (state >> np.uint64(59)).astype(np.int32).reshape(4, 1, 3, *grid) - 16
    coarse, *units = (plane[0] for plane in noise + (np.arange(positions, dtype=np.int32) % 97).reshape(grid))

    def predictions(number: int, schedule: LevelSchedule) -> list[bytes]:
        # Latents reveal their units as they are.
        known = {i: units[UNITS.index(step.unit)][: schedule.colours(i)] for i, step in enumerate(schedule.steps)}
        walk: Walk[Any, NDArray[np.int32]] = Walk(schedule, schedule.every_step, predictor.begin(number, coarse), reveal, known)
        found = []
        for index in walk.steps:
            prediction = predictor.predict(walk.state(index), index, grid)
            found += [
                np.ascontiguousarray(part, "<i4").tobytes() for part in (prediction.mean, prediction.log2_scale, prediction.corrections.T)
            ]
        return found

    networks = side_by_side([partial(predictions, number, schedule) for number, schedule in enumerate(schedules, start=1)])
    return hashlib.sha256(b"".join(part for found in networks for part in found)).hexdigest()
