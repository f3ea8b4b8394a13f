"""One step of rANS on many states at once; ``hvpzip.ans.rans`` has the message around it.

Integer arithmetic only: this file reaches the bit stream.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = ["LOWER_BOUND", "UPPER_BITS", "pushed", "refill", "taken"]

StateArray: TypeAlias = NDArray[np.uint64]

# A state is in [2**31, 2**63): one 32-bit refill a pop always suffices while precision <= 31, because 2**31 is a multiple of 2**precision,
# and freq << (63 - precision) stays within 2**63 because freq <= 2**precision (tests/ans/test_rans.py).
LOWER_BOUND = 1 << 31
UPPER_BITS = 63


def pushed(states: StateArray, starts: StateArray, freqs: StateArray, shift: Any) -> tuple[StateArray, NDArray[np.uint32]]:
    """The states after a push, and the words that those about to leave their range gave off, in order. shift: the precision, uint64."""
    states = states.copy()
    full = states >= freqs << (np.uint64(UPPER_BITS) - shift)
    words = states[full].astype(np.uint32)
    states[full] >>= np.uint64(32)
    quotient, remainder = np.divmod(states, freqs)
    result: StateArray = (quotient << shift) + remainder + starts
    return result, words


def taken(states: StateArray, starts: StateArray, freqs: StateArray, cf: StateArray, shift: Any) -> StateArray:
    """The states after a pop, some of which may need a word: see ``refill``."""
    result: StateArray = freqs * (states >> shift) + (cf - starts)
    return result


def refill(states: StateArray) -> NDArray[np.bool_]:
    """Which states need a word: state << 32 | word."""
    low: NDArray[np.bool_] = states < LOWER_BOUND
    return low
