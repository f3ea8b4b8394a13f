"""Codecs and combinators keep the law: data come back, and bits come back."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hvpzip.ans.codecs import Codec, NonUniform, Uniform, bits_back, chunked, push_planned, repeat, serial, substack
from hvpzip.ans.lanes import Stage, flat_plan, ramp_plan
from hvpzip.ans.rans import StackUnderflow, base_message, check_base, message_equal, tail_words
from hvpzip.ans.report import bits_of, message_bits

SEEDS = st.integers(0, 2**32 - 1)
CUMULATIVE = np.array([0, 1, 7, 8, 100, 128])  # five symbols at precision 7


def categorical(n: int | None = None) -> Codec:
    return NonUniform(table_intervals, lambda cf: np.searchsorted(CUMULATIVE, cf, "right") - 1, 7, n)


def table_intervals(symbols):
    return CUMULATIVE[symbols], CUMULATIVE[np.asarray(symbols) + 1] - CUMULATIVE[symbols]


def table_chunked(n: int, plan=None) -> Codec:
    def search(begin, end, cf):
        assert cf.size == end - begin
        symbols = np.searchsorted(CUMULATIVE, cf, "right") - 1
        return symbols, *table_intervals(symbols)

    return chunked(table_intervals, search, n, 7, plan)


@given(seed=SEEDS, lanes=st.integers(1, 6), precision=st.integers(0, 31))
def test_uniform_keeps_the_law(random_message, check_codec, seed, lanes, precision) -> None:
    symbols = np.random.default_rng(seed).integers(0, 1 << precision, lanes)
    check_codec(Uniform(precision), random_message(seed, lanes), symbols)


@given(seed=SEEDS, lanes=st.integers(1, 6), data=st.data())
def test_non_uniform_keeps_the_law(random_message, check_codec, seed, lanes, data) -> None:
    n = data.draw(st.integers(0, lanes))
    symbols = np.random.default_rng(seed).integers(0, 5, n)
    check_codec(categorical(n), random_message(seed, lanes), symbols)


@given(seed=SEEDS, count=st.integers(0, 5))
def test_serial_repeat_and_substack_keep_the_law(random_message, check_codec, seed, count) -> None:
    rng = np.random.default_rng(seed)
    codec = serial([Uniform(5), repeat(categorical(), count), substack(Uniform(9), 2)])
    symbols = [rng.integers(0, 32, 3), list(rng.integers(0, 5, (count, 3))), rng.integers(0, 512, 2)]
    check_codec(codec, random_message(seed, 3), symbols)


@given(seed=SEEDS)
def test_bits_back_keeps_the_law(random_message, check_codec, seed) -> None:
    # latent z in 0..7, data x = z + noise in 0..3; the posterior is uniform over the four z that may explain x
    prior = Uniform(3, 2)

    def likelihood(latent):
        return NonUniform(lambda x: ((x - latent) % 8 * 2, np.full(x.size, 2)), lambda cf: (cf // 2 + latent) % 8, 4, 2)

    def posterior(data):
        return NonUniform(lambda z: ((data - z) % 8, np.ones(z.size, int)), lambda cf: (data - cf) % 8, 3, 2)

    symbols = np.random.default_rng(seed).integers(0, 8, 2)
    check_codec(bits_back(prior, likelihood, posterior), random_message(seed, 2), symbols)


def test_bits_back_returns_the_bits_that_chose_the_latent(random_message) -> None:
    codec = bits_back(Uniform(3), lambda latent: Uniform(5), lambda data: Uniform(3))
    message = random_message(7, 16, 512)
    before = message_bits(message)
    for _ in range(20):
        message = codec.push(message, np.arange(16))
    assert message_bits(message) - before == pytest.approx(20 * 16 * 5, abs=1e-3)


def test_bits_back_on_an_empty_stack_raises() -> None:
    codec = bits_back(Uniform(8), lambda latent: Uniform(5), lambda data: Uniform(8))
    with pytest.raises(StackUnderflow):
        codec.push(base_message(4), np.arange(4))


@given(seed=SEEDS, n=st.integers(0, 60), lanes=st.integers(1, 9))
def test_flat_chunks_keep_the_law(random_message, check_codec, seed, n, lanes) -> None:
    symbols = np.random.default_rng(seed).integers(0, 5, n)
    check_codec(table_chunked(n), random_message(seed, lanes), symbols)
    check_codec(table_chunked(n, flat_plan(n, lanes)), random_message(seed, lanes), symbols)


@given(seed=SEEDS, n=st.integers(0, 400), max_lanes=st.integers(1, 12), run=st.integers(1, 9))
def test_ramped_chunks_keep_the_law(random_message, seed, n, max_lanes, run) -> None:
    plan = ramp_plan(n, max_lanes, run)
    codec = table_chunked(n, plan)
    symbols = np.random.default_rng(seed).integers(0, 5, n)
    message = random_message(seed, 1)
    pushed = codec.push(message, symbols)
    assert pushed.head.size == plan[0].lanes
    rest, popped = codec.pop(pushed)
    assert np.array_equal(popped, symbols)
    assert message_equal(rest, message)
    message = random_message(seed, plan[0].lanes, 600)
    rest, popped = codec.pop(message)
    assert rest.head.size == 1
    assert message_equal(codec.push(rest, popped), message)


def test_chunks_pop_in_order_and_are_pushed_from_the_last() -> None:
    symbols = np.array([4, 3, 2, 1, 0, 4, 4])
    pushed = table_chunked(7).push(base_message(3), symbols)
    by_hand = base_message(3)
    for begin in (6, 3, 0):
        by_hand = categorical().push(by_hand, symbols[begin : begin + 3])
    assert message_equal(pushed, by_hand)


def test_a_ramp_starts_a_message_from_nothing_and_ends_at_the_start_state() -> None:
    symbols = np.random.default_rng(2).choice(5, 20_000, p=np.diff(CUMULATIVE) / 128)
    codec = table_chunked(symbols.size, ramp_plan(symbols.size, 64, 100))
    message = codec.push(base_message(1), symbols)
    assert message.head.size == 64
    spent = bits_of(table_intervals(symbols)[1], 7)
    folded = 32 * tail_words(message.tail).size + np.log2(message.head.astype(float)).sum() + 5 * 63  # 5 bits for each head's length
    assert folded < spent * 1.002 + 64
    rest, popped = codec.pop(message)
    assert np.array_equal(popped, symbols)
    check_base(rest)


def test_a_ramp_that_is_too_steep_underflows() -> None:
    symbols = np.zeros(1000, int) + 3  # 0.48 bits each
    with pytest.raises(StackUnderflow):
        table_chunked(1000, ramp_plan(1000, 64, 2)).push(base_message(1), symbols)


def test_a_plan_must_fit_the_symbols_and_the_message() -> None:
    starts, freqs = table_intervals(np.zeros(6, int))
    with pytest.raises(ValueError, match="cover"):
        push_planned(base_message(2), starts, freqs, 7, flat_plan(5, 2))
    with pytest.raises(ValueError, match="cover"):
        push_planned(base_message(2), starts, freqs, 7, (Stage(2, 0, 2), Stage(2, 3, 6)))
    with pytest.raises(ValueError, match="lanes"):
        push_planned(base_message(3), starts, freqs, 7, flat_plan(6, 2))
    with pytest.raises(ValueError, match="lanes"):
        table_chunked(6, flat_plan(6, 2)).pop(base_message(3))
    with pytest.raises(ValueError, match="expected 6"):
        table_chunked(6).push(base_message(2), np.zeros(5, int))


def test_combinators_refuse_what_does_not_fit() -> None:
    message = base_message(3)
    with pytest.raises(ValueError, match="zip"):
        serial([Uniform(3), Uniform(3)]).push(message, [np.zeros(3, int)])
    with pytest.raises(ValueError, match="lanes"):
        substack(Uniform(3), 4).push(message, np.zeros(4, int))
    with pytest.raises(ValueError, match="end"):
        Uniform(3).push(message, np.full(3, 8))


def test_a_symbol_of_frequency_zero_raises() -> None:
    codec = NonUniform(lambda symbols: (symbols, symbols * 0), lambda cf: cf, 8)
    with pytest.raises(ValueError, match="frequency"):
        codec.push(base_message(2), np.zeros(2, int))
