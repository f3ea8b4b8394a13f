"""The methods that may code a part, by the number that files give them, in the order in which an encoder tries them.

A new method is one class with the interface of ``method.Method`` and one line in ``METHODS``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Final

import numpy as np

from hvpzip import varint
from hvpzip.codec import cascade, mixing, plain, raster
from hvpzip.codec.bitsback import group_codec
from hvpzip.codec.choice import Choice, Trial
from hvpzip.codec.efforts import EFFORTS, QUICK
from hvpzip.codec.method import Coded, Method, Part, Samples, Tried, Wanted
from hvpzip.codec.plain import PlainMethod
from hvpzip.codec.report import TermsReport
from hvpzip.diffusion.bound import RATE, Term
from hvpzip.errors import CorruptError, TruncatedError
from hvpzip.threads import side_by_side

if TYPE_CHECKING:
    from hvpzip.codec.noise_path import Found

__all__ = [
    "BY_NUMBER",
    "CASCADE",
    "LEARNS_MORE_TOLD",
    "METHODS",
    "MIXING",
    "MODEL",
    "NOISE_PATH",
    "NOT_QUICK",
    "OTHER_IS_AHEAD",
    "PLAIN_IS_ENOUGH",
    "RASTER",
    "SAVES_LITTLE",
    "by_model",
    "cascade_learns_more",
    "learners",
    "mixing_saves",
    "model_guess",
    "payload_is_noise_path",
]

MODEL: Final = 0
RASTER: Final = 6
MIXING: Final = 7
CASCADE: Final = 8
NOISE_PATH: Final = 9
# Where a plain method needs less than this share of the samples' bytes, no model is tried, and coders that learn in small parts only: all
# are slow, and gain little.
PLAIN_IS_ENOUGH: Final = Fraction(1, 20)
# Where a plain method needs so many times what a part must stay below, as its table has taken the rest, nothing slow is tried.
HOPELESS: Final = 2
SMALL_SAMPLES: Final = 1 << 18
# A part of at most so many samples is learnt by every profile of its effort: the strongest may have too little to learn from. With 77,000
# in RGB it was the smallest on each of some photos (docs/experiments.md, 380).
FEW_SAMPLES: Final = 3 << 15
# Where the model needs less than this share of the best plain method, it suits the picture, and no coder that learns is tried, unless a
# sample says that it saves much.
MODEL_SUITS: Final = Fraction(7, 8)
# The mixing coder takes four times as long to decode as the model. It is worth it where the centre of so many pixels a side takes at most
# this share of what the model takes there, with nothing fitted (docs/experiments.md, 246, 280 and 349).
SAVING_SIDE: Final = 96
SAVES: Final = Fraction(11, 12)
SAVES_LITTLE: Final = "of a sample it saves too little for its time"
NOT_QUICK: Final = "the compiled core is missing, and without it this coder takes hours"
# From so many pixels on the cascade with mixing, which has the same network and learns, was smaller than the model on every picture
# (docs/experiments.md, 240): an effort that has it asks the model for a guess alone.
LEARNS_MORE: Final = 1 << 14
LEARNS_MORE_TOLD: Final = "the cascade with mixing learns more"
# Units are tried for a coarse image where they need at most this share of what they replace in the coarse image of that (240).
UNITS_MAY_PAY: Final = Fraction(203, 200)
# Whether a part is coded in raster order or as a cascade is decided by its centre, a sixth of it each way within these bounds, and the
# quick profile: from the first share of the cascade's bytes on as a cascade. Where raster order has the strong profile, which makes it
# smaller, it is tried too up to the second share, and the cascade from the third (docs/experiments.md, 241 and 380).
SAMPLE_SIDES: Final = 64, 128
SAMPLE_SHARE: Final = 6
SAMPLE_FROM: Final = 1 << 15  # pixels: smaller parts are coded both ways
OTHER_IS_AHEAD: Final = "of a sample it makes more"
CASCADE_IS_AHEAD, CASCADE_IS_FAR_AHEAD, RASTER_IS_FAR_AHEAD = Fraction(1), Fraction(203, 200), Fraction(199, 200)
# The raster coder takes its time by front, of which a narrow part has more than a square of as many pixels: at most so many times as many.
MORE_FRONTS: Final = 4


def by_model(part: Part) -> Coded:
    """The part as the model codes it: samples (h, w, 1 or 3) of 8 bits."""
    planes = np.ascontiguousarray(part.samples.transpose(2, 0, 1)).astype(np.uint8)
    payload, report = group_codec.encode_group(planes, part.model, part.effort)
    return Coded(bytes((MODEL,)) + payload, report, report.trials)


def cascade_learns_more(part: Part) -> bool:
    """Whether the cascade with mixing takes the model's place."""
    height, width, channels = part.samples.shape
    return (
        EFFORTS[part.effort].cascade
        and part.bit_depth == 8
        and height * width >= LEARNS_MORE
        and cascade.can_code((channels, height, width), part.model)
        and mixing.is_quick()
    )


def model_guess(part: Part) -> int:
    """Bytes that the model needs without what is fitted to the part: at most a few percent more than with it."""
    planes = np.ascontiguousarray(part.samples.transpose(2, 0, 1)).astype(np.uint8)
    return 1 + len(group_codec.encode_group(planes, part.model, part.effort, QUICK)[0])


def learners(part: Part) -> tuple[int, ...]:
    """The methods that learn from a part which both of them can code and that may make it smallest."""
    height, width, _ = part.samples.shape
    smallest, largest = SAMPLE_SIDES
    if height * width < SAMPLE_FROM or min(height, width) < smallest:
        return CASCADE, MIXING
    sample = part.middle(max(smallest, min(largest, math.isqrt(height * width) // SAMPLE_SHARE)))
    share = Fraction(len(_quickly_mixed(sample)), len(_by_units(sample, _quickly_mixed(_half(sample)))))
    if EFFORTS[part.effort].always_mixes and RASTER_IS_FAR_AHEAD < share < CASCADE_IS_FAR_AHEAD:
        return CASCADE, MIXING
    return (MIXING,) if share < CASCADE_IS_AHEAD else (CASCADE,)


def mixing_saves(part: Part) -> bool:
    """Whether the mixing coder is likely to save enough over the model for its time. The part is one that the model can code."""
    sample = part.middle(SAVING_SIDE)
    mixed, guessed = side_by_side([lambda: len(_quickly_mixed(sample)), lambda: model_guess(sample)])
    return mixed <= SAVES * guessed


def _quickly_mixed(part: Part) -> bytes:
    return bytes((MIXING,)) + mixing.encode(part.samples, mixing.profile_of(_profiles(part, (1,))[0], part.samples[:, :, 0].size))


def _profiles(part: Part, profiles: tuple[int, ...]) -> tuple[int, ...]:
    """The quick and strong profiles as they are for pictures in which samples are averages of others, where the part is one."""
    return tuple(profile + mixing.OF_AVERAGES for profile in profiles) if part.phases_differ else profiles


def _plain_is_enough(part: Part, tried: Tried) -> bool:
    return tried.plain_bytes is not None and tried.plain_bytes <= PLAIN_IS_ENOUGH * part.samples.nbytes


def _is_hopeless(part: Part, tried: Tried) -> bool:
    return part.most_bytes is not None and tried.plain_bytes is not None and tried.plain_bytes >= HOPELESS * part.most_bytes


def _not_worth_learning(part: Part, tried: Tried) -> str | None:
    """Why a coder that learns from the part itself is not worth its time, after what is quicker."""
    if _is_hopeless(part, tried):
        return "it would have to be half as large as by a plain method"
    if tried.modelled and not EFFORTS[part.effort].mixes:
        return "at this effort what the model codes is left to it"
    if _plain_is_enough(part, tried) and part.samples.size > SMALL_SAMPLES:
        return "a plain method is small enough"
    if part.phases_differ:
        return None
    assert tried.best_bytes is not None
    assert tried.plain_bytes is not None
    best = tried.best_bytes if not cascade_learns_more(part) else min(tried.best_bytes, model_guess(part))
    if best >= MODEL_SUITS * tried.plain_bytes:
        return None
    if tried.modelled:
        return None if mixing_saves(part) else SAVES_LITTLE
    return "the model suits the picture"


@dataclass(frozen=True)
class ByPlain:
    """One of the methods without a model of pictures (``codec.plain``)."""

    plain: PlainMethod

    @property
    def number(self) -> int:
        return self.plain.number

    @property
    def name(self) -> str:
        return self.plain.name

    def skip(self, part: Part, tried: Tried) -> str | None:
        return self.plain.skip(part.picture)

    def encode(self, part: Part) -> Coded | None:
        found = min(self.plain.encode(part.picture), key=len, default=None)
        return None if found is None else Coded(bytes((self.number,)) + found)

    def decode(self, data: bytes, wanted: Wanted) -> Samples:
        return plain.decode_by(self.plain, data, wanted.shape, wanted.bit_depth)[:: wanted.step, :: wanted.step]


class ByModel:
    """The trained model, along its schedule (``codec.bitsback``)."""

    number, name = MODEL, "model"

    def skip(self, part: Part, tried: Tried) -> str | None:
        channels = part.samples.shape[2]
        if part.bit_depth != 8 or channels not in (1, 3):
            return f"it codes 1 or 3 channels of 8 bits, not {channels} of {part.bit_depth}"
        if cascade_learns_more(part):
            return LEARNS_MORE_TOLD
        if _is_hopeless(part, tried):
            return "it would have to be half as large as by a plain method"
        return "a plain method is small enough" if part.picture.is_constant or _plain_is_enough(part, tried) else None

    def encode(self, part: Part) -> Coded | None:
        return by_model(part)

    def decode(self, data: bytes, wanted: Wanted) -> Samples:
        height, width, channels = wanted.shape
        if wanted.model is None:
            raise CorruptError("a part needs a model, but the file names none")
        if wanted.bit_depth != 8 or channels not in (1, 3):
            raise CorruptError(f"the model does not code {channels} channels of {wanted.bit_depth} bits")
        if wanted.on_report is None:
            planes = group_codec.decode_group(data, (channels, height, width), 8, wanted.model, step=wanted.step)
        else:
            planes, report = group_codec.inspect_group(data, (channels, height, width), 8, wanted.model)
            wanted.on_report(report)
        return planes.transpose(1, 2, 0)


class ByMixing:
    """The coder that mixes what many experts learn from the part as it goes (``codec.mixing``)."""

    number, name = MIXING, "mixing"

    def skip(self, part: Part, tried: Tried) -> str | None:
        effort = EFFORTS[part.effort]
        if part.picture.is_constant:
            return "a plain method is small enough"
        if part.learners is not None and self.number not in part.learners:
            return OTHER_IS_AHEAD
        if not part.is_last_try:
            return "it is tried on the samples without gaps"
        if not mixing.is_quick():
            return NOT_QUICK
        if effort.always_mixes or part.learners is not None:
            return None
        return _not_worth_learning(part, tried)

    def encode(self, part: Part) -> Coded:
        profiles = _profiles(part, EFFORTS[part.effort].profiles)
        choice: Choice[bytes] = Choice()
        for profile in profiles:
            if profile != profiles[-1] and part.samples.size > FEW_SAMPLES:
                choice.skipped(f"profile {profile}", "the part is large enough for a stronger one")
                continue
            data = mixing.encode(part.samples, mixing.profile_of(profile, part.samples[:, :, 0].size))
            choice.tried(f"profile {profile}", len(data), data)
        return Coded(bytes((MIXING,)) + choice.best, None, choice.trials)

    def decode(self, data: bytes, wanted: Wanted) -> Samples:
        return mixing.decode(data, wanted.shape, wanted.bit_depth)[:: wanted.step, :: wanted.step]


class ByRaster:
    """The coder before the mixing one, for files that have it (``codec.raster``). Written only where that one is not to be had."""

    number, name = RASTER, "raster"

    def skip(self, part: Part, tried: Tried) -> str | None:
        if mixing.is_quick():
            return "the mixing coder does better"
        if part.picture.is_constant:
            return "a plain method is small enough"
        if not part.is_last_try:
            return "it is tried on the samples without gaps"
        height, width, _ = part.samples.shape
        if raster.num_fronts(height, width) > MORE_FRONTS * raster.num_fronts(*[math.isqrt(height * width)] * 2):
            return "the part is too narrow: it would take long"
        return _not_worth_learning(part, tried)

    def encode(self, part: Part) -> Coded | None:
        return Coded(bytes((RASTER,)) + raster.encode(part.samples))

    def decode(self, data: bytes, wanted: Wanted) -> Samples:
        return raster.decode(data, wanted.shape, wanted.bit_depth)[:: wanted.step, :: wanted.step]


class ByCascade:
    """A coarse image, a part by another method or again by this one, and the finest level by the mixing engine (``codec.cascade``).

    data = length (varint)  coarse part  units
    """

    number, name = CASCADE, "cascade with mixing"

    def skip(self, part: Part, tried: Tried) -> str | None:
        height, width, channels = part.samples.shape
        if part.bit_depth != 8 or not cascade.can_code((channels, height, width), part.model):
            return f"it codes 1 or 3 channels of 8 bits with sides of at least {cascade.LEAST_SIDE}"
        if not EFFORTS[part.effort].cascade:
            return "not at this effort"
        if not part.is_last_try:
            return "it is tried on the samples without gaps"
        if part.learners is not None and self.number not in part.learners:
            return OTHER_IS_AHEAD
        if not mixing.is_quick():
            return "the compiled core is missing"
        return "a plain method is small enough" if part.picture.is_constant or _plain_is_enough(part, tried) else None

    def encode(self, part: Part) -> Coded | None:
        units = _units(part)
        coarse = _coarse(_half(part), by_units=units.matrix != 0 and EFFORTS[part.effort].always_mixes)
        data = varint.write(len(coarse.best)) + coarse.best + units.data
        report = _cascade_report(len(data), len(coarse.best), units.terms)
        return Coded(bytes((CASCADE,)) + data, report, (*coarse.trials, Trial("the finest level", len(units.data), taken=True)))

    def decode(self, data: bytes, wanted: Wanted) -> Samples:
        height, width, channels = wanted.shape
        if wanted.model is None:
            raise CorruptError("a part needs a model, but the file names none")
        if wanted.bit_depth != 8:
            raise CorruptError(f"the cascade does not code {wanted.bit_depth} bits")
        if not cascade.can_code((channels, height, width), wanted.model):
            raise CorruptError("the picture or its model does not go with units by the mixing engine")
        try:
            size, offset = varint.read(memoryview(data), 0, len(data), "the length of the coarse image")
        except TruncatedError as error:
            raise CorruptError("the part ends inside the length of its coarse image") from error
        if size > len(data) - offset:
            raise CorruptError("the coarse image goes beyond the end of its part")
        coarse = data[offset : offset + size]
        method = BY_NUMBER.get(coarse[0]) if coarse else None
        if method is None or method.number in (MODEL, NOISE_PATH):
            raise CorruptError("the coarse image is of no method that may code it")
        shape = (height + 1) // 2, (width + 1) // 2, channels
        found = method.decode(coarse[1:], Wanted(shape, 8, wanted.model, max(1, wanted.step // 2)))
        if wanted.step > 1:
            return found
        units = cascade.decode_units(data[offset + size :], found.transpose(2, 0, 1), (channels, height, width), wanted.model)
        if wanted.on_report is not None:
            wanted.on_report(_cascade_report(len(data), size, units.terms))
        return units.samples.transpose(1, 2, 0)


class ByNoisePath:
    """A path of noise levels that a model has for small pictures of a kind (``codec.noise_path``)."""

    number, name = NOISE_PATH, "noise path"

    def skip(self, part: Part, tried: Tried) -> str | None:
        height, width, channels = part.samples.shape
        if part.model.noise_path is None:
            return "the model has none"
        from hvpzip.codec import noise_path  # few models have one: the others need not wait for its networks

        if part.bit_depth != 8 or not noise_path.can_code((channels, height, width)):
            return f"it codes 3 channels of 8 bits and at most {noise_path.MOST_PIXELS} pixels"
        return "a plain method is small enough" if part.picture.is_constant or _plain_is_enough(part, tried) else None

    def encode(self, part: Part) -> Coded | None:
        from hvpzip.codec import noise_path

        assert part.model.noise_path is not None
        found = noise_path.encode_part(np.ascontiguousarray(part.samples.transpose(2, 0, 1)).astype(np.uint8), part.model.noise_path)
        return Coded(bytes((NOISE_PATH,)) + found.data, _noise_path_report(found))

    def decode(self, data: bytes, wanted: Wanted) -> Samples:
        height, width, channels = wanted.shape
        path = None if wanted.model is None else wanted.model.noise_path
        if path is None:
            raise CorruptError("a part needs a noise path, but the file names no model that has one")
        if wanted.bit_depth != 8:
            raise CorruptError(f"a noise path does not code {wanted.bit_depth} bits")
        from hvpzip.codec import noise_path

        found = noise_path.decode_part(data, (channels, height, width), path)
        if wanted.on_report is not None:
            wanted.on_report(_noise_path_report(found))
        return found.samples.transpose(1, 2, 0)[:: wanted.step, :: wanted.step]


def _noise_path_report(found: Found) -> TermsReport:
    steps = max(term.step for term in found.terms)
    return TermsReport(8 * len(found.data), found.terms, f"noise path, {steps} latents a scale", found.lanes)


def _half(part: Part) -> Part:
    return part.of(part.samples[::2, ::2])


def _coarse(part: Part, *, by_units: bool) -> Choice[bytes]:
    """The coarse image by whatever makes it smallest. by_units: whether that may be a coarse image of its own and units, which is worth the
    time where colours lie on a lattice alone, at the effort for which time is nothing (docs/experiments.md, 114, 205 and 381).
    """
    choice: Choice[bytes] = Choice()

    def enter(what: str, coded: Coded | None) -> None:
        if coded is None:
            choice.skipped(f"the coarse image by {what}", "it cannot hold it")
        else:
            choice.tried(f"the coarse image by {what}", len(coded.data), coded.data, coded.trials)

    enter("mixing", ByMixing().encode(part))
    best = choice.best_bytes
    assert best is not None
    # Where nothing repeats, what it makes of the whole is held against WebP (``photos``).
    if not plain.may_beat_a_model(part.samples):
        choice.skipped("the coarse image by plain methods", "nothing repeats")
    else:
        for method in METHODS:
            if isinstance(method, ByPlain) and method.plain.skip(part.picture) is None:
                enter(method.name, method.encode(part))
    height, width, channels = part.samples.shape
    if by_units and cascade.can_code((channels, (height + 1) // 2, (width + 1) // 2), part.model):
        quarter = _half(part)
        inner = _quickly_mixed(quarter)
        if len(_by_units(quarter, _quickly_mixed(_half(quarter)))) <= UNITS_MAY_PAY * len(inner):
            enter("cascade with mixing", Coded(_by_units(part, inner)))
        else:
            choice.skipped("the coarse image by cascade with mixing", "its own coarse image is smaller without it")
    return choice


def _by_units(part: Part, coarse: bytes) -> bytes:
    return bytes((CASCADE,)) + varint.write(len(coarse)) + coarse + _units(part).data


def _units(part: Part) -> cascade.Units:
    samples = np.ascontiguousarray(part.samples.transpose(2, 0, 1)).astype(np.uint8)
    profile = cascade.profile_of(len(samples), large=samples[0].size >= mixing.LARGE)
    return cascade.encode_units(samples, part.model, profile)


def _cascade_report(size: int, coarse: int, units: list[Term]) -> TermsReport:
    return TermsReport(8 * size, [*units[::-1], Term(0, "base", 0, RATE, 8.0 * coarse)], "mixing")


def payload_is_noise_path(payload: bytes) -> bool:
    """Whether a group in parts is one part, all its channels, by a noise path."""
    return payload[:2] == bytes((0, NOISE_PATH))


METHODS: Final[tuple[Method, ...]] = (
    *(ByPlain(method) for method in plain.PLAIN_METHODS),
    ByModel(),
    ByNoisePath(),
    ByMixing(),
    ByRaster(),
    ByCascade(),
)
BY_NUMBER: Final = {method.number: method for method in METHODS}
