"""Whether a picture is like those that a model was trained on: the bits that the model needs for it against those of the plain coder.

Bits alone do not tell (a flat picture needs few of any model); the plain coder's say how much there is to tell. What share of them is usual
is measured on the training photos (``python -m hvpzip.training diffusion likeness``), and stands in the model's settings.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hvpzip.codec import noise_path, plain
from hvpzip.codec.bitsback import group_codec
from hvpzip.codec.parts import FLAT_BYTES_PER_PIXEL
from hvpzip.nn.model import Model
from hvpzip.transform import tiling

__all__ = ["share_of_plain"]

EFFORT = 1


def share_of_plain(samples: NDArray[np.unsignedinteger[Any]], model: Model) -> Fraction | None:
    """The model's bits over the plain coder's (WebP's fastest method), each for the groups of the picture; for a small one by the model's
    noise path where it has one. None where the model does not code such pictures, and for a flat one, which says nothing.

    samples: (h, w, C) of 8 bits.
    """
    if samples.dtype != np.uint8 or samples.shape[2] not in (1, 3):
        return None
    by_model, by_plain = 0, 0
    for y, x, height, width in tiling.group_grid(samples.shape[0], samples.shape[1], group_codec.GROUP_SIZE):
        tile = samples[y : y + height, x : x + width]
        planes = np.ascontiguousarray(tile.transpose(2, 0, 1))
        if model.noise_path is not None and noise_path.can_code(planes.shape):
            by_model += len(noise_path.encode_part(planes, model.noise_path).data)
        else:
            by_model += len(group_codec.encode_group(planes, model, EFFORT)[0])
        by_plain += plain.quick_bytes(tile)
    return None if by_plain < FLAT_BYTES_PER_PIXEL * samples[:, :, 0].size else Fraction(by_model, by_plain)
