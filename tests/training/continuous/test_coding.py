"""Bits-back in integers: everything comes back, both ways; bits on the stack are those of the bound."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from hvpzip.ans import Message, base_message, check_base, message_bits, message_equal, push
from hvpzip.codec.noise_path import Ledger, decode, decode_scales, encode
from hvpzip.errors import CorruptError
from hvpzip.nn import denoiser
from hvpzip.nn.denoiser.strict import exp2, log2
from hvpzip.training.continuous.cascade import DiffusionCascade
from hvpzip.training.continuous.images import lifted
from hvpzip.training.continuous.path import noise_path, path_terms, uniform_path
from tests.training.continuous.tiny import smooth_pictures, tiny_config


def stirred(cascade: DiffusionCascade, seed: int = 0) -> DiffusionCascade:
    """The cascade with small random weights everywhere, so that noisy values and levels matter."""
    generator = torch.Generator().manual_seed(seed)
    for name, p in cascade.named_parameters():
        if "denoiser" in name:
            p.add_(0.03 * torch.randn(p.shape, generator=generator))
    return cascade


def random_message(bits: int, lanes: int = 16, seed: int = 0) -> Message:
    words = np.random.default_rng(seed).integers(0, 1 << 16, (bits // 16 // lanes + 1, lanes))
    message = base_message(lanes)
    for row in words:
        message = push(message, row, np.ones_like(row), 16)
    return message


def test_strict_powers_and_logarithms_are_those_of_the_library() -> None:
    x = np.linspace(-400, 400, 20001)
    assert np.allclose(exp2(x), np.exp2(x), rtol=1e-13, atol=0)
    positive = np.exp2(np.linspace(-60, 60, 20001))
    assert np.allclose(log2(positive), np.log2(positive), rtol=1e-13, atol=1e-13)
    assert exp2(np.array([0.0, 3.0, -2.0])).tolist() == [1.0, 8.0, 0.25]
    assert log2(np.array([1.0, 1024.0, 0.5])).tolist() == [0.0, 10.0, -1.0]


def test_integers_believe_what_the_network_believes(cascade: DiffusionCascade, planes: NDArray[np.int32]) -> None:
    stirred(cascade)
    coded = noise_path(cascade, uniform_path(cascade, 3))
    for number, (known, values) in enumerate(cascade.split(planes[:4])):
        model, network = cascade.scale(number), coded.scales[number].network
        for level, gamma in enumerate(uniform_path(cascade, 3)[number]):
            noise = torch.from_numpy(2.0 ** network.levels[level].log2_noise).float()[:, None, None]
            y = values + noise * torch.randn(values.shape, generator=torch.Generator().manual_seed(level))
            z = y / model.unit[:, None, None] / math.sqrt(1 + math.exp(gamma))
            wanted = model.estimate(z, torch.full((4,), gamma), known).belief.expectation() * model.unit[:, None, None]
            found = denoiser.believe(network, level, y.double().numpy(), known.double().numpy())
            weight = np.exp2(found.log2_weight - found.log2_weight.max(0))
            mean = (weight * found.mean).sum(0) / weight.sum(0)
            # The coder's table moves a channel's noise by up to 2 %, so the two do not see quite the same model.
            error = np.abs(mean - wanted.numpy()).mean() / np.abs(values.numpy() - values.numpy().mean()).mean()
            assert error < 0.03, (number, level, error)


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), steps=st.integers(1, 4))
def test_pictures_and_borrowed_bits_come_back(seed: int, steps: int) -> None:
    torch.manual_seed(0)
    cascade = DiffusionCascade(tiny_config(map_name="laplacian"))
    cascade.precondition(lifted(smooth_pictures(16)))
    coded = noise_path(stirred(cascade.requires_grad_(False), seed % 1000), uniform_path(cascade, steps))
    x = np.random.default_rng(seed).integers(0, 256, (2, 8, 8, 3)).astype(np.uint8)
    start = random_message(2 * 192 * 40, seed=seed)
    message, back = decode(coded, encode(coded, start, lifted(x)), (2, 8, 8))
    assert np.array_equal(back, lifted(x))
    assert message_equal(message, start)


def test_any_message_decodes_and_encodes_to_itself(cascade: DiffusionCascade) -> None:
    """The other direction, on which bits-back rests. A random message decodes to pictures of any values."""
    coded = noise_path(stirred(cascade), uniform_path(cascade, 2))
    start = random_message(192 * 80, seed=3)
    message, planes = decode(coded, start, (1, 8, 8))
    assert message_equal(encode(coded, message, planes), start)


@pytest.mark.parametrize("steps", [1, 4])
def test_bits_on_the_stack_are_those_of_the_bound(cascade: DiffusionCascade, planes: NDArray[np.int32], steps: int) -> None:
    """In a chain of pictures: within 1 % of the float bound at the same number of steps, the ledger exact."""
    path = uniform_path(stirred(cascade), steps)
    coded = noise_path(cascade, path)
    start = random_message(192 * 60)
    message, ledger = start, Ledger()
    for part in np.split(planes, 8):
        message = encode(coded, message, part, ledger=ledger)
    bits = message_bits(message) - message_bits(start)
    assert bits == pytest.approx(ledger.net, rel=1e-4)
    generator = torch.Generator().manual_seed(0)
    draws = []
    for _ in range(20):
        terms = [
            path_terms(cascade.scale(i), values, known, path[i], generator).total()
            for i, (known, values) in enumerate(cascade.split(planes))
        ]
        draws.append(float(torch.stack(terms).sum()) / math.log(2))
    error = np.std(draws, ddof=1)  # of one draw, as the coder's is
    assert bits == pytest.approx(np.mean(draws), rel=0.01, abs=3 * error)


def test_a_prefix_gives_the_coarser_picture(cascade: DiffusionCascade, planes: NDArray[np.int32]) -> None:
    coded = noise_path(cascade, uniform_path(cascade, 2))
    message = encode(coded, random_message(192 * 60), planes[:1])
    _, coarse = decode_scales(coded, message, (1, 8, 8), 1)
    assert np.array_equal(coarse, cascade.hierarchy.split(planes[:1])[1].known)


def test_an_empty_stack_is_an_error(cascade: DiffusionCascade, planes: NDArray[np.int32]) -> None:
    coded = noise_path(cascade, uniform_path(cascade, 2))
    with pytest.raises(CorruptError):
        encode(coded, base_message(16), planes[:1])
    check_base(base_message(16))
