"""The account of a stack: what every move cost, what the stack held after it, and where the bits went."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hvpzip import ans
from hvpzip.diffusion.bound import REFUND, Term

__all__ = ["Account"]


class Account:
    """Kept by encoder and decoder alike; floating point, and so never part of the bit stream.

    Attributes:
        terms: Of the bound, in the order of the moves.
        stack: (label, message) as the encoder has it after each move.
        costs: Bits of each position, by level and unit.
    """

    def __init__(self, *, kept: bool) -> None:
        """kept: whether anything is entered."""
        self.kept = kept
        self.terms: list[Term] = []
        self.stack: list[tuple[str, ans.Message]] = []
        self.costs: dict[tuple[int, str], NDArray[np.float64]] = {}

    def enter(self, term: Term, message: ans.Message) -> None:
        """Enter a term, and the stack as the encoder has it after it."""
        if self.kept:
            label = f"{term.level}:{term.unit}:{term.step}{':borrowed' * (term.kind == REFUND)}"
            self.terms.append(term)
            self.stack.append((label, message))

    def charge(self, level: int, unit: str, freqs: NDArray[np.integer[Any]], precision: int, sign: int = 1) -> float:
        """Bits of the symbols of one channel, or of a latent's refund (sign -1), entered for each of their positions; returns their sum, or
        0 where nothing is entered.
        """
        if not self.kept:
            return 0.0
        bits = ans.bits_each(freqs, precision)
        self.costs[level, unit] = self.costs.get((level, unit), 0.0) + sign * bits
        return float(bits.sum())
