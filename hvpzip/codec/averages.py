"""Whether samples on one phase of the 2x2 grid are averages of their neighbours, as in interpolated mosaics, or copies, as in enlargements.

The model does not know such structure, and coders that learn from the picture do: so the encoder asks, and then tries them. Nothing here
reaches the bit stream in any other way.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["PHASES_DIFFER", "phase_spread"]

# By how much the share of averages differs between phases where the picture was interpolated. Of 65 photos of CID22 and Kodak none has more
# than 0.04, bilinear mosaics have up to 0.8 (docs/experiments.md, 225).
PHASES_DIFFER: Final = 0.1
SIDE: Final = 512  # of the middle of the picture, which is looked at


def phase_spread(samples: NDArray[np.unsignedinteger[Any]]) -> float:
    """The largest difference, over channels and kinds of averages, between the shares of samples on two phases of the 2x2 grid that are the
    average of left and right, of above and below, or of all four, rounded or floored, or equal to the one on the left or above: 0 to 1.

    samples: (h, w, C); 0 for sides below 4.
    """
    height, width, channels = samples.shape
    if min(height, width) < 4:
        return 0.0
    top, left = max(0, (height - SIDE) // 2), max(0, (width - SIDE) // 2)
    middle, found = samples[top : top + SIDE, left : left + SIDE], 0.0
    for channel in range(channels):
        plane = middle[:, :, channel].astype(np.int32)
        here, across, down = plane[1:-1, 1:-1], plane[1:-1, :-2] + plane[1:-1, 2:], plane[:-2, 1:-1] + plane[2:, 1:-1]
        copies = (plane[1:-1, :-2], 0), (plane[:-2, 1:-1], 0)
        for total, shift in ((across, 1), (down, 1), (across + down, 2), *copies):
            hit = (here == total >> shift) | (here == total + (1 << shift >> 1) >> shift)
            shares = [float(hit[row::2, column::2].mean()) for row in (0, 1) for column in (0, 1)]
            found = max(found, max(shares) - min(shares))
    return found
