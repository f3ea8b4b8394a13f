"""Integer arithmetic only: this file reaches the bit stream.

From a head's integers to the integer mixtures that the coder takes.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hvpzip.ans import Mixture, softmax_weights
from hvpzip.ans.tables import NUM_SCALES, gaussian_tables
from hvpzip.nn.network import Prediction

__all__ = ["Parameters"]

Int64Array = NDArray[np.int64]


class Parameters:
    """A step's prediction for one image as numpy integers, cropped to the unit's own size.

    Attributes:
        mean: int64 ``(3, n)`` in 1/64, n positions in row-major order.
    """

    def __init__(self, prediction: Prediction, item: int, size: tuple[int, int], components: int) -> None:
        rows, columns = size

        def array(tensor: Tensor) -> Int64Array:
            part = tensor[item, :, :rows, :columns]
            return part.reshape(part.shape[0], -1).to("cpu", torch.int32).numpy().astype(np.int64)

        self.mean = array(prediction.mean)
        # 16 scales an octave from 2^-3 up; log2 is in 1/64
        self._log2_scale = np.clip(array(prediction.log2_scale), -192, 1081)
        self._coupling = prediction.coupling.to("cpu", torch.int64).numpy()
        self._components = components
        self._surprise = None if prediction.surprise is None else array(prediction.surprise)
        corrections = array(prediction.corrections)
        kinds = 3 if self._surprise is None else 4
        self._mixture = corrections[: 3 * kinds * components].reshape(kinds, 3, components, corrections.shape[1])
        self._couple = corrections[3 * kinds * components :]

    def mixture(self, colour: int, residuals: list[Int64Array]) -> Mixture:
        """The mixtures of one colour, given ``64 * value - mean`` of those before it (int64 ``(n,)`` each). Triangular, hence exact."""
        shift, ratio, logit = self._mixture[:3, colour]  # (K, n) each
        centre = self.mean[colour]
        for before, residual in enumerate(residuals):
            index = before if colour == 1 else 1 + before
            centre = centre + _rounded((self._couple[index] + self._coupling[index]) * residual)
        local = gaussian_tables().scale64[_scale_index(self._log2_scale[colour])]
        mean = centre + _rounded(shift * local)
        if self._surprise is not None:
            mean += _rounded(self._mixture[3, colour] * self._surprise[colour])
        return Mixture(mean, _scale_index(self._log2_scale[colour] + ratio), softmax_weights(logit))

    def slope(self) -> Int64Array:
        """By how much the mean of Cg moves with Co, int64 (n,) in 1/64."""
        found: Int64Array = self._couple[2] + self._coupling[2]
        return found


def _rounded(product: Int64Array) -> Int64Array:
    """A product of two numbers in 1/64, in 1/64, rounded half up."""
    product += 32
    product >>= 6
    return product


def _scale_index(log2_scale: Int64Array) -> Int64Array:
    index: Int64Array = np.clip((log2_scale + 194) >> 2, 0, NUM_SCALES - 1)
    return index
