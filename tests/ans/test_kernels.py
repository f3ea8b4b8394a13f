"""The coder's compiled kernels give the integers of the reference, for every kind of argument."""

import os
from collections.abc import Callable
from typing import Any
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hvpzip.ans.codecs import pop_table, push_planned
from hvpzip.ans.lanes import flat_plan, from_bytes, ramp_plan, resize, to_bytes
from hvpzip.ans.mixture import Mixture, intervals, pop_mixture, push_mixture, softmax_weights
from hvpzip.ans.rans import Message, StackUnderflow, base_message, check_base, flatten, message_equal
from hvpzip.core.tables import NUM_SCALES
from tests.helpers.pictures import SEEDS


def both(function: Callable[..., Any], *arguments: Any) -> tuple[Any, Any]:
    """The results with the reference and with the compiled kernels."""
    results = []
    for name in ("reference", "compiled"):
        with mock.patch.dict(os.environ, HVPZIP_KERNELS=name):
            results.append(function(*arguments))
    return results[0], results[1]


def random_mixture(rng: np.random.Generator, n: int, dtype: type = np.int64) -> Mixture:
    k = int(rng.integers(1, 5))
    spread = rng.choice([10, 64 * 40, 1 << 30])
    scale = rng.integers(0, NUM_SCALES, (n, k)).T  # not contiguous
    return Mixture(rng.integers(-spread, spread + 1, (k, n)).astype(dtype), scale, softmax_weights(rng.integers(-900, 900, (k, n))))


def assert_same(one: tuple[Any, ...], other: tuple[Any, ...]) -> None:
    for a, b in zip(one, other, strict=True):
        if isinstance(a, Message):
            assert message_equal(a, b)
        else:
            assert a.dtype == b.dtype
            assert np.array_equal(a, b)


@settings(max_examples=80)
@given(
    seed=SEEDS,
    n=st.integers(0, 120),
    lanes=st.integers(1, 9),
    arrays=st.booleans(),
    delta=st.sampled_from([1, 2, 64]),
    precision=st.sampled_from([14, 24, 30]),
    dtype=st.sampled_from([np.int32, np.int64]),
)
def test_intervals_pushes_and_pops_are_those_of_the_reference(random_message, seed, n, lanes, arrays, delta, precision, dtype) -> None:
    rng = np.random.default_rng(seed)
    mixture = random_mixture(rng, n, dtype)
    lo, hi = (rng.integers(-90, 0, n), rng.integers(0, 90, n)) if arrays else (-90, 90)
    symbols = rng.integers(lo, np.asarray(hi) + 1, n).astype(np.int32)
    message = random_message(seed, lanes, 300)
    rest = (lo, hi, delta, precision)
    assert_same(*both(intervals, mixture, symbols, *rest))
    pushed, compiled = both(push_mixture, message, mixture, symbols, *rest)
    assert_same(pushed, compiled)
    assert_same(*both(pop_mixture, pushed[0], mixture, *rest))
    assert_same(*both(pop_mixture, message, mixture, *rest))


@settings(max_examples=60)
@given(seed=SEEDS, n=st.integers(0, 300), lanes=st.integers(1, 9), many=st.integers(1, 130), precision=st.sampled_from([8, 16, 31]))
def test_pops_by_one_table_are_those_of_the_reference(random_message, seed, n, lanes, many, precision) -> None:
    rng = np.random.default_rng(seed)
    between = rng.choice((1 << min(precision, 12)) - 1, min(many - 1, 200), replace=False) + 1
    starts = np.array([0, *sorted(between), 1 << precision], np.int64)
    symbols = rng.integers(0, starts.size - 1, n)
    message = random_message(seed, lanes, 300)
    pushed = push_planned(message, starts[symbols], starts[symbols + 1] - starts[symbols], precision)
    one, other = both(pop_table, pushed, starts, n, precision)
    assert_same(one, other)
    assert message_equal(one[0], message)
    assert np.array_equal(one[1], symbols)
    assert_same(*both(pop_table, message, starts, min(n, 100), precision))
    for wrong in (starts + 1, starts[:1], starts[::-1].copy(), np.array([0, 0, 1 << precision])):
        with mock.patch.dict(os.environ, HVPZIP_KERNELS="compiled"), pytest.raises(ValueError, match="starts must rise"):
            pop_table(message, wrong, 5, precision)


@settings(max_examples=30)
@given(seed=SEEDS, max_lanes=st.integers(1, 20))
def test_ramps_are_those_of_the_reference(random_message, seed, max_lanes) -> None:
    rng = np.random.default_rng(seed)
    n = int(rng.integers(0, 600))
    plan = ramp_plan(n, max_lanes, 12)
    mixture = random_mixture(rng, n)
    pushed, compiled = both(push_mixture, random_message(seed, 1, 20), mixture, rng.integers(-90, 91, n), -90, 90, 1, 24, plan)
    assert_same(pushed, compiled)
    assert_same(*both(pop_mixture, pushed[0], mixture, -90, 90, 1, 24, plan))


def test_compiled_kernels_decode_the_bytes_that_the_reference_wrote() -> None:
    rng = np.random.default_rng(9)
    mixture, symbols = random_mixture(rng, 5000), rng.integers(-90, 91, 5000)
    plan = ramp_plan(5000, 32, 40)
    with mock.patch.dict(os.environ, HVPZIP_KERNELS="reference"):
        data = to_bytes(resize(push_mixture(base_message(1), mixture, symbols, -90, 90, plan=plan)[0], 1))
    with mock.patch.dict(os.environ, HVPZIP_KERNELS="compiled"):
        message, popped, _ = pop_mixture(resize(from_bytes(data), plan[0].lanes), mixture, -90, 90, plan=plan)
    assert np.array_equal(popped, symbols)
    check_base(message)


@pytest.mark.parametrize("name", ["reference", "compiled"])
def test_refusals_are_the_same(name) -> None:
    mixture = random_mixture(np.random.default_rng(1), 12)
    with mock.patch.dict(os.environ, HVPZIP_KERNELS=name):
        with pytest.raises(StackUnderflow, match="ran dry"):
            pop_mixture(base_message(4), mixture, -90, 90)
        with pytest.raises(ValueError, match="frequency"):
            push_planned(base_message(4), np.arange(12), np.zeros(12, int), 8)
        with pytest.raises(ValueError, match="end"):
            push_planned(base_message(4), np.arange(12), np.full(12, 250), 8)
        with pytest.raises(ValueError, match="outside its alphabet"):
            intervals(mixture, np.full(12, 91), -90, 90)


def test_a_head_exactly_at_the_threshold_gives_off_a_word() -> None:
    for head in (3 << 55, (3 << 55) - 1):
        message = Message(np.array([head], np.uint64), ())
        assert_same(*((result,) for result in both(push_planned, message, np.array([200]), np.array([3]), 8)))


def test_nothing_that_was_passed_in_changes(random_message) -> None:
    rng = np.random.default_rng(2)
    mixture, symbols = random_mixture(rng, 60), rng.integers(-90, 91, 60)
    message = random_message(2, 4, 200)
    copies, words = [field.copy() for field in mixture], flatten(message)
    with mock.patch.dict(os.environ, HVPZIP_KERNELS="compiled"):
        push_mixture(message, mixture, symbols, -90, 90, plan=flat_plan(60, 4))
        pop_mixture(message, mixture, -90, 90)
    assert np.array_equal(flatten(message), words)
    assert all(np.array_equal(a, b) for a, b in zip(copies, mixture, strict=True))
