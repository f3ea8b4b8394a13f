"""Integer arithmetic only: this file reaches the bit stream.

From a head's integers to the integer mixtures that the coder takes.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hvpzip.ans import Mixture
from hvpzip.core import kernels
from hvpzip.nn.network import COUPLINGS, Prediction

__all__ = ["Parameters"]

Int32Array = NDArray[np.int32]
Int64Array = NDArray[np.int64]


class Parameters:
    """A step's prediction for one image as numpy integers, cropped to the unit's own size.

    Attributes:
        mean: int32 ``(3, n)`` in 1/64, n positions in row-major order.
    """

    def __init__(self, prediction: Prediction, item: int, size: tuple[int, int], components: int) -> None:
        rows, columns = size

        def array(tensor: Tensor, dtype: torch.dtype) -> NDArray[Any]:
            """(positions, channels): the network holds the channels of a position side by side."""
            part = tensor[item, :, :rows, :columns].permute(1, 2, 0)
            return part.reshape(-1, part.shape[2]).to("cpu", dtype).contiguous().numpy()

        self.mean: Int32Array = np.ascontiguousarray(array(prediction.mean, torch.int32).T)
        self._log2_scale: Int32Array = np.ascontiguousarray(array(prediction.log2_scale, torch.int32).T)
        self._coupling: Int64Array = prediction.coupling.to("cpu", torch.int64).numpy()
        self._components = components
        self._kinds = 3 if prediction.surprise is None else 4  # shift, log-scale, logit; gain
        self._surprise: Int32Array | None = None
        if prediction.surprise is not None:
            self._surprise = np.ascontiguousarray(array(prediction.surprise, torch.int32).T)
        self._corrections: NDArray[np.int16] = array(prediction.corrections, torch.int16)

    def mixture(self, colour: int, before: NDArray[np.integer]) -> Mixture:
        """The mixtures of one colour, given the values of those before it: integers ``(colour, n)`` in sample units."""
        n = self.mean.shape[1]
        mixture = Mixture(*(np.empty((self._components, n), dtype) for dtype in (np.int64, np.int16, np.int32)))
        kernels().fill_mixture(
            self.mean,
            self._log2_scale[colour],
            np.empty(0, np.int32) if self._surprise is None else self._surprise[colour],
            self._corrections,
            self._coupling,
            np.ascontiguousarray(before, np.int32),
            colour,
            self._components,
            *mixture,
        )
        return mixture

    def slope(self) -> Int64Array:
        """By how much the mean of Cg moves with Co, int64 (n,) in 1/64."""
        return self._couple(2)

    def _couple(self, index: int) -> Int64Array:
        """A coupling: 0 is Co on Y, 1 Cg on Y, 2 Cg on Co."""
        found: Int64Array = self._corrections[:, index - COUPLINGS].astype(np.int64) + self._coupling[index]
        return found
