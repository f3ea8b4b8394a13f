"""One part of a group, coded in the smallest of all ways: by the model, by the predictive coder, or by a fallback.

::

    part = method (1 byte: 0 is the model, 6 the predictive coder, the others are fallbacks)  data

Integer arithmetic only: this file reaches the bit stream.
"""

from collections.abc import Callable
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hvpzip.codec import plain, raster
from hvpzip.codec.bitsback import group_codec
from hvpzip.codec.efforts import EFFORTS
from hvpzip.errors import CorruptError
from hvpzip.nn.weights import Model

__all__ = ["PREDICTIVE", "Coded", "OnReport", "Samples", "by_model", "decode_part", "encode_part"]

Samples = NDArray[np.unsignedinteger[Any]]  # uint8 or uint16
OnReport = Callable[[group_codec.GroupReport], None]

PREDICTIVE: Final = 6
# Where a fallback needs less than this share of the samples' bytes, only small parts are tried otherwise: it is slow, and gains little.
_SHARE: Final = 20
_SMALL: Final = 1 << 18  # samples
# Where the model needs less than so many eighths of the best fallback, it suits the picture, and the predictive coder is not tried.
_EIGHTHS: Final = 7


class Coded(NamedTuple):
    """A coded part, and what it cost where the model coded it."""

    data: bytes
    report: group_codec.GroupReport | None


def by_model(samples: Samples, model: Model, effort: int) -> Coded:
    """The part as the model codes it: samples (h, w, 1 or 3) of 8 bits."""
    payload, report = group_codec.encode_group(np.ascontiguousarray(samples.transpose(2, 0, 1)).astype(np.uint8), model, effort)
    return Coded(bytes((plain.MODEL,)) + payload, report)


def encode_part(samples: Samples, bit_depth: int, model: Model, effort: int, modelled: Coded | None = None, thorough: bool = True) -> Coded:
    """The smallest way found.

    Args:
        samples: (h, w, C), C 1 to 4; uint8 for depths up to 8, uint16 beyond.
        bit_depth: 1 to 16.
        model, effort: as for ``group_codec.encode_group``.
        modelled: what ``by_model`` gave, if it was asked already.
        thorough: whether the predictive coder is tried.
    """
    best = Coded(plain.encode(samples, bit_depth), None)
    plain_bytes = len(best.data)
    if best.data[0] == plain.CONSTANT:
        return best
    worth = plain_bytes * _SHARE > samples.nbytes
    if modelled is None and bit_depth == 8 and samples.shape[2] in (1, 3) and worth:
        modelled = by_model(samples, model, effort)
    if modelled is not None and len(modelled.data) < plain_bytes:
        best = modelled
    # At the quickest effort a picture that the model codes is left to it: the predictive coder takes several times as long.
    tried = thorough and (modelled is None or EFFORTS[effort].predictive)
    if tried and (worth or samples.size <= _SMALL) and 8 * len(best.data) >= _EIGHTHS * plain_bytes:
        found = bytes((PREDICTIVE,)) + raster.encode(samples)
        if len(found) < len(best.data):
            best = Coded(found, None)
    return best


def decode_part(
    data: bytes, shape: tuple[int, int, int], depth: int, model: Model | None, step: int, on_report: OnReport | None
) -> Samples:
    """Inverse of ``encode_part`` for samples of that shape and depth, of which every ``step``-th row and column is given (a power of two).

    Raises:
        CorruptError: ``encode_part`` does not write such data, or it takes a model and there is none.
    """
    if data[:1] == bytes((PREDICTIVE,)):
        return raster.decode(data[1:], shape, depth)[::step, ::step]
    if data[:1] != bytes((plain.MODEL,)):
        return plain.decode(data, shape, depth)[::step, ::step]
    if model is None:
        raise CorruptError("a part needs a model, but the file names none")
    if depth != 8 or shape[2] not in (1, 3):
        raise CorruptError(f"the model does not code {shape[2]} channels of {depth} bits")
    if on_report is None:
        return group_codec.decode_group(data[1:], (shape[2], *shape[:2]), 8, model, step=step).transpose(1, 2, 0)
    planes, report = group_codec.inspect_group(data[1:], (shape[2], *shape[:2]), 8, model)
    on_report(report)
    return planes.transpose(1, 2, 0)
