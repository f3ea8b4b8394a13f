"""Discretised mixtures: exact totals, strict order, exact inverses, and closeness to the real distribution."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hvpzip.ans.lanes import from_bytes, ramp_plan, resize
from hvpzip.ans.mixture import (
    Mixture,
    check_mixture,
    cumulative,
    gaussian_codec,
    intervals,
    lattice_range,
    mixture_codec,
    pop_mixture,
    push_mixture,
    softmax_weights,
)
from hvpzip.ans.rans import Message, base_message, check_base, flatten, message_equal
from hvpzip.ans.report import bits_of
from hvpzip.core.tables import NUM_SCALES
from hvpzip.errors import CorruptError
from tests.helpers.pictures import SEEDS


def single(mean: int, scale: int) -> Mixture:
    return Mixture(np.array([[mean]]), np.array([[scale]]), np.array([[1 << 16]]))


def random_mixture(seed: int, n: int, k: int = 3, spread: int = 64 * 40, dtype: type = np.int64) -> Mixture:
    rng = np.random.default_rng(seed)
    logits = rng.integers(-4000, 4000, (k, n)) // rng.integers(1, 100)
    return Mixture(
        rng.integers(-spread, spread + 1, (k, n)).astype(dtype), rng.integers(0, NUM_SCALES, (k, n)).astype(dtype), softmax_weights(logits)
    )


def every_symbol(mixture: Mixture, lo: int, hi: int, delta: int = 1, precision: int = 24) -> np.ndarray:
    """C at lo .. hi + 1 of the first mixture."""
    symbols = np.arange(lo, hi + 2)
    spread = Mixture(*(np.repeat(field[:, :1], symbols.size, axis=1) for field in mixture))
    return cumulative(spread, symbols, lo, hi, delta, precision)


@settings(max_examples=60)
@given(
    means=st.lists(st.one_of(st.integers(-(10**5), 10**5), st.sampled_from([2**40 - 1, 1 - 2**40])), min_size=1, max_size=4),
    seed=SEEDS,
    lo=st.integers(-1000, 1000),
    size=st.integers(1, 700),
    delta=st.sampled_from([1, 2, 8, 4096]),
    precision=st.sampled_from([14, 16, 24, 30]),
)
def test_every_frequency_is_at_least_one_and_the_total_is_exact(means, seed, lo, size, delta, precision) -> None:
    rng = np.random.default_rng(seed)
    k = len(means)
    scale = rng.choice([0, 1, 48, NUM_SCALES - 1], (k, 1))
    mixture = Mixture(np.array(means)[:, np.newaxis], scale, softmax_weights(rng.integers(-1000, 1000, (k, 1))))
    c = every_symbol(mixture, lo, lo + size - 1, delta, precision)
    assert (c[0], c[-1]) == (0, 1 << precision)
    assert np.diff(c).min() >= 1


@pytest.mark.parametrize("scale", [0, 100, NUM_SCALES - 1])
@pytest.mark.parametrize("lo", [-(1 << 17), 0, -5])
def test_the_largest_alphabet_has_no_gap(scale, lo) -> None:
    c = every_symbol(single(777, scale), lo, lo + (1 << 18) - 1)
    assert (c[0], c[-1]) == (0, 1 << 24)
    assert np.diff(c).min() >= 1


@given(seed=SEEDS, size=st.integers(1, 500), delta=st.sampled_from([1, 4]))
def test_popping_is_the_inverse_of_intervals(seed, size, delta) -> None:
    rng = np.random.default_rng(seed)
    n = 40
    mixture = random_mixture(seed, n)
    lo = rng.integers(-300, 300, n)
    hi = lo + rng.integers(0, size, n)
    symbols = rng.integers(lo, hi + 1)
    start, freq = intervals(mixture, symbols, lo, hi, delta)
    for cf in (start, start + freq - 1, start + rng.integers(0, freq)):
        for found, expected in zip(popped(mixture, cf, lo, hi, delta), (symbols, freq), strict=True):
            assert np.array_equal(found, expected)
    cf = rng.integers(0, 1 << 24, n)
    found, freq = popped(mixture, cf, lo, hi, delta)
    assert ((lo <= found) & (found <= hi)).all()
    start, again = intervals(mixture, found, lo, hi, delta)
    assert ((start <= cf) & (cf < start + freq)).all()
    assert np.array_equal(freq, again)


def popped(mixture: Mixture, cf: np.ndarray, lo: np.ndarray, hi: np.ndarray, delta: int) -> tuple[np.ndarray, np.ndarray]:
    """The symbols whose intervals hold cf, one a lane, and their frequencies."""
    message = Message(((1 << 60) + cf).astype(np.uint64), (np.zeros(cf.size, np.uint32), ()))
    return pop_mixture(message, mixture, lo, hi, delta)[1:]


def test_frequencies_of_a_small_alphabet_are_pinned() -> None:
    mixture = Mixture(np.array([[0], [100]]), np.array([[48], [20]]), np.array([[1 << 15], [1 << 15]]))
    assert np.diff(every_symbol(mixture, -3, 4, precision=16)).tolist() == PINNED


# The real mixture of N(0, 1) and N(1.5625, 0.297) gives 195.9, 1985.7, 7921.0, 12553.4, 21571.2, 21071.3, 222.3, 7.5 of 65536.
PINNED = [203, 1987, 7921, 12553, 21569, 21071, 223, 9]


def test_bits_are_close_to_those_of_the_real_mixture() -> None:
    rng = np.random.default_rng(8)
    n = 4000
    mixture = Mixture(rng.integers(-640, 640, (3, n)), rng.integers(16, 120, (3, n)), softmax_weights(rng.integers(-200, 200, (3, n))))
    chosen = rng.integers(0, 3, n)
    pick = (chosen, np.arange(n))
    symbols = np.rint(mixture.mean[pick] / 64 + rng.normal(size=n) * 2 ** (mixture.scale[pick] / 16) / 8).astype(int)
    lo, hi = int(symbols.min()), int(symbols.max())
    freq = intervals(mixture, symbols, lo, hi)[1]
    exact = 0.0
    for i in range(n):
        mass = 0.0
        for k in range(3):
            s = 2 ** (mixture.scale[k, i] / 16) / 8 * math.sqrt(2)
            m = mixture.mean[k, i] / 64
            lower = -1.0 if symbols[i] == lo else math.erf((symbols[i] - 0.5 - m) / s)
            upper = 1.0 if symbols[i] == hi else math.erf((symbols[i] + 0.5 - m) / s)
            mass += mixture.weight[k, i] / 2**16 * (upper - lower) / 2
        exact -= math.log2(mass)
    assert abs(bits_of(freq, 24) - exact) < 2e-4 * exact


def test_mass_outside_the_alphabet_falls_to_its_ends() -> None:
    c = every_symbol(single(-64 * 1000, 48), -4, 4)
    assert c[1] == (1 << 24) - 8


@given(seed=SEEDS, n=st.integers(0, 50), lanes=st.integers(1, 9), arrays=st.booleans(), delta=st.sampled_from([1, 2, 16]))
def test_mixture_codec_keeps_the_rule(random_message, check_codec, seed, n, lanes, arrays, delta) -> None:
    rng = np.random.default_rng(seed)
    lo, hi = (rng.integers(-90, 0, n), rng.integers(0, 90, n)) if arrays else (-90, 90)
    mixture = random_mixture(seed, n, dtype=np.int32 if seed % 2 else np.int64)
    symbols = rng.integers(lo, np.asarray(hi) + 1, n)
    check_codec(mixture_codec(mixture, lo, hi, delta), random_message(seed, lanes, 256), symbols)


@given(seed=SEEDS, n=st.integers(0, 50), lanes=st.integers(1, 9), scale=st.integers(0, 120), delta=st.sampled_from([1, 2, 16]))
def test_gaussian_codec_keeps_the_rule(random_message, check_codec, seed, n, lanes, scale, delta) -> None:
    rng = np.random.default_rng(seed)
    x = rng.integers(-500, 500, n)
    lo, hi = lattice_range(x, x, scale, delta)
    check_codec(gaussian_codec(x, scale, delta), random_message(seed, lanes, 256), rng.integers(lo, hi + 1))


def test_a_popped_gaussian_has_the_moments_asked_for(random_message) -> None:
    x = np.full(20_000, 37)
    delta, scale = 4, 48 + 4 * 16  # sigma 16
    _, latent = gaussian_codec(x, scale, delta).pop(random_message(3, 100, 20_000))
    y = delta * latent
    assert abs(y.mean() - 37) < 0.5
    assert abs(y.std() - math.sqrt(256 + delta**2 / 12)) < 0.4


def test_lattice_range_holds_eight_sigma() -> None:
    for scale in range(NUM_SCALES):
        sigma = 2 ** (scale / 16) / 8
        for delta in (1, 8):
            lo, hi = lattice_range(-7, 100, scale, delta)
            assert delta * lo <= -7 - 8 * sigma
            assert delta * hi >= 100 + 8 * sigma
            assert delta * (hi - lo) <= 107 + 16 * sigma + 6 * delta


def test_a_ramp_codes_from_the_start_state_and_back_and_gives_frequencies() -> None:
    n = 6000
    mixture = random_mixture(4, n)
    symbols = np.random.default_rng(4).integers(-50, 51, n)
    plan = ramp_plan(n, 32, 60)
    message, pushed = push_mixture(base_message(1), mixture, symbols, -50, 50, plan=plan)
    assert message.head.size == 32
    rest, popped, freq = pop_mixture(message, mixture, -50, 50, plan=plan)
    assert np.array_equal(popped, symbols)
    assert np.array_equal(freq, pushed)
    assert np.array_equal(freq, intervals(mixture, symbols, -50, 50)[1])
    check_base(rest)


@given(data=st.binary(min_size=3, max_size=400), seed=SEEDS)
def test_any_bytes_decode_or_are_refused_as_corrupt(data, seed) -> None:
    plan = ramp_plan(100, 8, 10)
    try:
        message = resize(from_bytes(data), plan[0].lanes)
        rest, symbols, _ = pop_mixture(message, random_mixture(seed, 100), -50, 50, plan=plan)
    except CorruptError:
        return
    assert message_equal(mixture_codec(random_mixture(seed, 100), -50, 50, plan=plan).push(rest, symbols), message)
    with pytest.raises(CorruptError, match="leftover"):
        check_base(rest)


def test_words_of_a_tiny_case_are_pinned() -> None:
    mixture = Mixture(np.array([[0, 64, -200], [10, 20, 30]]), np.array([[48, 30, 60], [90, 90, 0]]), np.array([[40000] * 3, [25536] * 3]))
    message = mixture_codec(mixture, -8, 8).push(base_message(2), np.array([1, -2, 3]))
    assert flatten(message).tolist() == WORDS


WORDS = [0x31FB, 0x15, 0x91C731DD, 0x4E236582]


def test_an_empty_array_leaves_the_message_alone() -> None:
    empty = Mixture(*(np.empty((3, 0), np.int64) for _ in range(3)))
    codec = mixture_codec(empty, 0, -5)
    message = base_message(4)
    assert message_equal(codec.push(message, np.empty(0, np.int64)), message)
    assert codec.pop(message)[1].shape == (0,)
    assert softmax_weights(np.empty((3, 0), np.int64)).shape == (3, 0)


def test_results_do_not_depend_on_how_many_symbols_are_worked_on_together() -> None:
    n = 20_000  # more than one block
    mixture = random_mixture(6, n)
    symbols = np.random.default_rng(6).integers(-30, 31, n)
    whole = intervals(mixture, symbols, -30, 30)
    for i in (0, 8191, 8192, n - 1):
        part = intervals(Mixture(*(field[:, i : i + 1] for field in mixture)), symbols[i : i + 1], -30, 30)
        assert (part[0][0], part[1][0]) == (whole[0][i], whole[1][i])


@given(seed=SEEDS, k=st.integers(1, 9), spread=st.sampled_from([0, 3, 500, 10**6, 2**62]))
def test_softmax_weights_are_positive_exact_and_ordered(seed, k, spread) -> None:
    logits = np.random.default_rng(seed).integers(-spread, spread + 1, (k, 20))
    weight = softmax_weights(logits)
    assert weight.dtype == np.int32
    assert weight.min() >= 1
    assert (weight.sum(axis=0) == 1 << 16).all()
    for column in range(20):
        order = np.argsort(logits[:, column], kind="stable")
        assert np.diff(weight[order, column]).min(initial=0) >= 0 or len(set(logits[:, column])) < k


def test_softmax_weights_of_known_cases() -> None:
    assert softmax_weights(np.array([[0], [0], [0]]))[:, 0].tolist() == [21846, 21845, 21845]
    assert softmax_weights(np.array([[5]]))[:, 0].tolist() == [1 << 16]
    assert softmax_weights(np.array([[-(10**9)], [0]]))[:, 0].tolist() == [1, 65535]
    weight = softmax_weights(np.array([[64], [0]]))[:, 0] / 2**16
    assert weight[0] == pytest.approx(2 / 3, abs=1e-4)


def test_what_breaks_the_contract_is_refused() -> None:
    good = single(0, 48)
    symbol = np.array([0])
    for bad, reason in [
        (good._replace(scale=np.array([[NUM_SCALES]])), "scale index"),
        (good._replace(scale=np.array([[-1]])), "scale index"),
        (good._replace(weight=np.array([[65535]])), "sum"),
        (good._replace(mean=np.array([[1 << 40]])), "mean"),
        (good._replace(mean=np.array([[0.0]])), "integers"),
        (good._replace(mean=np.array([0])), r"\(K, N\)"),
        (Mixture(np.zeros((2, 1), int), np.zeros((2, 1), int), np.array([[0], [65536]])), "at least 1"),
    ]:
        with pytest.raises(ValueError, match=reason):
            check_mixture(bad)
        with pytest.raises(ValueError, match=reason):
            mixture_codec(bad, -5, 5).push(base_message(1), symbol)
    for arguments, reason in [
        ((5, 4), "alphabet"),
        ((0, 1 << 20), "alphabet"),
        ((0, 5, 0), "delta"),
        ((0, 5, 1, 31), "precision"),
        ((0, 5, 1 << 40), "below"),
        ((np.zeros(2, int), 5), "lo and hi"),
        ((0.0, 5), "lo and hi"),
    ]:
        with pytest.raises(ValueError, match=reason):
            intervals(good, symbol, *arguments)
    for outside in (-6, 6):
        with pytest.raises(ValueError, match="outside its alphabet"):
            intervals(good, np.array([outside]), -5, 5)
    with pytest.raises(ValueError, match="symbols must"):
        intervals(good, np.array([0, 0]), -5, 5)
    with pytest.raises(ValueError, match="logits"):
        softmax_weights(np.zeros((2, 3)))
