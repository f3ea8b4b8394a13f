"""How an encoder chooses: a list of candidates, each with what it costs or why it was not tried, and one rule, the fewest bytes.

Nothing here reaches the bit stream: what was not taken is forgotten, but for its line in the account.
"""

from __future__ import annotations

from typing import Generic, NamedTuple, TypeVar

__all__ = ["Choice", "Trial"]

T = TypeVar("T")


class Trial(NamedTuple):
    """One candidate.

    Attributes:
        what: Its name, and after a slash what it was a candidate within: ``raster``, ``rewritten: gray / webp``.
        size_bytes: What it took, or would have taken; None where it was not tried, or could not be done.
        reason: Why it was not tried or could not be done; empty otherwise.
        taken: Whether it is what was written.
    """

    what: str
    size_bytes: int | None
    reason: str = ""
    taken: bool = False


class Choice(Generic[T]):
    """The candidates of one choice in the order in which they are tried. The smallest is taken, of equals the first."""

    def __init__(self) -> None:
        self._trials: list[Trial] = []
        self._best: tuple[int, int, T] | None = None  # size, place among the trials, what it is

    def tried(self, what: str, size_bytes: int, found: T) -> None:
        """Enter a candidate of that size."""
        if self._best is None or size_bytes < self._best[0]:
            self._best = size_bytes, len(self._trials), found
        self._trials.append(Trial(what, size_bytes))

    def skipped(self, what: str, reason: str) -> None:
        """Enter one that is not tried, or cannot be done."""
        self._trials.append(Trial(what, None, reason))

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
        """All candidates, the one that is taken marked."""
        taken = -1 if self._best is None else self._best[1]
        return tuple(trial._replace(taken=place == taken) for place, trial in enumerate(self._trials))
