"""A group of any channels and depth as parts that the model or another method codes, whichever is smaller.

::

    payload = split (1 byte)  length (varint) part  length (varint) part  ...  part     (the last part takes the rest)
    payload = mark (1 byte)  table  payload                                             (rewrites.py)

Integer arithmetic only: this file reaches the bit stream.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from typing import Final, NamedTuple

import numpy as np

from hvpzip import varint
from hvpzip.codec import plain, rewrites
from hvpzip.codec.choice import Choice, Trial
from hvpzip.codec.method import Coded, OnReport, Part, Samples, Wanted
from hvpzip.codec.part import decode_part, encode_part
from hvpzip.codec.payload import CO_FLAG, MAX_NETWORKS, Header
from hvpzip.codec.photos import Photo, encode_photo, is_like_a_photo
from hvpzip.codec.registry import BY_NUMBER, MODEL, PLAIN_IS_ENOUGH, by_model, cascade_learns_more, learners
from hvpzip.codec.report import GroupCost
from hvpzip.errors import CorruptError, TruncatedError
from hvpzip.nn.model import Model
from hvpzip.threads import beside

__all__ = [
    "AS_PART_BYTES",
    "FLAT_BYTES_PER_PIXEL",
    "Parts",
    "as_part",
    "decode_parts",
    "encode_either",
    "encode_parts",
    "group_told",
    "told",
]

AS_PART_BYTES: Final = 2  # what ``as_part`` adds to the payload

_LAST_APART: Final = 1  # the last channel of 2 or 4 is a part of its own
_BYTES_APART: Final = 2  # high and low bytes of more than 8 bits are parts
_LOW_LESS_HIGH: Final = 4  # the low byte is stored as its difference to the high one
# Where the quickest plain method needs fewer bytes a pixel, the picture is flat, and no model is tried: it would need more, and is slow, as
# there are too few bits for its lanes. (Slow gradients, of which a model may make less, are at 1/55 to 1/67.)
FLAT_BYTES_PER_PIXEL: Final = Fraction(1, 96)


class Parts(NamedTuple):
    """A coded group: its payload, what each part cost that the model coded, the bits of all others, and what was tried."""

    payload: bytes
    costs: tuple[GroupCost, ...]
    other_bits: int
    trials: tuple[Trial, ...] = ()


def encode_parts(group: Part) -> Parts:
    """The group in the smallest way found."""
    return _smallest(group)


def encode_either(group: Part) -> tuple[Parts, Parts | None]:
    """The group as the model codes it alone, and as ``encode_parts`` does: None if that is ``as_part`` of the first. Both are the same
    object where the model cannot do it alone, or need not be asked as the group is flat.
    """
    samples = group.samples
    quick_bytes, photo_like = 0, None
    if group.bit_depth == 8 and samples.shape[2] in (1, 3):
        photo_like = beside(lambda: is_like_a_photo(group))
        quick_bytes = plain.quick_bytes(samples)
    if photo_like is None or quick_bytes < FLAT_BYTES_PER_PIXEL * samples[:, :, 0].size:
        reason = "the picture is flat" if quick_bytes else "the model codes 1 or 3 channels of 8 bits alone"
        found = encode_parts(group)
        found = found._replace(trials=(Trial("model alone", None, reason), *found.trials))
        return found, found
    if photo_like():
        photo = encode_photo(group, quick_bytes)
        if photo.is_settled:
            return _settled(photo)
        group = replace(group, known=photo.known)
    if cascade_learns_more(group):
        settled = _without_gaps(group, quick_bytes)
        if settled is not None:
            return settled, settled
        if quick_bytes > PLAIN_IS_ENOUGH * samples.nbytes:
            group = replace(group, learners=learners(group))
        found = _smallest(group)
        return found, found
    coded = group.known.get(MODEL) or by_model(group)
    alone = _alone(coded)
    within = tuple(trial._replace(depth=trial.depth + 1) for trial in coded.trials)
    alone = alone._replace(trials=(Trial("model alone", len(alone.payload), taken=True), *within))
    found = _smallest(replace(group, known={**group.known, MODEL: coded}))
    kept = found.payload != as_part(alone).payload
    untaken = tuple(trial._replace(taken=False) for trial in found.trials)
    found = found._replace(trials=(Trial("model alone", len(alone.payload)), *found.trials))
    return alone._replace(trials=(*alone.trials, *untaken)), found if kept else None


def _without_gaps(group: Part, quick_bytes: int) -> Parts | None:
    """A group that is like a photo but for its gaps, coded without them. None where it is none, or where WebP had to be asked: then what it
    makes of the samples as they are counts too.
    """
    if not rewrites.has_gaps(group.samples):
        return None
    found = list(rewrites.rewritings(group.samples, group.bit_depth))
    part = group.of(found[-1].samples)
    if len(found) > 1 or found[0].prefix[0] != rewrites.DENSE or not is_like_a_photo(part):
        return None
    photo = encode_photo(part, min(quick_bytes, plain.quick_bytes(part.samples)))
    if not photo.is_settled or plain.WEBP in photo.known:
        return None
    inner = _taken(photo)
    choice: Choice[Parts] = Choice()
    choice.skipped("as it is", "it is coded without gaps")
    payload = found[0].prefix + inner.payload
    inner = inner._replace(payload=payload, other_bits=8 * len(found[0].prefix) + inner.other_bits)
    choice.tried(f"rewritten: {rewrites.NAMES[rewrites.DENSE]}", len(payload), inner, inner.trials)
    return choice.best._replace(trials=choice.trials)


def _taken(photo: Photo) -> Parts:
    best = photo.choice.best
    costs = () if best.report is None else (best.report.cost(),)
    payload = bytes((0,)) + best.data
    return Parts(payload, costs, 8 * len(payload) - sum(cost.coded_bits for cost in costs), photo.choice.trials)


def _settled(photo: Photo) -> tuple[Parts, Parts | None]:
    best, found = photo.choice.best, _taken(photo)
    modelled = photo.known.get(MODEL)
    if modelled is None:
        return found, found
    return _alone(modelled)._replace(trials=photo.choice.trials), None if modelled is best else found


def _alone(coded: Coded) -> Parts:
    """What the model made, without the byte of its method."""
    assert coded.report is not None
    return Parts(coded.data[1:], (coded.report.cost(),), 0)


def as_part(alone: Parts) -> Parts:
    """What the model codes alone as the only part of its group."""
    told = Trial("in one part by the model", AS_PART_BYTES + len(alone.payload), "as other groups are in parts", taken=True)
    return Parts(bytes((0, MODEL)) + alone.payload, alone.costs, 8 * AS_PART_BYTES, (told, *alone.trials))


def _smallest(group: Part) -> Parts:
    # The raster coder does better without gaps too, and takes its time.
    has_gaps = group.bit_depth == 8 and rewrites.has_gaps(group.samples)
    choice: Choice[Parts] = Choice()
    found = _smallest_split(replace(group, is_last_try=not has_gaps))
    choice.tried("as it is", len(found.payload), found, found.trials)
    for rewritten in rewrites.rewritings(group.samples, group.bit_depth):
        search = _smallest_split if rewritten.prefix[0] == rewrites.DENSE else _smallest
        part = group.of(rewritten.samples)
        best = len(choice.best.payload) if group.most_bytes is None else min(len(choice.best.payload), group.most_bytes)
        inner = search(replace(part, bit_depth=rewritten.bit_depth, is_last_try=True, most_bytes=best - len(rewritten.prefix)))
        found = Parts(rewritten.prefix + inner.payload, inner.costs, 8 * len(rewritten.prefix) + inner.other_bits, inner.trials)
        choice.tried(f"rewritten: {rewrites.NAMES[rewritten.prefix[0]]}", len(found.payload), found, inner.trials)
    return choice.best._replace(trials=choice.trials)


def _smallest_split(group: Part) -> Parts:
    choice: Choice[Parts] = Choice()
    for split in _splits(group.samples):
        found = _encode_split(group, split)
        choice.tried("the last channel apart" if split & _LAST_APART else "in one part", len(found.payload), found, found.trials)
    return choice.best._replace(trials=choice.trials)


def decode_parts(
    payload: bytes,
    shape: tuple[int, int, int],
    bit_depth: int,
    model: Model | None,
    *,
    step: int = 1,
    on_report: OnReport | None = None,
) -> Samples:
    """Inverse of ``encode_parts`` for samples of that shape (h, w, C) and depth: a new array. ``model`` may be None if no part needs one.

    ``step``: a power of two; the samples are then those of every ``step``-th row and column. Where the model coded a part, only the levels
    that this takes are decoded. ``on_report`` is called with what each part cost that the model coded, and needs all levels.

    Raises:
        CorruptError: the payload is not one of ``encode_parts``.
    """
    if not payload:
        raise CorruptError("the payload is empty")
    if payload[0] in rewrites.MARKS:
        table = rewrites.read_table(payload, shape, bit_depth)
        if payload[0] == rewrites.DENSE and rewrites.MARKS.intersection(payload[table.offset : table.offset + 1]):
            raise CorruptError("samples without gaps are not rewritten")
        inner = decode_parts(payload[table.offset :], table.shape, table.bit_depth, model, step=step, on_report=on_report)
        return table.restore(inner)
    split = payload[0]
    if split & ~_allowed(shape[2], bit_depth) or (split & _LOW_LESS_HIGH and not split & _BYTES_APART):
        raise CorruptError(f"a split {split:#04x} does not go with {shape[2]} channels of {bit_depth} bits")
    samples = np.zeros((-(-shape[0] // step), -(-shape[1] // step), shape[2]), np.uint8 if bit_depth <= 8 else np.uint16)
    places = list(_places(shape[2], bit_depth, split))
    offset = 1
    for number, (channels, shift, depth) in enumerate(places):
        size = len(payload) - offset
        if number + 1 < len(places):
            size, offset = _length(payload, offset)
            if size > len(payload) - offset:
                raise CorruptError(f"part {number + 1} goes beyond the end of its group")
        part_shape = (shape[0], shape[1], channels.stop - channels.start)
        part = decode_part(payload[offset : offset + size], Wanted(part_shape, depth, model, step, on_report))
        offset += size
        if shift == 0 and split & _LOW_LESS_HIGH:
            part = part + (samples[:, :, channels] >> 8).astype(np.uint8)
        samples[:, :, channels] |= part.astype(samples.dtype) << shift
    if int(samples.max()) >> bit_depth:
        raise CorruptError("the parts make samples out of range")
    return samples


def _allowed(channels: int, bit_depth: int) -> int:
    return (_LAST_APART if channels in (2, 4) else 0) | (_BYTES_APART | _LOW_LESS_HIGH if bit_depth > 8 else 0)


def _splits(samples: Samples) -> tuple[int, ...]:
    """The splits worth trying. None that takes bytes apart: on 15 files of 16 bits the raster coder was smaller on each."""
    return (0, _LAST_APART) if samples.shape[2] in (2, 4) else (0,)


def _places(channels: int, bit_depth: int, split: int) -> Iterator[tuple[slice, int, int]]:
    """(channels, shift, depth) of each part in order: high bytes before low ones, colour before the last channel."""
    groups = [slice(0, channels - 1), slice(channels - 1, channels)] if split & _LAST_APART else [slice(0, channels)]
    for shift in (8, 0) if split & _BYTES_APART else (0,):
        for group in groups:
            yield group, shift, 8 if split & _BYTES_APART else bit_depth


def _encode_split(group: Part, split: int) -> Parts:
    payload = bytes((split,))
    places = list(_places(group.samples.shape[2], group.bit_depth, split))
    costs: list[GroupCost] = []
    trials: list[Trial] = []
    for number, (channels, _, depth) in enumerate(places):
        choice = encode_part(replace(group, samples=group.samples[:, :, channels], bit_depth=depth))
        data = choice.best.data
        if choice.best.report is not None:
            costs.append(choice.best.report.cost())
        place = f"part {number + 1}: " if len(places) > 1 else ""
        trials += [trial._replace(what=place + trial.what) for trial in choice.trials]
        payload += (varint.write(len(data)) if number + 1 < len(places) else b"") + data
    return Parts(payload, tuple(costs), 8 * len(payload) - sum(cost.coded_bits for cost in costs), tuple(trials))


def _length(payload: bytes, offset: int) -> tuple[int, int]:
    try:
        return varint.read(memoryview(payload), offset, len(payload), "the length of a part")
    except TruncatedError as error:
        raise CorruptError("the payload ends inside the length of a part") from error


def told(payload: bytes, shape: tuple[int, int, int], bit_depth: int) -> str:
    """What an encoder chose for a group of parts, in words: rewritings, split, and the method of each part. Raises CorruptError."""
    if payload[:1] and payload[0] in rewrites.MARKS:
        table = rewrites.read_table(payload, shape, bit_depth)
        return f"rewritten: {rewrites.NAMES[payload[0]]}; {told(payload[table.offset :], table.shape, table.bit_depth)}"
    found, offset, places = [], 1, list(_places(shape[2], bit_depth, payload[0] if payload else 0))
    for number in range(len(places)):
        size = len(payload) - offset
        if number + 1 < len(places):
            size, offset = _length(payload, offset)
        part = payload[offset : offset + size]
        method = BY_NUMBER.get(part[0]) if part else None
        found.append("an unknown method" if method is None else f"{method.name}{f', {group_told(part[1:])}' if part[0] == MODEL else ''}")
        offset += size
    return "; ".join(f"part {number}: {one}" for number, one in enumerate(found, start=1)) if len(found) > 1 else "".join(found)


def group_told(payload: bytes) -> str:
    """What an encoder chose for what the model coded, as far as the payload itself says. Raises CorruptError."""
    header, _ = Header.read(payload, networks=MAX_NETWORKS, paths=4, matrices=CO_FLAG)
    words = [f"path {header.coding.path}"]
    if header.colours is not None:
        matrix, co, striped = header.colours
        words.append(f"learnt colours, matrix {matrix}, {'Co and Cg' if co else 'Cg alone'}{', in stripes' if striped else ''}")
    if header.heads is not None:
        words.append(
            f"{' and '.join(header.heads.layers)} layers of heads adapted in networks {', '.join(map(str, header.heads.networks))}"
        )
    return ", ".join(words)
