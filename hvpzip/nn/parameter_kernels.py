"""``Parameters.mixture`` compiled by numba: the same integers, many times as fast.

Integer arithmetic only: this file reaches the bit stream.

Nothing here defines the format; tests/nn/test_parameters.py holds the two against each other. ``ans.backend`` chooses.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hvpzip.ans.kernels import jit
from hvpzip.ans.tables import NUM_SCALES, WEIGHT_BITS

__all__ = ["fill_mixture"]

Int32Array = NDArray[np.int32]
Int64Array = NDArray[np.int64]


@jit
def fill_mixture(
    means: Int32Array,
    log2_scales: Int32Array,
    innovation: Int32Array,
    corrections: NDArray[np.int16],
    coupling: Int64Array,
    values: Int32Array,
    colour: int,
    components: int,
    scale64: Int64Array,
    exp2: Int64Array,
    mean: Int64Array,
    scale: NDArray[np.int16],
    weight: Int32Array,
) -> None:
    """Write the mixtures of one colour into mean, scale and weight (K, n).

    means: (3, n). log2_scales: (n,). innovation: (n,), or empty where no latent is read. corrections: (n, channels). values: (colour, n).
    """
    first, couples = colour * components, corrections.shape[1] - 3 + max(colour - 1, 0)
    kind = 3 * components  # channels of one kind of correction
    spread, last = (1 << WEIGHT_BITS) - components, exp2.size - 1
    for i in range(log2_scales.size):
        log2_scale: Any = min(max(np.int64(log2_scales[i]), -192), 1081)
        centre = np.int64(means[colour, i])
        for before in range(values.shape[0]):
            couple = corrections[i, couples + before] + coupling[couples + before - (corrections.shape[1] - 3)]
            centre += (couple * (64 * np.int64(values[before, i]) - means[before, i]) + 32) >> 6
        local = scale64[min(max((log2_scale + 194) >> 2, 0), NUM_SCALES - 1)]
        largest, total = 0, np.int64(0)
        for k in range(components):
            channel = first + k
            mean[k, i] = centre + ((corrections[i, channel] * local + 32) >> 6)
            scale[k, i] = min(max((log2_scale + corrections[i, kind + channel] + 194) >> 2, 0), NUM_SCALES - 1)
            if innovation.size:
                mean[k, i] += (np.int64(corrections[i, 3 * kind + channel]) * innovation[i] + 32) >> 6
            if corrections[i, 2 * kind + channel] > corrections[i, 2 * kind + first + largest]:
                largest = k
        top = np.int64(corrections[i, 2 * kind + first + largest])
        for k in range(components):
            weight[k, i] = exp2[min(top - corrections[i, 2 * kind + first + k], last)]
            total += weight[k, i]
        left = np.int64(1 << WEIGHT_BITS)
        for k in range(components):
            share = weight[k, i] * np.int64(spread) // total + 1
            weight[k, i] = share
            left -= share
        weight[largest, i] += left
