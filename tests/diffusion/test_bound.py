"""The bound: exact sums over integers, against sums by hand in float64."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hvpzip import ans
from hvpzip.diffusion.likelihood_float import FLOOR, mixture_bits
from hvpzip.diffusion.noise import MAX_LOG2_SCALE, MIN_LOG2_SCALE, log2_sigma
from hvpzip.diffusion.posterior_float import refund_bits, sample_latent

NOISE = [(80, 4), (64, 2), (64, 1), (96, 8), (40, 1)]  # scale index, lattice step


def cdf(z: float) -> float:
    return 0.5 * math.erfc(-z * math.sqrt(0.5))


def mass(value: float, centre: float, scale: float, half: float) -> float:
    return cdf((value + half - centre) / scale) - cdf((value - half - centre) / scale)


def random_step(seed: int, components: int, innovation: bool, batch: int = 1) -> dict[str, torch.Tensor]:
    """Arguments of ``mixture_bits`` for one position an item, float64."""
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape: int, scale: float = 1.0) -> torch.Tensor:
        return scale * torch.randn(*shape, generator=generator, dtype=torch.float64)

    kinds = 4 if innovation else 3
    return {
        "mean": normal(batch, 3, 1, 1, scale=4.0),
        "log2_scale": normal(batch, 3, 1, 1),
        "coupling": normal(3, scale=0.5),
        "corrections": normal(batch, 3 * kinds * components + 3, 1, 1, scale=0.5),
        "innovation": normal(batch, 3, 1, 1, scale=2.0) if innovation else None,
        "half_bin": torch.tensor([0.5, 0.5, 0.5], dtype=torch.float64),
    }


def reference_bits(step: dict[str, torch.Tensor], values: list[float], components: int) -> list[float]:
    """-log2 p of one position's three samples, by loops over scalars."""
    corrections = step["corrections"].flatten().tolist()
    mean, log2_scale, half = (step[name].flatten().tolist() for name in ("mean", "log2_scale", "half_bin"))
    innovation = None if step["innovation"] is None else step["innovation"].flatten().tolist()
    a, b, c = (x + y for x, y in zip(step["coupling"].tolist(), corrections[-3:], strict=True))
    residual = [value - m for value, m in zip(values, mean, strict=True)]
    moved = [mean[0], mean[1] + a * residual[0], mean[2] + b * residual[0] + c * residual[1]]
    found = []
    for colour in range(3):
        at = [[corrections[(3 * kind + colour) * components + k] for k in range(components)] for kind in range(4 if innovation else 3)]
        base = min(max(log2_scale[colour], MIN_LOG2_SCALE), MAX_LOG2_SCALE)
        total = sum(2.0**logit for logit in at[2])
        p = 0.0
        for k in range(components):
            centre = moved[colour] + at[0][k] * 2**base + (at[3][k] * innovation[colour] if innovation else 0.0)
            scale = 2 ** min(max(base + at[1][k], MIN_LOG2_SCALE), MAX_LOG2_SCALE)
            p += 2.0 ** at[2][k] / total * mass(values[colour], centre, scale, half[colour])
        found.append(-math.log2(p + FLOOR))
    return found


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    components=st.integers(1, 4),
    innovation=st.booleans(),
    values=st.lists(st.integers(-12, 12), min_size=3, max_size=3),
)
def test_mixture_bits_are_those_of_a_loop_over_scalars(seed, components, innovation, values):
    step = random_step(seed, components, innovation)
    found = mixture_bits(**step, values=torch.tensor(values, dtype=torch.float64).reshape(1, 3, 1, 1), components=components)
    assert found.flatten().tolist() == pytest.approx(reference_bits(step, values, components), abs=1e-6)


@pytest.mark.parametrize("innovation", [False, True])
def test_the_probabilities_of_all_triples_sum_to_one(innovation):
    step = random_step(5, 3, innovation)
    for name in ("mean", "log2_scale"):
        step[name] = step[name] * 0.25
    side = torch.arange(-18, 19, dtype=torch.float64)
    grid = torch.cartesian_prod(side, side, side).T.reshape(3, 1, -1)  # every triple is a position
    count = grid.shape[-1]
    spread = {name: v.expand(-1, -1, 1, count) if v is not None and v.ndim == 4 else v for name, v in step.items()}
    bits = mixture_bits(**spread, values=grid[None], components=3)
    total = float(torch.exp2(-bits.sum(1)).sum())
    assert total == pytest.approx(1.0, abs=3 * side.numel() * FLOOR + 1e-6)  # each colour's sum has the floor once for each symbol


def test_a_half_bin_of_a_lattice_takes_the_mass_of_the_whole_bin():
    step = random_step(7, 2, False)
    step["half_bin"] = torch.tensor([2.0, 1.0, 0.5], dtype=torch.float64)
    values = [4.0, -2.0, 1.0]
    found = mixture_bits(**step, values=torch.tensor(values, dtype=torch.float64).reshape(1, 3, 1, 1), components=2)
    assert found.flatten().tolist() == pytest.approx(reference_bits(step, values, 2), abs=1e-6)


def test_no_sample_costs_more_than_24_bits_and_gradients_stay_finite():
    step = random_step(3, 2, False)
    step["corrections"].requires_grad_()
    bits = mixture_bits(**step, values=torch.full((1, 3, 1, 1), 1e5, dtype=torch.float64), components=2)
    bits.sum().backward()
    assert float(bits.detach().max()) <= 24.0
    assert bool(torch.isfinite(step["corrections"].grad).all())


@pytest.mark.parametrize(("index", "delta"), NOISE)
def test_the_refund_is_the_information_of_the_coders_kernel(index, delta):
    """Within 0.005 bits up to four sigmas, and within 0.00001 bits on average: the coder's floor of 2**-24 is the difference."""
    x = 37
    lo, hi = (int(bound) for bound in ans.lattice_range(x, x, index, delta))
    symbols = np.arange(lo, hi + 1)
    _, freq = ans.intervals(ans.gaussian(np.full(symbols.size, x), index), symbols, lo, hi, delta)
    coder = ans.PRECISION - np.log2(freq)
    sigma = 2.0 ** log2_sigma(index)
    latent = torch.tensor(symbols * delta, dtype=torch.float64).expand(1, 3, 1, -1)
    ones = torch.ones(3, dtype=torch.float64)
    bound = refund_bits(torch.full_like(latent, x), latent, sigma * ones, delta * ones)[0, 0, 0].numpy()
    near = np.abs(symbols * delta - x) < 4 * sigma
    assert near.sum() >= 5
    assert np.abs(bound - coder)[near].max() < 0.005
    assert abs((2.0**-coder * (bound - coder)).sum()) < 1e-5


@pytest.mark.parametrize(("index", "delta"), NOISE)
def test_latents_lie_on_the_lattice_and_are_distributed_as_q(index, delta):
    """Chi-square with a fixed seed: about one in a thousand distributions that are right would fail."""
    sigma, count = 2.0 ** log2_sigma(index), 40000
    values = torch.full((1, 3, 1, count), 11.0)
    found = sample_latent(values, torch.full((3,), sigma), torch.full((3,), float(delta)), torch.Generator().manual_seed(index))
    assert bool((torch.remainder(found, delta) == 0).all())
    assert not torch.equal(found[0, 0], found[0, 1])
    for colour in range(3):
        lattice, seen = np.unique(found[0, colour, 0].numpy(), return_counts=True)
        expected = count * np.array([mass(y, 11.0, sigma, delta / 2) for y in lattice])
        common = expected >= 10
        statistic = ((seen - expected)[common] ** 2 / expected[common]).sum()
        freedom = int(common.sum()) - 1
        assert statistic < freedom + 3.3 * math.sqrt(2 * freedom) + 3
        assert expected.sum() > 0.995 * count  # what was seen is where the mass is


def test_rate_minus_refund_is_the_marginal_and_what_the_kernel_misses_of_the_posterior():
    """E_q[-log2 p(y) p(x | y) / q(y | x)] = -log2 p(x) + KL(q || p(y | x)), term by term from the functions that training uses."""
    delta, sigma = 2.0, 3.0
    y = torch.arange(-60, 61, dtype=torch.float64) * delta
    x = torch.arange(-15, 16, dtype=torch.float64)

    def plane(values: torch.Tensor) -> torch.Tensor:
        return values.flatten().expand(1, 3, 1, -1)

    def toy(values: torch.Tensor, half: float, log2_scale: float, innovation: torch.Tensor | None, gain: float) -> torch.Tensor:
        flat = plane(values)
        zeros = torch.zeros_like(flat)
        gains = [] if innovation is None else [torch.full_like(flat, gain)]
        return mixture_bits(
            mean=zeros,
            log2_scale=zeros + log2_scale,
            coupling=torch.zeros(3, dtype=torch.float64),
            corrections=torch.cat([zeros, zeros, zeros, *gains, zeros], 1),
            innovation=None if innovation is None else plane(innovation),
            values=flat,
            half_bin=torch.full((3,), half, dtype=torch.float64),
            components=1,
        )[0, 0, 0].reshape(values.shape)

    ones = torch.ones(3, dtype=torch.float64)
    grid_x, grid_y = torch.meshgrid(x, y, indexing="ij")
    log2_prior = -toy(y, delta / 2, math.log2(6.0), None, 0.0)
    log2_likelihood = -toy(grid_x, 0.5, math.log2(2.4), grid_y, 0.7)
    log2_q = -refund_bits(plane(grid_x), plane(grid_y), sigma * ones, delta * ones)[0, 0, 0].reshape(grid_x.shape)
    q = torch.exp2(log2_q)
    joint = log2_prior + log2_likelihood
    net = (q * (log2_q - joint)).sum(1)
    marginal = -torch.log2(torch.exp2(joint).sum(1))
    posterior = torch.exp2(joint + marginal[:, None])
    kl = (q * (log2_q - torch.log2(posterior))).sum(1)
    assert float((net - marginal).min()) > -1e-3  # up to the floor, which lets q sum to a little more than one
    assert float(kl.max()) > 0.02
    torch.testing.assert_close(net - marginal, kl, atol=1e-3, rtol=0)
