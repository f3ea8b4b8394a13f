"""Whether plain methods have a chance against a model of photos: a quick look instead of a second or two of trials.

Not part of the bit stream: it decides only what the encoder tries.
"""

import numpy as np
from numpy.typing import NDArray

__all__ = ["may_beat_a_model"]

_SMALL_PIXELS = 1 << 14  # trials of fewer pixels take no time
_FEW_VALUES = 128  # of 256
_RUN = 32  # pixels
# Runs that occur again, one in so many: photos of Kodak and CID22 have fewer than 1 in 100, the first picture that a plain method codes
# better (of those in tests and benchmarks) 1 in 20.
_SHARE = 32


def may_beat_a_model(samples: NDArray[np.uint8]) -> bool:
    """False for pictures (h, w, C) that a model of photos codes in less: large, of many values, and without runs that repeat, but in flat
    areas.
    """
    height, width, channels = samples.shape
    if height * width <= _SMALL_PIXELS or width <= _RUN:
        return True
    if any(np.count_nonzero(np.bincount(samples[:, :, channel].ravel(), minlength=256)) <= _FEW_VALUES for channel in range(channels)):
        return True
    # Differences repeat wherever samples do, and in ramps too.
    pixels = np.zeros((height, width - 1), np.uint64)
    for channel in range(channels):
        pixels |= np.diff(samples[:, :, channel], axis=1).astype(np.uint64) << np.uint64(8 * channel)
    factor, span = np.uint64(0x9E3779B97F4A7C15), 1  # any odd number that mixes
    with np.errstate(over="ignore"):
        while span < _RUN and pixels.shape[1] > span:
            pixels = pixels[:, :-span] * factor + pixels[:, span:]
            factor, span = factor * factor, 2 * span
    hashes = np.sort(pixels[pixels > 0])  # runs of one colour cost the model next to nothing
    return int(np.count_nonzero(hashes[1:] == hashes[:-1])) * _SHARE > hashes.size
