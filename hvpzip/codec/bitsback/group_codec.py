"""A group of samples to a payload and back.

The decoder goes coarse to fine along the schedule's path: it pops a latent with p, pops the unit given it, and pushes the latent back
with q. The encoder does the inverse of every move in the reverse order, fine to coarse (Bit-Swap order): so it pops latents from what it
has already pushed. What the decoder reads last, the finest units without latents, is what the encoder pushes first; the stack is seeded
by the image itself (docs/design.md, Coder). The decoder must end at exactly the state in which the encoder began, or the payload is
refused.

All arithmetic that reaches the payload is in ``payload``, ``lanes``, ``walk``, ``colours``, ``ans`` and ``nn``; here it is put in order.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hvpzip import ans
from hvpzip.ans import StackUnderflow
from hvpzip.codec.adaptation.fitting import FitSettings, fit_heads
from hvpzip.codec.adaptation.head_changes import Adaptation, HeadChanges, Heads, adapted_heads
from hvpzip.codec.bitsback.decoder import Decoder
from hvpzip.codec.bitsback.encoder import Encoder
from hvpzip.codec.choice import Choice, Trial
from hvpzip.codec.colours.colour_model import ColourModel
from hvpzip.codec.colours.matrices import MATRICES, choose_matrix, reachable
from hvpzip.codec.colours.reweighting import Reweighting, can_reweight, plan_reweighting
from hvpzip.codec.efforts import EFFORTS, Effort
from hvpzip.codec.lanes import candidates, plans
from hvpzip.codec.payload import Header, LearntColours
from hvpzip.codec.report import GroupReport
from hvpzip.codec.walk.geometry import Int32Array, coarse_images, geometry_of, lift_of, transfers
from hvpzip.codec.walk.level_walk import ExactPass, ExactStates, LevelWalk
from hvpzip.diffusion.bound import Term, bound_of
from hvpzip.errors import CorruptError
from hvpzip.nn.model import Model
from hvpzip.threads import beside
from hvpzip.transform import colour, lifting, pyramid
from hvpzip.transform.maps import map_of

__all__ = ["GROUP_SIZE", "LONGEST_GROUP", "GroupReport", "decode_group", "encode_along", "encode_group", "inspect_group", "map_group"]

GROUP_SIZE = 1024
# Groups of narrow pictures are as long as this. WebP, which codes them best, takes up to 16383.
LONGEST_GROUP = 8192
# Groups of at most so many pixels are small enough to encode along every path and keep the smallest payload.
TRY_ALL_PIXELS = 1 << 14
# Those of at most so many are encoded as at the lowest effort too, so that none is larger at a higher one: a twentieth of the time.
TRY_LOWEST_PIXELS = 1 << 15


def encode_group(samples: NDArray[np.uint8], model: Model, effort: int, spent: Effort | None = None) -> tuple[bytes, GroupReport]:
    """The payload of a group and what it cost.

    Args:
        samples: uint8 ``(C, h, w)``, C 1 or 3, sides at least 1.
        model: The effort names the path of its schedule; where the stack cannot carry its latents, or the group is small, the others are
            tried.
        effort: One of ``EFFORTS``.
        spent: What to spend instead of what is usual at that effort.

    Raises:
        ValueError: other shapes or types.
    """
    if samples.dtype != np.uint8 or samples.ndim != 3 or samples.shape[0] not in (1, 3) or 0 in samples.shape:
        raise ValueError(f"a group is uint8 (1 or 3, h, w), not {samples.dtype} {samples.shape}")
    group, lowest, as_usual, spent = _Group(samples, model), EFFORTS[min(EFFORTS)], spent is None, spent or EFFORTS[effort]
    names, plain, choice = model.schedule.path_names, model.schedule.plain_path, Choice[tuple[bytes, GroupReport]]()
    order, prepared_plain = _order(group, spent)
    is_lowest = spent is lowest
    for path in order:
        if not spent.latents and path != plain:
            choice.skipped(f"path {names[path]}", "this effort takes no latents")
        elif choice.best_bytes is not None and samples[0].size > TRY_ALL_PIXELS:
            choice.skipped(f"path {names[path]}", f"of more than {TRY_ALL_PIXELS} pixels the first path is taken that the stack carries")
        else:
            prepared = prepared_plain if path == plain and prepared_plain is not None else _prepared(group, path, spent.fit, co=spent.co)
            found = _encoded(group, prepared)
            if found is None:
                choice.skipped(f"path {names[path]}", "the stack runs dry on any number of lanes")
            else:
                choice.tried(f"path {names[path]}", len(found[0]), found, prepared.trials)
                # Where no heads were fitted and no colours learnt, the lowest effort writes the same along that path.
                is_lowest |= path == plain and prepared.adapted is None and prepared.reweighting is None
    if as_usual and not is_lowest and samples[0].size <= TRY_LOWEST_PIXELS:
        prepared = _prepared(group, plain, lowest.fit, co=lowest.co)
        found = _encoded(group, prepared)
        assert found is not None
        choice.tried(f"path {names[plain]}, as at effort {min(EFFORTS)}", len(found[0]), found, prepared.trials)
    payload, report = choice.best  # a path without latents and without a ramp never runs dry
    return payload, report._replace(trials=choice.trials)


class _Group:
    """A group's samples on their map: all that does not depend on the path.

    Attributes:
        bands, coarse: Units and coarse image of every level, finest first.
    """

    def __init__(self, samples: NDArray[np.uint8], model: Model) -> None:
        self.model, self.channels, self.size = model, samples.shape[0], samples.size
        self.geometry = geometry_of(samples.shape, 8, model)
        split = pyramid.split(colour.forward(samples, lift_of(self.channels, model)), model.config.transform, len(self.geometry.levels))
        self.base, self.bands, self.coarse = split.base, list(reversed(split.levels)), coarse_images(split, model)


class _Prepared(NamedTuple):
    """What is settled about a path before anything is pushed."""

    path: int
    exact_states: list[ExactStates]
    reweighting: Reweighting | None
    adapted: tuple[Adaptation, HeadChanges] | None
    heads: Heads
    trials: tuple[Trial, ...]


def _prepared(
    group: _Group, path: int, fit: FitSettings | None, learn_colours: bool = True, co: bool = True, striped: bool = True
) -> _Prepared:
    model, geometry, name = group.model, group.geometry, group.model.schedule.path_names[path]
    exact_pass, levels = ExactPass(LevelWalk(model, group.channels)), geometry.levels
    has_colours = learn_colours and can_reweight(group.channels, model) and bool(group.bands)
    matrix = beside(lambda: _matrix_at_hand(group.coarse[0])) if has_colours else None
    exact_states = [exact_pass.level(*known) for known in zip(levels, [name] * len(levels), group.coarse, group.bands, strict=True)]
    adapted = fit_heads(model, levels, exact_states, group.bands, fit) if fit else None
    heads = adapted_heads(model, adapted[1]) if adapted else {}
    if heads:
        exact_pass = ExactPass(LevelWalk(model, group.channels, heads))
        exact_states = [exact_pass.adapted(level, found) for level, found in zip(levels, exact_states, strict=True)]
    for found in exact_states:
        found.forget()
    trials = [_heads_trial(fit, adapted)]
    reweighting = None
    if matrix is None:
        trials.append(Trial("learnt colours", None, "units are not pixels of three colours here"))
    else:
        learnt = LearntColours(matrix(), co, striped)
        reweighting, weighed = plan_reweighting(geometry, name, group.base, group.bands, exact_states, learnt)
        trials.append(weighed)
    return _Prepared(path, exact_states, reweighting, adapted, heads, tuple(trials))


def _matrix_at_hand(image: Int32Array) -> int:
    """The matrix that is chosen by the pixels of an image (3, h, w), once it is known what it reaches."""
    matrix = choose_matrix(image.reshape(3, -1))
    reachable(matrix)
    return matrix


def _heads_trial(fit: FitSettings | None, adapted: tuple[Adaptation, HeadChanges] | None) -> Trial:
    if fit is None:
        return Trial("heads adapted", None, "this effort fits none")
    if adapted is None:
        return Trial("heads adapted", None, "no fit pays for its numbers")
    networks = ", ".join(map(str, adapted[0].networks))
    return Trial(f"heads adapted, networks {networks}", None, "their gain pays for their numbers", taken=True)


def _encoded(group: _Group, prepared: _Prepared) -> tuple[bytes, GroupReport] | None:
    """The payload, or None where the stack runs dry on any number of lanes."""
    model, geometry, path, reweighting, adapted = group.model, group.geometry, prepared.path, prepared.reweighting, prepared.adapted
    name = model.schedule.path_names[path]
    colours = None if reweighting is None else reweighting.settings
    moves = transfers(geometry, group.channels, name, colours) + (adapted[0].transfers(model, name) if adapted else [])
    for coding in candidates(path, group.size):
        encoder = Encoder(model, group.channels, plans(moves, coding), coding.first_lanes, reweighting, prepared.heads)
        try:
            for level, exact, image, units in zip(geometry.levels, prepared.exact_states, group.coarse, group.bands, strict=True):
                encoder.level(level, name, exact, image, units)
            encoder.base(group.base, geometry.base_ranges)
            if adapted:
                encoder.changes(*adapted, name)
            lanes = encoder.message.head.size
            header = Header(coding, colours, adapted[0] if adapted else None)
            payload = header.to_bytes() + ans.to_bytes(ans.resize(encoder.message, 1))
        except StackUnderflow:
            continue
        matrix = None if colours is None else colours.matrix
        return payload, _report(payload, encoder.account.terms, encoder.account.stack, name, lanes, matrix)
    return None


def _order(group: _Group, effort: Effort) -> tuple[list[int], _Prepared | None]:
    """Paths in the order in which they are tried, the most promising first, and what is known of the one without latents.

    Learnt colours reweight samples, not latents, so a latent of three colours loses by them more than it gains (docs/experiments.md, 73):
    where they pay, the path without latents is smaller, and quicker. A latent of luma alone leaves colours as they are.
    """
    schedule = group.model.schedule
    paths, plain = list(range(len(schedule.path_names))), schedule.plain_path
    if effort.latents and (schedule.luma_alone or not can_reweight(group.channels, group.model)):
        return paths, None
    prepared = _prepared(group, plain, effort.fit, co=effort.co)
    if not effort.latents or prepared.reweighting is not None:
        paths.sort(key=lambda path: path != plain)
    return paths, prepared


def encode_along(
    samples: NDArray[np.uint8], model: Model, path: int, learn_colours: bool = False, fit: FitSettings | None = None, striped: bool = True
) -> tuple[bytes, GroupReport] | None:
    """As ``encode_group`` along one path, whatever it costs, for measurements; None where the stack cannot carry it.

    Args:
        samples, model: As there.
        path: Place among the schedule's ``path_names``.
        learn_colours: Whether colours are learnt where it pays.
        fit: How heads are adapted, None for not at all.
        striped: Whether colours are learnt stripe by stripe, or as files of old have it.
    """
    group = _Group(samples, model)
    return _encoded(group, _prepared(group, path, fit, learn_colours, striped=striped))


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
    account = decoder.account
    return samples, _report(payload, account.terms[::-1], [("start", decoder.message), *account.stack[::-1]], name, decoder.lanes, matrix)


def _report(
    payload: bytes, terms: list[Term], stack: list[tuple[str, ans.Message]], path: str, lanes: int, matrix: int | None
) -> GroupReport:
    return GroupReport(8 * len(payload), float(bound_of(terms)), terms, stack, path, lanes, matrix)


def map_group(payload: bytes, shape: tuple[int, int, int], bit_depth: int, model: Model) -> NDArray[np.float32]:
    """Where the bits of a payload went: float32 ``(h, w)``, bits of a position with all channels, those that a latent gave back taken off.

    Laid out as wavelets are drawn: coarse scales in the upper left corner, and beside each ``hl``, below it ``lh``, across from it ``hh``.
    Raises as ``decode_group``.
    """
    decoder = _decode(payload, shape, bit_depth, model, measured=True).decoder
    geometry = geometry_of(shape, bit_depth, model)
    found = np.zeros(shape[1:], np.float32)
    rows, columns = geometry.base_shape
    found[:rows, :columns] = decoder.account.costs[0, "base"].reshape(rows, columns)
    for level in geometry.levels:
        down, across = level.grid
        for unit, (top, left) in {"hh": (down, across), "hl": (0, across), "lh": (down, 0)}.items():
            rows, columns = level.sizes[unit]
            if rows and columns:
                found[top : top + rows, left : left + columns] = decoder.account.costs[level.number, unit].reshape(rows, columns)
    return found


class _Decoded(NamedTuple):
    samples: NDArray[np.uint8]
    decoder: Decoder
    path: str
    matrix: int | None


def _decode(payload: bytes, shape: tuple[int, int, int], bit_depth: int, model: Model, *, measured: bool, step: int = 1) -> _Decoded:
    channels = shape[0]
    if bit_depth != 8 or channels not in (1, 3):
        raise ValueError(f"groups hold 1 or 3 channels of 8 bits, not {channels} of {bit_depth}")
    matrices = len(MATRICES) if can_reweight(channels, model) else 0
    names = model.schedule.path_names
    header, data = Header.read(payload, networks=model.config.networks, paths=len(names), matrices=matrices)
    adaptation = None if header.heads is None else Adaptation(*header.heads)
    known = None if header.colours is None else ColourModel(header.colours)
    name = names[header.coding.path]
    geometry = geometry_of(shape, bit_depth, model)
    moves = transfers(geometry, channels, name, header.colours) + (adaptation.transfers(model, name) if adaptation else [])
    plan = plans(moves, header.coding)
    message = ans.resize(ans.from_bytes(data), plan[-1][0].lanes)
    decoder = Decoder(model, channels, plan, message, known, measured=measured)
    # Only with plain subsampling is the low band of a level what the picture has in every second row and column.
    left_out = step.bit_length() - 1 if map_of(model.config.transform).keeps_pixels else 0
    if adaptation:
        decoder.changes(adaptation, name)
    image = decoder.base(geometry.base_shape, geometry.base_ranges)
    for level in reversed(geometry.levels[left_out:]):
        image = lifting.merge2d(image, decoder.level(level, name, image), model.config.transform)
    if not geometry.levels[:left_out]:
        ans.check_base(decoder.message)
    rest = step >> min(left_out, len(geometry.levels))
    samples = colour.inverse(image, lift_of(channels, model))[:, ::rest, ::rest]
    if samples.min() < 0 or samples.max() >= 1 << bit_depth:
        raise CorruptError("the payload decodes to samples out of range")
    return _Decoded(samples.astype(np.uint8), decoder, name, None if header.colours is None else header.colours.matrix)
