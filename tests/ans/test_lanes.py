"""Lanes: growing, shrinking, plans, and the bytes of a message."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hvpzip.ans import lanes as lanes_module
from hvpzip.ans.lanes import Stage, chunks, flat_plan, from_bytes, grow, ramp_plan, resize, shrink, to_bytes
from hvpzip.ans.rans import LOWER_BOUND, Message, StackUnderflow, base_message, flatten, message_equal, push
from hvpzip.errors import CorruptError
from tests.helpers.pictures import SEEDS


@given(seed=SEEDS, lanes=st.integers(1, 8))
def test_shrink_undoes_grow_and_grow_undoes_shrink(random_message, seed, lanes) -> None:
    message = random_message(seed, lanes)
    assert grow(message).head.size == 2 * lanes
    assert message_equal(shrink(grow(message)), message)
    message = random_message(seed, 2 * lanes)
    assert message_equal(grow(shrink(message)), message)


@given(seed=SEEDS, before=st.integers(1, 20), after=st.integers(1, 20))
def test_resizing_back_restores_the_message(random_message, seed, before, after) -> None:
    message = random_message(seed, before)
    resized = resize(message, after)
    assert resized.head.size == after
    assert ((resized.head >= LOWER_BOUND) & (resized.head < 1 << 63)).all()
    assert message_equal(resize(resized, before), message)


def test_resizing_gives_the_words_that_craystack_gives() -> None:
    index = np.arange(24, dtype=np.uint64).reshape(6, 4)
    message = base_message(4)
    for row in index:
        message = push(message, row * 37 % 200, 1 + row * 11 % 50, 8)
    words = [0xE, 0xDF4D210, 0xC609AE64, 0xDACC4E96, 0xA824333D, 0x9B340A6A, 0x9C978C0C, 0xFAF05D7A]
    assert flatten(resize(message, 1)).tolist() == words


@pytest.mark.parametrize("head", [1 << 31, (1 << 31) + 1, (1 << 32) - 1, 1 << 32, (1 << 53) + 1, (1 << 62) - 1, 1 << 62, (1 << 63) - 1])
def test_extreme_heads_fold_and_come_back(random_message, head) -> None:
    message = random_message(3, 2)
    message = Message(np.array([message.head[0], head], np.uint64), message.tail)
    assert message_equal(grow(shrink(message)), message)


def test_the_code_of_a_head_is_log_uniform_in_its_high_bits() -> None:
    # cdf[i] = round(2**16 * log2(1 + i/16))  <=>  2**(cdf - 1/2) <= (1 + i/16)**(2**16) < 2**(cdf + 1/2), squared to stay in integers
    for i, value in enumerate(lanes_module._HIGH_CDF.tolist()):
        power = (16 + i) ** (1 << 17)
        assert 1 << 2 * value - 1 + (4 << 17) <= power < 1 << 2 * value + 1 + (4 << 17)


def test_folding_many_lanes_costs_almost_nothing(random_message) -> None:
    message = random_message(5, 1024, 0)
    information = sum(float(np.log2(float(head))) for head in message.head)
    folded = 8 * len(to_bytes(resize(message, 1)))
    # A log-uniform variable x over 32 octaves has the density 1 / (32 ln(2) x). The last lane keeps its own head, up to 63 bits.
    assert abs(folded - information - 1024 * np.log2(32 * np.log(2))) < 64


def test_growing_without_words_underflows_and_odd_lanes_cannot_be_halved() -> None:
    with pytest.raises(StackUnderflow):
        grow(base_message(1))
    with pytest.raises(ValueError, match="halve"):
        shrink(base_message(3))
    with pytest.raises(ValueError, match="lane"):
        resize(base_message(3), 0)


@given(n=st.integers(0, 5000), max_lanes=st.integers(1, 64), run=st.integers(1, 20), data=st.data())
def test_a_ramp_covers_every_symbol_once_and_doubles_its_lanes(n, max_lanes, run, data) -> None:
    first = data.draw(st.integers(1, max_lanes))
    plan = ramp_plan(n, max_lanes, run, first)
    assert plan[-1].lanes == first
    assert (plan[0].begin, plan[-1].end) == (0, n)
    for wide, narrow in pairwise(plan):
        assert wide.begin < wide.end == narrow.begin
        assert wide.lanes == min(2 * narrow.lanes, max_lanes)
        assert narrow.end - narrow.begin == run * narrow.lanes
    covered = [index for stage in plan for begin, end in chunks(stage) for index in range(begin, end)]
    assert covered == list(range(n))
    assert all(0 < end - begin <= stage.lanes for stage in plan for begin, end in chunks(stage))


def test_plans_of_small_cases() -> None:
    assert flat_plan(5, 2) == (Stage(2, 0, 5),)
    assert chunks(Stage(2, 0, 5)) == [(0, 2), (2, 4), (4, 5)]
    assert ramp_plan(20, 4, 3) == (Stage(4, 0, 11), Stage(2, 11, 17), Stage(1, 17, 20))
    assert ramp_plan(3, 4, 3) == (Stage(1, 0, 3),)
    assert ramp_plan(0, 4, 3) == (Stage(1, 0, 0),)
    for arguments in [(-1, 4, 3), (5, 0, 3), (5, 4, 0), (5, 4, 3, 5)]:
        with pytest.raises(ValueError, match="ramp"):
            ramp_plan(*arguments)
    with pytest.raises(ValueError, match="plan"):
        flat_plan(1, 0)


def test_bytes_of_small_messages() -> None:
    assert to_bytes(base_message(1)) == b"\x00\x00\x00\x80"
    words = (np.array([0x44332211], np.uint32), (np.array([0x88776655], np.uint32), ()))  # 44332211 is the top
    message = Message(np.array([0x0102030405], np.uint64), words)
    assert to_bytes(message).hex() == "55667788" + "11223344" + "0504030201"


@given(seed=SEEDS, words=st.integers(0, 5))
def test_bytes_restore_the_message(random_message, seed, words) -> None:
    message = random_message(seed, 1, words)
    assert message_equal(from_bytes(to_bytes(message)), message)


@given(data=st.binary(max_size=20))
def test_bytes_are_either_canonical_or_refused(data) -> None:
    try:
        message = from_bytes(data)
    except CorruptError:
        assert len(data) < 4 or data[-1] == 0 or int.from_bytes(data, "little") < LOWER_BOUND
    else:
        assert LOWER_BOUND <= int(message.head[0]) < 1 << 63
        assert to_bytes(message) == data


def test_only_one_lane_can_be_written() -> None:
    with pytest.raises(ValueError, match="one lane"):
        to_bytes(base_message(2))
