"""A group of samples to a payload and back.

    payload = [255, matrix, where the colours' lattice is used (lattice.py)] + 1 byte of coding parameters (plans.py)
              + the message of one lane (ans.to_bytes)

The decoder goes coarse to fine along the schedule's path: it pops a latent with p, pops the unit given it, and pushes the latent back
with q. The encoder does the inverse of every move in the reverse order, fine to coarse (Bit-Swap order): so it pops latents from what it
has already pushed. What the decoder reads last, the finest units without latents, is what the encoder pushes first; the stack is seeded
by the image itself (design section 4). The decoder must end at exactly the state in which the encoder began, or the payload is refused.

All arithmetic that reaches the payload is in ``plans``, ``geometry``, ``lattice``, ``ans`` and ``nn``; here it is only put in order.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hvpzip import ans
from hvpzip.ans import StackUnderflow
from hvpzip.codec.decoder import Decoder
from hvpzip.codec.encoder import Encoder
from hvpzip.codec.geometry import coarse_images, geometry_of, lift_of, transfers
from hvpzip.codec.lattice import Lattice
from hvpzip.codec.matrices import MATRICES, choose_matrix
from hvpzip.codec.plans import LATTICE_MARK, Coding, candidates, plans
from hvpzip.codec.report import GroupReport, TermBits, bound_of
from hvpzip.codec.reweighting import can_reweight, plan_reweighting
from hvpzip.codec.walker import Scout
from hvpzip.errors import CorruptError
from hvpzip.nn.integer import exact_arithmetic
from hvpzip.nn.weights import Model
from hvpzip.transform import colour, lifting, pyramid

__all__ = ["GROUP_SIZE", "GroupReport", "TermBits", "decode_group", "encode_group", "inspect_group"]

GROUP_SIZE = 1024
# Groups of at most so many pixels are small enough to encode along every path and keep the smallest payload.
TRY_ALL_PIXELS = 1 << 14
# Added to the matrix where the second colour is reweighted too.
SECOND = 16


def encode_group(samples: NDArray[np.uint8], model: Model, effort: int) -> tuple[bytes, GroupReport]:
    """The payload of a group and what it cost.

    Args:
        samples: uint8 ``(C, h, w)``, C 1 or 3, sides at least 1.
        model: Its schedule's first path is the default; where the stack cannot carry its latents, or the group is small, the others are
            tried.
        effort: Reserved for schedules to choose among; the bytes do not depend on it yet.

    Raises:
        ValueError: other shapes or types.
    """
    if samples.dtype != np.uint8 or samples.ndim != 3 or samples.shape[0] not in (1, 3) or 0 in samples.shape:
        raise ValueError(f"a group is uint8 (1 or 3, h, w), not {samples.dtype} {samples.shape}")
    best: tuple[bytes, GroupReport] | None = None
    for path in range(len(model.schedule.path_names)):
        found = _encode_along(samples, model, path, learn_colours=True)
        if found is not None and (best is None or len(found[0]) < len(best[0])):
            best = found
        if best is not None and samples[0].size > TRY_ALL_PIXELS:
            break
    assert best is not None, "a path without latents and without a ramp never runs dry"
    return best


def _encode_along(samples: NDArray[np.uint8], model: Model, path: int, learn_colours: bool = False) -> tuple[bytes, GroupReport] | None:
    """Payload along one path, or None where the stack runs dry on any number of lanes. With ``learn_colours`` it uses the lattice if that
    pays.
    """
    channels = samples.shape[0]
    geometry = geometry_of(samples.shape, 8, model)
    name = model.schedule.path_names[path]
    split = pyramid.split(colour.forward(samples, lift_of(channels, model)), model.config.transform, len(geometry.levels))
    bands, coarse = list(reversed(split.levels)), coarse_images(split, model)
    scout, sights = Scout(model, channels), []
    with exact_arithmetic():
        for level, units, image in zip(geometry.levels, bands, coarse, strict=True):
            sights.append(scout.level(level, name, image, units))
    reweighting = None
    if learn_colours and can_reweight(channels, model) and bands:
        reweighting = plan_reweighting(geometry, name, split.base, bands, sights, choose_matrix(coarse[0].reshape(3, -1)))
    prefix = b"" if reweighting is None else bytes([LATTICE_MARK, reweighting.matrix + SECOND * reweighting.second])
    for coding in candidates(path, samples.size):
        encoder = Encoder(model, channels, plans(transfers(geometry, channels, name), coding), coding.first_lanes, reweighting)
        try:
            with exact_arithmetic():
                for level, sight, image, units in zip(geometry.levels, sights, coarse, bands, strict=True):
                    encoder.level(level, name, sight, image, units)
                encoder.base(split.base, geometry.base_ranges)
            lanes = encoder.message.head.size
            payload = prefix + bytes([coding.to_byte()]) + ans.to_bytes(ans.resize(encoder.message, 1))
        except StackUnderflow:
            continue
        matrix = None if reweighting is None else reweighting.matrix
        return payload, GroupReport(8 * len(payload), bound_of(encoder.terms), encoder.terms, encoder.stack, name, lanes, matrix)
    return None


def decode_group(payload: bytes, shape: tuple[int, int, int], bit_depth: int, model: Model, *, step: int = 1) -> NDArray[np.uint8]:
    """The samples of a payload, uint8 ``(C, h, w)``, or those of every ``step``-th row and column.

    Args:
        shape: (C, h, w) of the whole group.
        step: A power of two. With plain subsampling (map 0) the levels that it leaves out are not decoded, and then nothing says whether
            the message ends as it should: whatever else a damaged payload would decode to comes out.

    Raises:
        CorruptError: the payload is not one that ``encode_group`` writes for this shape and model.
        ValueError: another bit depth than 8, or channels other than 1 or 3.
    """
    return _decode(payload, shape, bit_depth, model, measured=False, step=step).samples


def inspect_group(payload: bytes, shape: tuple[int, int, int], bit_depth: int, model: Model) -> tuple[NDArray[np.uint8], GroupReport]:
    """As ``decode_group``, with the report that the encoder made: the decoder runs the same stack backwards, and so sees the same debt."""
    samples, decoder, name, matrix = _decode(payload, shape, bit_depth, model, measured=True)
    terms, stack = decoder.terms[::-1], [("start", decoder.message), *decoder.stack[::-1]]
    return samples, GroupReport(8 * len(payload), bound_of(terms), terms, stack, name, decoder.lanes, matrix)


class _Decoded(NamedTuple):
    samples: NDArray[np.uint8]
    decoder: Decoder
    path: str
    matrix: int | None


def _decode(payload: bytes, shape: tuple[int, int, int], bit_depth: int, model: Model, *, measured: bool, step: int = 1) -> _Decoded:
    channels = shape[0]
    if bit_depth != 8 or channels not in (1, 3):
        raise ValueError(f"groups hold 1 or 3 channels of 8 bits, not {channels} of {bit_depth}")
    if not payload:
        raise CorruptError("the payload is empty")
    known, matrix = None, None
    if payload[0] == LATTICE_MARK:
        known_matrix = len(payload) > 2 and payload[1] < 2 * SECOND and payload[1] % SECOND < len(MATRICES)
        if not known_matrix or not can_reweight(channels, model):
            raise CorruptError("the payload's colour lattice is damaged, or its model cannot have one")
        matrix, second, payload = payload[1] % SECOND, payload[1] >= SECOND, payload[2:]
        known = Lattice(matrix, second)
    coding = Coding.from_byte(payload[0], len(model.schedule.path_names))
    name = model.schedule.path_names[coding.path]
    geometry = geometry_of(shape, bit_depth, model)
    plan = plans(transfers(geometry, channels, name), coding)
    message = ans.resize(ans.from_bytes(payload[1:]), plan[-1][0].lanes)
    decoder = Decoder(model, channels, plan, message, known, measured=measured)
    # Only with plain subsampling is the low band of a level what the picture has in every second row and column.
    left_out = step.bit_length() - 1 if model.config.transform == lifting.SUBSAMPLE else 0
    with exact_arithmetic():
        image = decoder.base(geometry.base_shape, geometry.base_ranges)
        for level in reversed(geometry.levels[left_out:]):
            image = lifting.merge2d(image, decoder.level(level, name, image), model.config.transform)
    if not geometry.levels[:left_out]:
        ans.check_base(decoder.message)
    rest = step >> min(left_out, len(geometry.levels))
    samples = colour.inverse(image, lift_of(channels, model))[:, ::rest, ::rest]
    if samples.min() < 0 or samples.max() >= 1 << bit_depth:
        raise CorruptError("the payload decodes to samples out of range")
    return _Decoded(samples.astype(np.uint8), decoder, name, matrix)
