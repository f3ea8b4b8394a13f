"""The network along the levels of a group: states and predictions for encoder, decoder, fit and measurements alike."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hvpzip.codec.walk.geometry import Int32Array, Level, exact_steps
from hvpzip.diffusion.walk import Walk
from hvpzip.nn.layers import HeadLayers
from hvpzip.nn.model import Model
from hvpzip.nn.parameters import StepPrediction

__all__ = ["ExactPass", "ExactStates", "LevelWalk", "States"]

# What is known after each step: int64 or int32 (C, n), the step's colours, positions in row-major order.
Values = NDArray[np.signedinteger[Any]]
States = Walk[Any, Values]


class LevelWalk:
    """A model's network on the levels of a group.

    Attributes:
        heads: Those adapted to the group, by network and step: they stand in for the model's own.
    """

    def __init__(self, model: Model, channels: int, heads: Mapping[tuple[int, int], HeadLayers] | None = None) -> None:
        self.model, self.channels, self.heads = model, channels, heads or {}

    def along(
        self, level: Level, path: str, coarse: Int32Array, known: Mapping[int, Values] | None = None, *, forwards: bool = False
    ) -> States:
        """The states along a path of a level, whose coarser image is ``coarse (C, h, w)``. forwards: of ``Walk``."""
        schedule, predictor = level.schedule, self.model.predictor

        def reveal(state: Any, index: int, values: Values) -> Any:
            unit = schedule.steps[index].unit
            return predictor.reveal(state, index, values.reshape(len(values), *level.sizes[unit]), level.ranges[unit], reuse=forwards)

        return Walk(schedule, schedule.paths[path], predictor.begin(level.number, coarse), reveal, known, forwards=forwards)

    def predict(self, level: Level, states: States, index: int) -> StepPrediction:
        """What a step says of its unit."""
        head = self.heads.get((self.model.network_of(level.number), index))
        return self.model.predictor.predict(states.state(index), index, level.sizes[level.schedule.steps[index].unit], head)

    def predict_in_bands(self, level: Level, states: States, index: int, positions: int) -> Iterator[StepPrediction]:
        """The same by the model's own heads, some whole rows at a time: at most so many positions where a row has not more."""
        size = level.sizes[level.schedule.steps[index].unit]
        return self.model.predictor.predict_in_bands(states.state(index), index, size, max(1, positions // max(1, size[1])))

    def adapted(self, level: Level, states: States, index: int, prediction: StepPrediction) -> StepPrediction:
        """A step's prediction by the head that is adapted to the group, if it has one, from that by the model's own."""
        head = self.heads.get((self.model.network_of(level.number), index))
        if head is None:
            return prediction
        size = level.sizes[level.schedule.steps[index].unit]
        return prediction.with_corrections(self.model.predictor.corrections(states.state(index), size, head))


class ExactStates(NamedTuple):
    """What the encoder knows of a level before it codes it: all that does not depend on latents.

    Attributes:
        states: The units are known, latents are not.
        predictions: Of the exact steps that read no latent, by the step's index.
    """

    states: States
    predictions: dict[int, StepPrediction]

    def forget(self) -> None:
        """Give back the memory of the states that nobody reads once the predictions are made."""
        steps = self.states.schedule.steps
        read = {steps[index].unit for index in self.states.steps if index not in self.predictions}
        self.states.forget({steps[index].unit for index in self.predictions} - read)


class ExactPass:
    """Goes through the levels in the decoder's order, which the exact units alone allow."""

    def __init__(self, walk: LevelWalk) -> None:
        self.walk = walk

    def level(self, level: Level, path: str, coarse: Int32Array, bands: Mapping[str, Int32Array]) -> ExactStates:
        """The states along a path through a level, and the predictions that need no latent, given the coarser image and the units, int32
        (C, h, w)."""
        schedule, steps, exact = level.schedule, level.schedule.steps, exact_steps(level, path)
        known = {}
        for index in schedule.paths[path]:
            if not steps[index].is_latent:
                whole = bands[steps[index].unit].reshape(self.walk.channels, -1).astype(np.int64)
                known[index] = whole[: schedule.colours(index)]
        states = self.walk.along(level, path, coarse, known)
        predictions = {index: self.walk.predict(level, states, index) for index in exact if steps[index].given is None}
        for index in exact:
            states.before(steps[index].unit)
        return ExactStates(states, predictions)

    def adapted(self, level: Level, found: ExactStates) -> ExactStates:
        """The same with the walk's heads instead of those that made the predictions."""
        return found._replace(predictions={i: self.walk.adapted(level, found.states, i, p) for i, p in found.predictions.items()})
