"""Integer arithmetic only: this file reaches the bit stream.

From a head's integers to the integer mixtures that the coder takes.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hvpzip.ans import Mixture
from hvpzip.core import kernels
from hvpzip.diffusion.likelihood import CG_ON_CO, COUPLINGS
from hvpzip.threads import current_threads

__all__ = ["StepPrediction"]

Int32Array = NDArray[np.int32]
Int64Array = NDArray[np.int64]


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

    def with_corrections(self, corrections: NDArray[np.int16]) -> StepPrediction:
        """The same with what another head adds."""
        return StepPrediction(self.mean, self.log2_scale, self.coupling, corrections, self.innovation, self.components)

    def of(self, positions: slice) -> StepPrediction:
        """The same of some positions."""
        innovation = None if self.innovation is None else np.ascontiguousarray(self.innovation[:, positions])
        mean, log2_scale = np.ascontiguousarray(self.mean[:, positions]), np.ascontiguousarray(self.log2_scale[:, positions])
        return StepPrediction(mean, log2_scale, self.coupling, self.corrections[positions], innovation, self.components)

    def mixture(self, colour: int, before: NDArray[np.integer]) -> Mixture:
        """The mixtures of one colour, given the values of those before it: integers ``(colour, n)`` in sample units."""
        n = self.mean.shape[1]
        mixture = Mixture(*(np.empty((self.components, n), dtype) for dtype in (np.int64, np.int16, np.int32)))
        kernels().fill_mixture(
            self.mean,
            self.log2_scale[colour],
            np.empty(0, np.int32) if self.innovation is None else self.innovation[colour],
            self.corrections,
            self.coupling,
            np.ascontiguousarray(before, np.int32),
            colour,
            self.components,
            current_threads(),
            *mixture,
        )
        return mixture

    def slope(self) -> Int64Array:
        """By how much the mean of Cg moves with Co, int64 (n,) in 1/64."""
        return self.coupling_of(CG_ON_CO)

    def coupling_of(self, index: int) -> Int64Array:
        """A coupling of all positions by its place among them, int64 (n,) in 1/64."""
        found: Int64Array = self.corrections[:, index - COUPLINGS].astype(np.int64) + self.coupling[index]
        return found
