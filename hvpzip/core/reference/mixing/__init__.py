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

import numpy as np
from numpy.typing import NDArray

from hvpzip.core.reference.mixing.cascade import CascadeCoder
from hvpzip.core.reference.mixing.engine import Code
from hvpzip.core.reference.mixing.laws import reached_by
from hvpzip.core.reference.mixing.message import CorruptMessage, Reader, Writer
from hvpzip.core.reference.mixing.raster import Raster

__all__ = ["CascadeCoder", "CorruptMessage", "mixing_decode", "mixing_encode"]

PlaneArray = NDArray[np.uint16]
Int64Array = NDArray[np.int64]


def mixing_encode(samples: PlaneArray, low: NDArray[np.uint16], high: NDArray[np.uint16], matrix: Int64Array, profile: int) -> bytes:
    """Planes (P, h, w) in the order of coding, each within low (P,) to high (P,), as the bytes of a message.

    matrix: (8,) as ``codec.colours.matrices.Matrix.numbers``, for planes of green, red and blue below 256, or empty.
    """
    writer = Writer()
    _code(samples, low, high, matrix, profile, writer.code, is_known=True)
    return writer.finish()


def mixing_decode(
    data: NDArray[np.uint8], low: NDArray[np.uint16], high: NDArray[np.uint16], matrix: Int64Array, profile: int, samples: PlaneArray
) -> str:
    """Inverse: fills samples (P, h, w). Returns what is wrong with the data, nothing where they are sound."""
    try:
        reader = Reader(data.tobytes())
        _code(samples, low, high, matrix, profile, reader.code, is_known=False)
        reader.finish()
    except CorruptMessage as error:
        return str(error)
    return ""


def _code(
    samples: PlaneArray, low: NDArray[np.uint16], high: NDArray[np.uint16], matrix: Int64Array, profile: int, code: Code, *, is_known: bool
) -> None:
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
                plane.code_row(y, code, [int(v) for v in samples[number, y]] if is_known else None)
        samples[number] = plane.data[8 : 8 + height, 8 : 8 + width]
        planes.append(plane)
