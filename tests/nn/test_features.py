"""What the networks read: exact integers, against definitions by hand."""

import numpy as np
import pytest
import torch

from hvpzip.nn.formats import COARSE_CHANNELS, COARSE_ENERGIES, LIMIT, UNIT_CHANNELS
from hvpzip.nn.graph import features

SHAPES = [(1, 1), (1, 5), (7, 1), (3, 5), (8, 8)]


def integers(seed: int, low: int, high: int, *shape: int) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).integers(low, high + 1, shape)).float()


def test_companding_is_the_rounded_logarithm_of_the_definition():
    """v = round(14 log2(1 + d)) means 2**(2v - 1) <= (1 + d)**28 < 2**(2v + 1), in whole numbers."""
    found = features.compand(torch.arange(0.0, 1024.0))
    for d, value in enumerate(found.tolist()):
        v = int(value)
        assert v == value
        if v == 127:
            assert (1 + d) ** 28 >= 1 << 253
        else:
            assert (1 + d) ** 28 < 1 << (2 * v + 1)
            assert d == 0 or (1 + d) ** 28 >= 1 << (2 * v - 1)
    assert found[:4].tolist() == [0, 14, 22, 28]
    assert found[-1] == 127


def test_companding_is_odd_rises_and_is_clipped_beyond_its_table():
    d = torch.arange(-1023.0, 1024.0)
    found = features.compand(d)
    assert torch.equal(found, -found.flip(0))
    assert bool((found.diff() >= 0).all())
    assert features.compand(torch.tensor([-5e6, -1024.0, 1024.0, 5e6])).tolist() == [-127, -127, 127, 127]


@pytest.mark.parametrize(
    ("value", "shift", "expected"), [(3, 1, 2), (5, 1, 2), (-3, 1, -2), (32, 6, 0), (96, 6, 2), (97, 6, 2), (-33, 6, -1)]
)
def test_shifts_round_half_to_even(value, shift, expected):
    assert features.round_shift(torch.tensor([float(value)]), shift).item() == expected


def reference_differences(plane: np.ndarray) -> list[np.ndarray]:
    rows, columns = np.arange(plane.shape[-2]), np.arange(plane.shape[-1])
    below, right = np.minimum(rows + 1, rows[-1])[:, None], np.minimum(columns + 1, columns[-1])[None]
    here = rows[:, None], columns[None]

    def at(y: np.ndarray, x: np.ndarray) -> np.ndarray:
        return plane[..., y, x]

    a, r, b, d = at(*here), at(here[0], right), at(below, here[1]), at(below, right)
    return [r - a, b - a, d - a, b - r]


@pytest.mark.parametrize("shape", SHAPES)
def test_coarse_inputs_are_companded_differences_and_the_level(shape):
    coarse = integers(1, -255, 255, 2, 3, *shape)
    inputs, energies = features.coarse_inputs(coarse)
    assert inputs.shape == (2, COARSE_CHANNELS, *shape)
    assert energies.shape == (2, COARSE_ENERGIES, *shape)
    expected = np.concatenate(reference_differences(coarse.numpy()), 1)
    assert torch.equal(inputs[:, :12], features.compand(torch.from_numpy(expected)))
    assert torch.equal(energies, inputs[:, :12].abs())
    assert torch.equal(inputs[:, 12], (coarse[:, 0] - 128).clamp(-128, 127))
    assert torch.equal(inputs[:, 13:], torch.from_numpy(np.floor(coarse[:, 1:].numpy() / 2)).clamp(-128, 127))
    assert inputs.min() >= -128
    assert inputs.max() <= 127


@pytest.mark.parametrize("shape", SHAPES)
def test_unit_inputs_are_the_companded_residual_and_differences(shape):
    values, prediction = integers(2, -255, 255, 1, 3, *shape), integers(3, -20000, 20000, 1, 3, *shape)
    inputs, energies = features.unit_inputs(values, prediction)
    right, below, _, _ = reference_differences(values.numpy())
    residual = values.numpy() - np.round(prediction.numpy() / 64)  # numpy rounds half to even too
    expected = np.concatenate([residual, right, below], 1)
    assert inputs.shape == (1, UNIT_CHANNELS, *shape)
    assert torch.equal(inputs, features.compand(torch.from_numpy(expected)))
    assert torch.equal(energies, inputs.abs())


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("kernel", [1, 3])
def test_linear_predictions_are_those_of_a_loop_over_whole_numbers(shape, kernel):
    inputs = integers(4, -255, 255, 1, 6, *shape)
    weight, bias = integers(5, -1000, 1000, 3, 6, kernel, kernel), integers(6, -100000, 100000, 3)
    assert float(weight.abs().flatten(1).sum(1).max() * 255 + bias.abs().max()) < LIMIT
    found = features.linear(inputs, weight, bias, 6)
    margin = kernel // 2
    x = np.pad(inputs[0].numpy().astype(np.int64), ((0, 0), (margin, margin), (margin, margin)), mode="edge")
    w = weight.numpy().astype(np.int64)
    for colour in range(3):
        for row in range(shape[0]):
            for column in range(shape[1]):
                total = int(bias[colour]) + int((w[colour] * x[:, row : row + kernel, column : column + kernel]).sum())
                down, rest = divmod(total, 64)
                assert found[0, colour, row, column] == down + (rest > 32 or (rest == 32 and down % 2 == 1))
