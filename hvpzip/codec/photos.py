"""Groups in which nothing repeats, as in photos: coded by what learns from them, of which a small sample says which, and held against WebP.

Nothing here reaches the bit stream: it decides only what the encoder tries. Elsewhere every method that is worth a try is tried (``part``).
"""

from __future__ import annotations

from fractions import Fraction
from typing import Final, NamedTuple

from hvpzip.codec import mixing, plain, rewrites
from hvpzip.codec.choice import Choice
from hvpzip.codec.efforts import EFFORTS
from hvpzip.codec.method import Coded, Part
from hvpzip.codec.registry import (
    BY_NUMBER,
    CASCADE,
    LEARNS_MORE_TOLD,
    MIXING,
    MODEL,
    NOT_QUICK,
    OTHER_IS_AHEAD,
    SAVES_LITTLE,
    cascade_learns_more,
    learners,
    mixing_saves,
    model_guess,
)

__all__ = ["Photo", "encode_photo", "is_like_a_photo"]

# Of pictures in which nothing repeats WebP's slower search made at least 0.67 of what its quickest makes, and deflate, LZMA and PNG at
# least 0.98 of what the slower one makes (docs/experiments.md, 247). Below the first share no plain method is tried, below the second WebP
# alone; above it PNG too.
WEBP_AT_LEAST: Final = Fraction(1, 2)
# By how much the slower search makes less is told by the middle of a photo: of 36 it made at least 0.90 of what was told (290). It takes a
# second where the sample takes less than a tenth of one.
TOLD_AT_LEAST: Final = Fraction(17, 20)
TOLD_SIDE: Final = 160
OTHERS_AT_LEAST: Final = Fraction(19, 20)
MIXING_SAVES: Final = "of a sample mixing takes much less"


class Photo(NamedTuple):
    """What was tried, what each method made of it by its number, and whether the others need not be tried."""

    choice: Choice[Coded]
    known: dict[int, Coded]
    is_settled: bool


def is_like_a_photo(group: Part) -> bool:
    """Whether ``encode_photo`` may do for a group of 8 bits and 1 or 3 channels: it is large, nothing repeats in it, and a coder that
    learns goes with its effort.
    """
    if group.model.noise_path is not None or (EFFORTS[group.effort].cascade and not cascade_learns_more(group)):
        return False
    return not plain.may_beat_a_model(group.samples) and not rewrites.has_gaps(group.samples)


def encode_photo(group: Part, quick_bytes: int) -> Photo:
    """A group that ``is_like_a_photo``. quick_bytes: what WebP's quickest search needs."""
    choice: Choice[Coded] = Choice()
    known: dict[int, Coded] = {}

    def enter(number: int) -> int:
        coded = BY_NUMBER[number].encode(group)
        if coded is None:
            choice.skipped(BY_NUMBER[number].name, "it cannot hold this part")
            return group.samples.nbytes
        choice.tried(BY_NUMBER[number].name, len(coded.data), coded, coded.trials)
        known[number] = coded
        return len(coded.data)

    reasons = _reasons(group)
    if reasons.get(MODEL) == MIXING_SAVES and enter(MIXING) > model_guess(group):
        del reasons[MODEL]
    for number in (MODEL, CASCADE, MIXING):
        if number in reasons:
            choice.skipped(BY_NUMBER[number].name, reasons[number])
        elif number not in known:
            enter(number)
    best = choice.best_bytes
    assert best is not None
    if best < WEBP_AT_LEAST * quick_bytes:
        choice.skipped("plain methods", "nothing repeats, and WebP's quickest search needs twice as much")
        return Photo(choice, known, is_settled=True)
    if best < TOLD_AT_LEAST * _webp_told(group, quick_bytes):
        choice.skipped("plain methods", "nothing repeats, and of a sample WebP makes more")
        return Photo(choice, known, is_settled=True)
    webp = enter(plain.WEBP)
    if best >= OTHERS_AT_LEAST * webp and plain.WEBP in known:
        slowest = plain.slowest_webp(group.picture)
        if slowest is not None and len(slowest) < webp:
            known[plain.WEBP], webp = Coded(slowest), len(slowest)
            choice.tried("WebP, its slowest search", webp, known[plain.WEBP])
    # PNG is quick, and deflate and LZMA, which take longer than all else, make more than the smaller of the two (247, 290).
    is_settled = best < OTHERS_AT_LEAST * webp or best < min(webp, enter(plain.PNG))
    choice.skipped("other methods", "nothing repeats")
    return Photo(choice, known, is_settled)


def _webp_told(group: Part, quick_bytes: int) -> Fraction:
    """What WebP's slower search needs for a group, by what it makes of the middle. 0 where it cannot be asked."""
    middle = group.middle(TOLD_SIDE)
    coded = BY_NUMBER[plain.WEBP].encode(middle)
    return Fraction(0) if coded is None else Fraction(quick_bytes * (len(coded.data) - 1), plain.quick_bytes(middle.samples))


def _reasons(group: Part) -> dict[int, str]:
    """Why methods that learn are not tried. One of them has none."""
    effort = EFFORTS[group.effort]
    if effort.cascade:
        found = learners(group)
        others = {number: OTHER_IS_AHEAD for number in (CASCADE, MIXING) if number not in found}
        return {MODEL: LEARNS_MORE_TOLD, **others}
    reasons = {CASCADE: "not at this effort"}
    if not effort.mixes:
        reasons[MIXING] = "not at this effort"
    elif not mixing.is_quick():
        reasons[MIXING] = NOT_QUICK
    elif not group.phases_differ:
        if mixing_saves(group):
            reasons[MODEL] = MIXING_SAVES
        else:
            reasons[MIXING] = SAVES_LITTLE
    return reasons
