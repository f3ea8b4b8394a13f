"""The discrete bound, term by term. Bits of codes and bits that a training step minimises are told in the same terms.

    bits = sum over steps  -log2 p(revealed | known)  -  sum over latents  -log2 q(y | x)                              (rate minus refund)

Every term is a sum over integers: there is no density, no dequantisation.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

__all__ = ["RATE", "REFUND", "Term", "bound_of"]

RATE, REFUND = "rate", "refund"


class Term(NamedTuple):
    """One named term.

    Attributes:
        level: 1 is the finest, 0 the base.
        unit: What is revealed.
        step: Its index in the level's schedule.
        kind: ``RATE`` or ``REFUND``.
        bits: Positive for both: a float, or while a network is trained a tensor without axes.
        colours: (first, last + 1) of the colours counted, where paths differ in what they take of the step; None for all that it reveals.
    """

    level: int
    unit: str
    step: int
    kind: str
    bits: Any
    colours: tuple[int, int] | None = None

    @property
    def net_bits(self) -> Any:
        """What the term adds to the bound."""
        return self.bits if self.kind == RATE else -self.bits


def bound_of(terms: Iterable[Term]) -> Any:
    """The bound in bits: rates minus refunds."""
    return sum(term.net_bits for term in terms)
