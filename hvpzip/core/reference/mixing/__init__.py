"""The mixing coder in plain Python: what the compiled one must give, byte by byte, thousands of times slower (docs/format.md, sections 12
and 13).

    numbers.py     fixed point and tables
    regression.py  least squares that learn
    laws.py        counts that reweight
    engine.py      decisions and their probabilities
    message.py     decisions to bytes and back
    raster.py      one plane in raster order
    cascade.py     three units between the samples of a coarse image

Integer arithmetic, and IEEE arithmetic in a fixed order: this file reaches the bit stream.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from hvpzip.core.reference.mixing.cascade import CascadeCoder
from hvpzip.core.reference.mixing.engine import Code
from hvpzip.core.reference.mixing.laws import reached_by
from hvpzip.core.reference.mixing.message import CorruptMessage, Reader, Writer, joined, parted
from hvpzip.core.reference.mixing.raster import Raster

__all__ = ["CascadeCoder", "CorruptMessage", "mixing_decode", "mixing_encode"]

PlaneArray = NDArray[np.uint16]
Int64Array = NDArray[np.int64]
Watch = Callable[[int, int], None] | None


def mixing_encode(
    samples: PlaneArray,
    low: NDArray[np.uint16],
    high: NDArray[np.uint16],
    matrix: Int64Array,
    profile: int,
    threads: int = 1,
    watch: Watch = None,
) -> bytes:
    """Planes (P, h, w) in the order of coding, each within low (P,) to high (P,), as the bytes of one message, or of one for each plane.

    matrix: (8,) as ``codec.colours.matrices.Matrix.numbers``, for planes of green, red and blue below 256, or empty. threads: the same
    bytes on any number; here there is one. watch: called now and then with how many rows of all planes are done, and how many there are;
    what it raises ends the work.
    """
    writers = [Writer() for _ in range(_messages_of(len(samples), profile))]
    _code(samples, low, high, matrix, profile, [writer.code for writer in writers], watch, is_known=True)
    return joined([writer.finish() for writer in writers])


def mixing_decode(
    data: NDArray[np.uint8],
    low: NDArray[np.uint16],
    high: NDArray[np.uint16],
    matrix: Int64Array,
    profile: int,
    samples: PlaneArray,
    threads: int = 1,
    watch: Watch = None,
) -> str:
    """Inverse: fills samples (P, h, w). Returns what is wrong with the data, nothing where they are sound."""
    try:
        readers = [Reader(message) for message in parted(data.tobytes(), _messages_of(len(samples), profile))]
        _code(samples, low, high, matrix, profile, [reader.code for reader in readers], watch, is_known=False)
        for reader in readers:
            reader.finish()
    except CorruptMessage as error:
        return str(error)
    return ""


def _messages_of(planes: int, profile: int) -> int:
    return planes if profile > 4 else 1


def _code(
    samples: PlaneArray,
    low: NDArray[np.uint16],
    high: NDArray[np.uint16],
    matrix: Int64Array,
    profile: int,
    codes: list[Code],
    watch: Watch = None,
    *,
    is_known: bool,
) -> None:
    """codes: of each plane, or one for all."""
    count, height, width = samples.shape
    bits = max(int((high - low).max()).bit_length(), 1)
    planes: list[Raster] = []
    for number in range(count):
        reached = reached_by(tuple(matrix.tolist())) if number == 2 and matrix.size else None
        least, most = int(low[number]), int(high[number])
        plane = Raster((height, width), least, most, planes[::-1][:2], bits, int(high.max()) > 255, profile, reached)
        for y in range(height):
            if least == most:
                for x in range(width):
                    plane.put(y, x, least)
            else:
                plane.code_row(y, codes[number % len(codes)], [int(v) for v in samples[number, y]] if is_known else None)
            if watch is not None:
                watch(number * height + y + 1, count * height)
        samples[number] = plane.data[8 : 8 + height, 8 : 8 + width]
        planes.append(plane)
