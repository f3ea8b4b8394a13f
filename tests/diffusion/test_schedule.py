"""Schedules: what is a valid order of reveals, and their plain data."""

import json

import pytest

from hvpzip.diffusion.schedule import UNITS, LevelSchedule, Schedule, Step, one_latent_level, ordered_level

LEVEL = one_latent_level((80, 64, 64), (2, 1, 1))
LATENT = Step(unit="hh", sigma=(80, 64, 64), log2_delta=(2, 1, 1))
EXACT = {unit: Step(unit=unit) for unit in UNITS}


def test_the_drawn_level_has_the_paths_of_the_drawing():
    assert dict(LEVEL.paths) == {"diffusion": (0, 1, 2, 3), "direct": (4, 2, 3)}
    assert [step.is_latent for step in LEVEL.steps] == [True, False, False, False, False]
    assert [LEVEL.direct(unit) for unit in UNITS] == [4, 2, 3]


@pytest.mark.parametrize(
    "path",
    [
        (),
        (4, 3, 2),  # another order of the units
        (4, 2),  # a unit is missing
        (4, 2, 3, 3),  # a unit twice
        (1, 2, 3),  # reads a latent that is not there
        (0, 4, 2, 3),  # a latent that no step reads would never be given back
        (0, 1, 2, 3, 0),  # ... nor one at the end
        (0, 2, 1, 3),  # the latent is not right before its reader
        (4, 2, 0, 3),
    ],
)
def test_a_path_that_is_no_order_of_reveals_is_refused(path):
    with pytest.raises(ValueError, match="path 'bad'"):
        LevelSchedule(steps=LEVEL.steps, paths={"bad": path})


@pytest.mark.parametrize("index", [5, -1])
def test_a_path_that_names_no_step_is_refused(index):
    with pytest.raises(ValueError, match="path 'bad'"):
        LevelSchedule(steps=LEVEL.steps, paths={"bad": (index, 2, 3)})


NOISIER = Step(unit="hh", sigma=(112, 96, 96), log2_delta=(4, 3, 3))
CHAIN = (NOISIER, Step(unit="hh", sigma=(80, 64, 64), log2_delta=(2, 1, 1), given=0), Step(unit="hh", given=1), *EXACT.values())


def test_in_a_chain_the_parent_of_a_latent_is_the_latent_that_reads_it():
    level = LevelSchedule(steps=CHAIN, paths={"chain": (0, 1, 2, 4, 5)})
    assert [level.parent(index) for index in (0, 1)] == [1, None]
    assert [level.reference(index) for index in range(6)] == [0, 3, 3, 3, 4, 5]


def test_a_chain_cut_short_or_in_another_order_is_refused():
    for path in [(0, 1, 3, 4, 5), (1, 2, 4, 5), (1, 0, 2, 4, 5)]:
        with pytest.raises(ValueError, match="path 'bad'"):
            LevelSchedule(steps=CHAIN, paths={"bad": path})


def test_a_latent_of_a_chain_has_one_reader():
    with pytest.raises(ValueError, match="one reader"):
        LevelSchedule(steps=(*CHAIN, Step(unit="hh", given=0)), paths={})


@pytest.mark.parametrize(
    "bad", [Step(unit="hl", given=0), Step(unit="hh", given=1), Step(unit="hh", given=7), Step(unit="hh", given=3)], ids=str
)
def test_a_step_reads_a_latent_of_its_own_unit_that_comes_before_it(bad):
    with pytest.raises(ValueError, match="reads step"):
        LevelSchedule(steps=(LATENT, bad, *EXACT.values()), paths={})


def test_every_unit_needs_an_exact_step_without_latent_and_the_first_one_is_its_reference():
    steps = (LATENT, Step(unit="hh", given=0), EXACT["hl"], EXACT["lh"])
    with pytest.raises(ValueError, match="found 0"):
        LevelSchedule(steps=steps, paths={"diffusion": (0, 1, 2, 3)})
    assert LevelSchedule(steps=(*steps, EXACT["hh"], EXACT["hh"]), paths={}).direct("hh") == 4


@pytest.mark.parametrize(
    "settings",
    [
        {"unit": "ll"},
        {"unit": "hh", "sigma": (80, 64, 64)},
        {"unit": "hh", "sigma": (80, 64), "log2_delta": (2, 1)},
        {"unit": "hh", "log2_delta": (2, 1, 1)},
    ],
)
def test_a_step_of_an_unknown_unit_or_with_half_a_noise_level_is_refused(settings):
    with pytest.raises(ValueError, match=r"unit|latent"):
        Step(**settings)


def test_a_latent_of_luma_alone_leaves_the_other_colours_to_the_direct_step():
    level = one_latent_level((80,), (2,))
    path = level.paths["diffusion"]
    assert path == (0, 1, 4, 2, 3)
    assert [level.colours(index) for index in range(5)] == [1, 1, 3, 3, 3]
    assert [level.completes(index) for index in path] == [False, False, True, True, True]
    assert [level.begun(path, index) for index in path] == [0, 0, 1, 0, 0]
    assert level.begun(level.paths["direct"], 4) == 0
    assert Schedule(levels=(level,)).luma_alone
    assert not Schedule(levels=(level, LEVEL)).luma_alone


@pytest.mark.parametrize("path", [(0, 1, 2, 3), (0, 1, 2, 4, 3), (0, 4, 2, 3), (1, 4, 2, 3), (0, 1, 4, 4, 2, 3), (4, 0, 1, 2, 3)])
def test_a_path_that_leaves_out_colours_or_reveals_them_twice_is_refused(path):
    with pytest.raises(ValueError, match="path 'bad'"):
        LevelSchedule(steps=one_latent_level((80,), (2,)).steps, paths={"bad": path})


def test_a_chain_is_about_the_same_colours():
    steps = (NOISIER, Step(unit="hh", sigma=(80,), log2_delta=(2,), given=0), Step(unit="hh", given=1), *EXACT.values())
    with pytest.raises(ValueError, match="other colours"):
        LevelSchedule(steps=steps, paths={})


AT_ONCE = ordered_level((("hl", "lh"), ("hh",)), ("hl", "lh"), (80,), (2,))


def test_units_revealed_at_once_share_what_is_known_before_them_and_their_latents_a_side_branch():
    assert dict(AT_ONCE.paths) == {"diffusion": (0, 1, 2, 4, 3, 5, 6), "direct": (4, 5, 6)}
    assert [AT_ONCE.known_before(unit) for unit in ("hl", "lh", "hh")] == [0, 0, 2]
    assert [AT_ONCE.place(index) for index in range(7)] == [0, 1, 0, 1, 0, 1, 2]
    assert AT_ONCE.side_branches == ((0, 1),)
    assert [AT_ONCE.readers(index) for index in (0, 1, 4, 5, 6)] == [(2, 3), (2, 3), (6,), (6,), ()]
    schedule = Schedule(levels=(AT_ONCE,))
    assert Schedule.from_dict(json.loads(json.dumps(schedule.to_dict()))) == schedule
    assert json.loads(schedule.canonical()) == schedule.to_dict()
    assert schedule.canonical() != Schedule(levels=(ordered_level((("hl", "lh"), ("hh",)), ("hl",), (80,), (2,)),)).canonical()


@pytest.mark.parametrize(
    "path",
    [
        (0, 2, 4, 1, 3, 5, 6),  # a latent that is read beside another must be there
        (1, 0, 2, 4, 3, 5, 6),
        (0, 1, 4, 3, 5, 6),  # the luma of hl is read from its latent
        (0, 1, 3, 5, 2, 4, 6),  # lh before hl
        (0, 1, 2, 4, 6, 3, 5),
    ],
)
def test_a_path_that_breaks_what_is_revealed_at_once_is_refused(path):
    with pytest.raises(ValueError, match="path 'bad'"):
        LevelSchedule(steps=AT_ONCE.steps, paths={"bad": path}, order=AT_ONCE.order)


@pytest.mark.parametrize("order", [(("hh", "hl"),), (("hh", "hl"), ("lh", "hh")), (("hh",), ("hl",), ("lh",), ())])
def test_an_order_names_every_unit_once(order):
    with pytest.raises(ValueError, match="order"):
        LevelSchedule(steps=tuple(EXACT.values()), paths={}, order=order)


@pytest.mark.parametrize("beside", [(1,), (2,), (9,)])
def test_beside_its_own_latent_a_step_reads_only_those_of_units_revealed_at_once(beside):
    latents = tuple(Step(unit=unit, sigma=(80,), log2_delta=(2,)) for unit in ("hl", "hh"))
    steps = (*latents, Step(unit="hl", given=0, beside=beside), *EXACT.values())
    with pytest.raises(ValueError, match="revealed at once"):
        LevelSchedule(steps=steps, paths={}, order=(("hl", "lh"), ("hh",)))


def test_the_last_level_schedule_serves_all_coarser_levels():
    other = one_latent_level((96, 80, 80), (3, 2, 2))
    schedule = Schedule(levels=(LEVEL, other))
    assert [schedule.level(number) for number in (1, 2, 3, 9)] == [LEVEL, other, other, other]
    assert schedule.path_names == ("diffusion", "direct")


def test_a_schedule_survives_json_and_its_canonical_bytes_know_it():
    schedule = Schedule(levels=(LEVEL, one_latent_level((96, 80, 80), (3, 2, 2))))
    again = Schedule.from_dict(json.loads(json.dumps(schedule.to_dict())))
    assert again == schedule
    assert again.canonical() == schedule.canonical()
    changed = Schedule(levels=(LEVEL, one_latent_level((96, 80, 81), (3, 2, 2))))
    assert changed.canonical() != schedule.canonical()


def test_plain_data_that_is_no_schedule_is_refused():
    data = Schedule(levels=(LEVEL,)).to_dict()
    data["levels"][0]["paths"]["direct"] = [3, 2, 4]
    with pytest.raises(ValueError, match="'direct'"):
        Schedule.from_dict(data)
    with pytest.raises(KeyError):
        Schedule.from_dict({"levels": [{"steps": [{"unit": "hh"}], "paths": {}}]})
