"""The walk through a level: which step reads which state, for whoever goes through a schedule.

A step reads what is known before its unit, or beside that the latents that it is given:

    before(first group)           the coarser image alone
    before(next group)            before(group) after its units themselves
    state(step)                   before(the group of its unit), or that after the latents that it reads

Encoder, decoder, fit, loss, closed form, self-test and measurements all take their states from here, so that there is one answer. States
and values are whatever the network makes of them: nothing here knows an array.

``moves`` is the other half, the order in which bits move. The decoder does the moves as they stand; the encoder goes through the same list
backwards and does the inverse of each.
"""

from __future__ import annotations

import copy
import operator
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Generic, NamedTuple, TypeVar

from hvpzip.diffusion.schedule import LevelSchedule

__all__ = ["Move", "Walk", "moves"]

S = TypeVar("S")
V = TypeVar("V")


class Move(NamedTuple):
    """One move of the decoder.

    Attributes:
        step: Index of the step whose value moves.
        refund: False: the value is popped, with p given the step's state. True: it is a latent that is pushed back, with q given its
            parent, which is known by then.
    """

    step: int
    refund: bool


def moves(schedule: LevelSchedule, steps: Sequence[int]) -> list[Move]:
    """The moves along a path: each step is popped, and latents are pushed back at once after the last step that reads them."""
    last = {latent: index for index in steps for latent in schedule.steps[index].reads}
    found: list[Move] = []
    for index in steps:
        found.append(Move(index, refund=False))
        found += [Move(latent, refund=True) for latent in schedule.steps[index].reads if last[latent] == index]
    return found


class Walk(Generic[S, V]):
    """The states of a level along some of its steps.

    Attributes:
        known: What each step revealed, by its index. Whoever walks enters it; a state is asked for once what it reads is entered.
    """

    def __init__(
        self,
        schedule: LevelSchedule,
        steps: Sequence[int],
        begin: S,
        reveal: Callable[[S, int, V], S],
        known: Mapping[int, V] | None = None,
        *,
        forwards: bool = False,
    ) -> None:
        """
        Args:
            schedule: The level's.
            steps: A path, or all steps; units come in the order of their first steps here.
            begin: The state in which the coarser image alone is known.
            reveal: (state, step, values) to the state after them; neither is changed.
            known: What is known from the start.
            forwards: Whether each state and what it was told are forgotten as soon as the next one is made, which may take its memory: for
                whoever only goes forwards, by steps that read no latents.
        """
        self.schedule, self.steps = schedule, tuple(steps)
        self.known: dict[int, V] = dict(known or {})
        self._reveal, self._forwards = reveal, forwards
        self._groups = tuple(dict.fromkeys(schedule.group(schedule.steps[index].unit) for index in self.steps))
        self._before: dict[tuple[str, ...], S] = {self._groups[0]: begin}
        self._beside: tuple[tuple[int, ...], tuple[V, ...], S] | None = None

    def state(self, index: int) -> S:
        """What the step reads. Raises KeyError where that is not known yet."""
        step = self.schedule.steps[index]
        state = self.before(step.unit)
        if not step.reads:
            return state
        values = tuple(self.known[latent] for latent in step.reads)
        if self._beside is not None and self._beside[0] == step.reads and all(map(operator.is_, values, self._beside[1])):
            return self._beside[2]
        for latent, value in zip(step.reads, values, strict=True):
            state = self._reveal(state, latent, value)
        if step.beside:  # several steps of the group read it
            self._beside = step.reads, values, state
        return state

    def before(self, unit: str) -> S:
        """What is known before any step of the unit."""
        group = self.schedule.group(unit)
        if group not in self._before:
            place = self._groups.index(group)
            if place == 0:
                raise KeyError("the state of the coarser image is forgotten")
            state = self.before(self._groups[place - 1][0])
            for previous in self._groups[place - 1]:
                exact = self.exact(previous)
                state = self._reveal(state, exact, self.known.pop(exact) if self._forwards else self.known[exact])
            if self._forwards:
                self._before.clear()
            self._before[group] = state
        return self._before[group]

    def exact(self, unit: str) -> int:
        """The step among these, the first one of several, after which the whole unit is known."""
        return next(i for i in self.steps if self.schedule.steps[i].unit == unit and self.schedule.completes(i))

    def parent(self, latent: int) -> int:
        """The step whose value a latent is a noisy version of."""
        readers = (i for i in self.steps if self.schedule.steps[i].given == latent)
        return next(readers, self.exact(self.schedule.steps[latent].unit))

    def forget(self, units: Collection[str]) -> None:
        """Give back the memory of what was known before these units. It is worked out anew if it is asked for, as long as what was known
        before an earlier unit is kept. Of units revealed at once, all must be named.
        """
        for group in self._groups:
            if set(group) <= set(units):
                self._before.pop(group, None)

    def forget_before(self, unit: str) -> None:
        """Forget what was known before the units that come before this one: for whoever goes forwards."""
        group = self.schedule.group(unit)
        if group in self._before:
            for before in self._groups[: self._groups.index(group)]:
                self._before.pop(before, None)

    def again(self) -> Walk[S, V]:
        """The same walk with what is known now, for one of several tries: what it will know, this one will not."""
        found = copy.copy(self)
        found.known, found._before, found._beside = dict(self.known), dict(self._before), None
        return found
