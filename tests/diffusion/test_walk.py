"""States are lists of what was revealed, so that what each step reads can be read off."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hvpzip.diffusion.schedule import UNITS, LevelSchedule, Step, one_latent_level, ordered_level
from hvpzip.diffusion.walk import Move, Walk, moves

CHAIN = LevelSchedule(
    steps=(
        Step(unit="hh", sigma=(9, 9, 9), log2_delta=(1, 1, 1)),
        Step(unit="hh", sigma=(5, 5, 5), log2_delta=(0, 0, 0), given=0),
        Step(unit="hh", given=1),
        Step(unit="hl", sigma=(5, 5, 5), log2_delta=(0, 0, 0)),
        Step(unit="hl", given=3),
        *(Step(unit=unit) for unit in UNITS),
    ),
    paths={"chain": (0, 1, 2, 3, 4, 7), "direct": (5, 6, 7), "mixed": (0, 1, 2, 6, 7)},
)
LUMA = one_latent_level((5,), (0,))
AT_ONCE = ordered_level((("hl", "lh"), ("hh",)), ("hl", "lh"), (5,), (0,))
SCHEDULES = [one_latent_level((5, 5, 5), (0, 0, 0)), CHAIN, LUMA, AT_ONCE, ordered_level((UNITS,), UNITS, (5, 5, 5), (0, 0, 0))]


def reveal(state: tuple[str, ...], step: int, value: str) -> tuple[str, ...]:
    return (*state, f"{step}={value}")


def walk_of(schedule, steps):
    return Walk(schedule, steps, ("coarse",), reveal)


@pytest.mark.parametrize(("schedule", "path"), [(s, p) for s in SCHEDULES for p in s.paths])
def test_a_decoder_that_does_the_moves_finds_every_state_known(schedule, path):
    walk = walk_of(schedule, schedule.paths[path])
    for move in moves(schedule, walk.steps):
        if move.refund:
            assert walk.parent(move.step) in walk.known
            assert move.step in walk.known
        else:
            walk.state(move.step)
            walk.known[move.step] = f"v{move.step}"


@pytest.mark.parametrize(("schedule", "path"), [(s, p) for s in SCHEDULES for p in s.paths])
def test_an_encoder_that_knows_the_units_can_undo_the_moves_backwards(schedule, path):
    exact = {i: f"v{i}" for i in schedule.paths[path] if not schedule.steps[i].is_latent}
    walk = Walk(schedule, schedule.paths[path], ("coarse",), reveal, exact)
    found = {}
    for move in reversed(moves(schedule, walk.steps)):
        if move.refund:
            assert move.step not in walk.known
            walk.known[move.step] = f"v{move.step}"
        else:
            found[move.step] = walk.state(move.step)
    decoder = Walk(schedule, walk.steps, ("coarse",), reveal, walk.known)
    assert found == {index: decoder.state(index) for index in walk.steps}


def test_states_are_the_coarser_image_the_units_before_and_the_latent_that_is_given():
    walk = Walk(CHAIN, CHAIN.paths["chain"], ("coarse",), reveal, {i: "v" for i in range(8)})
    assert walk.state(0) == ("coarse",)
    assert walk.state(1) == ("coarse", "0=v")
    assert walk.state(2) == ("coarse", "1=v")
    assert walk.state(3) == ("coarse", "2=v")
    assert walk.state(4) == ("coarse", "2=v", "3=v")
    assert walk.state(7) == ("coarse", "2=v", "4=v")


def test_after_luma_alone_the_direct_step_reads_no_latent_and_gives_the_unit_to_what_follows():
    walk = Walk(LUMA, LUMA.paths["diffusion"], ("coarse",), reveal, {i: "v" for i in range(5)})
    assert moves(LUMA, walk.steps)[:4] == [Move(0, False), Move(1, False), Move(0, True), Move(4, False)]
    assert walk.parent(0) == 1
    assert walk.state(1) == ("coarse", "0=v")
    assert walk.state(4) == ("coarse",)
    assert walk.state(2) == ("coarse", "4=v")


def test_units_revealed_at_once_read_each_others_latents_and_not_each_other():
    walk = Walk(AT_ONCE, AT_ONCE.paths["diffusion"], ("coarse",), reveal, {i: "v" for i in range(7)})
    assert walk.steps == (0, 1, 2, 4, 3, 5, 6)
    assert moves(AT_ONCE, walk.steps)[4:8] == [Move(3, False), Move(0, True), Move(1, True), Move(5, False)]
    assert walk.state(0) == walk.state(1) == walk.state(4) == walk.state(5) == ("coarse",)
    assert walk.state(2) == walk.state(3) == ("coarse", "0=v", "1=v")
    assert walk.state(6) == ("coarse", "4=v", "5=v")
    walk.forget(["hl"])  # the other unit of its group is still to be asked for
    assert walk.state(5) == ("coarse",)


@given(st.permutations(UNITS))
def test_units_come_in_the_order_of_the_steps(order):
    direct = {CHAIN.steps[i].unit: i for i in CHAIN.paths["direct"]}
    walk = Walk(CHAIN, [direct[unit] for unit in order], (), reveal, {i: "v" for i in direct.values()})
    assert walk.state(direct[order[-1]]) == tuple(f"{direct[unit]}=v" for unit in order[:-1])


def test_what_is_not_known_is_not_made_up():
    walk = walk_of(CHAIN, CHAIN.paths["chain"])
    for index in (1, 2, 3, 7):
        with pytest.raises(KeyError):
            walk.state(index)


def test_another_try_knows_what_was_known_and_tells_nothing_back():
    walk = walk_of(CHAIN, CHAIN.paths["mixed"])
    walk.known |= {2: "hh", 6: "hl"}
    walk.state(7)
    again = walk.again()
    again.known[1] = "latent"
    assert again.state(2) == ("coarse", "1=latent")
    assert again.state(7) == walk.state(7)
    with pytest.raises(KeyError):
        walk.state(2)


def test_what_is_forgotten_is_worked_out_anew_from_what_is_kept():
    walk = Walk(CHAIN, CHAIN.paths["direct"], ("coarse",), reveal, {i: "v" for i in range(8)})
    last = walk.state(7)
    walk.forget(["lh", "hl"])
    assert walk.state(7) == last
    walk.forget(UNITS)
    with pytest.raises(KeyError, match="forgotten"):
        walk.state(7)


def test_moves_of_a_path_without_latents_are_its_steps():
    assert moves(CHAIN, (5, 6, 7)) == [Move(5, False), Move(6, False), Move(7, False)]


@pytest.mark.parametrize("schedule", [CHAIN, LUMA, AT_ONCE])
def test_whoever_goes_forwards_keeps_one_state_and_nothing_that_it_was_told(schedule):
    path = "direct" if "direct" in schedule.paths else next(iter(schedule.paths))
    steps = [index for index in schedule.paths[path] if not schedule.steps[index].is_latent]
    usual = Walk(schedule, steps, ("coarse",), reveal, {index: f"v{index}" for index in steps})
    forwards = Walk(schedule, steps, ("coarse",), reveal, forwards=True)
    made = set()
    for index in steps:
        state = forwards.before(schedule.steps[index].unit)
        assert state == usual.before(schedule.steps[index].unit)
        made.add(state)
        forwards.known[index] = f"v{index}"
    assert set(forwards.known) == set(steps) - {index for index in steps if f"{index}=v{index}" in state}
    if len(made) > 1:
        with pytest.raises(KeyError):
            forwards.before(schedule.steps[steps[0]].unit)
