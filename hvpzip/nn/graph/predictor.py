"""Integer arithmetic only: this file reaches the bit stream.

``nn.predictor.Predictor`` by the graph in torch, on CUDA or, for comparison, on the CPU.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hvpzip.diffusion.schedule import Schedule
from hvpzip.errors import ModelError
from hvpzip.nn.config import NetworkConfig
from hvpzip.nn.graph import features
from hvpzip.nn.graph.export import integer_cascade, set_layer
from hvpzip.nn.graph.integer import IntegerOps, exact_arithmetic
from hvpzip.nn.graph.network import Head, LevelNetwork, State
from hvpzip.nn.layers import HeadLayers, LevelLayers
from hvpzip.nn.parameters import StepPrediction

__all__ = ["GraphPredictor"]

IntArray = NDArray[np.integer[Any]]


class _GraphState(NamedTuple):
    network: LevelNetwork
    state: State


class GraphPredictor:
    """The networks of a model, finest first, as a graph on ``device``. Raises ModelError where torch has no such device."""

    def __init__(self, levels: Sequence[LevelLayers], network: NetworkConfig, schedule: Schedule, device: str) -> None:
        self.ops = IntegerOps()
        try:
            self.device = torch.device(device)
        except RuntimeError as error:
            raise ModelError(f"there is no device {device!r}; cpu, cuda and cuda:1 are names of devices") from error
        try:
            self.cascade = integer_cascade(network, schedule, levels).to(self.device)
        except (RuntimeError, AssertionError) as error:
            raise ModelError(f"device {device!r} cannot be used: {str(error).splitlines()[0]}") from error

    def begin(self, level: int, coarse: IntArray) -> _GraphState:
        network = self.cascade.level(level)
        with exact_arithmetic():
            return _GraphState(network, network.begin(self.ops, self._tensor(coarse)))

    def reveal(
        self, state: _GraphState, step: int, values: IntArray, ranges: Sequence[tuple[int, int]], *, reuse: bool = False
    ) -> _GraphState:
        network, before = state
        with exact_arithmetic():
            mean = network.linear_mean(before, network.schedule.reference(step))
            full = self._tensor(values)
            if values.shape != mean.shape[1:]:
                rows, columns = values.shape[1:]
                given, full = full[:, : len(values)], features.round_shift(mean, 6)
                for channel in range(3):
                    full[:, channel].clamp_(*(ranges[channel] if channel < len(ranges) else (0, 0)))
                full[:, : len(values), :rows, :columns] = given
            return _GraphState(network, network.reveal(self.ops, before, step, full))

    def predict(self, state: _GraphState, step: int, size: tuple[int, int], head: HeadLayers | None = None) -> StepPrediction:
        network, known = state
        rows, columns = size
        with exact_arithmetic():
            found = network.predict(self.ops, known, step, self._head(head) if head else None)

            def planes(tensor: Tensor) -> NDArray[np.int32]:
                array = tensor[0, :, :rows, :columns].reshape(3, -1).to("cpu", torch.int32).numpy()
                return np.ascontiguousarray(array)

            corrections = found.corrections[0, :, :rows, :columns].permute(1, 2, 0)
            return StepPrediction(
                planes(found.mean),
                planes(found.log2_scale),
                found.coupling.to("cpu", torch.int64).numpy(),
                corrections.reshape(-1, corrections.shape[2]).to("cpu", torch.int16).contiguous().numpy(),
                None if found.innovation is None else planes(found.innovation),
                self.cascade.config.components,
            )

    def predict_in_bands(self, state: _GraphState, step: int, size: tuple[int, int], rows: int) -> Iterator[StepPrediction]:
        whole = self.predict(state, step, size)
        for first in range(0, size[0], rows):
            yield whole.of(slice(first * size[1], min(first + rows, size[0]) * size[1]))

    def corrections(self, state: _GraphState, size: tuple[int, int], head: HeadLayers) -> NDArray[np.int16]:
        with exact_arithmetic():
            found = self._head(head)(self.ops, state.state.carried)[0, :, : size[0], : size[1]].permute(1, 2, 0)
            array = found.reshape(-1, found.shape[2]).to("cpu", torch.int16).numpy()
            return np.ascontiguousarray(array)

    def activations(self, state: _GraphState, place: tuple[slice, slice]) -> NDArray[np.uint8]:
        with exact_arithmetic():
            a = self.ops.activate(state.state.carried[(..., *place)])[0].permute(1, 2, 0)
            return a.to("cpu", torch.uint8).contiguous().numpy()

    def _tensor(self, planes: IntArray) -> Tensor:
        """``(C, h, w)`` integers as the graph's ``(1, 3, h, w)``; gray has no chroma, which is zero."""
        full = np.zeros((3, *planes.shape[1:]), np.float32)
        full[: len(planes)] = planes
        return torch.from_numpy(full)[None].to(self.device)

    def _head(self, layers: HeadLayers) -> Head:
        found = Head(layers.hidden.weight.shape[1], len(layers.out.bias))
        for module, layer in ((found.hidden, layers.hidden), (found.out, layers.out)):
            set_layer(module, layer.weight, layer.bias, layer.exponent)
        return found.requires_grad_(False).to(self.device)
