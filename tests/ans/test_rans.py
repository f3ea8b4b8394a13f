"""The rANS state: exact words, inverses in both directions, and refusals."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hvpzip.ans.rans import (
    LOWER_BOUND,
    Message,
    StackUnderflow,
    base_message,
    check_base,
    flatten,
    message_equal,
    pop,
    push,
    tail_words,
    take_words,
    unflatten,
)
from hvpzip.errors import CorruptError
from tests.helpers.pictures import SEEDS


def one(value: int) -> np.ndarray:
    return np.array([value], np.uint64)


def drive(message: Message, count: int) -> Message:
    """Push the fixed intervals that craystack was given for the words below."""
    lanes = message.head.size
    index = np.arange(count * lanes, dtype=np.uint64).reshape(count, lanes)
    for row in index:
        message = push(message, row * 37 % 200, 1 + row * 11 % 50, 8)
    return message


def random_intervals(rng: np.random.Generator, n: int, precision: int) -> tuple[np.ndarray, np.ndarray]:
    bounds = np.sort(rng.integers(0, (1 << precision) + 1, (2, n)), axis=0)
    start = np.minimum(bounds[0], (1 << precision) - 1)
    return start, np.maximum(bounds[1] - start, 1)


def test_a_tiny_push_gives_the_state_worked_out_by_hand() -> None:
    # 2**31 = 3 * 715827882 + 2, so the state becomes 715827882 * 2**4 + 2 + start 5.
    message = push(base_message(1), np.array([5]), np.array([3]), 4)
    assert message.head.tolist() == [715827882 * 16 + 7]
    assert message.tail == ()


def test_a_full_head_gives_its_low_word_to_the_tail_first() -> None:
    message = push(Message(one(0x7FFFFFFF_12345678), ()), np.array([1]), np.array([1]), 8)
    assert flatten(message).tolist() == [0x7F, 0xFFFFFF01, 0x12345678]


def test_words_equal_those_that_craystack_wrote() -> None:
    message = drive(base_message(2), 12)
    assert flatten(message).tolist() == [0x1836, 0xDF4, 0xDB6D802B, 0x691CEF36, 0xD486E92B, 0x791EB02F]


@given(seed=SEEDS, lanes=st.integers(1, 9), precision=st.integers(1, 31), data=st.data())
def test_pop_undoes_push_and_push_undoes_pop(random_message, seed, lanes, precision, data) -> None:
    n = data.draw(st.integers(0, lanes))
    rng = np.random.default_rng(seed)
    message = random_message(seed, lanes)
    starts, freqs = random_intervals(rng, n, precision)
    pushed = push(message, starts, freqs, precision)
    cf, pop_fun = pop(pushed, precision, n)
    assert ((starts <= cf) & (cf < starts + freqs)).all()
    assert message_equal(pop_fun(starts, freqs), message)
    cf, pop_fun = pop(message, precision, n)  # any interval around cf will do
    starts = (cf * rng.random(n)).astype(np.uint64)
    freqs = cf - starts + np.uint64(1)
    assert message_equal(push(pop_fun(starts, freqs), starts, freqs, precision), message)


@given(seed=SEEDS, precision=st.integers(0, 31), top=st.booleans())
def test_heads_at_both_ends_of_their_range_survive_extreme_frequencies(seed, precision, top) -> None:
    head = (1 << 63) - 1 if top else LOWER_BOUND
    message = Message(one(head), (np.arange(4, dtype=np.uint32), ()))
    for freq in {1, 1 << precision, max((1 << precision) - 1, 1)}:
        start = (1 << precision) - freq
        pushed = push(message, one(start), one(freq), precision)
        assert LOWER_BOUND <= int(pushed.head[0]) < 1 << 63
        assert message_equal(pop(pushed, precision)[1](one(start), one(freq)), message)


def test_a_head_exactly_at_the_threshold_gives_off_a_word() -> None:
    # freq * 2**(63 - precision) is the smallest head that would be pushed to 2**63 or above.
    for head, words in ((3 << 55, 1), ((3 << 55) - 1, 0)):
        message = Message(one(head), ())
        pushed = push(message, one(200), one(3), 8)
        assert int(pushed.head[0]) < 1 << 63
        assert tail_words(pushed.tail).size == words
        assert message_equal(pop(pushed, 8)[1](one(200), one(3)), message)


def test_a_precision_per_lane_is_taken() -> None:
    message = base_message(3)
    precision = np.array([0, 4, 16], np.uint64)
    starts, freqs = np.array([0, 5, 77]), np.array([1, 3, 900])
    pushed = push(message, starts, freqs, precision)
    for i in range(3):
        alone = push(base_message(1), starts[i : i + 1], freqs[i : i + 1], int(precision[i]))
        assert pushed.head[i] == alone.head[0]
    assert message_equal(pop(pushed, precision)[1](starts, freqs), message)


def test_lanes_beyond_the_symbols_keep_their_state(random_message) -> None:
    message = random_message(1, 5)
    pushed = push(message, np.array([3, 9]), np.array([2, 1]), 12)
    assert np.array_equal(pushed.head[2:], message.head[2:])


@pytest.mark.parametrize(
    ("start", "freq", "reason"),
    [(3, 0, "frequency"), (3, -1, "frequency"), (-1, 2, "start"), (255, 2, "end"), (0, 257, "end"), (256, 1, "end")],
)
def test_an_impossible_interval_is_refused(start, freq, reason) -> None:
    starts, freqs = np.array([0, start]), np.array([1, freq])
    with pytest.raises(ValueError, match=reason):
        push(base_message(2), starts, freqs, 8)
    with pytest.raises(ValueError, match=reason):
        pop(base_message(2), 8)[1](starts, freqs)


def test_misuse_is_a_value_error() -> None:
    message, zero, fine = base_message(2), np.array([0, 0]), np.array([1, 1])
    with pytest.raises(ValueError, match="do not fit"):
        push(message, np.zeros(3, int), np.ones(3, int), 8)
    with pytest.raises(ValueError, match="do not fit"):
        pop(message, 8, 3)
    with pytest.raises(ValueError, match="one length"):
        push(message, zero, np.array([1]), 8)
    with pytest.raises(ValueError, match="integer"):
        push(message, zero, np.array([1.0, 1.0]), 8)
    with pytest.raises(ValueError, match="precision"):
        push(message, zero, fine, 32)
    with pytest.raises(ValueError, match="do not hold"):
        pop(message, 8)[1](np.array([7, 7]), fine)
    with pytest.raises(ValueError, match="lane"):
        base_message(0)


def test_a_dry_stack_raises_and_invents_nothing() -> None:
    message = base_message(2)
    _, pop_fun = pop(message, 8)
    with pytest.raises(StackUnderflow, match="ran dry"):
        pop_fun(np.array([0, 0]), np.array([1, 1]))
    assert issubclass(StackUnderflow, CorruptError)
    with pytest.raises(StackUnderflow, match="3 words wanted, 2 left"):
        take_words((np.arange(2, dtype=np.uint32), ()), 3)


def test_words_are_taken_across_arrays_in_order() -> None:
    tail = (np.array([1, 2], np.uint32), (np.array([3, 4, 5], np.uint32), ()))
    words, rest = take_words(tail, 3)
    assert words.tolist() == [1, 2, 3]
    assert tail_words(rest).tolist() == [4, 5]
    assert take_words(rest, 2)[1] == ()
    assert take_words((), 0)[0].tolist() == []


def test_leftover_bits_are_refused() -> None:
    check_base(base_message(3))
    for message in (Message(one(LOWER_BOUND + 1), ()), Message(one(LOWER_BOUND), (np.zeros(1, np.uint32), ()))):
        with pytest.raises(CorruptError, match="leftover"):
            check_base(message)


@given(seed=SEEDS, lanes=st.integers(1, 6), words=st.integers(0, 5))
def test_unflatten_inverts_flatten(random_message, seed, lanes, words) -> None:
    message = random_message(seed, lanes, words)
    assert message_equal(unflatten(flatten(message), lanes), message)


def test_unflatten_refuses_what_is_no_message() -> None:
    with pytest.raises(CorruptError, match="needs 4 words"):
        unflatten(np.zeros(3, np.uint32), 2)
    with pytest.raises(CorruptError, match="outside"):
        unflatten(np.array([0, 1], np.uint32), 1)
    with pytest.raises(CorruptError, match="outside"):
        unflatten(np.array([1 << 31, 0], np.uint32), 1)
    with pytest.raises(ValueError, match="lane"):
        unflatten(np.zeros(3, np.uint32), 0)


def test_equality_sees_heads_and_words_but_not_how_the_tail_is_cut() -> None:
    whole = Message(one(LOWER_BOUND), (np.array([1, 2], np.uint32), ()))
    cut = Message(one(LOWER_BOUND), (np.array([1], np.uint32), (np.array([2], np.uint32), ())))
    assert message_equal(whole, cut)
    assert not message_equal(whole, Message(one(LOWER_BOUND), (np.array([2, 1], np.uint32), ())))
    assert not message_equal(whole, Message(one(LOWER_BOUND + 1), whole.tail))
