"""The mixing coder in plain Python: what the compiled one must give, byte by byte, thousands of times slower (docs/format.md, section 14).

    numbers.py     fixed point and tables
    regression.py  least squares that learn
    laws.py        counts that reweight
    engine.py      decisions and their probabilities
    raster.py      one plane in raster order

Integer arithmetic, and IEEE arithmetic in a fixed order: this file reaches the bit stream.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hvpzip.core.reference.mixing.engine import Code
from hvpzip.core.reference.mixing.raster import Raster, Reached

__all__ = ["mixing_decode", "mixing_encode"]

_START = 1 << 31
PlaneArray = NDArray[np.uint16]
Int64Array = NDArray[np.int64]


def mixing_encode(samples: PlaneArray, low: NDArray[np.uint16], high: NDArray[np.uint16], matrix: Int64Array, profile: int) -> bytes:
    """Planes (P, h, w) in the order of coding, each within low (P,) to high (P,), as the bytes of a message.

    matrix: (8,) as ``codec.colours.matrices.Matrix.numbers``, for planes of green, red and blue below 256, or empty.
    """
    decisions: list[tuple[bool, int]] = []

    def write(bit: bool, chance: int) -> bool:
        decisions.append((bit, chance))
        return bit

    _code(samples, low, high, matrix, profile, write, is_known=True)
    state, words = _START, bytearray()
    for bit, chance in reversed(decisions):
        freq, start = (chance, 0) if bit else (65536 - chance, chance)
        if state >= freq << 47:
            words += (state & 0xFFFFFFFF).to_bytes(4, "little")
            state >>= 32
        state = (state // freq << 16) + state % freq + start
    return bytes(words) + state.to_bytes((state.bit_length() + 7) // 8, "little")


def mixing_decode(
    data: NDArray[np.uint8], low: NDArray[np.uint16], high: NDArray[np.uint16], matrix: Int64Array, profile: int, samples: PlaneArray
) -> str:
    """Inverse: fills samples (P, h, w). Returns what is wrong with the data, nothing where they are sound."""
    raw = data.tobytes()
    if len(raw) < 4 or raw[-1] == 0 or (len(raw) == 4 and raw[3] < 0x80):
        return "not the bytes of a message"
    words = (8 * (len(raw) - 1) + raw[-1].bit_length()) // 32 - 1
    state = int.from_bytes(raw[4 * words :], "little")

    def read(_: bool, chance: int) -> bool:
        nonlocal state, words
        place = state & 65535
        bit = place < chance
        state = (state >> 16) * (chance if bit else 65536 - chance) + (place if bit else place - chance)
        if state < _START:
            if not words:
                raise EOFError("the message ends too early")
            words -= 1
            state = state << 32 | int.from_bytes(raw[4 * words : 4 * words + 4], "little")
        return bit

    try:
        _code(samples, low, high, matrix, profile, read, is_known=False)
    except EOFError as error:
        return str(error)
    return "" if not words and state == _START else "the message does not end where its samples do"


def _code(
    samples: PlaneArray, low: NDArray[np.uint16], high: NDArray[np.uint16], matrix: Int64Array, profile: int, code: Code, *, is_known: bool
) -> None:
    count, height, width = samples.shape
    bits = max(int((high - low).max()).bit_length(), 1)
    planes: list[Raster] = []
    for number in range(count):
        reached = _reached(matrix) if number == 2 and matrix.size else None
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


def _reached(matrix: Int64Array) -> Reached:
    luma, red, green_blue, green_red, blue, *offset = matrix.tolist()
    found: dict[tuple[int, int, int], bool] = {}

    def reached(r: int, g: int, b: int) -> bool:
        if (r, g, b) not in found:
            found[r, g, b] = 0 <= b < 256 and any(_chromas(luma * y + offset[0], red, r) and _green(luma * y, r, g, b) for y in range(256))
        return found[r, g, b]

    def _green(luma_y: int, r: int, g: int, b: int) -> bool:
        return any(
            luma_y - green_blue * cb - green_red * cr + offset[1] >> 16 == g
            for cr in _chromas(luma_y + offset[0], red, r)
            for cb in _chromas(luma_y + offset[2], blue, b)
        )

    return reached


def _chromas(luma: int, gain: int, channel: int) -> list[int]:
    """The chromas of -256 to 256 that give this value."""
    near = ((channel << 16) - luma) // gain
    return [c for c in range(max(near - 1, -256), min(near + 2, 256) + 1) if (luma + gain * c) >> 16 == channel]
