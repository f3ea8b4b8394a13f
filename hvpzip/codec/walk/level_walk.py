"""What encoder and decoder share: the network's states of a level, and the account of the stack."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hvpzip import ans
from hvpzip.codec.report import TermBits
from hvpzip.codec.walk.geometry import Int32Array, Level, exact_steps
from hvpzip.nn import features
from hvpzip.nn.network import Head, LevelNetwork, State
from hvpzip.nn.parameters import Parameters
from hvpzip.nn.weights import Model

__all__ = ["ExactPass", "ExactStates", "LevelWalk"]


class LevelWalk:
    """What encoder and decoder share: the network's states of a level, units laid onto its grid, and the account of the stack."""

    def __init__(self, model: Model, channels: int, heads: Mapping[tuple[int, int], Head] | None = None, *, measured: bool = False) -> None:
        self.model, self.channels, self.ops = model, channels, model.ops
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

    def tensor(self, planes: NDArray[np.integer]) -> Tensor:
        """``(C, h, w)`` integers as the network's ``(1, 3, h, w)``; gray has no chroma, which is zero."""
        full = np.zeros((3, *planes.shape[1:]), np.float32)
        full[: self.channels] = planes
        return torch.from_numpy(full)[None].to(self.model.device)

    def network(self, level: Level) -> LevelNetwork:
        return self.model.cascade.level(level.number)

    def begin(self, level: Level, coarse: Int32Array) -> State:
        return self.network(level).begin(self.ops, self.tensor(coarse))

    def reveal(self, level: Level, state: State, index: int, values: NDArray[np.integer]) -> State:
        """State after ``values (C, rows, columns)``; a unit smaller than the grid is completed with its own linear prediction."""
        network, step = self.network(level), level.schedule.steps[index]
        rows, columns = level.sizes[step.unit]
        if (rows, columns) == level.grid:
            return network.reveal(self.ops, state, index, self.tensor(values))
        full = features.round_shift(network.linear_mean(state, level.schedule.reference(index)), 6)
        for channel in range(3):
            # The prediction of a sample that is not there is kept inside the channel's range, on which the exactness proof rests.
            lo, hi = level.ranges[step.unit][channel] if channel < self.channels else (0, 0)
            full[:, channel].clamp_(lo, hi)
        full[:, :, :rows, :columns] = self.tensor(values)
        return network.reveal(self.ops, state, index, full)

    def predict(self, level: Level, state: State, index: int) -> Parameters:
        head = self.heads.get((min(level.number, self.model.config.networks), index))
        prediction = self.network(level).predict(self.ops, state, index, head)
        return Parameters(prediction, 0, level.sizes[level.schedule.steps[index].unit], self.model.config.components)


class ExactStates(NamedTuple):
    """What the encoder knows of a level before it codes it: all that does not depend on latents.

    Attributes:
        before: The decoder's state before the exact step of each unit that is given a latent.
        parameters: Predictions of the exact steps that are not, by the step's index.
    """

    before: dict[str, State]
    parameters: dict[int, Parameters]


class ExactPass(LevelWalk):
    """Walks the levels in the decoder's order, which the exact units alone allow."""

    def level(self, level: Level, path: str, coarse: Int32Array, bands: dict[str, Int32Array]) -> ExactStates:
        before: dict[str, State] = {}
        parameters: dict[int, Parameters] = {}
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
