"""Local bits-back coding (Ho et al. 2019) of a cascade with the flow of its probability-flow ODE, black-box variant, on small crops.

A scale's values v get noise, y ~ q(y | v), whose bits come back; y is on a fine lattice and coded by the flow f that the ODE is (their
algorithm 1), with J its Jacobian at y and a small noise s:

    encoder   pop w ~ N(f(y), s^2 J J^T)      push y with N(f^-1(w), s^2)      push w with N(0, 1)
    decoder   the mirror image

which costs -log p(y), up to terms that vanish with s. Correlated Gaussians are coded coordinate by coordinate along a Cholesky factor. The
flow is float64 on one machine: encoder and decoder must be the same program there, so this is an experiment and no file format.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torchdiffeq import odeint

from hvpzip.ans import Message, Mixture, lattice_range, pop_mixture, push_mixture
from hvpzip.core.tables import NUM_SCALES, SCALE_STEPS
from hvpzip.training.continuous.cascade import DiffusionCascade, ScaleModel
from hvpzip.training.continuous.parameterisation import Belief
from hvpzip.transform.scales import Scale

__all__ = ["LocalCoder", "Settings"]

PRECISION = 30
SCALE_OFFSET = 3  # the coder's scale 0 is 2^-3 of a unit; the unit is a lattice step
WEIGHT_ONE = 1 << 16

FloatArray = NDArray[np.float64]
Int64Array = NDArray[np.int64]


class Settings(NamedTuple):
    """log2 of the lattice steps of y (in units of x) and w (in its deviations), log2 of the local noise s, and RK4 steps of the flow."""

    log2_y: int = -11
    log2_w: int = -13
    log2_noise: int = -8
    solver_steps: int = 24


def _scale_index(deviation: FloatArray, log2_step: int) -> Int64Array:
    """Indices of the coder's scales nearest to deviations, for lattice steps 2^log2_step."""
    index = np.rint((np.log2(deviation) - log2_step + SCALE_OFFSET) * SCALE_STEPS)
    found: Int64Array = np.clip(index, 0, NUM_SCALES - 1).astype(np.int64)
    return found


def _normal(mean: FloatArray, deviation: FloatArray, log2_step: int) -> tuple[Mixture, Int64Array, Int64Array]:
    """Gaussians on a lattice and their alphabets."""
    units = np.rint(mean * 2.0**-log2_step * 64).astype(np.int64)
    scale = _scale_index(np.broadcast_to(deviation, mean.shape), log2_step)
    low = np.empty(len(units), np.int64)
    high = np.empty(len(units), np.int64)
    for i, (centre, index) in enumerate(zip(units >> 6, scale, strict=True)):
        lo, hi = lattice_range(int(centre), int(centre) + 1, int(index))
        low[i], high[i] = lo, hi
    return Mixture(units[None], scale[None], np.full((1, len(units)), WEIGHT_ONE, np.int64)), low, high


class LocalCoder:
    """Codes pictures of a cascade one at a time. The cascade is used in float64."""

    def __init__(self, cascade: DiffusionCascade, settings: Settings | None = None) -> None:
        self.cascade, self.settings = cascade.double(), settings or Settings()

    def encode(self, message: Message, planes: NDArray[np.int32]) -> Message:
        """The message with the picture ``planes`` (1, 3, H, W) on it. Raises StackUnderflow where it has too little to borrow."""
        for number, scale in reversed(list(enumerate(self.cascade.hierarchy.split(planes)))):
            model, known = self.cascade.scale(number), _tensor(scale.known)
            unit = _flat_unit(model, scale.values.shape)
            values = scale.values.astype(np.float64).reshape(-1) / unit
            mixture, low, high = _normal(values, self._deviation(model, values.size), self.settings.log2_y)
            message, symbols, _ = pop_mixture(message, mixture, low, high, 1, PRECISION)
            message = self._values(model, known, symbols, scale.values.shape, message, scale.values)[0]
            message = self._push_flow(model, known, message, symbols, scale.values.shape)
        return message

    def decode(self, message: Message) -> tuple[Message, NDArray[np.int32]]:
        """(message without the picture, planes): the inverse of ``encode``."""
        side = self.cascade.config.side
        like = self.cascade.hierarchy.split(np.zeros((1, 3, side, side), np.int32))
        known = like[0].known
        for number, scale in enumerate(like):
            model, shape = self.cascade.scale(number), scale.values.shape
            message, symbols = self._pop_flow(model, _tensor(known), message, shape)
            message, values = self._values(model, _tensor(known), symbols, shape, message, None)
            exact = values.astype(np.float64).reshape(-1) / _flat_unit(model, shape)
            mixture, low, high = _normal(exact, self._deviation(model, exact.size), self.settings.log2_y)
            message, _ = push_mixture(message, mixture, symbols, low, high, 1, PRECISION)
            known = self.cascade.hierarchy.merge(number, Scale(known, values))
        return message, known

    def _deviation(self, model: ScaleModel, size: int) -> FloatArray:
        return np.full(size, math.exp(0.5 * float(model.schedule.ends[0])))

    def _values(
        self,
        model: ScaleModel,
        known: Tensor,
        symbols: Int64Array,
        shape: tuple[int, ...],
        message: Message,
        values: NDArray[np.int32] | None,
    ) -> tuple[Message, NDArray[np.int32]]:
        """Push ``values`` with p(v | y), or pop them."""
        y = torch.from_numpy(symbols * 2.0**self.settings.log2_y).view(shape)
        gamma = model.schedule.ends[:1].detach()
        with torch.no_grad():
            belief: Belief = model.estimate(y / torch.sqrt(1 + torch.exp(gamma)), gamma, known).belief
        unit = _flat_unit(model, shape)
        mean, deviation = (part.view(part.shape[1], -1).numpy() * unit for part in (belief.mean, belief.scale))
        weight = np.maximum(np.floor(belief.log_weight.exp().view(mean.shape).numpy() * (WEIGHT_ONE - len(mean))).astype(np.int64), 1)
        weight[weight.argmax(0), np.arange(weight.shape[1])] += WEIGHT_ONE - weight.sum(0)
        # The coder's unit is an eighth of a step, so that its smallest scales are fine enough.
        mixture = Mixture(np.rint(mean * 512).astype(np.int64), _scale_index(deviation, -3), weight)
        low, high = -(1 << 12), 1 << 12
        if values is None:
            message, found, _ = pop_mixture(message, mixture, low, high, 8, PRECISION)
            return message, found.reshape(shape).astype(np.int32)
        return push_mixture(message, mixture, values.reshape(-1).astype(np.int64), low, high, 8, PRECISION)[0], values

    def _flow(self, model: ScaleModel, known: Tensor, y: Tensor, shape: tuple[int, ...], back: bool) -> Tensor:
        """f or f^-1 of flat ``y``: between y at t = 0 and its deviations at t = 1."""
        ends = 0.5 * model.schedule.ends.detach()
        total = torch.sqrt(1 + torch.exp(2 * ends[1]))
        times = torch.linspace(float(ends[0]), float(ends[1]), self.settings.solver_steps + 1, dtype=torch.float64)

        def velocity(s: Tensor, flat: Tensor) -> Tensor:
            gamma = (2 * s).reshape(1)
            here = flat.view(shape)
            x_hat = model.estimate(here / torch.sqrt(1 + torch.exp(gamma)), gamma, known).belief.expectation()
            return (here - x_hat).reshape(-1)

        start = y * total if back else y
        end: Tensor = odeint(velocity, start, times.flip(0) if back else times, method="rk4")[-1]
        return end if back else end / total

    def _linearised(self, model: ScaleModel, known: Tensor, symbols: Int64Array, shape: tuple[int, ...]) -> tuple[FloatArray, FloatArray]:
        """(f(y), Cholesky factor of s^2 J J^T)."""
        y = torch.from_numpy(symbols * 2.0**self.settings.log2_y)

        def forward(point: Tensor) -> Tensor:
            return self._flow(model, known, point, shape, back=False)

        with torch.enable_grad():
            jacobian = torch.autograd.functional.jacobian(forward, y, vectorize=True)  # type: ignore[no-untyped-call]
        with torch.no_grad():
            factor = torch.linalg.cholesky(jacobian @ jacobian.T) * 2.0**self.settings.log2_noise
            return forward(y).numpy(), factor.numpy()

    def _push_flow(self, model: ScaleModel, known: Tensor, message: Message, symbols: Int64Array, shape: tuple[int, ...]) -> Message:
        centre, factor = self._linearised(model, known, symbols, shape)
        step = self.settings.log2_w
        w = np.empty(len(symbols), np.int64)
        eps = np.zeros(len(symbols))
        for i in range(len(symbols)):
            mean = centre[i] + factor[i, :i] @ eps[:i]
            mixture, low, high = _normal(np.array([mean]), factor[i : i + 1, i], step)
            message, found, _ = pop_mixture(message, mixture, low, high, 1, PRECISION)
            w[i] = found[0]
            eps[i] = (w[i] * 2.0**step - mean) / factor[i, i]
        mixture, low, high = self._local(model, known, w, shape)
        message, _ = push_mixture(message, mixture, symbols, low, high, 1, PRECISION)
        return push_mixture(message, *self._prior(len(w), w), 1, PRECISION)[0]

    def _pop_flow(self, model: ScaleModel, known: Tensor, message: Message, shape: tuple[int, ...]) -> tuple[Message, Int64Array]:
        step = self.settings.log2_w
        size = math.prod(shape)
        mixture, low, high = _normal(np.zeros(size), np.ones(size), step)
        message, w, _ = pop_mixture(message, mixture, low, high, 1, PRECISION)
        message, symbols, _ = pop_mixture(message, *self._local(model, known, w, shape), 1, PRECISION)
        centre, factor = self._linearised(model, known, symbols, shape)
        eps, means = np.zeros(size), np.zeros(size)
        for i in range(size):
            means[i] = centre[i] + factor[i, :i] @ eps[:i]
            eps[i] = (w[i] * 2.0**step - means[i]) / factor[i, i]
        for i in reversed(range(size)):
            mixture, low, high = _normal(means[i : i + 1], factor[i : i + 1, i], step)
            message, _ = push_mixture(message, mixture, w[i : i + 1], low, high, 1, PRECISION)
        return message, symbols

    def _prior(self, size: int, w: Int64Array) -> tuple[Mixture, Int64Array, Int64Array, Int64Array]:
        mixture, low, high = _normal(np.zeros(size), np.ones(size), self.settings.log2_w)
        return mixture, w, low, high

    def _local(self, model: ScaleModel, known: Tensor, w: Int64Array, shape: tuple[int, ...]) -> tuple[Mixture, Int64Array, Int64Array]:
        with torch.no_grad():
            centre = self._flow(model, known, torch.from_numpy(w * 2.0**self.settings.log2_w), shape, back=True).numpy()
        return _normal(centre, np.full(len(w), 2.0**self.settings.log2_noise), self.settings.log2_y)


def _tensor(known: NDArray[np.int32]) -> Tensor:
    return torch.from_numpy(known).double()


def _flat_unit(model: ScaleModel, shape: tuple[int, ...]) -> FloatArray:
    """The unit of every sample of a flat array of ``shape`` (1, C, h, w)."""
    return np.repeat(model.unit.double().numpy(), shape[2] * shape[3])
