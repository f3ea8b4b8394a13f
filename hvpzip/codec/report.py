"""What a payload cost, term by term; floating point, and so never part of the bit stream."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from hvpzip.ans import Message, message_bits, resize
from hvpzip.codec.choice import Trial
from hvpzip.diffusion.bound import REFUND, Term, bound_of

__all__ = ["GroupCost", "GroupReport", "Report", "TermsReport", "stack_bits"]


class GroupCost(NamedTuple):
    """What is kept of the reports of many groups: figures alone, where a report has the group's messages, and so its payload once more.

    ``coded_bits``, ``bound_bits``, ``terms``: as in ``GroupReport``; ``level_bits``: what its method says.
    """

    coded_bits: int
    bound_bits: float
    terms: list[Term]
    level_bits: dict[int, float]


class Report(Protocol):
    """What a part cost that a model coded, alone or as one of many experts; see ``GroupReport`` for the attributes."""

    @property
    def coded_bits(self) -> int: ...
    @property
    def bound_bits(self) -> float: ...
    @property
    def terms(self) -> list[Term]: ...
    @property
    def path(self) -> str: ...
    @property
    def lanes(self) -> int: ...
    @property
    def trials(self) -> tuple[Trial, ...]: ...
    @property
    def stack_curve(self) -> list[tuple[str, float]]: ...
    def cost(self) -> GroupCost: ...


class TermsReport(NamedTuple):
    """What a part cost whose terms alone are kept: those of the mixing engine (``cascade/``), whose own probabilities are its bound, and
    of a noise path (``noise_path/``).

    Attributes:
        coded_bits: 8 bits a byte of the part's data.
        terms: In the encoder's order, as in ``GroupReport``; the base of a cascade is its coarse image, a part of its own.
        path, lanes: As there.
    """

    coded_bits: int
    terms: list[Term]
    path: str
    lanes: int = 1

    @property
    def bound_bits(self) -> float:
        return float(bound_of(self.terms))

    @property
    def trials(self) -> tuple[Trial, ...]:
        return ()

    @property
    def stack_curve(self) -> list[tuple[str, float]]:
        """(label, bits on the stack), as in ``GroupReport``: sums of the terms, which no lane rounds."""
        curve, total = [("start", 0.0)], 0.0
        for term in self.terms:
            total += term.net_bits
            borrowed = ":borrowed" * (term.kind == REFUND)
            curve.append((f"{term.level}:{term.unit}:{term.step}{borrowed}", total))
        return curve

    def cost(self) -> GroupCost:
        """The figures alone."""
        levels = dict.fromkeys((term.level for term in self.terms), 0.0)
        for term in self.terms:
            levels[term.level] += term.net_bits
        return GroupCost(self.coded_bits, self.bound_bits, self.terms, levels)


class GroupReport(NamedTuple):
    """What a payload cost; encoder and decoder agree on it, for the decoder's stack is the encoder's, seen backwards.

    Attributes:
        coded_bits: 8 bits a byte of the payload.
        bound_bits: The model's bound for these samples and these latents: rates minus refunds.
        terms: Its parts, in the encoder's order.
        stack: (label, message): ``start``, then one entry a term, after it. Labels are ``level:unit:step`` where a unit or a latent was
            pushed, ``level:unit:step:borrowed`` where a latent was popped: there the stack is lowest, and that is the debt.
        path: Name of the schedule's path taken.
        lanes: Lanes at the most.
        matrix: Number of the matrix in ``matrices.MATRICES`` (0: none of them) where Cg is reweighted, else None.
        trials: What the encoder weighed; the decoder does not know it.
    """

    coded_bits: int
    bound_bits: float
    terms: list[Term]
    stack: list[tuple[str, Message]]
    path: str
    lanes: int
    matrix: int | None = None
    trials: tuple[Trial, ...] = ()

    @property
    def stack_curve(self) -> list[tuple[str, float]]:
        """(label, bits on the stack) for each entry of ``stack``; ``start`` is 0, or without a ramp what the lanes after the first hold."""
        return [(label, stack_bits(message)) for label, message in self.stack]

    def cost(self) -> GroupCost:
        """The figures alone."""
        return GroupCost(self.coded_bits, self.bound_bits, self.terms, self.level_bits())

    def level_bits(self) -> dict[int, float]:
        """By how many bits the message grew in each level, 0 being the base."""
        # Folding all lanes takes milliseconds: so only the ends of levels are measured.
        found: dict[int, float] = {}
        before = stack_bits(self.stack[0][1])
        for position, term in enumerate(self.terms, 1):
            if position == len(self.terms) or self.terms[position].level != term.level:
                after = stack_bits(self.stack[position][1])
                found[term.level] = found.get(term.level, 0.0) + after - before
                before = after
        return found


def stack_bits(message: Message) -> float:
    """Bits on the stack beyond an empty lane. Lanes hold bits too, which came from the tail: so it is folded to one lane to be measured."""
    return message_bits(resize(message, 1))
