"""What encoder and decoder share: the network's states of a level, and the account of the stack."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hvpzip import ans
from hvpzip.codec.report import TermBits
from hvpzip.codec.walk.geometry import Int32Array, Level, exact_steps
from hvpzip.nn.layers import HeadLayers
from hvpzip.nn.model import Model
from hvpzip.nn.parameters import StepPrediction

__all__ = ["ExactPass", "ExactStates", "LevelWalk"]


class LevelWalk:
    """What encoder and decoder share: the network's states of a level, units laid onto its grid, and the account of the stack."""

    def __init__(
        self, model: Model, channels: int, heads: Mapping[tuple[int, int], HeadLayers] | None = None, *, measured: bool = False
    ) -> None:
        self.model, self.channels = model, channels
        self.heads = heads or {}  # those adapted to the group, by network and step
        self.measured = measured
        self.terms: list[TermBits] = []
        self.stack: list[tuple[str, ans.Message]] = []
        self.costs: dict[tuple[int, str], NDArray[np.float64]] = {}  # bits of each position, by level and unit

    def note(self, term: TermBits, message: ans.Message) -> None:
        """Enter a term and the stack as the encoder has it after it."""
        if self.measured:
            label = f"{term.level}:{term.unit}:{term.step}{':borrowed' * (term.kind == 'refund')}"
            self.terms.append(term)
            self.stack.append((label, message))

    def charge(self, level: int, unit: str, freqs: NDArray[np.integer[Any]], precision: int, sign: int = 1) -> float:
        """Bits of the symbols of one channel, or of a latent's refund (sign -1), entered for each of their positions; returns their sum, or
        0 where nothing is measured.
        """
        if not self.measured:
            return 0.0
        bits = ans.bits_each(freqs, precision)
        self.costs[level, unit] = self.costs.get((level, unit), 0.0) + sign * bits
        return float(bits.sum())

    def begin(self, level: Level, coarse: Int32Array) -> Any:
        return self.model.predictor.begin(level.number, coarse)

    def reveal(self, level: Level, state: Any, index: int, values: NDArray[np.integer]) -> Any:
        """State after ``values (C, rows, columns)``."""
        return self.model.predictor.reveal(state, index, values, level.ranges[level.schedule.steps[index].unit])

    def predict(self, level: Level, state: Any, index: int) -> StepPrediction:
        head = self.heads.get((self.model.network_of(level.number), index))
        return self.model.predictor.predict(state, index, level.sizes[level.schedule.steps[index].unit], head)


class ExactStates(NamedTuple):
    """What the encoder knows of a level before it codes it: all that does not depend on latents.

    Attributes:
        before: The decoder's state before the exact step of each unit that is given a latent.
        parameters: Predictions of the exact steps that are not, by the step's index.
    """

    before: dict[str, Any]
    parameters: dict[int, StepPrediction]


class ExactPass(LevelWalk):
    """Walks the levels in the decoder's order, which the exact units alone allow."""

    def level(self, level: Level, path: str, coarse: Int32Array, bands: dict[str, Int32Array]) -> ExactStates:
        before: dict[str, Any] = {}
        parameters: dict[int, StepPrediction] = {}
        exact = exact_steps(level, path)
        state = self.begin(level, coarse)
        for position, index in enumerate(exact):
            step = level.schedule.steps[index]
            if step.given is None:
                parameters[index] = self.predict(level, state, index)
            else:
                before[step.unit] = state
            if position + 1 < len(exact):
                state = self.reveal(level, state, index, bands[step.unit])
        return ExactStates(before, parameters)
