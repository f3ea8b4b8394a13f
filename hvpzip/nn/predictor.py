"""Integer arithmetic only: this file reaches the bit stream.

What the codec asks of the network: states of a level, and what each step says of its unit. A ``Predictor`` says how; all give the same
integers. ``IntegerPredictor`` runs anywhere, in the compiled core or in numpy; ``graph/predictor.py`` runs the graph in torch, for CUDA.

States are functional: each call leaves the one that it is given as it was, unless it is told that nobody asks for it again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from hvpzip.nn import reference
from hvpzip.nn.formats import ENERGY_SHIFT, MEAN_SHIFT
from hvpzip.nn.layers import BranchLayers, HeadLayers, LevelLayers
from hvpzip.nn.parameters import StepPrediction

__all__ = ["IntegerPredictor", "Operations", "Predictor", "State"]

Int8Array = NDArray[np.int8]
Int16Array = NDArray[np.int16]
Int32Array = NDArray[np.int32]
UInt8Array = NDArray[np.uint8]
IntArray = NDArray[np.integer[Any]]
Ranges = Sequence[tuple[int, int]]
Place = tuple[slice, slice]


class Predictor(Protocol):
    """The network as the codec sees it. A state belongs to the predictor that made it; it is opaque to everybody else."""

    def begin(self, level: int, coarse: IntArray) -> Any:
        """The state of a level (1 = finest) of which only the coarser image ``(C, h, w)`` is known, C 1 or 3."""
        ...

    def reveal(self, state: Any, step: int, values: IntArray, ranges: Ranges, *, reuse: bool = False) -> Any:
        """The state after the step's unit is known: a latent opens a side branch, an exact unit goes on with the carried features.

        Args:
            state: Before any latent of this unit (latents are never carried on).
            step: A latent step, or any exact step of the unit.
            values: ``(C, rows, columns)`` in sample units, the first C channels. A unit smaller than the grid is completed by its
                closed-form prediction, and so are channels that are not known.
            ranges: (lo, hi) of each channel of the group, within which that prediction is kept. A channel that the group lacks is zero.
            reuse: Whether the state given is of no use any more, so that its memory may serve.
        """
        ...

    def predict(self, state: Any, step: int, size: tuple[int, int], head: HeadLayers | None = None) -> StepPrediction:
        """What the step says of its unit of ``size`` rows and columns, by ``head`` instead of its own where one is given. ``state`` must
        come from the reveals that the schedule names before it.
        """
        ...

    def predict_in_bands(self, state: Any, step: int, size: tuple[int, int], rows: int) -> Iterator[StepPrediction]:
        """The same by the step's own head, at most so many rows at a time, for whoever does not want all of it in memory."""
        ...

    def corrections(self, state: Any, size: tuple[int, int], head: HeadLayers) -> Int16Array:
        """What a head says of ``size`` rows and columns: int16 ``(rows * columns, outputs)``."""
        ...

    def activations(self, state: Any, place: Place) -> UInt8Array:
        """What a head reads at some rows and columns: uint8 ``(rows, columns, C)``."""
        ...


class Operations(Protocol):
    """The network's operations: ``reference`` says what each does."""

    def coarse_inputs(self, values: Int32Array) -> tuple[Int8Array, UInt8Array]: ...
    def unit_inputs(self, values: Int32Array, prediction: Int32Array) -> tuple[Int8Array, UInt8Array]: ...
    def linear(self, planes: IntArray, weight: Int32Array, bias: Int32Array, shift: int) -> Int32Array: ...
    def branch(self, layers: BranchLayers, inputs: Int8Array, carried: Int16Array | None, *, reuse: bool = False) -> Int16Array: ...
    def head(self, layers: HeadLayers, carried: Int16Array, size: tuple[int, int]) -> Int16Array: ...


class State(NamedTuple):
    """What is known inside a level.

    Attributes:
        layers: The level's network.
        carried: int16 ``(h, w, C)``.
        values: int32 ``(3 P, h, w)``: the coarse image and the units revealed so far, a latent last.
        energies: uint8 ``(E, h, w)``: log-energies of their differences.
        means: Closed-form predictions by step, as far as they have been asked for: int32 ``(3, h, w)`` in 1/64.
        innovations: By latent, int32 ``(3, h, w)`` in 1/64: it minus its closed-form prediction, in a side branch.
        pending: Inputs of what is revealed at once with more, int8 ``(h, w, channels)`` each, for the branch that they share.
    """

    layers: LevelLayers
    carried: Int16Array
    values: Int32Array
    energies: UInt8Array
    means: dict[int, Int32Array]
    innovations: Mapping[int, Int32Array] = {}
    pending: tuple[Int8Array, ...] = ()


class IntegerPredictor:
    """The networks of a model, finest first, in some arithmetic."""

    def __init__(self, levels: Sequence[LevelLayers], operations: Operations) -> None:
        self.levels, self.operations = levels, operations

    def begin(self, level: int, coarse: IntArray) -> State:
        layers = self.levels[min(level, len(self.levels)) - 1]
        values = _three(coarse)
        inputs, energies = self.operations.coarse_inputs(values)
        return State(layers, self.operations.branch(layers.trunk, inputs, None), values, energies, {})

    def reveal(self, state: State, step: int, values: IntArray, ranges: Ranges, *, reuse: bool = False) -> State:
        layers = state.layers
        spec = layers.schedule.steps[step]
        mean = self._mean(state, layers.schedule.reference(step))
        full = _completed(values, mean, ranges)
        inputs, energies = self.operations.unit_inputs(full, mean)
        known = np.concatenate([state.values, full]), np.concatenate([state.energies, energies])
        innovations = {**state.innovations, step: 64 * full - mean} if spec.is_latent else {}
        whole = (*state.pending, inputs)
        if not layers.schedule.is_last_at_once(step):
            return State(layers, state.carried, *known, dict(state.means), innovations, whole)
        branch = layers.side[step] if spec.is_latent else layers.carry[spec.unit]
        inputs = inputs if len(whole) == 1 else np.concatenate(whole, axis=2)
        return State(layers, self.operations.branch(branch, inputs, state.carried, reuse=reuse), *known, {}, innovations)

    def predict(self, state: State, step: int, size: tuple[int, int], head: HeadLayers | None = None) -> StepPrediction:
        return self._closed_form(state, step, size).with_corrections(self.corrections(state, size, head or state.layers.heads[step]))

    def predict_in_bands(self, state: State, step: int, size: tuple[int, int], rows: int) -> Iterator[StepPrediction]:
        closed, head, columns = self._closed_form(state, step, size), state.layers.heads[step], size[1]
        for first in range(0, size[0], rows):
            end = min(first + rows, size[0])
            found = self.operations.head(head, state.carried[first:end], (end - first, columns))
            yield closed.of(slice(first * columns, end * columns)).with_corrections(found.reshape(-1, found.shape[2]))

    def _closed_form(self, state: State, step: int, size: tuple[int, int]) -> StepPrediction:
        """The prediction to which a head adds its corrections."""
        form = state.layers.closed_forms[step]
        log2_scale = self.operations.linear(state.energies, form.scale_weight, form.scale_bias, ENERGY_SHIFT)
        given = state.layers.schedule.steps[step].given
        return StepPrediction(
            _cropped(self._mean(state, step), size),
            _cropped(log2_scale, size),
            form.coupling.astype(np.int64),
            np.empty((size[0] * size[1], 0), np.int16),
            None if given is None else _cropped(state.innovations[given], size),
            state.layers.components,
        )

    def corrections(self, state: State, size: tuple[int, int], head: HeadLayers) -> Int16Array:
        found = self.operations.head(head, state.carried, size)
        return found.reshape(-1, found.shape[2])

    def activations(self, state: State, place: Place) -> UInt8Array:
        return reference.activate(state.carried[place])

    def _mean(self, state: State, step: int) -> Int32Array:
        """Closed-form prediction of the step's unit, int32 ``(3, h, w)`` in 1/64."""
        if step not in state.means:
            form = state.layers.closed_forms[step]
            # What is compared with a prediction from before may have been revealed at once with more.
            values = state.values[: form.mean_weight.shape[1]]
            state.means[step] = self.operations.linear(values, form.mean_weight, form.mean_bias, MEAN_SHIFT)
        return state.means[step]


def _three(planes: IntArray) -> Int32Array:
    """``(C, h, w)`` as the network's int32 ``(3, h, w)``; gray has no chroma, which is zero."""
    if len(planes) == 3:
        return np.ascontiguousarray(planes, np.int32)
    full = np.zeros((3, *planes.shape[1:]), np.int32)
    full[: len(planes)] = planes
    return full


def _completed(values: IntArray, mean: Int32Array, ranges: Ranges) -> Int32Array:
    """``values`` on the grid of ``mean``. The prediction of a sample that is not there is kept inside the channel's range, on which the
    exactness proof rests.
    """
    if values.shape == mean.shape:
        return np.ascontiguousarray(values, np.int32)
    full = reference.round_shift(mean, 6)
    limits = np.zeros((3, 2), np.int32)
    limits[: len(ranges)] = ranges
    full = np.clip(full, limits[:, :1, None], limits[:, 1:, None])
    full[: len(values), : values.shape[1], : values.shape[2]] = values
    return full


def _cropped(planes: Int32Array, size: tuple[int, int]) -> Int32Array:
    return np.ascontiguousarray(planes[:, : size[0], : size[1]]).reshape(3, -1)
