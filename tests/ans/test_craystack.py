"""Messages interoperate with craystack, word for word and in both directions, wherever it can be imported.

It is not packaged, so this module is usually skipped; test_rans.py and test_lanes.py hold words that craystack wrote. docs/design.md says
how to install it.
"""

from collections.abc import Iterator

import numpy as np
import pytest

from hvpzip.ans import lanes, rans

REASON = "craystack is not importable; docs/design.md says how to install it from source"
their_rans = pytest.importorskip("craystack.rans", reason=REASON)
their_codecs = pytest.importorskip("craystack.codecs", reason=REASON)

Interval = tuple[np.ndarray, np.ndarray, int]

LANES = [1, 2, 5, 16]


def intervals(size: int, count: int) -> list[Interval]:
    """Random intervals (starts, freqs, precision) for ``size`` lanes, those of width one and of the whole range among them."""
    rng = np.random.default_rng(size)
    found = []
    for precision in (4, 8, 16, 24, 27) * count:
        starts = rng.integers(0, 1 << precision, size, dtype=np.uint64)
        freqs = rng.integers(1, (1 << precision) - starts + 1, dtype=np.uint64)
        if rng.random() < 0.1:
            freqs[:] = 1
        if rng.random() < 0.05:
            starts[:], freqs[:] = 0, 1 << precision
        found.append((starts, freqs, precision))
    return found


def assert_same(ours: rans.Message, theirs: tuple[np.ndarray, object]) -> None:
    """Same heads, same words."""
    assert np.array_equal(rans.flatten(ours), their_rans.flatten(theirs))


def across(message: rans.Message) -> tuple[np.ndarray, object]:
    """Our message as craystack's, through its words."""
    return their_rans.unflatten(rans.flatten(message), (message.head.size,))


def back(theirs: tuple[np.ndarray, object]) -> rans.Message:
    """craystack's message as ours, through its words."""
    return rans.unflatten(their_rans.flatten(theirs), theirs[0].size)


def histories(size: int) -> Iterator[tuple[Interval, rans.Message, tuple[np.ndarray, object]]]:
    """The same symbols pushed by both, with the messages before each push."""
    ours, theirs = rans.base_message(size), their_rans.base_message((size,))
    for interval in intervals(size, 40):
        yield interval, ours, theirs
        ours, theirs = rans.push(ours, *interval), their_rans.push(theirs, *interval)


@pytest.mark.parametrize("size", LANES)
def test_both_push_the_same_words(size: int) -> None:
    for _, ours, theirs in histories(size):
        assert_same(ours, theirs)


@pytest.mark.parametrize("size", LANES)
def test_craystack_pops_what_ours_pushed(size: int) -> None:
    pushed = list(histories(size))
    (starts, freqs, precision), ours, _ = pushed[-1]
    theirs = across(rans.push(ours, starts, freqs, precision))
    for (starts, freqs, precision), ours, _ in reversed(pushed):
        cf, pop_fun = their_rans.pop(theirs, precision)
        assert (cf >= starts).all()
        assert (cf < starts + freqs).all()
        theirs = pop_fun(starts, freqs)
        assert_same(ours, theirs)
    assert_same(rans.base_message(size), theirs)


@pytest.mark.parametrize("size", LANES)
def test_ours_pops_what_craystack_pushed(size: int) -> None:
    pushed = list(histories(size))
    (starts, freqs, precision), _, theirs = pushed[-1]
    ours = back(their_rans.push(theirs, starts, freqs, precision))
    for (starts, freqs, precision), _, theirs in reversed(pushed):
        cf, pop_fun = rans.pop(ours, precision)
        assert (cf >= starts).all()
        assert (cf < starts + freqs).all()
        ours = pop_fun(starts, freqs)
        assert_same(ours, theirs)
    rans.check_base(ours)


@pytest.mark.parametrize("size", LANES)
@pytest.mark.parametrize("other", [1, 3, 8])
def test_both_grow_and_shrink_to_the_same_words(size: int, other: int) -> None:
    *_, (_, ours, theirs) = histories(size)
    assert_same(lanes.resize(ours, other), their_codecs.reshape_head(theirs, (other,)))
