"""Dynamic programming against trying every path."""

import itertools

import numpy as np
import pytest
from numpy.typing import NDArray

from hvpzip.training.continuous.cascade import DiffusionCascade
from hvpzip.training.continuous.steps import CostTable, best_path, cost_tables, joint_paths, uniform_bits


@pytest.mark.parametrize("steps", [0, 1, 2, 4])
def test_best_path_is_the_best_of_all(steps: int) -> None:
    rng = np.random.default_rng(steps)
    step = np.where(np.triu(np.ones((6, 6)), 1) > 0, rng.random((6, 6)), np.inf)
    table = CostTable(tuple(np.arange(6.0)), step, rng.random(6), rng.random(6))

    def bits(path: tuple[int, ...]) -> float:
        return float(table.start[path[0]] + sum(step[s, t] for s, t in itertools.pairwise(path)) + table.end[path[-1]])

    everything = {path: bits(path) for path in itertools.combinations(range(6), steps + 1)}
    found, path = best_path(table, steps)
    assert found == pytest.approx(min(everything.values()))
    assert everything[path] == pytest.approx(found)


def test_tables_of_an_exact_model_cost_the_same_along_every_path(cascade: DiffusionCascade, planes: NDArray[np.int32]) -> None:
    """With mixtures no number of steps gains or loses: but for noise, so one table's best is below its even path by that alone."""
    tables = cost_tables(cascade, planes, levels=6)
    one, five = (sum(uniform_bits(table, steps) for table in tables) for steps in (1, 5))
    assert one == pytest.approx(five, abs=0.15)
    bits, path = joint_paths(tables, 3)
    assert bits <= sum(uniform_bits(table, 3) for table in tables)
    assert [len(gammas) for gammas in path] == [4, 4]


def test_gaussian_steps_are_worse_when_long(cascade: DiffusionCascade, planes: NDArray[np.int32]) -> None:
    tables = cost_tables(cascade, planes, levels=9, mixtures=False)
    assert sum(uniform_bits(t, 2) for t in tables) > sum(uniform_bits(t, 8) for t in tables)
