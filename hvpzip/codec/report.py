"""What a payload cost, term by term; floating point, and so never part of the bit stream."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

__all__ = ["GroupReport", "TermBits", "bound_of"]


class TermBits(NamedTuple):
    """One named term of the bound, in bits: level 1 is the finest, 0 the base; kind is "rate" or "refund" (both positive)."""

    level: int
    unit: str
    step: int
    kind: str
    bits: float


class GroupReport(NamedTuple):
    """What a payload cost; encoder and decoder agree on it, for the decoder's stack is the encoder's, seen backwards.

    Attributes:
        coded_bits: 8 bits a byte of the payload.
        bound_bits: The model's bound for these samples and these latents: rates minus refunds.
        terms: Its parts, in the encoder's order.
        stack_curve: (label, bits on the stack): ``start`` (0; without a ramp, what the lanes after the first hold), then one entry a term,
            after it. Labels are ``level:unit:step`` where a unit or
            a latent was pushed, ``level:unit:step:borrowed`` where a latent was popped: there the stack is lowest, and that is the debt.
        path: Name of the schedule's path taken.
        lanes: Lanes at the most.
        matrix: Number of the matrix in ``matrices.MATRICES`` (0: none of them) where the last colour is reweighted, else None.
    """

    coded_bits: int
    bound_bits: float
    terms: list[TermBits]
    stack_curve: list[tuple[str, float]]
    path: str
    lanes: int
    matrix: int | None = None


def bound_of(terms: Sequence[TermBits]) -> float:
    """The bound in bits: rates minus refunds."""
    return sum(term.bits if term.kind == "rate" else -term.bits for term in terms)
