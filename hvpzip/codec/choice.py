"""How an encoder chooses: a list of candidates, each with what it costs or why it was not tried, and one rule, the fewest bytes.

Nothing here reaches the bit stream: what was not taken is forgotten, but for its line in the account.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Generic, NamedTuple, TypeVar

__all__ = ["Choice", "Trial"]

T = TypeVar("T")


class Trial(NamedTuple):
    """One candidate.

    Attributes:
        what: Its name.
        size_bytes: What it took, or would have taken; None where it was not tried, or could not be done.
        reason: Why it was not tried or could not be done; empty otherwise.
        taken: Whether it is what was written.
        depth: Of a choice within a choice: how many it is within.
    """

    what: str
    size_bytes: int | None
    reason: str = ""
    taken: bool = False
    depth: int = 0


class Choice(Generic[T]):
    """The candidates of one choice in the order in which they are tried. The smallest is taken, of equals the first."""

    def __init__(self) -> None:
        self._trials: list[tuple[Trial, tuple[Trial, ...]]] = []
        self._best: tuple[int, int, T] | None = None  # size, place among the trials, what it is

    def tried(self, what: str, size_bytes: int, found: T, within: Iterable[Trial] = ()) -> None:
        """Enter a candidate of that size, and the trials that it was itself chosen by."""
        if self._best is None or size_bytes < self._best[0]:
            self._best = size_bytes, len(self._trials), found
        self._trials.append((Trial(what, size_bytes), tuple(within)))

    def skipped(self, what: str, reason: str) -> None:
        """Enter one that is not tried, or cannot be done."""
        self._trials.append((Trial(what, None, reason), ()))

    @property
    def best(self) -> T:
        """The smallest so far. Raises ValueError where nothing was tried."""
        if self._best is None:
            raise ValueError("nothing was tried")
        return self._best[2]

    @property
    def best_bytes(self) -> int | None:
        """Its size; None where nothing was tried."""
        return None if self._best is None else self._best[0]

    @property
    def trials(self) -> tuple[Trial, ...]:
        """All candidates, each before those within it; taken is what is written, so nothing within a candidate that is not."""
        found: list[Trial] = []
        for place, (trial, within) in enumerate(self._trials):
            taken = self._best is not None and place == self._best[1]
            found.append(trial._replace(taken=taken))
            found += [inner._replace(depth=inner.depth + 1, taken=inner.taken and taken) for inner in within]
        return tuple(found)
