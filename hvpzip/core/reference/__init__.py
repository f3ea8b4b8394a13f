"""Every kernel in numpy. What these functions give is what the compiled ones must give, integer by integer (tests/core).

    rans.py        one step of the coder's states
    coder.py       intervals of mixtures, stages of pushes and pops
    windows.py     windows of neighbouring symbols, reweighted
    colours.py     colours learnt
    parameters.py  from a head's integers to mixtures
    filters.py     PNG's filters
    mixing/        the mixing coder

Kernels write into arrays that the caller made: contiguous, of the types that the docstrings say. Mixtures come as three arrays (K, N): mean
int64, scale int16, weight int32 (``hvpzip.ans.Mixture`` has their ranges).
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from hvpzip.core.reference.coder import fill_cumulative, fill_intervals, is_mixture, pop_stage, pop_table_stage, push_stage
from hvpzip.core.reference.colours import (
    count_colours,
    fill_reachable,
    find_contexts,
    find_reached,
    reweight_cg,
    reweight_co,
    sum_log2,
)
from hvpzip.core.reference.filters import filter_rows
from hvpzip.core.reference.parameters import fill_mixture
from hvpzip.core.reference.windows import fill_edges, fill_starts, pop_reweighted_stage

if TYPE_CHECKING:
    from hvpzip.core.reference.mixing import CascadeCoder, CorruptMessage, mixing_decode, mixing_encode

__all__ = [
    "CascadeCoder",
    "CorruptMessage",
    "count_colours",
    "fill_cumulative",
    "fill_edges",
    "fill_intervals",
    "fill_mixture",
    "fill_reachable",
    "fill_starts",
    "filter_rows",
    "find_contexts",
    "find_reached",
    "is_mixture",
    "mixing_decode",
    "mixing_encode",
    "pop_reweighted_stage",
    "pop_stage",
    "pop_table_stage",
    "push_stage",
    "reweight_cg",
    "reweight_co",
    "sum_log2",
]

_MIXING: Final = ("CascadeCoder", "CorruptMessage", "mixing_decode", "mixing_encode")


def __getattr__(name: str) -> Any:
    """The mixing coder, loaded on first use: what is always asked for beside it must not wait for it."""
    if name not in _MIXING:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module("hvpzip.core.reference.mixing"), name)
