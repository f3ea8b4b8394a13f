"""Every arithmetic gives the same integers: numpy, the compiled core in each instruction set, and the graph in torch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from hvpzip.diffusion.schedule import UNITS
from hvpzip.diffusion.walk import Walk
from hvpzip.nn import reference
from hvpzip.nn.bundled import list_models, load_model
from hvpzip.nn.compiled import Compiled, instruction_sets
from hvpzip.nn.formats import ACT_MAX, CARRY_MAX, LIMIT, MAX_EXPONENT, MIN_EXPONENT
from hvpzip.nn.layers import BranchLayers, HeadLayers, Layer
from hvpzip.nn.predictor import IntegerPredictor, Predictor
from hvpzip.threads import using_threads
from tests.helpers.tiny import at_once_schedule, luma_schedule

OPERATIONS = [pytest.param(Compiled(name), id=name) for name in instruction_sets()]
GRIDS = [(1, 1), (1, 7), (5, 1), (3, 6), (4, 13), (9, 29)]


def extreme_layer(rng: np.random.Generator, inputs: int, outputs: int, side: int, exponents: tuple[int, int]) -> Layer:
    """Weights at their limits, as far as the proof allows: -127 and 127, then smaller, and a bias that leaves no room."""
    weight = rng.choice([-127, 127], (outputs, inputs, side, side)).astype(np.int64)
    weight[::3] = rng.integers(-127, 128, weight[::3].shape)
    weight[1::5] = np.abs(weight[1::5])  # all of one sign
    room = LIMIT - 1 - ACT_MAX * np.abs(weight).sum((1, 2, 3))
    while (room < 0).any():
        weight[room < 0] //= 2
        room = LIMIT - 1 - ACT_MAX * np.abs(weight).sum((1, 2, 3))
    bias = np.where(rng.random(outputs) < 0.5, rng.choice([-1, 1], outputs) * room, rng.integers(-4000, 4001, outputs).clip(-room, room))
    exponent = rng.integers(exponents[0], exponents[1] + 1, outputs)
    return Layer(weight.astype(np.int8), bias.astype(np.int32), exponent.astype(np.int8))


def carried_features(rng: np.random.Generator, *shape: int) -> np.ndarray:
    """Both ends, halves between two activations, and everything else."""
    found = rng.integers(-CARRY_MAX, CARRY_MAX + 1, shape)
    found[rng.random(shape) < 0.3] = CARRY_MAX
    found[rng.random(shape) < 0.2] = -CARRY_MAX
    halves = rng.random(shape) < 0.3
    found[halves] = 8 * rng.integers(-10, 260, int(halves.sum())) + 4
    return found.astype(np.int16)


@pytest.mark.parametrize("operations", OPERATIONS)
@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize("channels", [8, 17, 64, 96])
def test_a_branch_at_its_limits_is_the_references(operations, grid, channels):
    rng = np.random.default_rng(channels + grid[1])
    for exponents in ((MIN_EXPONENT, MIN_EXPONENT), (9, 12), (MAX_EXPONENT, MAX_EXPONENT)):
        embed = extreme_layer(rng, 9, channels, 3, exponents)
        blocks = tuple(
            (extreme_layer(rng, channels, channels, 3, exponents), extreme_layer(rng, channels, channels, 1, exponents)) for _ in range(2)
        )
        layers = BranchLayers(embed, blocks)
        inputs = rng.choice([-128, 127, 0, 5], (*grid, 9)).astype(np.int8)
        for carried in (None, carried_features(rng, *grid, channels)):
            expected = reference.branch(layers, inputs, carried)
            before = None if carried is None else carried.copy()
            assert np.array_equal(operations.branch(layers, inputs, carried), expected)
            assert carried is None or np.array_equal(carried, before)  # states are functional


@pytest.mark.parametrize("operations", OPERATIONS)
@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize(("channels", "outputs"), [(8, 21), (64, 39), (64, 51), (96, 48), (7, 1)])
def test_a_head_at_its_limits_is_the_references(operations, grid, channels, outputs):
    rng = np.random.default_rng(channels + outputs)
    for exponents in ((MIN_EXPONENT, MIN_EXPONENT), (8, 13), (MAX_EXPONENT, MAX_EXPONENT)):
        layers = HeadLayers(extreme_layer(rng, channels, channels, 1, exponents), extreme_layer(rng, channels, outputs, 1, exponents))
        carried = carried_features(rng, *grid, channels)
        for size in (grid, (max(0, grid[0] - 1), grid[1]), (grid[0], max(0, grid[1] - 1))):
            assert np.array_equal(operations.head(layers, carried, size), reference.head(layers, carried, size))


@pytest.mark.parametrize("operations", OPERATIONS)
@pytest.mark.parametrize("grid", GRIDS)
def test_closed_forms_and_inputs_are_the_references(operations, grid):
    rng = np.random.default_rng(3)
    bias = rng.integers(-100_000, 100_000, 3).astype(np.int32)
    for planes, limit, dtype in ((6, 1500, np.int32), (21, 127, np.uint8)):
        low = -limit if dtype == np.int32 else 0
        values = rng.integers(low, limit + 1, (planes, *grid)).astype(dtype)
        for shift in (6, 8, 0):
            weight = rng.integers(-200, 201, (3, planes, 3, 3)).astype(np.int32)
            assert int(np.abs(weight).sum((1, 2, 3)).max()) * limit + 100_000 < LIMIT
            assert np.array_equal(operations.linear(values, weight, bias, shift), reference.linear(values, weight, bias, shift))
    values = rng.integers(-3000, 3001, (3, *grid)).astype(np.int32)
    prediction = rng.integers(-200_000, 200_001, (3, *grid)).astype(np.int32)
    for found, expected in (
        (operations.coarse_inputs(values), reference.coarse_inputs(values)),
        (operations.unit_inputs(values, prediction), reference.unit_inputs(values, prediction)),
    ):
        assert all(np.array_equal(one, other) for one, other in zip(found, expected, strict=True))


def test_every_companded_difference_is_the_references():
    values = np.zeros((3, 1, 2051), np.int32)
    values[:] = np.arange(-1025, 1026)
    zero = np.zeros_like(values)
    assert np.array_equal(Compiled().unit_inputs(values, zero)[0], reference.unit_inputs(values, zero)[0])


def test_activations_round_half_to_even_and_are_clamped():
    f = np.array([-9, 0, 3, 4, 5, 12, 20, 2039, 2044, 9000, -32767, 32767], np.int16)
    assert reference.activate(f).tolist() == [0, 0, 0, 0, 1, 2, 2, 255, 255, 255, 0, 255]


def everything_of(predictor: Predictor, level: int, schedule: Any, gray: bool, seed: int) -> list[np.ndarray]:
    """Every prediction of a level, its units a row and a column shorter than the grid, in random planes of either kind."""
    rng = np.random.default_rng(seed)
    channels = 1 if gray else 3
    ranges = [(0, 255), (-255, 255), (-255, 255)][:channels]
    sizes = {"hh": (10, 12), "hl": (11, 12), "lh": (10, 13)}

    def plane(rows: int, columns: int) -> np.ndarray:
        noise = rng.integers(-30, 31, (channels, rows, columns)) + np.arange(columns) * 6
        return np.stack([part.clip(*span) for part, span in zip(noise, ranges, strict=True)]).astype(np.int32)

    coarse, units = plane(11, 13), {unit: plane(*sizes[unit]) for unit in UNITS}
    known = {i: units[step.unit][: schedule.colours(i)] + 3 * step.is_latent for i, step in enumerate(schedule.steps)}

    def reveal(state: Any, step: int, values: np.ndarray) -> Any:
        return predictor.reveal(state, step, values, ranges)

    states, found = Walk(schedule, schedule.every_step, predictor.begin(level, coarse), reveal, known), []
    for index in states.steps:
        said = predictor.predict(states.state(index), index, sizes[schedule.steps[index].unit])
        activations = predictor.activations(states.state(index), (slice(2, 9), slice(1, None)))
        found += [said.mean, said.log2_scale, said.coupling, said.corrections, activations]
        found += [] if said.innovation is None else [said.innovation]
        bands = list(predictor.predict_in_bands(states.state(index), index, sizes[schedule.steps[index].unit], 4))
        assert len(bands) == 3
        assert np.array_equal(np.concatenate([band.mean for band in bands], axis=1), said.mean)
        assert np.array_equal(np.concatenate([band.log2_scale for band in bands], axis=1), said.log2_scale)
        assert np.array_equal(np.concatenate([band.corrections for band in bands]), said.corrections)
    return found


@pytest.mark.parametrize("gray", [False, True])
@pytest.mark.parametrize("name", ["tiny", "luma", "at once", *list_models()])
def test_core_numpy_and_torch_predict_the_same(tiny_model, tiny_model_on, name, gray):
    from hvpzip.nn.graph.predictor import GraphPredictor

    tiny = {"tiny": tiny_model, "luma": tiny_model_on(luma_schedule()), "at once": tiny_model_on(at_once_schedule(("hl", "lh", "hh")))}
    model = tiny.get(name) or load_model(name)
    others: list[Predictor] = [IntegerPredictor(model.levels, Compiled(one)) for one in instruction_sets()]
    others.append(GraphPredictor(model.levels, model.config, model.schedule, "cpu"))
    for level in range(1, model.config.networks + 1):
        schedule = model.levels[level - 1].schedule
        expected = everything_of(IntegerPredictor(model.levels, reference), level, schedule, gray, level)
        assert max(int(np.abs(part).max()) for part in expected) > 100
        for other in others:
            for one, theirs in zip(expected, everything_of(other, level, schedule, gray, level), strict=True):
                assert one.dtype == theirs.dtype
                assert np.array_equal(one, theirs)


def test_threads_give_the_same_integers(tiny_model):
    """A grid that is large enough for five bands."""
    rng = np.random.default_rng(0)
    coarse, values = (rng.integers(0, 256, (3, 101, 110)).astype(np.int32) for _ in range(2))
    found = []
    for threads in (1, 2, 5):
        with using_threads(threads):
            predictor = IntegerPredictor(tiny_model.levels, Compiled())
            state = predictor.reveal(predictor.begin(1, coarse), 4, values, [(-255, 255)] * 3)
            said = predictor.predict(state, 2, (101, 110))
            found.append([state.carried.copy(), said.mean, said.log2_scale, said.corrections])
            for reuse in (False, True):  # the second time in the memory of the state before
                again = predictor.reveal(state, 2, values, [(-255, 255)] * 3, reuse=reuse)
                found[-1].append(again.carried.copy())
            assert again.carried is state.carried
            assert np.array_equal(*found[-1][-2:])
    for other in found[1:]:
        assert all(np.array_equal(one, theirs) for one, theirs in zip(found[0], other, strict=True))


def test_the_core_refuses_arrays_that_do_not_fit():
    from hvpzip.core import _core

    layer = extreme_layer(np.random.default_rng(0), 8, 8, 3, (9, 9))
    with pytest.raises(ValueError, match="instruction set"):
        _core.Convolution("none", 0, False, layer.weight, layer.bias, layer.exponent)
    with pytest.raises(ValueError, match="exponents"):
        _core.Convolution("portable", 0, False, layer.weight, layer.bias, layer.exponent * 0)
    with pytest.raises(ValueError, match="bias"):
        _core.Convolution("portable", 0, False, layer.weight, layer.bias[:-1].copy(), layer.exponent)
    embed = _core.Convolution("portable", 1, True, layer.weight, layer.bias, layer.exponent)
    none, found = np.empty((0, 0, 8), np.int16), np.empty((2, 2, 8), np.int16)
    with pytest.raises(ValueError, match="inputs"):
        _core.branch(embed, [], np.zeros((2, 2, 7), np.int8), none, found, 1)
    with pytest.raises(ValueError, match="grid"):
        _core.branch(embed, [], np.zeros((2, 3, 8), np.int8), none, found, 1)
    with pytest.raises(ValueError, match="block"):
        _core.branch(embed, [embed, embed], np.zeros((2, 2, 8), np.int8), none, found, 1)
    with pytest.raises(ValueError, match="heads"):
        _core.head(embed, embed, found, found, 1)
    with pytest.raises(TypeError):
        _core.branch(embed, [], np.zeros((2, 2, 8), np.int16), none, found, 1)
