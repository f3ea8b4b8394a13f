"""One small picture as bytes: a message that begins empty, so the scales that are pushed first have no latents.

Integer arithmetic only: this file reaches the bit stream.

    data = alone (1 byte)  message

``alone`` is how many of the finest scales have no latents. Their bits are what the other scales' latents are drawn from. Sides that the map
cannot halve are made longer by repeating the last row and column; lanes follow from the size.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hvpzip import ans
from hvpzip.ans import StackUnderflow
from hvpzip.codec.noise_path.coder import Ledger, decode, encode
from hvpzip.diffusion.bound import Term
from hvpzip.errors import CorruptError
from hvpzip.nn.denoiser import NoisePath
from hvpzip.transform import colour

__all__ = ["MOST_PIXELS", "Found", "can_code", "decode_part", "encode_part"]

# The networks are evaluated on whole pictures, in a fraction of a millisecond a pixel.
MOST_PIXELS: Final = 1 << 16
# Lanes pay 31 bits each, so one in so many samples, and no more than pay in speed.
LANE_SAMPLES: Final = 1 << 12
MOST_LANES: Final = 32


class Found(NamedTuple):
    """What became of a part: its data, or its samples (3, h, w); and its terms, in the encoder's order, with the lanes taken."""

    data: bytes
    samples: NDArray[np.uint8]
    terms: list[Term]
    lanes: int


def can_code(shape: tuple[int, int, int]) -> bool:
    """Whether a picture (C, h, w) of 8 bits is one that a noise path codes: three channels, and not too large."""
    return shape[0] == 3 and shape[1] * shape[2] <= MOST_PIXELS


def encode_part(samples: NDArray[np.uint8], path: NoisePath) -> Found:
    """A picture, uint8 ``(3, h, w)`` that ``can_code`` allows, with as few scales without latents as the stack carries."""
    height, width = samples.shape[1:]
    rows, columns = _sides(path, height, width)
    planes = colour.forward(np.pad(samples, ((0, 0), (0, rows - height), (0, columns - width)), mode="edge"), colour.YCOCG_R)[None]
    lanes = _lanes(3 * rows * columns)
    for alone in range(len(path.scales) + 1):
        ledger = Ledger()
        try:
            message = ans.resize(encode(path, ans.base_message(lanes), planes, alone, ledger), 1)
        except StackUnderflow:
            continue
        return Found(bytes((alone,)) + ans.to_bytes(message), samples, ledger.terms, lanes)
    raise AssertionError("nothing is borrowed where no scale has latents")


def decode_part(data: bytes, shape: tuple[int, int, int], path: NoisePath) -> Found:
    """Inverse of ``encode_part`` for a picture of shape (C, h, w). Raises CorruptError for data of no encoder."""
    if not can_code(shape):
        raise CorruptError(f"a noise path does not code a picture of {shape[0]} channels and {shape[1]}x{shape[2]} samples")
    if not data or data[0] > len(path.scales):
        raise CorruptError("the part does not say how many of its scales have latents")
    rows, columns = _sides(path, *shape[1:])
    lanes, ledger = _lanes(3 * rows * columns), Ledger()
    message = ans.resize(ans.from_bytes(data[1:]), lanes)
    message, planes = decode(path, message, (1, rows, columns), data[0], ledger)
    ans.check_base(message)
    samples = colour.inverse(planes[0], colour.YCOCG_R)[:, : shape[1], : shape[2]]
    if samples.min() < 0 or samples.max() > 255:
        raise CorruptError("the payload decodes to samples out of range")
    return Found(data, samples.astype(np.uint8), ledger.terms[::-1], lanes)


def _sides(path: NoisePath, height: int, width: int) -> tuple[int, int]:
    """The sides that the map halves as often as it has to, at least these."""
    halvings = path.depth if not path.map_name.endswith("-lines") else (path.depth + 1) // 2
    if path.map_name == "identity":
        halvings = 0
    side = 1 << halvings
    return -(-height // side) * side, -(-width // side) * side


def _lanes(samples: int) -> int:
    return 1 << min(MOST_LANES.bit_length() - 1, (samples // LANE_SAMPLES).bit_length())
