"""Schedules: what is a valid order of reveals, and their plain data."""

import json

import pytest

from hvpzip.diffusion.schedule import UNITS, LevelSchedule, Schedule, Step, one_latent_level

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


def test_a_latent_given_another_latent_is_refused():
    with pytest.raises(ValueError, match="one noise level a unit"):
        Step(unit="hh", sigma=(80, 64, 64), log2_delta=(2, 1, 1), given=0)


def test_a_latent_of_another_unit_cannot_be_read():
    steps = (LATENT, EXACT["hh"], Step(unit="hl", given=0), EXACT["hl"], EXACT["lh"])
    with pytest.raises(ValueError, match="own unit"):
        LevelSchedule(steps=steps, paths={"bad": (1, 0, 2, 4)})


@pytest.mark.parametrize("extra", [(), (EXACT["hh"], EXACT["hh"])])
def test_every_unit_needs_exactly_one_exact_step_without_latent(extra):
    steps = (LATENT, Step(unit="hh", given=0), EXACT["hl"], EXACT["lh"], *extra)
    with pytest.raises(ValueError, match=f"found {len(extra)}"):
        LevelSchedule(steps=steps, paths={"diffusion": (0, 1, 2, 3)})


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
