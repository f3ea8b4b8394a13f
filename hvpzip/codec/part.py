"""One part of a group, coded by the method that makes it smallest.

::

    part = number of the method (1 byte)  its data

Integer arithmetic only: this file reaches the bit stream.
"""

from __future__ import annotations

from hvpzip.codec.choice import Choice
from hvpzip.codec.method import Coded, Part, Samples, Tried, Wanted
from hvpzip.codec.plain import PLAIN_METHODS
from hvpzip.codec.registry import BY_NUMBER, METHODS, MODEL
from hvpzip.errors import CorruptError

__all__ = ["decode_part", "encode_part"]


def encode_part(part: Part) -> Choice[Coded]:
    """All methods that are worth a try; the best of the choice is the smallest."""
    choice: Choice[Coded] = Choice()
    plain_numbers = {method.number for method in PLAIN_METHODS}
    tried = Tried(None, None, modelled=False)
    for method in METHODS:
        coded, reason = part.known.get(method.number), None
        if coded is None:
            reason = method.skip(part, tried)
            coded = method.encode(part) if reason is None else None
        if coded is None:
            choice.skipped(method.name, reason or "it cannot hold this part")
            continue
        size = len(coded.data)
        choice.tried(method.name, size, coded, coded.trials)
        plain_bytes = tried.plain_bytes
        if method.number in plain_numbers:
            plain_bytes = size if plain_bytes is None else min(plain_bytes, size)
        tried = Tried(choice.best_bytes, plain_bytes, modelled=tried.modelled or method.number == MODEL)
    return choice


def decode_part(data: bytes, wanted: Wanted) -> Samples:
    """Inverse of ``encode_part``: the wanted samples.

    Raises:
        CorruptError: ``encode_part`` does not write such data, or it takes a model and there is none.
    """
    method = BY_NUMBER.get(data[0]) if data else None
    if method is None:
        raise CorruptError(f"method {data[:1].hex() or 'missing'} is unknown")
    return method.decode(data[1:], wanted)
