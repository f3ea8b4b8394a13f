"""From a head's integers to the mixtures of one colour, in numpy.

Integer arithmetic only: this file reaches the bit stream.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hvpzip.core.reference.coder import Int16Array, Int32Array, Int64Array
from hvpzip.core.tables import NUM_SCALES, WEIGHT_BITS, exp2_table, gaussian_tables

__all__ = ["fill_mixture", "softmax_weights"]

_COUPLINGS = 3  # Co on Y, Cg on Y, Cg on Co
_BLOCK = 1 << 13  # symbols worked on at once


def fill_mixture(
    means: Int32Array,
    log2_scales: Int32Array,
    innovations: Int32Array,
    corrections: Int16Array,
    coupling: Int64Array,
    values: Int32Array,
    colour: int,
    components: int,
    threads: int,
    mean: Int64Array,
    scale: Int16Array,
    weight: Int32Array,
) -> None:
    """Write the mixtures of one colour into mean, scale and weight (K, n).

    means: (3, n), closed-form, in 1/64. log2_scales: (n,), those of the colour, in 1/64 octave. innovations: (n,), those of the colour, or
    empty where no latent is read. corrections: (n, channels), the head's: shifts, log-scales, logits and, with innovations, gains, each by
    colour and component; then the couplings Co on Y, Cg on Y, Cg on Co. coupling: (3,), closed-form, in 1/64. values: (colour, n), of the
    colours before. threads: no result depends on them.
    """
    log2_scale = np.clip(log2_scales.astype(np.int64), -192, 1081)  # in 1/64; the table begins at 2^-3

    def correction(kind: int) -> Int64Array:
        """(K, n)"""
        first = (3 * kind + colour) * components
        found: Int64Array = corrections[:, first : first + components].T.astype(np.int64)
        return found

    centre = means[colour].astype(np.int64)
    for number, before in enumerate(values):
        index = max(colour - 1, 0) + number
        couple = corrections[:, index - _COUPLINGS].astype(np.int64) + coupling[index]
        centre += _rounded(couple * (64 * before.astype(np.int64) - means[number]))
    mean[:] = centre + _rounded(correction(0) * gaussian_tables().scale64[_scale_index(log2_scale)])
    if innovations.size:
        mean += _rounded(correction(3) * innovations)
    scale[:] = _scale_index(log2_scale + correction(1))
    weight[:] = softmax_weights(correction(2))


def softmax_weights(logits: NDArray[np.integer[Any]]) -> Int32Array:
    """See ``hvpzip.ans.softmax_weights``: (K, N), K in 1..1024."""
    table = exp2_table()
    weight = np.empty(logits.shape, np.int32)
    spread = (1 << WEIGHT_BITS) - logits.shape[0]
    for begin in range(0, logits.shape[1], _BLOCK):
        part = logits[:, begin : begin + _BLOCK].astype(np.int64)
        power = table[np.minimum(part.max(axis=0) - part, table.size - 1)]
        share = power * spread // power.sum(axis=0) + 1
        largest = part.argmax(axis=0)
        share[largest, np.arange(part.shape[1])] += (1 << WEIGHT_BITS) - share.sum(axis=0)
        weight[:, begin : begin + _BLOCK] = share
    return weight


def _rounded(product: Int64Array) -> Int64Array:
    """A product of two numbers in 1/64, in 1/64, rounded half up."""
    product += 32
    product >>= 6
    return product


def _scale_index(log2_scale: Int64Array) -> Int64Array:
    index: Int64Array = np.clip((log2_scale + 194) >> 2, 0, NUM_SCALES - 1)
    return index
