"""Integer arithmetic only: this file reaches the bit stream.

What decoder and encoder agree on before the first bit: the coding parameters of a group, in one byte, and how many lanes carry each array.

The encoder starts on one lane and doubles the lanes as words come in (``ans.ramp_plan``), so that lanes cost nothing. All of this follows
from the sizes of the arrays in the order in which the encoder works, so the decoder knows every plan before it pops the first symbol.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from hvpzip.ans import Plan, flat_plan, ramp_plan
from hvpzip.errors import CorruptError

__all__ = ["ADAPTED_MARK", "COLOURS_MARK", "HIDDEN", "PRIOR_BYTES", "Coding", "Transfer", "candidates", "parameter_bytes", "plans"]

NO_RAMP = 3  # all lanes from the start: 31 bits a lane, for groups that never fill a ramp
RUNS = {0: 32, 1: 128, 2: 512, 4: 2048}  # vector pushes before lanes double, by number
MAX_LOG2_LANES = 10
# First byte of a payload whose Cg is reweighted; the number of the matrix and the coding parameters follow.
COLOURS_MARK = 255
# First byte of a payload whose heads are changed (adaptation.py); what follows it begins like any other payload.
ADAPTED_MARK = 254
PRIOR_BYTES = 3  # bytes of priors for each changed network and layer
HIDDEN = 1 << 7  # in the byte after the mark: hidden layers are changed too


class Coding(NamedTuple):
    """The parameter byte of a group, ``path + 4 * (log2_lanes + 11 * run)``: path 0..3, log2_lanes 0..10, run in ``RUNS`` or NO_RAMP."""

    path: int
    log2_lanes: int
    run: int

    def to_byte(self) -> int:
        """0..219."""
        return self.path + 4 * (self.log2_lanes + (MAX_LOG2_LANES + 1) * self.run)

    @classmethod
    def from_byte(cls, value: int, paths: int) -> Coding:
        """Inverse of ``to_byte``. Raises CorruptError for a byte that names no path of the model or no run."""
        rest, path = value // 4, value % 4
        run, log2_lanes = divmod(rest, MAX_LOG2_LANES + 1)
        if path >= paths or (run not in RUNS and run != NO_RAMP):
            raise CorruptError(f"group parameters {value} name path {path} of {paths} and run {run} of {len(RUNS) + 1}")
        return cls(path, log2_lanes, run)

    @property
    def first_lanes(self) -> int:
        """Lanes on which the encoder starts, and the decoder ends."""
        return 1 << self.log2_lanes if self.run == NO_RAMP else 1


def parameter_bytes(payload: bytes) -> int:
    """How many bytes of a payload come before its message: 1, 2 more with ``COLOURS_MARK``, and those of ``adaptation.py``; fewer only
    where the payload is shorter.
    """
    size = 0
    if payload[:1] == bytes([ADAPTED_MARK]) and len(payload) > 1:
        size = 2 + PRIOR_BYTES * (payload[1] & ~HIDDEN).bit_count() * (2 if payload[1] & HIDDEN else 1)
    return min(size + (3 if payload[size : size + 1] == bytes([COLOURS_MARK]) else 1), len(payload))


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
