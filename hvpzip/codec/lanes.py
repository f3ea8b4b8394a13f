"""Integer arithmetic only: this file reaches the bit stream.

How many lanes carry each array of a group.

The encoder starts on one lane and doubles the lanes as words come in (``ans.ramp_plan``), so that lanes cost nothing. All of this follows
from the sizes of the arrays in the order in which the encoder works, so the decoder knows every plan before it pops the first symbol.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from hvpzip.ans import Plan, flat_plan, ramp_plan
from hvpzip.codec.payload import MAX_LOG2_LANES, NO_RAMP, RUNS, Coding

__all__ = ["Transfer", "candidates", "plans"]


class Transfer(NamedTuple):
    """One array on its way: pushed by the encoder, or popped by it (a latent), with its number of symbols."""

    pushed: bool
    symbols: int


def plans(transfers: Sequence[Transfer], coding: Coding) -> list[Plan]:
    """A plan for each array, in the encoder's order: lanes ramp up over the pushed arrays, popped ones use what is there."""
    lanes, found = coding.first_lanes, []
    for transfer in transfers:
        if transfer.pushed and coding.run != NO_RAMP:
            plan = ramp_plan(transfer.symbols, 1 << coding.log2_lanes, RUNS[coding.run], lanes)
            lanes = plan[0].lanes
        else:
            plan = flat_plan(transfer.symbols, lanes)
        found.append(plan)
    return found


def candidates(path: int, symbols: int) -> list[Coding]:
    """Parameters to try in turn until the stack carries them: many lanes and short runs first, no ramp last.

    What is pushed first, Cg of the finest unit, may cost next to nothing where colours are learnt: the longest run suffices
    from a fortieth of a bit a symbol on. A flat group has too few bits for any ramp. Without one it pays 31 bits a lane, so it gets few:
    one in 2,048 symbols and at most 32, which keeps the file small, and the number of vector operations without compiled loops too.
    """
    most = min(MAX_LOG2_LANES, max(0, (symbols // 64).bit_length() - 1))
    found = [Coding(path, most, 0), Coding(path, most, 1), Coding(path, max(0, most - 3), 2)]
    found.append(Coding(path, max(0, most - 3), 4))
    found.append(Coding(path, min(5, max(0, (symbols // 2048).bit_length() - 1)), NO_RAMP))
    return list(dict.fromkeys(found))
