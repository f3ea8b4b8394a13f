"""Schedules of reveals: which unit of which scale becomes known when, and with how much noise.

A level (one scale of the map) has three units, the bands ``hh``, ``hl`` and ``lh``, revealed in an **order** given the coarser image, by
default this one. A **step** reveals one unit, either exactly or as a noisy **latent** ``y`` on the lattice ``delta * Z`` with
``q(y | x) = N(x, sigma^2)`` discretised there. A **path** is the list of steps that a file takes through a level; a model may hold several
paths that share steps (one with noise levels, one without).

    step 0  hh, latent            p(y  | coarse)                   refund q(y | hh)
    step 1  hh, exact, given 0    p(hh | coarse, y)                "diffusion": 0 1 2 3
    step 2  hl, exact             p(hl | coarse, hh)               "direct":    4 2 3
    step 3  lh, exact             p(lh | coarse, hh, hl)
    step 4  hh, exact             p(hh | coarse)

A latent may be of luma alone, then so is the step that reads it, and the direct step, which says what colours are given luma, follows it on
the path. So colours are predicted from exact values only, and what they teach does not depend on any latent:

    step 0  hh, latent of Y       p(y  | coarse)                   refund q(y | Y of hh)
    step 1  Y of hh, given 0      p(Y  | coarse, y)                "diffusion": 0 1 4 2 3
    step 4  hh, exact             p(Co, Cg | coarse, Y)            "direct":    4 2 3

Units may be revealed **at once**: neither reads the other, and one evaluation serves both. Then their latents, which all steps of the group
may read, are what tells one of the other. In the order ``hl lh | hh`` with latents of Y on both:

    steps 0, 1  hl, lh, latents of Y   p(y   | coarse)
    steps 2, 3  Y of hl, lh            p(Y   | coarse, y_hl, y_lh)    2 is given 0 and reads 1 beside it, 3 is given 1 and reads 0 beside it
    steps 4, 5  hl, lh, exact          p(Co, Cg | coarse, Y)          "diffusion": 0 1 2 4 3 5 6
    step 6      hh, exact              p(hh  | coarse, hl, lh)        "direct": 4 5 6

A latent is a side branch: only the steps ``given`` it read it, for the exact unit says all that its noisy version said (docs/design.md,
Schedule). A latent may itself be given a noisier one: a **chain**, Markov from the exact unit outwards, ``q(y2 | y1) = N(y1, sigma2^2)``.
The schedule is data: codec, bound, training and benchmark read this one object, and it is hashed into the model's id.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

__all__ = ["COLOURS", "ONE_BY_ONE", "UNITS", "LevelSchedule", "Schedule", "Step", "one_latent_level", "ordered_level"]

UNITS = ("hh", "hl", "lh")
COLOURS: Final = 3
# The order of the first models: each unit reads those before it.
ONE_BY_ONE: Final = tuple((unit,) for unit in UNITS)


@dataclass(frozen=True, kw_only=True)
class Step:
    """One reveal.

    Attributes:
        unit: Band revealed, one of ``UNITS``.
        sigma: For a latent, the index of its noise scale in the table of scales, one a colour, of all three or of luma alone; empty for an
            exact step. The noise is that beyond its parent, which is the unit itself or, in a chain, the latent that reads this one.
        log2_delta: For a latent, log2 of its lattice step, one a colour of ``sigma``; empty for an exact step.
        given: Index of the latent step that this step reads (its own unit's, before it in the list), or None.
        beside: Latents of units revealed at once with this one that the step reads too.
    """

    unit: str
    sigma: tuple[int, ...] = ()
    log2_delta: tuple[int, ...] = ()
    given: int | None = None
    beside: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if self.unit not in UNITS:
            raise ValueError(f"unit {self.unit!r} is none of {UNITS}")
        if len(self.sigma) != len(self.log2_delta) or len(self.sigma) not in (0, 1, COLOURS):
            raise ValueError("a latent needs three sigmas and three lattice steps, or one of each for luma alone, an exact step none")

    @property
    def is_latent(self) -> bool:
        """Whether the step reveals a noisy version of its unit."""
        return bool(self.sigma)

    @property
    def reads(self) -> tuple[int, ...]:
        """The latents that the step reads, in rising order."""
        return tuple(sorted((*(() if self.given is None else (self.given,)), *self.beside)))


@dataclass(frozen=True, kw_only=True)
class LevelSchedule:
    """The steps of one level, the paths through them, and the order of its units: groups of those that are revealed at once. Raises
    ValueError where a path is not a valid order of reveals.
    """

    steps: tuple[Step, ...]
    paths: Mapping[str, tuple[int, ...]]
    order: tuple[tuple[str, ...], ...] = ONE_BY_ONE

    def __post_init__(self) -> None:
        if sorted(self.units) != sorted(UNITS) or not all(self.order):
            raise ValueError(f"the order {self.order} does not name each of {UNITS} once")
        for index, step in enumerate(self.steps):
            self._check_given(index, step)
            self._check_beside(index, step)
        for name, path in self.paths.items():
            self._check_path(name, path)
        for unit in UNITS:
            self.direct(unit)

    def _check_path(self, name: str, path: tuple[int, ...]) -> None:
        unknown = [i for i in path if not 0 <= i < len(self.steps)]
        if unknown:
            raise ValueError(f"path {name!r} names steps {unknown}, but there are {len(self.steps)}")
        exact = tuple(self.steps[i].unit for i in path if self.completes(i))
        if exact != self.units:
            raise ValueError(f"path {name!r} reveals {exact}, not {self.units} in this order")
        for position, index in enumerate(path):
            step, before = self.steps[index], path[position - 1] if position else None
            after = path[position + 1] if position + 1 < len(path) else None
            if not step.is_latent and not self.completes(index) and after != self.direct(step.unit):
                raise ValueError(f"path {name!r}: step {index} reveals luma alone, so the direct step of its unit must follow it")
            if step.is_latent and (after is None or (index not in self.steps[after].reads and not self._next_beside(index, after))):
                raise ValueError(f"path {name!r}: latent {index} must be read by the step that follows it")
            if step.reads and not set(step.reads) <= set(path[:position]):
                raise ValueError(f"path {name!r}: step {index} must follow the latents that it reads")
            if step.reads and before != step.reads[-1] and (before is None or not self._at_once(before, index)):
                raise ValueError(f"path {name!r}: step {index} must follow the latent of its own unit that it reads")

    def _at_once(self, one: int, other: int) -> bool:
        """Whether two steps are of different units that are revealed at once."""
        return self.steps[one].unit != self.steps[other].unit and self.steps[one].unit in self.group(self.steps[other].unit)

    def _next_beside(self, latent: int, after: int) -> bool:
        read = self.read_with(latent)
        return after in read and read.index(after) == read.index(latent) + 1

    def _check_given(self, index: int, step: Step) -> None:
        if step.given is None:
            return
        if not 0 <= step.given < index:
            raise ValueError(f"step {index} reads step {step.given}, which is not before it")
        before = self.steps[step.given]
        if not before.is_latent or before.unit != step.unit:
            raise ValueError(f"step {index} reads step {step.given}, which is no latent of its own unit {step.unit!r}")
        if step.is_latent and len(step.sigma) != len(before.sigma):
            raise ValueError(f"step {index} reads step {step.given}, which has other colours")
        readers = [i for i, other in enumerate(self.steps) if other.given == step.given]
        if len(readers) > 1 and any(self.steps[i].is_latent for i in readers):
            raise ValueError(f"latent {step.given} is read by the steps {readers}: a latent of a chain has one reader, its parent")

    def _check_beside(self, index: int, step: Step) -> None:
        for latent in step.beside:
            if step.given is None or not 0 <= latent < index or not self.steps[latent].is_latent or not self._at_once(latent, index):
                raise ValueError(f"step {index} reads step {latent}, which is no latent before it of a unit revealed at once with its own")
        for latent in step.reads:
            if self.read_with(latent) != step.reads:
                raise ValueError(f"step {index} reads {step.reads}, but another step reads {self.read_with(latent)}")

    @property
    def units(self) -> tuple[str, ...]:
        """The units in their order, those of a group as they are listed."""
        return tuple(unit for group in self.order for unit in group)

    def group(self, unit: str) -> tuple[str, ...]:
        """The units that are revealed at once with a unit, itself among them."""
        return next(group for group in self.order if unit in group)

    def known_before(self, unit: str) -> int:
        """How many units a step of ``unit`` reads: all of the groups before its own."""
        return self.units.index(self.group(unit)[0])

    def read_with(self, latent: int) -> tuple[int, ...]:
        """The latents that are read together with one, itself among them: they share a side branch."""
        return next((step.reads for step in self.steps if latent in step.reads), (latent,))

    @property
    def side_branches(self) -> tuple[tuple[int, ...], ...]:
        """The latents by side branch: those that are read together, in the order of the last ones."""
        return tuple(dict.fromkeys(self.read_with(i) for i, step in enumerate(self.steps) if step.is_latent))

    def is_last_at_once(self, index: int) -> bool:
        """Whether all that a branch of the network reads is there with what a step reveals: the branch bears the name of this last one."""
        step = self.steps[index]
        return self.read_with(index)[-1] == index if step.is_latent else self.group(step.unit)[-1] == step.unit

    def place(self, index: int) -> int:
        """The place of what a step reveals among all that is known with it: how many units and latents are before it."""
        step = self.steps[index]
        before = self.read_with(index).index(index) if step.is_latent else self.group(step.unit).index(step.unit)
        return self.known_before(step.unit) + before

    def readers(self, index: int) -> tuple[int, ...]:
        """The steps that read what a step reveals."""
        step = self.steps[index]
        if step.is_latent:
            return tuple(i for i, other in enumerate(self.steps) if index in other.reads)
        end = self.known_before(step.unit) + len(self.group(step.unit))
        return tuple(i for i, other in enumerate(self.steps) if self.known_before(other.unit) >= end)

    @property
    def every_step(self) -> tuple[int, ...]:
        """All steps, of all paths, unit by unit: each after the latents of its own unit. (Latents of other units may come later.)"""
        return tuple(i for unit in self.units for i, step in enumerate(self.steps) if step.unit == unit)

    def colours(self, index: int) -> int:
        """How many colours, the first ones, a step is about: those of the latent, of itself or that it reads; otherwise all three."""
        step = self.steps[index]
        if step.is_latent:
            return len(step.sigma)
        return COLOURS if step.given is None else len(self.steps[step.given].sigma)

    def completes(self, index: int) -> bool:
        """Whether all of the unit is known exactly once the step is revealed."""
        return not self.steps[index].is_latent and self.colours(index) == COLOURS

    def begun(self, path: Sequence[int], index: int) -> int:
        """How many colours of its unit are exact before a step of the path: 0, or 1 where luma alone was revealed by the step before it."""
        before = path[path.index(index) - 1] if path.index(index) else index
        step, previous = self.steps[index], self.steps[before]
        if before == index or step.is_latent or previous.is_latent or previous.unit != step.unit:
            return 0
        return self.colours(before)

    def direct(self, unit: str) -> int:
        """Index of the step that reveals ``unit`` exactly with no latent read, the first one of several: its prediction also feeds the
        carried features.
        """
        found = [i for i, step in enumerate(self.steps) if step.unit == unit and not step.is_latent and step.given is None]
        if not found:
            raise ValueError(f"unit {unit!r} needs an exact step without latent, found 0")
        return found[0]

    def parent(self, latent: int) -> int | None:
        """The latent step whose value a latent is a noisy version of: the one that reads it. None where that is the unit itself."""
        readers = (i for i, step in enumerate(self.steps) if step.given == latent and step.is_latent)
        return next(readers, None)

    def reference(self, index: int) -> int:
        """The step whose linear prediction a reveal of step ``index`` is compared with: what was known before any latent of the unit gives
        it. A latent that reads nothing has its own; all others take the direct step's.
        """
        step = self.steps[index]
        return index if step.is_latent and step.given is None else self.direct(step.unit)


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """A schedule for every level: ``levels[0]`` for the finest, the last one for all coarser levels."""

    levels: tuple[LevelSchedule, ...]

    def level(self, number: int) -> LevelSchedule:
        """The schedule of level ``number`` (1 = finest)."""
        return self.levels[min(number, len(self.levels)) - 1]

    @property
    def path_names(self) -> tuple[str, ...]:
        """Names of the paths, in the order in which files number them."""
        return tuple(self.levels[0].paths)

    @property
    def plain_path(self) -> int:
        """Place of the first path that takes no latents at any level, the last one where there is none."""
        latent = [any(level.steps[i].is_latent for level in self.levels for i in level.paths[name]) for name in self.path_names]
        return latent.index(False) if False in latent else len(latent) - 1

    @property
    def luma_alone(self) -> bool:
        """Whether no latent says anything of colours."""
        return all(len(step.sigma) <= 1 for level in self.levels for step in level.steps)

    def to_dict(self) -> dict[str, Any]:
        """Plain data, ready for JSON; ``from_dict`` is its inverse."""
        return {
            "levels": [
                {
                    "steps": [
                        {"unit": s.unit, "sigma": list(s.sigma), "log2_delta": list(s.log2_delta), "given": s.given}
                        | ({"beside": list(s.beside)} if s.beside else {})
                        for s in level.steps
                    ],
                    "paths": {name: list(path) for name, path in level.paths.items()},
                }
                | ({"order": [list(group) for group in level.order]} if level.order != ONE_BY_ONE else {})
                for level in self.levels
            ]
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Schedule:
        """A schedule from plain data. Raises ValueError, TypeError or KeyError where the data is none."""
        return cls(
            levels=tuple(
                LevelSchedule(
                    steps=tuple(
                        Step(
                            unit=s["unit"],
                            sigma=tuple(s["sigma"]),
                            log2_delta=tuple(s["log2_delta"]),
                            given=s["given"],
                            beside=tuple(s.get("beside", ())),
                        )
                        for s in level["steps"]
                    ),
                    paths={name: tuple(path) for name, path in level["paths"].items()},
                    order=tuple(tuple(group) for group in level.get("order", ONE_BY_ONE)),
                )
                for level in data["levels"]
            )
        )

    def canonical(self) -> bytes:
        """The bytes that are hashed into the model's id, format 1: ASCII JSON without spaces, names of every object in their order.

        Written by hand, so that what a later class knows besides changes no id: a new setting is written only where it is not what all
        models before it had. (The order of paths, by which files number them, is not covered: ``config.json`` alone says it.)
        """
        return ('{"levels":[' + ",".join(_level_text(level) for level in self.levels) + "]}").encode("ascii")


def _level_text(level: LevelSchedule) -> str:
    paths = ",".join(f"{json.dumps(name)}:{_list_text(level.paths[name])}" for name in sorted(level.paths))
    order = "" if level.order == ONE_BY_ONE else '"order":' + json.dumps(level.order, separators=(",", ":")) + ","
    return "{" + order + '"paths":{' + paths + '},"steps":[' + ",".join(map(_step_text, level.steps)) + "]}"


def _step_text(step: Step) -> str:
    given = "null" if step.given is None else str(int(step.given))
    beside = f'"beside":{_list_text(step.beside)},' if step.beside else ""
    noise = f'"log2_delta":{_list_text(step.log2_delta)},"sigma":{_list_text(step.sigma)}'
    return f'{{{beside}"given":{given},{noise},"unit":{json.dumps(step.unit)}}}'


def _list_text(numbers: Sequence[int]) -> str:
    return "[" + ",".join(str(int(number)) for number in numbers) + "]"


def one_latent_level(sigma: Sequence[int], log2_delta: Sequence[int]) -> LevelSchedule:
    """The levels drawn above: one noise level on ``hh``, of three colours or of luma alone, the other bands exact, and the direct path
    beside it.
    """
    return LevelSchedule(
        steps=(
            Step(unit="hh", sigma=tuple(sigma), log2_delta=tuple(log2_delta)),
            Step(unit="hh", given=0),
            Step(unit="hl"),
            Step(unit="lh"),
            Step(unit="hh"),
        ),
        paths={"diffusion": (0, 1, 2, 3) if len(sigma) == COLOURS else (0, 1, 4, 2, 3), "direct": (4, 2, 3)},
    )


def ordered_level(order: Sequence[Sequence[str]], noisy: Collection[str], sigma: Sequence[int], log2_delta: Sequence[int]) -> LevelSchedule:
    """Levels of any order, with one noise level on each of the ``noisy`` units, and the direct path beside it: latents of a group first,
    then the steps that read them all, then the direct ones.
    """
    steps: list[Step] = []
    diffusion: list[int] = []
    direct: list[int] = []
    for group in order:
        latents = {unit: len(steps) + place for place, unit in enumerate(unit for unit in group if unit in noisy)}
        steps += [Step(unit=unit, sigma=tuple(sigma), log2_delta=tuple(log2_delta)) for unit in latents]
        diffusion += latents.values()
        given = {unit: len(steps) + place for place, unit in enumerate(latents)}
        for unit, latent in latents.items():
            steps.append(Step(unit=unit, given=latent, beside=tuple(other for other in latents.values() if other != latent)))
        for unit in group:
            diffusion += [given[unit]] if unit in given else []
            if unit not in given or len(sigma) < COLOURS:
                diffusion.append(len(steps))
            direct.append(len(steps))
            steps.append(Step(unit=unit))
    return LevelSchedule(
        steps=tuple(steps), paths={"diffusion": tuple(diffusion), "direct": tuple(direct)}, order=tuple(tuple(group) for group in order)
    )
