"""Fixed-point numbers and tables of the mixing coder: mirrors ``src/mixing/numeric.h``.

Tables are IEEE double arithmetic in the order written; all else is integers. This file reaches the bit stream.
"""

from __future__ import annotations

import math
from functools import cache

__all__ = [
    "LIMIT",
    "LN",
    "RATE_FIRST",
    "RATE_MEAN",
    "RATE_SECOND",
    "SCALES",
    "clip",
    "cut",
    "hashed",
    "level",
    "log16",
    "logistic",
    "logistic_table",
    "scale_class",
    "slot_of",
]

LIMIT = 49151  # a logit in 1/4096
SCALES = 448


def clip(value: int, low: int, high: int) -> int:
    """The nearest number from low to high."""
    return low if value < low else high if value > high else value


def cut(number: int, divisor: int) -> int:
    """The quotient towards zero."""
    return number // divisor if number >= 0 else -(-number // divisor)


def log16(x: int) -> int:
    """16 log2(x), linear between powers of two."""
    e = x.bit_length() - 1
    return 16 * e + ((x << 4) >> e & 15)


def level(error: int) -> int:
    """0 to 63, 3.25 an octave, of an error in 1/64."""
    return clip((log16(error + 3) - 26) * 13 >> 6, 0, 63)


@cache
def logistic_table() -> list[int]:
    """The logistic function as the mixing coder has it, at steps of a 64th, from sums in a fixed order (docs/format.md, section 12)."""
    step = term = 1.0
    for k in range(1, 13):
        term = term / (64.0 * k)
        step = step + term
    table, power = [0] * 1538, 1.0
    for i in range(770):
        upper = int(1048576.0 * power / (1.0 + power) + 0.5)
        table[768 + i] = upper
        if i <= 768:
            table[768 - i] = 1048576 - upper
        power = power * step
    return table


def logistic(z: int) -> int:
    """2**20 / (1 + exp(-z)), z in 1/4096 within +-12."""
    place, table = z + 49152, logistic_table()
    i = place >> 6
    return table[i] + ((table[i + 1] - table[i]) * (place & 63) >> 6)


@cache
def _mantissa() -> list[int]:
    found = []
    for i in range(1024):
        u = (i / 1024.0) / (2.0 + i / 1024.0)
        square, power, total = u * u, u, 0.0
        for k in range(1, 34, 2):
            total = total + power / k
            power = power * square
        found.append(int(65536.0 * (2.0 * total) + 0.5))
    return found


def LN(x: int) -> int:
    """65536 ln(x)."""
    e = x.bit_length() - 1
    return e * 45426 + _mantissa()[(x << 10) >> e & 1023]


@cache
def scale_class(number: int) -> tuple[int, int, int]:
    """(width, inverse, limit) of a class of scale."""
    base = (16 + number % 16) << number // 16
    width = (max(base + (base >> 5) >> 4, 205) * 115 >> 8) + 123
    return width, (1 << 33) // width, width * 12 // 64


RATE_MEAN = [max(65536 // (n + 2), 655) for n in range(128)]
RATE_FIRST = [max(80, int(1311.0 / math.sqrt(1.0 + n) + 0.5)) for n in range(256)]
RATE_SECOND = [max(33, int(328.0 / math.sqrt(1.0 + n) + 0.5)) for n in range(256)]


def hashed(start: int, values: tuple[int, ...] | list[int]) -> int:
    """32 bits of a start and some numbers, of which the low 32 bits count."""
    for value in values:
        start = ((start ^ value & 0xFFFFFFFF) * 0x9E3779B1) & 0xFFFFFFFF
        start ^= start >> 15
    return start


def slot_of(context: int, values: tuple[int, ...], log2_slots: int) -> int:
    """Where an exact-value context keeps the values that came after these."""
    start = hashed((context + 1) * 0x85EBCA6B & 0xFFFFFFFF, values)
    return (start * 0xC2B2AE35 & 0xFFFFFFFF) >> 32 - log2_slots
