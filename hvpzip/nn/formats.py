"""Number formats of the integer network, and the bounds that keep its sums exact.

activations   uint8, 1/32      (network inputs: int8, 1/32)
carried       int16, 1/256     features that a level carries from step to step
outputs       int12, 1/64      corrections to the closed-form predictions
weights       int8, 2^-e       e for each output channel
biases        int32, 2^-(e+5)
"""

from __future__ import annotations

from typing import Final

__all__ = [
    "ACT_BITS",
    "ACT_MAX",
    "CARRY_BITS",
    "CARRY_MAX",
    "COARSE_CHANNELS",
    "COARSE_ENERGIES",
    "COMPAND_GAIN",
    "COMPAND_LIMIT",
    "COMPAND_MAX",
    "ENERGY_SHIFT",
    "LIMIT",
    "MAX_EXPONENT",
    "MEAN_SHIFT",
    "MIN_EXPONENT",
    "OUT_BITS",
    "OUT_MAX",
    "UNIT_CHANNELS",
    "WEIGHT_MAX",
]

ACT_BITS: Final = 5
ACT_MAX: Final = 255
CARRY_BITS: Final = 8
CARRY_MAX: Final = 32767
OUT_BITS: Final = 6
OUT_MAX: Final = 2047
WEIGHT_MAX: Final = 127
# Every sum is smaller than this, so float32 holds it exactly, and int32 with room.
LIMIT: Final = 1 << 24
# With e >= 3 no result is finer than its sum: requantisation only ever drops bits.
MIN_EXPONENT: Final = CARRY_BITS - ACT_BITS
MAX_EXPONENT: Final = 16

# Companded values are at most 127, so they are int8 activations like any other.
COMPAND_GAIN: Final = 14  # steps per octave: 14 * log2(1 + 510) = 126
COMPAND_LIMIT: Final = 1023
COMPAND_MAX: Final = 127
COARSE_CHANNELS: Final = 15  # four differences and the level, of three colours
COARSE_ENERGIES: Final = 12
UNIT_CHANNELS: Final = 9  # residual and two differences, of three colours

MEAN_SHIFT: Final = 6  # predictor weights are in 2^-12, predictions in 1/64: 12 - 6
ENERGY_SHIFT: Final = 8  # log-scale weights are in 2^-8 of 1/64 octave for one companded step
