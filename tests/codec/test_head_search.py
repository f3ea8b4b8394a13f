"""The search for changes of heads: core and numpy find the same bits, slopes and numbers, and autograd says the same."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from hvpzip.codec.adaptation import search
from hvpzip.codec.adaptation.search import FACTS, Dense, Numbers, Pool, Search
from hvpzip.core import _core
from hvpzip.diffusion.likelihood_float import mixture_bits


def made(seed: int, latent: bool, colours: int = 3, count: int = 700, components: int = 3) -> tuple[Pool, Dense, Dense]:
    """A pool with predictions that are good, bad and hopeless, at scales from one end to the other."""
    rng = np.random.default_rng(seed)
    inputs, width, outputs = 7, 10, (12 if latent else 9) * components + 3
    facts = np.zeros((count, FACTS), np.float32)
    facts[:, 0:3] = rng.integers(-6000, 6000, (count, 3)) / 64
    facts[:, 3:6] = rng.uniform(-3.5, 7, (count, 3))
    facts[:, 6:9] = np.rint(facts[:, 0:3] + rng.normal(0, 1, (count, 3)) * np.exp2(rng.uniform(-3, 7, (count, 3))))
    facts[:, 9:12] = rng.integers(-300, 300, (count, 3)) / 64
    pool = Pool(
        rng.integers(0, 256, (count, inputs)).astype(np.uint8),
        facts,
        rng.uniform(-0.5, 0.5, 3).astype(np.float32),
        np.array([0.5, 1.0, 0.5], np.float32),
        components,
        colours,
        latent,
    )
    hidden = Dense(rng.normal(0, 0.4, (width, inputs)).astype(np.float32), rng.normal(0, 1, width).astype(np.float32))
    out = Dense(rng.normal(0, 0.15, (outputs, width)).astype(np.float32), rng.normal(0, 0.3, outputs).astype(np.float32))
    return pool, hidden, out


CASES = [(False, 3), (True, 3), (False, 1), (True, 1)]


@pytest.mark.parametrize(("latent", "colours"), CASES)
@pytest.mark.parametrize("count", [1, 255, 256, 700])
def test_core_and_numpy_give_the_same_bits_and_slopes(latent, colours, count):
    pool, hidden, out = made(1, latent, colours)
    order = np.random.default_rng(0).integers(0, 700, count).astype(np.int32)
    bits, slopes = search.reference_bits(pool, hidden, out, order)
    found = np.empty_like(slopes)
    assert _core.head_bits(*pool, *hidden, *out, order, found) == bits == search.head_bits(pool, hidden, out, order)
    assert np.array_equal(found, slopes)
    assert np.isfinite(slopes).all()


@pytest.mark.parametrize(("latent", "colours"), CASES)
def test_slopes_are_those_of_autograd_on_the_bound(latent, colours):
    pool, hidden, out = made(2, latent, colours)
    order = np.arange(700, dtype=np.int32)
    bits, slopes = search.reference_bits(pool, hidden, out, order)
    facts = torch.from_numpy(pool.facts.T.astype(np.float64))
    a = torch.from_numpy(pool.activations.T.astype(np.float64)) / 32
    hidden64, out64 = (tuple(torch.from_numpy(part.astype(np.float64)) for part in layer) for layer in (hidden, out))
    a = (hidden64[0] @ a + hidden64[1][:, None]).clamp(0, 255 / 32)
    corrections = (out64[0] @ a + out64[1][:, None]).requires_grad_()

    def row(first: int) -> torch.Tensor:
        return facts[first : first + 3][None, :, None]

    expected = mixture_bits(
        row(0),
        row(3),
        torch.from_numpy(pool.coupling.astype(np.float64)),
        corrections[None, :, None],
        row(9) if latent else None,
        row(6),
        torch.from_numpy(pool.half_bin.astype(np.float64)),
        pool.components,
    )[0, :colours].sum()
    expected.backward()
    assert bits == pytest.approx(float(expected.detach()), rel=1e-5)
    gradient = corrections.grad.numpy()
    assert np.abs(gradient).max() > 1
    # Relative to the position's steepest slope: where a probability is near its floor, what is left of its digits decides.
    steepest = np.abs(gradient).max(0)
    assert (np.abs(slopes - gradient) <= 2e-3 * steepest + 1e-4).all()
    assert np.abs(slopes - gradient).mean() < 2e-5


def search_of(seed: int, steps: int, batch: int) -> Search:
    rng = np.random.default_rng(seed)
    order = rng.integers(0, 700, (steps, batch)).astype(np.int32)
    pace = np.minimum(1, 2 * (1 - np.arange(steps) / steps)).astype(np.float32)
    return Search(order, pace, 0.03, 0.0096, 1e-4, (32.0, 32.0, 128.0), 8.0)


@pytest.mark.parametrize(("latent", "colours"), CASES)
@pytest.mark.parametrize("both", [False, True])
def test_core_and_numpy_find_the_same_numbers_and_these_save_bits(latent, colours, both):
    pool, hidden, out = made(3, latent, colours)
    plan = search_of(4, 12, 300)
    found = []
    for fit in (search.fit_head, search.reference_fit):
        changed = (Numbers.none(hidden) if both else None, Numbers.none(out))
        fit(pool, hidden, out, changed, plan)
        found.append(changed)
    for ours, theirs in zip(*found, strict=True):
        assert (ours is None) == (theirs is None)
        for one, other in zip(ours or (), theirs or (), strict=True):
            assert np.array_equal(one, other)
            assert one.any() or colours == 1

    def layer(shipped: Dense, numbers: Numbers | None) -> Dense:
        if numbers is None:
            return shipped
        gain = 1 + numbers.gain
        return Dense(shipped.weight * gain[:, None] + numbers.weight, shipped.bias * gain + numbers.bias)

    order = np.arange(700, dtype=np.int32)
    after = search.head_bits(pool, layer(hidden, found[0][0]), layer(out, found[0][1]), order)
    assert after < 0.98 * search.head_bits(pool, hidden, out, order)


def test_the_normal_distribution_is_mathematicians():
    import math

    z = np.linspace(-9, 9, 4001).astype(np.float32)
    cumulative, density = search._normal(z)
    expected = np.array([0.5 * math.erfc(-x / math.sqrt(2)) for x in z.astype(float)])
    assert np.abs(cumulative - expected).max() < 2.4e-7  # two steps of float32 below 1
    tail = (z < -0.5) & (z > -7)
    assert np.abs(cumulative[tail] / expected[tail] - 1).max() < 2e-5  # exp loses digits far out
    assert np.abs(density - np.exp(-0.5 * z.astype(float) ** 2)).max() < 1e-6


def test_the_core_refuses_positions_that_are_not_there():
    pool, hidden, out = made(1, False)
    for position in (-1, 700):
        with pytest.raises(ValueError, match="position"):
            search.head_bits(pool, hidden, out, np.array([0, position], np.int32))
