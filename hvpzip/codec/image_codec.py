"""A group of samples to a payload and back.

    payload = [255, matrix, where the colours' lattice is used (lattice.py)] + 1 byte of coding parameters (plans.py)
              + the message of one lane (ans.to_bytes)

The decoder goes coarse to fine along the schedule's path: it pops a latent with p, pops the unit given it, and pushes the latent back
with q. The encoder does the inverse of every move in the reverse order, fine to coarse (Bit-Swap order): so it pops latents from what it
has already pushed. What the decoder reads last, the finest units without latents, is what the encoder pushes first; the stack is seeded
by the image itself (design section 4). The decoder must end at exactly the state in which the encoder began, or the payload is refused.

All arithmetic that reaches the payload is in ``plans``, ``ans`` and ``nn.integer``; here it is only put in order.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hvpzip import ans
from hvpzip.ans import Mixture, Plan, StackUnderflow
from hvpzip.ans.reweighted import Reweighted
from hvpzip.codec import lattice
from hvpzip.codec.lattice import Factors, Lattice
from hvpzip.codec.plans import LATTICE_MARK, Coding, Transfer, candidates, plans
from hvpzip.diffusion.schedule import LevelSchedule, Step
from hvpzip.errors import CorruptError
from hvpzip.nn import features
from hvpzip.nn.integer import IntegerOps, Parameters, exact_arithmetic
from hvpzip.nn.network import LevelNetwork, State
from hvpzip.nn.weights import Model
from hvpzip.transform import colour, lifting, pyramid

__all__ = ["GROUP_SIZE", "GroupReport", "TermBits", "decode_group", "encode_group", "inspect_group"]

GROUP_SIZE = 1024
# Groups of at most so many pixels are small enough to encode along every path and keep the smallest payload.
TRY_ALL_PIXELS = 1 << 14
# Added to the matrix where the second colour is reweighted too.
SECOND = 16
# ... if that saves so much of its cost on the levels from the third on: it takes several times as long as the last colour.
SECOND_WORTH = 40
# What reweighting must save at least, in 1/256 bit: its two bytes, and something for the units whose gain is not known in advance.
LATTICE_WORTH = 256 * 64

Int32Array = NDArray[np.int32]
Int64Array = NDArray[np.int64]
Range = tuple[int, int]


class TermBits(NamedTuple):
    """One named term of the bound, in bits: level 1 is the finest, 0 the base; kind is "rate" or "refund" (both positive)."""

    level: int
    unit: str
    step: int
    kind: str
    bits: float


class GroupReport(NamedTuple):
    """What a payload cost; encoder and decoder agree on it, for the decoder's stack is the encoder's, seen backwards.

    Attributes:
        coded_bits: 8 bits a byte of the payload.
        bound_bits: The model's bound for these samples and these latents: rates minus refunds.
        terms: Its parts, in the encoder's order.
        stack_curve: (label, bits on the stack): ``start`` (0; without a ramp, what the lanes after the first hold), then one entry a term,
            after it. Labels are ``level:unit:step`` where a unit or
            a latent was pushed, ``level:unit:step:borrowed`` where a latent was popped: there the stack is lowest, and that is the debt.
        path: Name of the schedule's path taken.
        lanes: Lanes at the most.
        matrix: Number of the matrix in ``lattice.MATRICES`` (0: none of them) where the last colour is reweighted, else None.
    """

    coded_bits: int
    bound_bits: float
    terms: list[TermBits]
    stack_curve: list[tuple[str, float]]
    path: str
    lanes: int
    matrix: int | None = None


class _Level(NamedTuple):
    """A level of one group: its number (1 = finest), the grid of its coarse image, its units' sizes and the range of each channel."""

    number: int
    grid: tuple[int, int]
    sizes: dict[str, tuple[int, int]]
    ranges: dict[str, list[Range]]
    schedule: LevelSchedule


class _Geometry(NamedTuple):
    """All that follows from shape and model: levels, finest first, and the base."""

    levels: list[_Level]
    base_shape: tuple[int, int]
    base_ranges: list[Range]


def _geometry(shape: tuple[int, int, int], bit_depth: int, model: Model) -> _Geometry:
    channels, height, width = shape
    lift = _lift(channels, model)
    count = pyramid.num_levels(height, width)
    ranges = pyramid.ranges(colour.channel_range(channels, bit_depth, lift), model.config.transform, count)
    grids = [*pyramid.shapes(height, width, count), (height, width)]
    levels = []
    for number in range(1, count + 1):
        index = count - number  # pyramids list levels coarsest first
        sizes = lifting.band_shapes(*grids[index + 1])
        levels.append(_Level(number, grids[index], sizes, ranges.levels[index], model.schedule.level(number)))
    return _Geometry(levels, grids[0], ranges.base)


def _lift(channels: int, model: Model) -> int:
    return model.config.colour_lift if channels == 3 else colour.NONE


def _transfers(geometry: _Geometry, channels: int, path: str) -> list[Transfer]:
    """The arrays that move, in the encoder's order; ``_Encoder`` and ``_Decoder`` walk it from either end."""
    found = []
    for level in geometry.levels:
        for index in reversed(level.schedule.paths[path]):
            step = level.schedule.steps[index]
            rows, columns = level.sizes[step.unit]
            if step.given is not None:
                found += [Transfer(False, rows * columns)] * channels
            found += [Transfer(True, rows * columns)] * channels
    rows, columns = geometry.base_shape
    return found + [Transfer(True, rows * columns)] * channels


def _support(step: Step, channel: int, span: Range) -> tuple[Range, int]:
    """Alphabet of the step's symbols in one channel, and the lattice step: samples themselves, or lattice indices of a latent."""
    if not step.is_latent:
        return span, 1
    delta = 1 << step.log2_delta[channel]
    low, high = ans.lattice_range(*span, step.sigma[channel], delta)
    return (int(low), int(high)), delta


class _Kernel(NamedTuple):
    """q(y | x) of one channel: its mixture and alphabet."""

    mixture: Mixture
    lo: Int64Array
    hi: Int64Array
    delta: int


def _kernel(step: Step, channel: int, x: Int64Array) -> _Kernel:
    delta = 1 << step.log2_delta[channel]
    lo, hi = ans.lattice_range(x, x, step.sigma[channel], delta)
    return _Kernel(ans.gaussian(x, step.sigma[channel]), np.asarray(lo), np.asarray(hi), delta)


class _Walker:
    """What encoder and decoder share: the network's states of a level, units laid onto its grid, and the account of the stack."""

    def __init__(self, model: Model, channels: int, *, measured: bool = False) -> None:
        self.model, self.channels, self.ops = model, channels, IntegerOps()
        self.measured = measured
        self.terms: list[TermBits] = []
        self.curve: list[tuple[str, float]] = []

    def note(self, term: TermBits, message: ans.Message) -> None:
        """Enter a term and the stack as the encoder has it after it."""
        if self.measured:
            label = f"{term.level}:{term.unit}:{term.step}{':borrowed' * (term.kind == 'refund')}"
            self.terms.append(term)
            self.curve.append((label, _size(message)))

    def tensor(self, planes: NDArray[np.integer]) -> Tensor:
        """``(C, h, w)`` integers as the network's ``(1, 3, h, w)``; gray has no chroma, which is zero."""
        full = np.zeros((3, *planes.shape[1:]), np.float32)
        full[: self.channels] = planes
        return torch.from_numpy(full)[None].to(self.model.device)

    def network(self, level: _Level) -> LevelNetwork:
        return self.model.cascade.level(level.number)

    def begin(self, level: _Level, coarse: Int32Array) -> State:
        return self.network(level).begin(self.ops, self.tensor(coarse))

    def reveal(self, level: _Level, state: State, index: int, values: NDArray[np.integer]) -> State:
        """State after ``values (C, rows, columns)``; a unit smaller than the grid is completed with its own linear prediction."""
        network, step = self.network(level), level.schedule.steps[index]
        rows, columns = level.sizes[step.unit]
        if (rows, columns) == level.grid:
            return network.reveal(self.ops, state, index, self.tensor(values))
        reference = index if step.is_latent else level.schedule.direct(step.unit)
        full = features.round_shift(network.linear_mean(state, reference), 6)
        for channel in range(3):
            # The prediction of a sample that is not there is kept inside the channel's range, on which the exactness proof rests.
            lo, hi = level.ranges[step.unit][channel] if channel < self.channels else (0, 0)
            full[:, channel].clamp_(lo, hi)
        full[:, :, :rows, :columns] = self.tensor(values)
        return network.reveal(self.ops, state, index, full)

    def predict(self, level: _Level, state: State, index: int) -> Parameters:
        prediction = self.network(level).predict(self.ops, state, index)
        return Parameters(prediction, 0, level.sizes[level.schedule.steps[index].unit], self.model.config.components)


def _size(message: ans.Message) -> float:
    """Bits on the stack beyond an empty lane. Lanes hold bits too, which came from the tail: so it is folded to one lane to be measured."""
    return ans.message_bits(ans.resize(message, 1))


def _residuals(parameters: Parameters, values: Int64Array) -> list[Int64Array]:
    """``64 * value - mean`` of every channel: ``values (C, n)`` in sample units."""
    return [64 * channel - parameters.mean[i] for i, channel in enumerate(values)]


class _Sight(NamedTuple):
    """What the encoder knows of a level before it codes it: all that does not depend on latents.

    Attributes:
        before: The decoder's state before the exact step of each unit that is given a latent.
        parameters: Predictions of the exact steps that are not, by the step's index.
    """

    before: dict[str, State]
    parameters: dict[int, Parameters]


def _exact_steps(level: _Level, path: str) -> list[int]:
    return [index for index in level.schedule.paths[path] if not level.schedule.steps[index].is_latent]


class _Scout(_Walker):
    """Walks the levels in the decoder's order, which the exact units alone allow."""

    def level(self, level: _Level, path: str, coarse: Int32Array, bands: dict[str, Int32Array]) -> _Sight:
        before: dict[str, State] = {}
        parameters: dict[int, Parameters] = {}
        exact = _exact_steps(level, path)
        state = self.begin(level, coarse)
        for position, index in enumerate(exact):
            step = level.schedule.steps[index]
            if step.given is None:
                parameters[index] = self.predict(level, state, index)
            else:
                before[step.unit] = state
            if position + 1 < len(exact):
                state = self.reveal(level, state, index, bands[step.unit])
        return _Sight(before, parameters)


Intervals = dict[int, tuple[Int64Array, Int64Array]]


class _Reweighting(NamedTuple):
    """The lattice along one path, as the encoder needs it: fine to coarse.

    Attributes:
        matrix: Index into ``lattice.MATRICES``.
        second: Whether Co is reweighted too.
        intervals: (start, freq) by channel, by (level, step): units that read no latent.
        factors: The factors in force for the other units.
    """

    matrix: int
    second: bool
    intervals: dict[tuple[int, int], Intervals]
    factors: dict[tuple[int, int], Factors]


def _can_reweight(channels: int, model: Model) -> bool:
    """Whether the values of a unit are pixels: three colours, YCoCg-R, and a map that only sorts samples."""
    return channels == 3 and model.config.colour_lift == colour.YCOCG_R and model.config.transform == lifting.SUBSAMPLE


def _reweighting(
    geometry: _Geometry, path: str, base: Int32Array, bands: list[dict[str, Int32Array]], sights: list[_Sight], matrix: int
) -> _Reweighting | None:
    """Learn the lattice in the decoder's order; None where it does not pay. ``bands`` and ``sights``: finest first, as the levels."""
    known = Lattice(matrix, second=True)
    known.add(base.reshape(3, -1))
    saved, second_cost, second_saved = 0, 0, 0
    intervals: dict[tuple[int, int], Intervals] = {}
    factors: dict[tuple[int, int], Factors] = {}
    for level, units, sight in zip(reversed(geometry.levels), reversed(bands), reversed(sights), strict=True):
        if level.number == 2 and second_saved * SECOND_WORTH < second_cost:
            known.second = False
        for index in _exact_steps(level, path):
            step = level.schedule.steps[index]
            values = units[step.unit].reshape(3, -1).astype(np.int64)
            if step.given is None:
                parameters = sight.parameters[index]
                plain = _plain_cost(parameters, values, level.ranges[step.unit])
                intervals[level.number, index] = _learnt(known, parameters, values, level.ranges[step.unit])
                costs = {c: lattice.cost(freq, ans.PRECISION) for c, (_, freq) in intervals[level.number, index].items()}
                saved += plain[2] - costs[2]
                if known.second:
                    second_cost += plain[1]
                    second_saved += plain[1] - costs[1]
                    known.learn_second(values[1])
                known.learn(values[2])
            else:
                factors[level.number, index] = Factors(known.factors, known.second_factors)
            known.add(values)
    if second_saved * SECOND_WORTH < second_cost:
        known.second = False
    if not known.second:
        intervals = {key: {2: channels[2]} for key, channels in intervals.items()}
    found = _Reweighting(matrix, known.second, intervals, factors)
    return found if saved + (second_saved if known.second else 0) > LATTICE_WORTH else None


def _plain_cost(parameters: Parameters, values: Int64Array, ranges: list[Range]) -> dict[int, int]:
    """Cost of Co and Cg without reweighting, see ``lattice.cost``."""
    residuals = _residuals(parameters, values)
    return {c: lattice.cost(ans.intervals(parameters.mixture(c, residuals[:c]), values[c], *ranges[c])[1], ans.PRECISION) for c in (1, 2)}


def _learnt(known: Lattice, parameters: Parameters, values: Int64Array, ranges: list[Range]) -> Intervals:
    """(start, freq) of the reweighted channels of one unit."""
    found: Intervals = {}
    residuals = _residuals(parameters, values)
    if known.second:
        found[1] = _second(known, parameters, values[0], ranges[1]).intervals(values[1])
    found[2] = known.reweight(parameters.mixture(2, residuals[:2]), values[0], values[1], *ranges[2]).intervals(values[2])
    return found


def _second(known: Lattice, parameters: Parameters, luma: Int64Array, span: Range) -> Reweighted:
    """Co of a unit, reweighted, given Y."""
    residual = 64 * luma - parameters.mean[0]

    def last(co: Int64Array) -> Mixture:
        return parameters.mixture(2, [residual, 64 * co - parameters.mean[1]])

    return known.reweight_second(parameters.mixture(1, [residual]), last, parameters.slope(), luma, *span)


class _Encoder(_Walker):
    def __init__(self, model: Model, channels: int, plan: list[Plan], lanes: int, reweighting: _Reweighting | None) -> None:
        super().__init__(model, channels, measured=True)
        self.message = ans.base_message(lanes)
        self.plans = iter(plan)
        self.reweighting = reweighting
        self.curve.append(("start", _size(self.message)))

    def level(self, level: _Level, path: str, sight: _Sight, coarse: Int32Array, bands: dict[str, Int32Array]) -> None:
        steps = level.schedule.steps
        values: dict[str, Int64Array] = {}  # by unit: what the step at hand reveals, (C, n)
        states = dict(sight.before)
        indices = level.schedule.paths[path]
        for position in reversed(range(len(indices))):
            index = indices[position]
            step = steps[index]
            unit = step.unit
            if not step.is_latent:
                values[unit] = bands[unit].reshape(self.channels, -1).astype(np.int64)
            revealed = values[unit]
            if index in sight.parameters:
                parameters = sight.parameters[index]
            else:
                source = states[unit]
                if step.given is not None:
                    latent = self._pop_latent(level, step.given, revealed)
                    rows, columns = level.sizes[unit]
                    source = self.reveal(level, source, step.given, latent.reshape(self.channels, rows, columns))
                    values[unit] = latent
                parameters = self.predict(level, source, index)
            changed: Intervals = {}
            if self.reweighting is not None and not step.is_latent:
                before = [coarse, *(bands[name] for name in self._units_before(level, path, index))]
                changed = self._reweighted(level, index, parameters, revealed, before)
            self._push_unit(level, index, parameters, revealed, changed)

    @staticmethod
    def _units_before(level: _Level, path: str, index: int) -> list[str]:
        exact = _exact_steps(level, path)
        return [level.schedule.steps[i].unit for i in exact[: exact.index(index)]]

    def _reweighted(self, level: _Level, index: int, parameters: Parameters, values: Int64Array, before: list[Int32Array]) -> Intervals:
        """Intervals of the reweighted channels. ``before``: the pixels known before this unit."""
        assert self.reweighting is not None
        key = (level.number, index)
        if key in self.reweighting.intervals:
            return self.reweighting.intervals[key]
        known = Lattice(self.reweighting.matrix, self.reweighting.second, self.reweighting.factors[key])
        known.add(np.concatenate([pixels.reshape(3, -1) for pixels in before], axis=1))
        return _learnt(known, parameters, values, level.ranges[level.schedule.steps[index].unit])

    def _pop_latent(self, level: _Level, index: int, parent: Int64Array) -> Int64Array:
        """Latent drawn by q from the stack: ``(C, n)`` in sample units."""
        step, bits, latent = level.schedule.steps[index], 0.0, np.empty_like(parent)
        for channel in range(self.channels):
            kernel = _kernel(step, channel, parent[channel])
            self.message, symbols, freqs = ans.pop_mixture(
                self.message, kernel.mixture, kernel.lo, kernel.hi, kernel.delta, plan=next(self.plans)
            )
            latent[channel] = symbols * kernel.delta
            bits += ans.bits_of(freqs, ans.PRECISION)
        self.note(TermBits(level.number, step.unit, index, "refund", bits), self.message)
        return latent

    def _push_unit(self, level: _Level, index: int, parameters: Parameters, values: Int64Array, changed: Intervals) -> None:
        """``changed``: intervals of the channels that are not coded by their mixtures."""
        step, bits = level.schedule.steps[index], 0.0
        residuals = _residuals(parameters, values)
        for channel in reversed(range(self.channels)):
            if channel in changed:
                self.message = ans.push_planned(self.message, *changed[channel], ans.PRECISION, next(self.plans))
                bits += ans.bits_of(changed[channel][1], ans.PRECISION)
                continue
            (lo, hi), delta = _support(step, channel, level.ranges[step.unit][channel])
            mixture = parameters.mixture(channel, residuals[:channel])
            self.message, freqs = ans.push_mixture(self.message, mixture, values[channel] // delta, lo, hi, delta, plan=next(self.plans))
            bits += ans.bits_of(freqs, ans.PRECISION)
        self.note(TermBits(level.number, step.unit, index, "rate", bits), self.message)

    def base(self, base: Int32Array, ranges: list[Range]) -> None:
        """The coarsest image, every value equally likely."""
        total = 0.0
        for channel in reversed(range(self.channels)):
            lo, precision = ranges[channel][0], _base_precision(ranges[channel])
            symbols = base[channel].ravel().astype(np.int64) - lo
            ones = np.ones_like(symbols)
            self.message = ans.push_planned(self.message, symbols, ones, precision, next(self.plans))
            total += ans.bits_of(ones, precision)
        self.note(TermBits(0, "base", 0, "rate", total), self.message)


class _Decoder(_Walker):
    def __init__(
        self, model: Model, channels: int, plan: list[Plan], message: ans.Message, known: Lattice | None, *, measured: bool = False
    ) -> None:
        super().__init__(model, channels, measured=measured)
        self.message, self.lanes, self.known = message, message.head.size, known
        self.plans = reversed(plan)

    def base(self, shape: tuple[int, int], ranges: list[Range]) -> Int32Array:
        base = np.empty((self.channels, *shape), np.int32)
        before, bits, count = self.message, 0.0, shape[0] * shape[1]
        for channel in range(self.channels):
            lo, hi = ranges[channel]
            codec = ans.chunked(lambda s: (s, np.ones_like(s)), _identity_search, count, _base_precision(ranges[channel]), next(self.plans))
            self.message, symbols = codec.pop(self.message)
            if (symbols > hi - lo).any():
                raise CorruptError(f"the base has a value outside {lo}..{hi}")
            base[channel] = (symbols + lo).reshape(shape)
            bits += ans.bits_of(np.ones(count, np.int64), _base_precision(ranges[channel]))
        if self.known is not None:
            self.known.add(base.reshape(self.channels, -1))
        self.note(TermBits(0, "base", 0, "rate", bits), before)
        return base

    def level(self, level: _Level, path: str, coarse: Int32Array) -> dict[str, Int32Array]:
        steps = level.schedule.steps
        indices = level.schedule.paths[path]
        state = self.begin(level, coarse)
        bands: dict[str, Int32Array] = {}
        latent: Int64Array | None = None
        for position, index in enumerate(indices):
            step = steps[index]
            rows, columns = level.sizes[step.unit]
            source = state
            if step.given is not None:
                assert latent is not None
                source = self.reveal(level, state, step.given, latent.reshape(self.channels, rows, columns))
            values = self._pop_unit(level, index, self.predict(level, source, index))
            if step.given is not None:
                assert latent is not None
                self._push_latent(level, step.given, values, latent)
            latent = values
            if not step.is_latent:
                bands[step.unit] = values.reshape(self.channels, rows, columns).astype(np.int32)
                if position + 1 < len(indices):
                    state = self.reveal(level, state, index, bands[step.unit])
        return bands

    def _pop_unit(self, level: _Level, index: int, parameters: Parameters) -> Int64Array:
        step, before, bits = level.schedule.steps[index], self.message, 0.0
        values = np.empty((self.channels, parameters.mean.shape[1]), np.int64)
        residuals: list[Int64Array] = []
        for channel in range(self.channels):
            (lo, hi), delta = _support(step, channel, level.ranges[step.unit][channel])
            mixture = parameters.mixture(channel, residuals)
            if self.known is not None and not step.is_latent and (channel == 2 or (channel == 1 and self.known.second)):
                freqs = self._pop_reweighted(self.known, channel, parameters, mixture, values, (lo, hi), step.given is None)
            else:
                self.message, symbols, freqs = ans.pop_mixture(self.message, mixture, lo, hi, delta, plan=next(self.plans))
                values[channel] = symbols * delta
            residuals.append(64 * values[channel] - parameters.mean[channel])
            bits += ans.bits_of(freqs, ans.PRECISION)
        self.note(TermBits(level.number, step.unit, index, "rate", bits), before)
        return values

    def _pop_reweighted(
        self, known: Lattice, channel: int, parameters: Parameters, mixture: Mixture, values: Int64Array, span: Range, teaches: bool
    ) -> Int64Array:
        """Pop one channel into ``values``, of which the channels before are there; returns the frequencies."""
        if channel == 1:
            reweighted = _second(known, parameters, values[0], span)
            self.message, values[1], freqs = reweighted.pop(self.message, next(self.plans))
            if teaches:
                known.learn_second(values[1])
            return freqs
        reweighted = known.reweight(mixture, values[0], values[1], *span)
        self.message, values[2], freqs = reweighted.pop(self.message, next(self.plans))
        if teaches:
            known.learn(values[2])
        known.add(values)
        return freqs

    def _push_latent(self, level: _Level, index: int, parent: Int64Array, latent: Int64Array) -> None:
        step, before, bits = level.schedule.steps[index], self.message, 0.0
        for channel in reversed(range(self.channels)):
            kernel = _kernel(step, channel, parent[channel])
            symbols = latent[channel] // kernel.delta
            if ((symbols < kernel.lo) | (symbols > kernel.hi)).any():
                raise CorruptError(f"level {level.number}: a latent is out of reach of its sample")
            self.message, freqs = ans.push_mixture(
                self.message, kernel.mixture, symbols, kernel.lo, kernel.hi, kernel.delta, plan=next(self.plans)
            )
            bits += ans.bits_of(freqs, ans.PRECISION)
        self.note(TermBits(level.number, step.unit, index, "refund", bits), before)


def _identity_search(begin: int, end: int, cf: NDArray[Any]) -> tuple[Int64Array, Int64Array, Int64Array]:
    return cf, cf, np.ones_like(cf)


def _base_precision(span: Range) -> int:
    return (span[1] - span[0]).bit_length()


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
    geometry = _geometry(samples.shape, 8, model)
    name = model.schedule.path_names[path]
    split = pyramid.split(colour.forward(samples, _lift(channels, model)), model.config.transform, len(geometry.levels))
    bands, coarse = list(reversed(split.levels)), _coarse_images(split, model)
    scout, sights = _Scout(model, channels), []
    with exact_arithmetic():
        for level, units, image in zip(geometry.levels, bands, coarse, strict=True):
            sights.append(scout.level(level, name, image, units))
    reweighting = None
    if learn_colours and _can_reweight(channels, model) and bands:
        reweighting = _reweighting(geometry, name, split.base, bands, sights, lattice.choose_matrix(coarse[0].reshape(3, -1)))
    prefix = b"" if reweighting is None else bytes([LATTICE_MARK, reweighting.matrix + SECOND * reweighting.second])
    for coding in candidates(path, samples.size):
        transfers = _transfers(geometry, channels, name)
        encoder = _Encoder(model, channels, plans(transfers, coding), coding.first_lanes, reweighting)
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
        return payload, GroupReport(8 * len(payload), _bound(encoder.terms), encoder.terms, encoder.curve, name, lanes, matrix)
    return None


def _bound(terms: list[TermBits]) -> float:
    return sum(term.bits if term.kind == "rate" else -term.bits for term in terms)


def _coarse_images(split: pyramid.Pyramid, model: Model) -> list[Int32Array]:
    """The coarse image of every level, finest level first."""
    images = [split.base]
    for bands in split.levels[:-1]:
        images.append(lifting.merge2d(images[-1], bands, model.config.transform))
    return images[::-1] if split.levels else []


def decode_group(payload: bytes, shape: tuple[int, int, int], bit_depth: int, model: Model) -> NDArray[np.uint8]:
    """The samples of a payload, uint8 ``(C, h, w)``.

    Raises:
        CorruptError: the payload is not one that ``encode_group`` writes for this shape and model.
        ValueError: another bit depth than 8, or channels other than 1 or 3.
    """
    return _decode(payload, shape, bit_depth, model, measured=False).samples


def inspect_group(payload: bytes, shape: tuple[int, int, int], bit_depth: int, model: Model) -> tuple[NDArray[np.uint8], GroupReport]:
    """As ``decode_group``, with the report that the encoder made: the decoder runs the same stack backwards, and so sees the same debt."""
    samples, decoder, name, matrix = _decode(payload, shape, bit_depth, model, measured=True)
    terms, curve = decoder.terms[::-1], [("start", _size(decoder.message)), *decoder.curve[::-1]]
    return samples, GroupReport(8 * len(payload), _bound(terms), terms, curve, name, decoder.lanes, matrix)


class _Decoded(NamedTuple):
    samples: NDArray[np.uint8]
    decoder: _Decoder
    path: str
    matrix: int | None


def _decode(payload: bytes, shape: tuple[int, int, int], bit_depth: int, model: Model, *, measured: bool) -> _Decoded:
    channels = shape[0]
    if bit_depth != 8 or channels not in (1, 3):
        raise ValueError(f"groups hold 1 or 3 channels of 8 bits, not {channels} of {bit_depth}")
    if not payload:
        raise CorruptError("the payload is empty")
    known, matrix = None, None
    if payload[0] == LATTICE_MARK:
        known_matrix = len(payload) > 2 and payload[1] < 2 * SECOND and payload[1] % SECOND < len(lattice.MATRICES)
        if not known_matrix or not _can_reweight(channels, model):
            raise CorruptError("the payload's colour lattice is damaged, or its model cannot have one")
        matrix, second, payload = payload[1] % SECOND, payload[1] >= SECOND, payload[2:]
        known = Lattice(matrix, second)
    coding = Coding.from_byte(payload[0], len(model.schedule.path_names))
    name = model.schedule.path_names[coding.path]
    geometry = _geometry(shape, bit_depth, model)
    plan = plans(_transfers(geometry, channels, name), coding)
    message = ans.resize(ans.from_bytes(payload[1:]), plan[-1][0].lanes)
    decoder = _Decoder(model, channels, plan, message, known, measured=measured)
    with exact_arithmetic():
        image = decoder.base(geometry.base_shape, geometry.base_ranges)
        for level in reversed(geometry.levels):
            image = lifting.merge2d(image, decoder.level(level, name, image), model.config.transform)
    ans.check_base(decoder.message)
    samples = colour.inverse(image, _lift(channels, model))
    if samples.min() < 0 or samples.max() >= 1 << bit_depth:
        raise CorruptError("the payload decodes to samples out of range")
    return _Decoded(samples.astype(np.uint8), decoder, name, matrix)
