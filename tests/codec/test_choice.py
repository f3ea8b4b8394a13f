"""A choice is a list of candidates and one rule."""

import numpy as np
import pytest

from hvpzip.codec import parts
from hvpzip.codec.choice import Choice, Trial
from hvpzip.codec.efforts import EFFORTS
from hvpzip.codec.method import Part
from hvpzip.codec.part import encode_part
from hvpzip.codec.registry import METHODS
from tests.helpers.pictures import samples


def test_the_smallest_is_taken_and_of_equals_the_first():
    choice = Choice[str]()
    with pytest.raises(ValueError, match="nothing"):
        choice.best  # noqa: B018
    choice.skipped("none", "too slow")
    choice.tried("long", 9, "a", [Trial("inner", 3, taken=True)])
    choice.tried("short", 5, "b")
    choice.tried("as short", 5, "c")
    assert (choice.best, choice.best_bytes) == ("b", 5)
    assert choice.trials == (
        Trial("none", None, "too slow"),
        Trial("long", 9),
        Trial("inner", 3, depth=1),
        Trial("short", 5, taken=True),
        Trial("as short", 5),
    )


def test_every_method_is_tried_or_told_why_not(tiny_model):
    picture = (np.indices((12, 14, 3)).sum(axis=0) * 9 % 251).astype(np.uint8)
    trials = [trial for trial in encode_part(Part(picture, 8, tiny_model, 2)).trials if trial.depth == 0]
    assert [trial.what for trial in trials] == [method.name for method in METHODS]
    assert all((trial.size_bytes is None) == bool(trial.reason) for trial in trials)
    assert sum(trial.taken for trial in trials) == 1


@pytest.mark.parametrize("effort", sorted(EFFORTS))
@pytest.mark.parametrize(("channels", "depth"), [(1, 8), (3, 8), (1, 4), (3, 16)])
def test_what_is_taken_lies_within_what_is_taken_and_the_rest_has_a_size_or_a_reason(tiny_model, effort, channels, depth):
    found = parts.encode_parts(Part(samples(3, (33, 34, channels), depth, "slope"), depth, tiny_model, effort))
    assert all(trial.size_bytes is not None or trial.taken or trial.reason for trial in found.trials)
    within = [True]
    for trial in found.trials:
        assert within[trial.depth] or not trial.taken
        within[trial.depth + 1 :] = [trial.taken]
    [method] = [trial for trial in found.trials if trial.taken and trial.what in {method.name for method in METHODS}]
    assert method.size_bytes is not None
    assert method.size_bytes <= len(found.payload)


def test_what_was_taken_has_the_size_of_the_payload_and_the_file_says_the_same(tiny_model):
    picture = (np.indices((12, 14, 4)).sum(axis=0) * 9 % 251).astype(np.uint8)
    found = parts.encode_parts(Part(picture, 8, tiny_model, 2))
    [outermost] = [trial for trial in found.trials if trial.taken and trial.depth == 0]
    assert outermost.size_bytes == len(found.payload)
    words = parts.told(found.payload, picture.shape, 8)
    method = next(trial.what for trial in found.trials if trial.taken and trial.what.split(": ")[-1] in {m.name for m in METHODS})
    assert method.split(": ")[-1] in words
