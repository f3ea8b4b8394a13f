"""Sizes in bits, for reports: floating point, and so never part of the bit stream."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hvpzip.ans.rans import LOWER_BOUND, IntArray, Message, tail_words

__all__ = ["bits_each", "bits_of", "message_bits"]


def bits_of(freqs: IntArray, precision: int) -> float:
    """The information of symbols with these frequencies, sum of precision - log2(freq), in bits. 0.0 for an empty array."""
    return float(bits_each(freqs, precision).sum())


def bits_each(freqs: IntArray, precision: int) -> NDArray[np.float64]:
    """The information of each symbol, precision - log2(freq), in bits: float64, of the shape of ``freqs``."""
    found: NDArray[np.float64] = precision - np.log2(freqs.astype(np.float64))
    return found


def message_bits(message: Message) -> float:
    """What a message holds beyond the start state on its lanes, in bits: 32 a word of the tail and log2(head / 2**31) a lane."""
    return float(32 * tail_words(message.tail).size + np.log2(message.head.astype(np.float64) / LOWER_BOUND).sum())
