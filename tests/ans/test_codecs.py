"""Codecs keep the rule: data come back, and bits come back."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hvpzip.ans import rans
from hvpzip.ans.codecs import Codec, chunked, push_planned
from hvpzip.ans.lanes import Stage, flat_plan, ramp_plan
from hvpzip.ans.rans import StackUnderflow, base_message, check_base, message_equal, tail_words
from hvpzip.ans.report import bits_of
from tests.helpers.pictures import SEEDS

CUMULATIVE = np.array([0, 1, 7, 8, 100, 128])  # five symbols at precision 7


def table_intervals(symbols):
    return CUMULATIVE[symbols], CUMULATIVE[np.asarray(symbols) + 1] - CUMULATIVE[symbols]


def table_chunked(n: int, plan=None) -> Codec:
    def search(begin, end, cf):
        assert cf.size == end - begin
        symbols = np.searchsorted(CUMULATIVE, cf, "right") - 1
        return symbols, *table_intervals(symbols)

    return chunked(table_intervals, search, n, 7, plan)


@given(seed=SEEDS, n=st.integers(0, 60), lanes=st.integers(1, 9))
def test_flat_chunks_keep_the_rule(random_message, check_codec, seed, n, lanes) -> None:
    symbols = np.random.default_rng(seed).integers(0, 5, n)
    check_codec(table_chunked(n), random_message(seed, lanes), symbols)
    check_codec(table_chunked(n, flat_plan(n, lanes)), random_message(seed, lanes), symbols)


@given(seed=SEEDS, n=st.integers(0, 400), max_lanes=st.integers(1, 12), run=st.integers(1, 9))
def test_ramped_chunks_keep_the_rule(random_message, seed, n, max_lanes, run) -> None:
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
        by_hand = rans.push(by_hand, *table_intervals(symbols[begin : begin + 3]), 7)
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
