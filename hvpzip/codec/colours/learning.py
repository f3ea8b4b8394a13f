"""How the factors of learnt colours follow what came: after whole units, as files of old have it, or after every stripe of a unit.

Integer arithmetic only: this file reaches the bit stream.

After a stripe, with k the times that symbols of a context came true and e the sum of their probabilities, first all contexts of a *class*
(how often the colour was seen, whether the matrix reaches it) move together, then each on its own, as far as there is evidence:

    r = (K + c) / (E + c)                          K, E: sums of k and e over the class
    factor = factor r (k + d + n) / (e r + d + n)  n: what came of the context so far, up to ``_EVIDENCE``

A class has symbols enough to follow a photo from stripe to stripe; a context of its own would follow the noise.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hvpzip.ans.reweighted import MAX_FACTOR, UNIT
from hvpzip.core.reference.colours import CG_CONTEXTS, CO_KINDS, SEEN

__all__ = ["CLASSES", "Factors", "FineFactors", "by_stripes", "by_units"]

Int64Array = NDArray[np.int64]
Came = NDArray[np.integer]

_FINE = 12  # bits below a factor's unit, so that many small changes add up
_UNIT_PRIOR = 3  # c of whole units, in symbols
_CLASS_PRIOR, _PRIOR, _EVIDENCE = 3, 10, 30  # c, d and the most n, in symbols (docs/experiments.md, 343)
# Classes of the contexts of Cg, all of one length: SEEN of the colours that the matrix does not reach, and SEEN of those that it does.
CLASSES = 2 * SEEN
_RATIO = 16  # bits of a ratio's fraction


class FineFactors(NamedTuple):
    """What is learnt of n contexts.

    Attributes:
        fine: int64 (n,), the factors in 1/2**12.
        evidence: int64 (n,), symbols that came, at most ``_EVIDENCE``.
    """

    fine: Int64Array
    evidence: Int64Array

    @classmethod
    def none(cls, contexts: int) -> FineFactors:
        """Nothing: all factors are ``UNIT``."""
        return cls(np.full(contexts, UNIT << _FINE, np.int64), np.zeros(contexts, np.int64))

    def factors(self) -> NDArray[np.uint16]:
        """uint16 (n,) in 1..``MAX_FACTOR``, as kernels take them."""
        return (self.fine >> _FINE).astype(np.uint16)


class Factors(NamedTuple):
    """What is learnt of the contexts of Cg (CG_CONTEXTS) and of the kinds of Co (CO_KINDS)."""

    cg: FineFactors
    co: FineFactors

    @classmethod
    def none(cls) -> Factors:
        """Nothing, as at the beginning of a group."""
        return cls(FineFactors.none(CG_CONTEXTS), FineFactors.none(CO_KINDS))


def by_units(learnt: FineFactors, came: Came, expected: Int64Array, classes: int) -> FineFactors:
    """After a whole unit: symbols of each context ``came`` true, and ``expected`` is the sum of their frequencies; (n,) each."""
    del classes
    # Factors stay below 2**16: products below 2**63 as long as the unit has fewer than 2**23 symbols, and Python's integers beyond.
    wide = np.int64 if came.sum() < 1 << 23 else object
    found = learnt.factors().astype(wide) * ((came.astype(wide) + _UNIT_PRIOR) << 24) // (expected.astype(wide) + (_UNIT_PRIOR << 24))
    return learnt._replace(fine=np.clip(found, 1, MAX_FACTOR).astype(np.int64) << _FINE)


def by_stripes(learnt: FineFactors, came: Came, expected: Int64Array, classes: int) -> FineFactors:
    """After a stripe, of fewer than 2**15 symbols, likewise; so many ``classes`` of contexts, 0 for none, move together first."""
    came, fine = came.astype(np.int64), learnt.fine
    if classes:
        all_came, all_expected = (numbers.reshape(classes, -1).sum(axis=1) for numbers in (came, expected))
        ratio = _ratio(all_came + _CLASS_PRIOR, all_expected + (_CLASS_PRIOR << 24)).repeat(came.size // classes)
        fine = np.clip(fine * ratio >> _RATIO, 1, MAX_FACTOR << _FINE)
        # At most what the class came to: below 2**(15 + 24 + 16).
        expected = expected * ratio >> _RATIO
    sure = learnt.evidence + _PRIOR
    fine = fine * _ratio(came + sure, expected + (sure << 24)) >> _RATIO
    return FineFactors(np.clip(fine, 1 << _FINE, MAX_FACTOR << _FINE), np.minimum(learnt.evidence + came, _EVIDENCE))


def _ratio(came: Int64Array, expected: Int64Array) -> Int64Array:
    """came / expected in 2**-16, below 2**31; ``expected`` is in 2**-24."""
    return (came << 24 + _RATIO) // expected
