"""The parameter byte of a group, and lanes that both sides work out alike."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hvpzip.codec.lanes import Transfer, candidates, plans
from hvpzip.codec.payload import MAX_LOG2_LANES, NO_RAMP, RUNS, AdaptedHeads, Coding, Header, LearntColours
from hvpzip.errors import CorruptError

CODINGS = [Coding(path, lanes, run) for run in range(5) for lanes in range(MAX_LOG2_LANES + 1) for path in range(4)]
TRANSFERS = st.lists(st.builds(Transfer, st.booleans(), st.integers(0, 5000)), min_size=1, max_size=12)


def test_every_coding_is_one_byte_and_comes_back():
    assert [Coding.from_byte(coding.to_byte(), 4) for coding in CODINGS] == CODINGS
    assert sorted(coding.to_byte() for coding in CODINGS) == list(range(220))


@pytest.mark.parametrize("paths", [1, 2, 4])
def test_a_byte_that_names_no_coding_is_refused(paths):
    for value in range(256):
        path, run = value % 4, value // 4 // (MAX_LOG2_LANES + 1)
        if path < paths and run < 5:
            assert Coding.from_byte(value, paths).to_byte() == value
        else:
            with pytest.raises(CorruptError, match=f"group parameters {value} "):
                Coding.from_byte(value, paths)


@settings(deadline=None)
@given(transfers=TRANSFERS, coding=st.sampled_from(CODINGS))
def test_plans_join_up_and_lanes_only_grow_on_arrays_that_are_pushed(transfers, coding):
    lanes = coding.first_lanes
    found = plans(transfers, coding)
    assert len(found) == len(transfers)
    for transfer, plan in zip(transfers, found, strict=True):
        # A push goes through the stages from the last to the first, a pop the other way round.
        stages = plan[::-1] if transfer.pushed else plan
        assert stages[0].lanes == lanes
        assert sum(stage.end - stage.begin for stage in plan) == transfer[1]
        if not transfer.pushed:
            assert len(plan) == 1
        lanes = stages[-1].lanes
    assert lanes <= 1 << coding.log2_lanes


def test_long_arrays_reach_all_lanes_after_the_run_that_the_coding_names():
    [plan] = plans([Transfer(True, 10**6)], Coding(0, 3, 1))
    assert [stage.lanes for stage in plan] == [8, 4, 2, 1]
    assert [(stage.end - stage.begin) // stage.lanes for stage in plan[1:]] == [RUNS[1]] * 3


@pytest.mark.parametrize("symbols", [1, 3, 64, 1000, 10**5, 3 << 20])
def test_candidates_are_distinct_and_end_with_one_that_never_runs_dry(symbols):
    found = candidates(1, symbols)
    assert len(set(found)) == len(found)
    assert all(coding.path == 1 and 64 << coding.log2_lanes <= max(64, symbols) for coding in found)
    assert found[-1].run == NO_RAMP
    assert found[-1].log2_lanes in (0, 5) or symbols >> found[-1].log2_lanes >= 1024
    assert found[0].log2_lanes == max(coding.log2_lanes for coding in found)
    assert all(Coding.from_byte(coding.to_byte(), 2) == coding for coding in found)


@given(
    st.sampled_from(CODINGS),
    st.none() | st.builds(LearntColours, st.integers(0, 8), st.booleans(), st.booleans()),
    st.none()
    | st.builds(
        lambda networks, layers, seed: AdaptedHeads(tuple(sorted(networks)), layers, bytes((seed + i) % 256 for i in range(9 * 2))),
        st.just({1, 2, 3}),
        st.just(("out", "hidden")),
        st.integers(0, 255),
    ),
)
def test_a_header_comes_back_and_nothing_shorter_is_one(coding, colours, heads):
    header = Header(coding, colours, heads)
    data = header.to_bytes()
    assert Header.read(data + b"message", networks=3, paths=4, matrices=9) == (header, b"message")
    assert Header.size_of(data + b"message") == len(data)
    for size in range(len(data)):
        with pytest.raises(CorruptError):
            Header.read(data[:size], networks=3, paths=4, matrices=9)
