"""The entropy coder: a vectorised rANS stack, codecs with exact inverses, and integer Gaussian mixtures.

    rans.py      message = heads and words; push and pop, word for word those of craystack
    lanes.py     growing and shrinking the number of lanes, plans, bytes
    codecs.py    Codec(push, pop), and arrays moved as a plan of lanes says
    mixture.py   intervals of discretised mixtures and their codecs
    reweighted.py  the same with symbols reweighted inside a window
    report.py    sizes in bits (floating point, never in the bit stream)

Symbols pop in the reverse order of pushing.
"""

from hvpzip.ans.codecs import Codec, chunked, pop_table, push_planned
from hvpzip.ans.lanes import Plan, Stage, flat_plan, from_bytes, grow, ramp_plan, resize, shrink, to_bytes
from hvpzip.ans.mixture import (
    PRECISION,
    Mixture,
    cumulative,
    gaussian,
    gaussian_codec,
    intervals,
    lattice_range,
    mixture_codec,
    pop_mixture,
    push_mixture,
    softmax_weights,
)
from hvpzip.ans.rans import Message, StackUnderflow, base_message, check_base, flatten, message_equal, pop, push, unflatten
from hvpzip.ans.report import bits_each, bits_of, message_bits
from hvpzip.core.tables import scale_index

__all__ = [
    "PRECISION",
    "Codec",
    "Message",
    "Mixture",
    "Plan",
    "StackUnderflow",
    "Stage",
    "base_message",
    "bits_each",
    "bits_of",
    "check_base",
    "chunked",
    "cumulative",
    "flat_plan",
    "flatten",
    "from_bytes",
    "gaussian",
    "gaussian_codec",
    "grow",
    "intervals",
    "lattice_range",
    "message_bits",
    "message_equal",
    "mixture_codec",
    "pop",
    "pop_mixture",
    "pop_table",
    "push",
    "push_mixture",
    "push_planned",
    "ramp_plan",
    "resize",
    "scale_index",
    "shrink",
    "softmax_weights",
    "to_bytes",
    "unflatten",
]
