"""Samples to bytes and back by the mixing coder. docs/format.md, section 12, says the same in formulas.

    data = profile (1 byte)  order (1 byte)  matrix (1 byte)  (low (2 bytes)  high (2 bytes)) for each plane  messages

Integer arithmetic only here: this file reaches the bit stream. The engine itself is a kernel (``core/src/mixing``).
"""

from __future__ import annotations

from itertools import permutations
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from hvpzip.codec.colours.matrices import MATRICES, choose_matrix
from hvpzip.core import kernels
from hvpzip.errors import CorruptError
from hvpzip.progress import told_of
from hvpzip.threads import current_threads
from hvpzip.transform import colour

__all__ = ["LARGE", "OF_AVERAGES", "PROFILES", "decode", "encode", "is_quick", "profile_of"]

Samples = NDArray[np.unsignedinteger[Any]]  # uint8 or uint16
PlaneArray = NDArray[np.uint16]  # (planes, h, w), in the order of coding

# The quick one and the strong one; both again for pictures in which samples are averages of others; and all four again for large parts,
# where each plane has a message of its own, to be read side by side, and the strong ones solve their equations less often.
PROFILES: Final = (1, 2, 3, 4, 5, 6, 7, 8)
OF_AVERAGES: Final = 2  # added to the first two, this gives the next two
_OF_LARGE: Final = 4
LARGE: Final = 1 << 16  # pixels from which on messages for each plane are worth their bytes
# Green before red and blue, for it is most like both.
_USUAL: Final = {1: (0,), 2: (0, 1), 3: (1, 0, 2), 4: (1, 0, 2, 3)}


def profile_of(profile: int, pixels: int) -> int:
    """One of the first four profiles as it is for a part of so many pixels."""
    return profile + _OF_LARGE if pixels >= LARGE else profile


def is_quick() -> bool:
    """Whether the kernel takes microseconds a sample, not milliseconds."""
    return hasattr(kernels(), "MIXING_PROFILES")


def encode(samples: Samples, profile: int) -> bytes:
    """(h, w, C), C 1 to 4, uint8 or uint16, as bytes. profile: one of ``PROFILES``."""
    channels = samples.shape[2]
    order = _USUAL[channels]
    planes = np.ascontiguousarray(samples.transpose(2, 0, 1)[list(order)], np.uint16)
    low, high = planes.min((1, 2)), planes.max((1, 2))
    limits = np.stack((low, high), 1).astype("<u2").tobytes()
    matrix = (
        choose_matrix(colour.forward(samples[:, :, :3].transpose(2, 0, 1), colour.YCOCG_R).reshape(3, -1))
        if channels > 2 and samples.dtype == np.uint8
        else 0
    )
    message: bytes = kernels().mixing_encode(planes, low, high, _numbers(matrix), profile, current_threads(), watch=told_of("mixing"))
    return bytes((profile, _orders(channels).index(order), matrix)) + limits + message


def decode(data: bytes, shape: tuple[int, int, int], bit_depth: int) -> Samples:
    """Inverse of ``encode`` for samples of that shape (h, w, C) and depth.

    Raises:
        CorruptError: ``encode`` does not write such data.
    """
    height, width, channels = shape
    head = 3 + 4 * channels
    if len(data) < head:
        raise CorruptError(f"{len(data)} bytes are too few for the bounds of {channels} planes")
    profile, number, matrix = data[:3]
    orders = _orders(channels)
    if profile not in PROFILES:
        raise CorruptError(f"a profile {profile} of the mixing coder is unknown")
    if number >= len(orders):
        raise CorruptError(f"an order {number} of {channels} planes is unknown")
    if matrix and (channels < 3 or bit_depth > 8 or orders[number][:3] != _USUAL[3] or matrix >= len(MATRICES)):
        raise CorruptError(f"a matrix {matrix} does not go with order {number} of {channels} planes of {bit_depth} bits")
    limits = np.frombuffer(data, "<u2", 2 * channels, 3).astype(np.uint16).reshape(channels, 2)  # a copy: kernels want aligned numbers
    low, high = np.ascontiguousarray(limits[:, 0], np.uint16), np.ascontiguousarray(limits[:, 1], np.uint16)
    if bool((low > high).any()) or int(high.max()) >> bit_depth:
        raise CorruptError(f"the bounds {limits.tolist()} are not those of samples of {bit_depth} bits")
    planes = np.zeros((channels, height, width), np.uint16)
    fault = kernels().mixing_decode(
        np.frombuffer(data, np.uint8, offset=head), low, high, _numbers(matrix), profile, planes, current_threads(), watch=told_of("mixing")
    )
    if fault:
        raise CorruptError(f"the mixing coder's message: {fault}")
    samples = np.empty(shape, np.uint8 if bit_depth <= 8 else np.uint16)
    for plane, channel in enumerate(orders[number]):
        samples[:, :, channel] = planes[plane]
    return samples


def _orders(channels: int) -> list[tuple[int, ...]]:
    """All orders of the channels, as the order's byte numbers them."""
    return list(permutations(range(channels)))


def _numbers(matrix: int) -> NDArray[np.int64]:
    """What the core takes for a matrix, by its number."""
    entry = MATRICES[matrix]
    return np.empty(0, np.int64) if entry is None else entry.numbers()
