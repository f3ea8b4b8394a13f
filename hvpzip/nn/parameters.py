"""Integer arithmetic only: this file reaches the bit stream.

From a head's integers to the integer mixtures that the coder takes.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hvpzip.ans import Mixture, softmax_weights
from hvpzip.ans.backend import kernels
from hvpzip.ans.tables import NUM_SCALES, exp2_table, gaussian_tables
from hvpzip.diffusion.likelihood import CG_ON_CO, CO_ON_Y, COUPLINGS, GAIN, LOG_RATIO, LOGIT, SHIFT, channels_of

__all__ = ["StepPrediction"]

Int32Array = NDArray[np.int32]
Int64Array = NDArray[np.int64]

_KERNELS = "hvpzip.nn.parameter_kernels"


class StepPrediction:
    """What a step says of its unit: integers for its n positions, in row-major order.

    Attributes:
        mean: int32 ``(3, n)`` in 1/64.
        log2_scale: int32 ``(3, n)``: closed-form log2 of the scale, in 1/64 octave.
        coupling: int64 ``(3,)``: closed-form couplings, in 1/64.
        corrections: int16 ``(n, output_channels)``: what the head adds.
        innovation: int32 ``(3, n)``: the latent minus its closed-form prediction, in 1/64; None where the step reads none.
        components: Gaussians of a mixture (K).
    """

    def __init__(
        self,
        mean: Int32Array,
        log2_scale: Int32Array,
        coupling: Int64Array,
        corrections: NDArray[np.int16],
        innovation: Int32Array | None,
        components: int,
    ) -> None:
        self.mean, self.log2_scale, self.coupling, self.corrections = mean, log2_scale, coupling, corrections
        self.innovation, self.components = innovation, components

    def mixture(self, colour: int, before: NDArray[np.integer]) -> Mixture:
        """The mixtures of one colour, given the values of those before it: integers ``(colour, n)`` in sample units."""
        if compiled := kernels(self.mean.shape[1], _KERNELS):
            return self._compiled_mixture(compiled, colour, before)
        log2_scale = np.clip(self.log2_scale[colour].astype(np.int64), -192, 1081)  # in 1/64; the table begins at 2^-3
        shift, ratio, logit = (self._correction(kind, colour) for kind in (SHIFT, LOG_RATIO, LOGIT))  # (K, n) each
        centre = self.mean[colour].astype(np.int64)
        for number, values in enumerate(before):
            residual = 64 * values.astype(np.int64) - self.mean[number]
            centre += _rounded(self._couple(CO_ON_Y + colour + number - 1) * residual)
        mean = centre + _rounded(shift * gaussian_tables().scale64[_scale_index(log2_scale)])
        if self.innovation is not None:
            mean += _rounded(self._correction(GAIN, colour) * self.innovation[colour])
        return Mixture(mean, _scale_index(log2_scale + ratio), softmax_weights(logit))

    def _compiled_mixture(self, compiled: Any, colour: int, before: NDArray[np.integer]) -> Mixture:
        tables, n = gaussian_tables(), self.mean.shape[1]
        mixture = Mixture(*(np.empty((self.components, n), dtype) for dtype in (np.int64, np.int16, np.int32)))
        compiled.fill_mixture(
            self.mean,
            self.log2_scale[colour],
            np.empty(0, np.int32) if self.innovation is None else self.innovation[colour],
            self.corrections,
            self.coupling,
            np.ascontiguousarray(before, np.int32),
            colour,
            self.components,
            tables.scale64,
            exp2_table(),
            *mixture,
        )
        return mixture

    def slope(self) -> Int64Array:
        """By how much the mean of Cg moves with Co, int64 (n,) in 1/64."""
        return self._couple(CG_ON_CO)

    def _correction(self, kind: int, colour: int) -> Int64Array:
        return self.corrections[:, channels_of(kind, colour, self.components)].T.astype(np.int64)

    def _couple(self, index: int) -> Int64Array:
        """A coupling, by its place among them."""
        found: Int64Array = self.corrections[:, index - COUPLINGS].astype(np.int64) + self.coupling[index]
        return found


def _rounded(product: Int64Array) -> Int64Array:
    """A product of two numbers in 1/64, in 1/64, rounded half up."""
    product += 32
    product >>= 6
    return product


def _scale_index(log2_scale: Int64Array) -> Int64Array:
    index: Int64Array = np.clip((log2_scale + 194) >> 2, 0, NUM_SCALES - 1)
    return index
