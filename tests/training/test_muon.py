"""Muon's update: singular values near one, singular vectors kept."""

import pytest
import torch

from hvpzip.training.muon import ADAM_RMS, COEFFICIENTS, ITERATIONS, Muon, orthogonalised


def by_singular_values(matrix: torch.Tensor) -> torch.Tensor:
    """The definition in float64: the quintic, iterated on each singular value of the matrix over its norm."""
    left, values, right = torch.linalg.svd(matrix.double() / matrix.double().norm(), full_matrices=False)
    a, b, c = COEFFICIENTS
    for _ in range(ITERATIONS):
        values = a * values + b * values**3 + c * values**5
    return left @ values.diag() @ right


@pytest.mark.parametrize("shape", [(3, 8, 72), (2, 72, 8), (2, 16, 16), (1, 4, 1)])
def test_the_iterations_move_singular_values_and_keep_the_vectors(shape):
    matrices = torch.randn(shape, generator=torch.Generator().manual_seed(5)) * torch.logspace(-3, 3, shape[0])[:, None, None]
    found = orthogonalised(matrices)
    for one, result in zip(matrices, found, strict=True):
        assert torch.allclose(result.double(), by_singular_values(one), atol=1e-4)
    if shape[1] != shape[2]:  # square ones have values near zero, which five iterations do not lift to one
        assert 0.6 < float(torch.linalg.svdvals(found).min()) <= float(torch.linalg.svdvals(found).max()) < 1.25


def test_a_gradient_of_zero_moves_nothing():
    weight = torch.nn.Parameter(torch.ones(4, 2, 3, 3))
    weight.grad = torch.zeros_like(weight)
    Muon([weight], lr=1.0).step()
    assert torch.equal(weight, torch.ones_like(weight))


def test_a_step_goes_along_the_orthogonalised_momentum_whatever_the_memory_format():
    generator = torch.Generator().manual_seed(6)
    gradients = [torch.randn(8, 4, 3, 3, generator=generator) for _ in range(2)]
    average = torch.zeros(8, 4, 3, 3)
    expected = torch.zeros(8, 4, 3, 3)
    for gradient in gradients:
        average = 0.95 * average + 0.05 * gradient
        ahead = (0.05 * gradient + 0.95 * average).flatten(1)
        expected -= 0.5 * ADAM_RMS * 36**0.5 * orthogonalised(ahead[None])[0].view(8, 4, 3, 3)
    for memory_format in (torch.contiguous_format, torch.channels_last):
        weight = torch.nn.Parameter(torch.zeros(8, 4, 3, 3).contiguous(memory_format=memory_format))
        other = torch.nn.Parameter(torch.zeros(8, 4, 3, 3))  # of the same shape: one product serves both
        idle = torch.nn.Parameter(torch.ones(2, 2, 1, 1))
        optimizer = Muon([{"params": [weight, other, idle]}], lr=0.5)
        for gradient in gradients:
            weight.grad = gradient.clone(memory_format=torch.preserve_format).contiguous(memory_format=memory_format)
            other.grad = -gradient
            optimizer.step()
        assert torch.allclose(weight, expected, atol=1e-5)
        assert torch.allclose(other, -expected, atol=1e-5)
        assert torch.equal(idle, torch.ones(2, 2, 1, 1))
        assert torch.allclose(optimizer.state[weight]["exp_avg"], average, atol=1e-6)


def test_a_closure_is_refused():
    with pytest.raises(ValueError, match="closure must be None"):
        Muon([torch.nn.Parameter(torch.zeros(1, 1, 1, 1))]).step(lambda: 0.0)
