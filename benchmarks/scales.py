"""Theory against file, scale by scale: what each scale costs by the model's bound, and by how much the coder's message grew for it.

For every photo the coded bits of all rows add up to the file. The last two rows, "flush" (what the payloads hold beside the steps:
parameters, the last head, rounding to bytes) and "container" (header, lengths, checksums), have no bound, so the total counts them in full.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hvpzip.api import CompressReport

__all__ = ["ScaleBits", "scales_of_report", "summed", "total"]

_LAST = ("flush", "container")


@dataclass(frozen=True, kw_only=True)
class ScaleBits:
    """One row: ``scale`` is "level 1" (the finest), "level 2", ..., "base", "flush" or "container"; both figures in bits."""

    scale: str
    bound_bits: float
    coded_bits: float


def scales_of_report(report: "CompressReport") -> tuple[ScaleBits, ...]:
    """The rows of one file, coarsest scale first."""
    bound: dict[int, float] = {}
    for term in report.terms:
        bound[term.level] = bound.get(term.level, 0.0) + (term.bits if term.kind == "rate" else -term.bits)
    coded = dict(report.level_bits)
    if set(coded) != set(bound):
        raise ValueError(f"the report has terms for levels {sorted(bound)} but coded bits for levels {sorted(coded)}")
    rows = [
        ScaleBits(scale=f"level {level}" if level else "base", bound_bits=bound[level], coded_bits=coded[level])
        for level in sorted(bound, key=lambda level: (level != 0, -level))  # level 0 is the base, level 1 the finest
    ]
    flush = report.coded_bits - sum(row.coded_bits for row in rows)
    rows.append(ScaleBits(scale="flush", bound_bits=0.0, coded_bits=flush))
    rows.append(ScaleBits(scale="container", bound_bits=0.0, coded_bits=8.0 * report.header_bytes))
    return tuple(rows)


def summed(files: Iterable[Sequence[ScaleBits]]) -> list[ScaleBits]:
    """The rows of many files added up by scale: base, coarsest to finest, then flush and container."""
    bound: dict[str, float] = {}
    coded: dict[str, float] = {}
    for rows in files:
        for row in rows:
            bound[row.scale] = bound.get(row.scale, 0.0) + row.bound_bits
            coded[row.scale] = coded.get(row.scale, 0.0) + row.coded_bits
    return [ScaleBits(scale=scale, bound_bits=bound[scale], coded_bits=coded[scale]) for scale in sorted(bound, key=_order)]


def total(rows: Iterable[ScaleBits]) -> ScaleBits:
    """All rows in one, named "total"."""
    rows = list(rows)
    return ScaleBits(scale="total", bound_bits=sum(row.bound_bits for row in rows), coded_bits=sum(row.coded_bits for row in rows))


def _order(scale: str) -> tuple[int, int]:
    if scale == "base":
        return 0, 0
    if scale in _LAST:
        return 2, _LAST.index(scale)
    return 1, -int(scale.removeprefix("level "))
