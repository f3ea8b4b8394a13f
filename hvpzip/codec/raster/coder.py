"""Samples to bytes and back: fronts in order, channels within a front, one rANS message.

Integer arithmetic only: this file reaches the bit stream.

    data = ramp (1 byte)  (low (2 bytes)  high (2 bytes)) for each channel  message

The encoder learns forwards, as the decoder does, and keeps the intervals; then it pushes them from the last to the first. Lanes are doubled
as words come in, as in ``codec.lanes``, so that a whole front is pushed and popped at once.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from hvpzip import ans
from hvpzip.ans import StackUnderflow
from hvpzip.codec.raster.channel import Channel
from hvpzip.codec.raster.wavefront import Front, fronts
from hvpzip.errors import CorruptError

__all__ = ["decode", "encode"]

Samples = NDArray[np.unsignedinteger[Any]]  # uint8 or uint16
Int64Array = NDArray[np.int64]

_RUNS: Final = (32, 128, 512, 4096)
_MOST_LANES: Final = 512
_FLAT: Final = 16  # added to log2 of the lanes, where there are so many from the start


def encode(samples: Samples) -> bytes:
    """(h, w, C), C 1 to 4, uint8 or uint16, as bytes."""
    height, width, channels = samples.shape
    order = _order(channels)
    planes = [samples[:, :, channel].astype(np.int64) for channel in order]
    bounds = [(int(plane.min()), int(plane.max())) for plane in planes]
    model = _channels(height, bounds)
    coded: list[tuple[Int64Array, Int64Array]] = []
    for front in fronts(height, width):
        rows, columns = front.places()
        for plane, channel in zip(planes, model, strict=True):
            values = plane[rows, columns]
            start, freq = ans.intervals(channel.mixture(front), values, channel.low, channel.high)
            channel.learn(front, values, freq)
            coded.append((start, freq))
    head = b"".join(low.to_bytes(2, "little") + high.to_bytes(2, "little") for low, high in bounds)
    return _pushed(coded, head, samples.size)


def decode(data: bytes, shape: tuple[int, int, int], bit_depth: int) -> Samples:
    """Inverse of ``encode`` for samples of that shape (h, w, C): uint8 for depths up to 8, uint16 beyond.

    Raises:
        CorruptError: ``encode`` does not write such data for this shape and depth.
    """
    height, width, channels = shape
    head = 1 + 4 * channels
    if len(data) < head:
        raise CorruptError(f"{len(data)} bytes are too few for the bounds of {channels} channels")
    limits = np.frombuffer(data, "<u2", 2 * channels, 1).reshape(channels, 2).tolist()
    bounds = [(int(low), int(high)) for low, high in limits]
    if any(low > high or high >> bit_depth for low, high in bounds):
        raise CorruptError(f"the bounds {bounds} are not those of samples of {bit_depth} bits")
    samples = np.zeros(shape, np.uint8 if bit_depth <= 8 else np.uint16)
    model = _channels(height, bounds)
    order = _order(channels)
    message = ans.from_bytes(data[head:])
    steps: list[Front] = list(fronts(height, width))
    lanes = _lanes(data[0], [front.size for front in steps for _ in order])
    for number, front in enumerate(steps):
        rows, columns = front.places()
        for place, (plane, channel) in enumerate(zip(order, model, strict=True)):
            message = ans.resize(message, lanes[number * channels + place])
            message, values, freq = ans.pop_mixture(message, channel.mixture(front), channel.low, channel.high)
            channel.learn(front, values, freq)
            samples[rows, columns, plane] = values
    ans.check_base(message)
    return samples


def _channels(height: int, bounds: list[tuple[int, int]]) -> list[Channel]:
    found: list[Channel] = []
    for low, high in bounds:
        found.append(Channel(height, low, high, found))
    return found


def _order(channels: int) -> tuple[int, ...]:
    """Green before red and blue, for it is most like both."""
    return ((0,), (0, 1), (1, 0, 2), (1, 0, 2, 3))[channels - 1]


def _pushed(coded: list[tuple[Int64Array, Int64Array]], head: bytes, count: int) -> bytes:
    sizes = [start.size for start, _ in coded]
    for ramp in (*range(len(_RUNS)), _FLAT + min(6, (count >> 14).bit_length())):
        lanes = _lanes(ramp, sizes)
        message = ans.base_message(lanes[-1])
        try:
            for (start, freq), wanted in zip(reversed(coded), reversed(lanes), strict=True):
                message = ans.push_planned(ans.resize(message, wanted), start, freq, ans.PRECISION)
            return bytes((ramp,)) + head + ans.to_bytes(ans.resize(message, 1))
        except StackUnderflow:
            continue
    raise AssertionError("a fixed number of lanes takes nothing from the stack")


def _lanes(ramp: int, sizes: list[int]) -> list[int]:
    """Lanes of each array of symbols, in the decoder's order.

    Raises:
        CorruptError: the ramp is unknown.
    """
    if _FLAT <= ramp <= _FLAT + 9:
        return [1 << ramp - _FLAT] * len(sizes)
    if ramp >= len(_RUNS):
        raise CorruptError(f"a ramp {ramp} of lanes is unknown")
    found, behind = [], 0
    for size in reversed(sizes):
        found.append(1 << min(_MOST_LANES.bit_length(), (behind // _RUNS[ramp] | 1).bit_length()) - 1)
        behind += size
    return found[::-1]
