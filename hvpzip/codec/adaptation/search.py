"""The gradient search for changes of a head: two pointwise layers, the bits of discretised mixtures, Adam. The encoder's part.

``fit_head`` and ``head_bits`` run in the compiled core (``core/src/network/head_fit.cpp``); ``reference_fit`` and ``reference_bits`` are
the same in numpy, which serve where it is missing. Both are float32 in strict IEEE arithmetic and a fixed order, with exponentials and
logarithms of their own, so every processor finds the same numbers. Tests hold the two against each other, and against autograd.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hvpzip.core import compiled
from hvpzip.nn.formats import ACT_BITS, ACT_MAX

__all__ = ["FACTS", "Dense", "Numbers", "Pool", "Search", "fit_head", "head_bits", "reference_bits", "reference_fit"]

FloatArray = NDArray[np.float32]
IntArray = NDArray[np.int32]

FACTS: Final = 12  # of a position: mean, log2 of the scale, value, innovation, of three colours
_LANES, _CHUNK = 8, 256  # partial sums of a product over positions, and positions worked on at once
_MIN_LOG2_SCALE, _MAX_LOG2_SCALE = np.float32(-3.0), np.float32(16.9)
_FLOOR = np.float32(2.0**-24)  # of a probability: no symbol costs more than 24 bits
_LN2, _DENSITY = np.float32(0.6931471824645996), np.float32(0.3989422917366028)
_ACT_TOP = np.float32(ACT_MAX / 2**ACT_BITS)
# Far below what the floor leaves to see, and products of a few such numbers are still normal.
_LARGEST_EXPONENT = np.float32(40)
_ONE, _HALF, _ZERO = np.float32(1), np.float32(0.5), np.float32(0)
_FIRST_DECAY, _SECOND_DECAY, _EPSILON = np.float32(0.8), np.float32(0.95), np.float32(1e-8)  # Adam

# Coefficients of polynomials, the highest power first, fitted to a relative error of 3e-8 and less.
_EXP2 = (
    0.00015345810970757157,
    0.0013399930903688073,
    0.009618489071726799,
    0.05550328642129898,
    0.24022646248340607,
    0.6931471824645996,
    1.0,
)
_LOG2 = (0.3407014310359955, 0.4116745889186859, 0.5770835280418396, 0.9617967009544373, 2.885390043258667)
# exp(x^2) erfc(x) / t in t = 1 / (1 + 0.4 x)
_ERFC = (
    0.030304579064249992,
    -0.08495262265205383,
    -0.035614319145679474,
    0.23185816407203674,
    -0.025517668575048447,
    0.2412732094526291,
    0.18868669867515564,
    0.22845804691314697,
    0.22550395131111145,
)


class Pool(NamedTuple):
    """One step at n positions.

    Attributes:
        activations: uint8 ``(n, inputs)``, what the hidden layer reads, in 1/32.
        facts: float32 ``(n, FACTS)``, in sample units and octaves.
        coupling: float32 ``(3,)``: closed-form couplings.
        half_bin: float32 ``(3,)``: half the width of a bin of each colour.
        components: Gaussians of a mixture.
        colours: 1 or 3 that are coded.
        reads_latent: Whether the head has gains on the innovation.
    """

    activations: NDArray[np.uint8]
    facts: FloatArray
    coupling: FloatArray
    half_bin: FloatArray
    components: int
    colours: int
    reads_latent: bool


class Dense(NamedTuple):
    """A pointwise layer in float32: weight ``(outputs, inputs)``, bias ``(outputs,)``."""

    weight: FloatArray
    bias: FloatArray


class Numbers(NamedTuple):
    """Changes of a layer, float32: ``w' = w (1 + gain) + weight``, ``b' = b (1 + gain) + bias``; gain and bias ``(outputs,)``, weight
    ``(outputs, inputs)``.
    """

    gain: FloatArray
    bias: FloatArray
    weight: FloatArray

    @classmethod
    def none(cls, layer: Dense) -> Numbers:
        """No change."""
        return cls(np.zeros_like(layer.bias), np.zeros_like(layer.bias), np.zeros_like(layer.weight))


class Search(NamedTuple):
    """How to search.

    Attributes:
        order: int32 ``(steps, batch)``: positions of each step.
        pace: float32 ``(steps,)``: factor of the learning rates.
        rate, weight_rate: Learning rates of gains and biases, and of weights.
        penalty: Of the loss for each unit of a number, up to ``most`` units.
        units: Units of gain, bias and weight.
    """

    order: IntArray
    pace: FloatArray
    rate: float
    weight_rate: float
    penalty: float
    units: tuple[float, float, float]
    most: float

    def settings(self) -> FloatArray:
        """All but the arrays, as the core takes it."""
        return np.array([self.rate, self.weight_rate, self.penalty, *self.units, self.most], np.float32)


def fit_head(pool: Pool, hidden: Dense, out: Dense, changed: tuple[Numbers | None, Numbers | None], search: Search) -> None:
    """Adam on the numbers of the hidden and the output layer, in place; None leaves a layer as it is."""
    core = compiled()
    if core is None:
        return reference_fit(pool, hidden, out, changed, search)
    nothing = Numbers(*(np.zeros(shape, np.float32) for shape in (0, 0, (0, 0))))
    numbers = [part for one in changed for part in (one or nothing)]
    core.fit_head(*pool, *hidden, *out, *numbers, search.order, search.pace, search.settings())
    return None


def head_bits(pool: Pool, hidden: Dense, out: Dense, order: IntArray) -> float:
    """Bits of the positions in ``order``, int32 ``(m,)``, together."""
    core = compiled()
    if core is None:
        return reference_bits(pool, hidden, out, order)[0]
    return float(core.head_bits(*pool, *hidden, *out, order, np.zeros((0, 0), np.float32)))


def reference_bits(pool: Pool, hidden: Dense, out: Dense, order: IntArray) -> tuple[float, FloatArray]:
    """``head_bits``, and the derivatives by the head's outputs, float32 ``(outputs, m)``."""
    total, slopes = 0.0, np.zeros((len(out.bias), len(order)), np.float32)
    for first in range(0, len(order), _CHUNK):
        part = order[first : first + _CHUNK]
        chunk = _forward(pool, hidden, out, part)
        total += chunk.bits
        slopes[:, first : first + len(part)] = chunk.slopes[:, : len(part)]
    return total, slopes


def reference_fit(pool: Pool, hidden: Dense, out: Dense, changed: tuple[Numbers | None, Numbers | None], search: Search) -> None:
    """``fit_head`` in numpy."""
    inner, outer = (_Changing(layer, numbers) for layer, numbers in zip((hidden, out), changed, strict=True))
    for step, order in enumerate(search.order):
        inner.apply()
        outer.apply()
        for first in range(0, len(order), _CHUNK):
            chunk = _forward(pool, inner.now, outer.now, order[first : first + _CHUNK])
            outer.add(*_correlated(chunk.slopes, chunk.hidden))
            if inner.numbers is not None:
                slope = _product(outer.now.weight.T, chunk.slopes, None)
                slope = np.where((chunk.hidden > 0) & (chunk.hidden < _ACT_TOP), slope, _ZERO)
                inner.add(*_correlated(slope, chunk.read))
        inner.step(search, step)
        outer.step(search, step)


class _Chunk(NamedTuple):
    """At most ``_CHUNK`` positions: what the layers read and made, ``(channels, _CHUNK)``."""

    bits: float
    read: FloatArray
    hidden: FloatArray
    slopes: FloatArray


def _forward(pool: Pool, hidden: Dense, out: Dense, order: IntArray) -> _Chunk:
    filled = np.concatenate([order, np.full(_CHUNK - len(order), order[-1], np.int32)])
    read = np.ascontiguousarray(pool.activations[filled].T).astype(np.float32) * np.float32(2.0**-ACT_BITS)
    a = np.maximum(np.minimum(_product(hidden.weight, read, hidden.bias), _ACT_TOP), _ZERO)
    bits, slopes = _mixture_bits(pool, np.ascontiguousarray(pool.facts[filled].T), _product(out.weight, a, out.bias))
    slopes[:, len(order) :] = 0
    return _Chunk(float(np.cumsum(bits[: len(order)].astype(np.float64))[-1]), read, a, slopes)


def _product(a: FloatArray, b: FloatArray, bias: FloatArray | None) -> FloatArray:
    """``bias + a b``, summed in order."""
    total = np.zeros((len(a), b.shape[1]), np.float32)
    if bias is not None:
        total += bias[:, None]
    for k in range(len(b)):
        total += b[k] * a[:, k, None]
    return total


def _lane_sum(lanes: FloatArray) -> FloatArray:
    total = lanes[..., 0].copy()
    for lane in range(1, _LANES):
        total += lanes[..., lane]
    return total


def _correlated(a: FloatArray, b: FloatArray) -> tuple[FloatArray, FloatArray]:
    """``a b^T`` and the sums of the rows of ``a``, in eight partial sums each."""
    products, sums = np.zeros((len(a), len(b), _LANES), np.float32), np.zeros((len(a), _LANES), np.float32)
    for k in range(0, _CHUNK, _LANES):
        products += a[:, None, k : k + _LANES] * b[None, :, k : k + _LANES]
        sums += a[:, k : k + _LANES]
    return _lane_sum(products), _lane_sum(sums)


def _horner(coefficients: tuple[float, ...], x: FloatArray) -> FloatArray:
    total = np.full_like(x, coefficients[0])
    for coefficient in coefficients[1:]:
        total = total * x + np.float32(coefficient)
    return total


def _exp2(x: FloatArray) -> FloatArray:
    within: FloatArray = np.maximum(np.minimum(x, _LARGEST_EXPONENT), -_LARGEST_EXPONENT)
    nearest: FloatArray = np.rint(within)
    power: FloatArray = ((nearest.astype(np.int32) + 127) << 23).view(np.float32)
    return _horner(_EXP2, within - nearest) * power


def _log2(x: FloatArray) -> FloatArray:
    """x positive and normal."""
    pattern = x.view(np.int32)
    exponent = ((pattern >> 23) - 127).astype(np.float32)
    m = ((pattern & 0x7FFFFF) | 0x3F800000).view(np.float32)
    high = m > np.float32(1.4142135381698608)
    exponent, m = exponent + high, np.where(high, m * _HALF, m)
    s: FloatArray = (m - _ONE) / (m + _ONE)
    found: FloatArray = exponent + s * _horner(_LOG2, s * s)
    return found


def _normal(z: FloatArray) -> tuple[FloatArray, FloatArray]:
    """The normal distribution: cumulative, and density times sqrt(2 pi)."""
    x = np.abs(z) * np.float32(0.7071067690849304)
    density = _exp2(x * x * np.float32(-1.4426950216293335))
    t = _ONE / (x * np.float32(0.4) + _ONE)
    tail = _horner(_ERFC, t) * t * density * _HALF
    return np.where(z < 0, tail, _ONE - tail), density


def _clamped(x: FloatArray) -> FloatArray:
    found: FloatArray = np.maximum(np.minimum(x, _MAX_LOG2_SCALE), _MIN_LOG2_SCALE)
    return found


def _mixture_bits(pool: Pool, facts: FloatArray, out: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Bits of every position, and their derivatives by the outputs. facts, out: rows of positions."""
    count, kinds = pool.components, 4 if pool.reads_latent else 3
    couples = 3 * kinds * count
    slopes, total = np.zeros_like(out), np.zeros(out.shape[1], np.float32)
    mean, log2_scale, values, innovation = facts[0:3], facts[3:6], facts[6:9], facts[9:12]

    def rows(kind: int, colour: int) -> slice:
        return slice((3 * kind + colour) * count, (3 * kind + colour + 1) * count)

    for c in range(pool.colours):
        centre, first = mean[c], 1 if c == 2 else 0
        for j in range(c):
            centre = centre + (out[couples + first + j] + pool.coupling[first + j]) * (values[j] - mean[j])
        base = _clamped(log2_scale[c])
        local = _exp2(base)
        at = centre + out[rows(0, c)] * local
        if pool.reads_latent:
            at = at + out[rows(3, c)] * innovation[c]
        ratio, logit = base + out[rows(1, c)], out[rows(2, c)]
        power = _exp2(logit - logit.max(0))
        inverse, offset = _exp2(-_clamped(ratio)), values[c] - at
        distance, half = np.abs(offset), pool.half_bin[c]
        u, w = (half - distance) * inverse, (-half - distance) * inverse
        (upper, upper_density), (lower, lower_density) = _normal(u), _normal(w)
        part = upper - lower
        rise = (upper_density - lower_density) * inverse * _DENSITY
        rise = power * np.where(offset < 0, -rise, rise)
        inside = (ratio >= _MIN_LOG2_SCALE) & (ratio <= _MAX_LOG2_SCALE)
        grow = power * np.where(inside, (lower_density * w - upper_density * u) * (_DENSITY * _LN2), _ZERO)
        powers, mass = np.zeros_like(total), np.zeros_like(total)
        for k in range(count):
            powers += power[k]
            mass += power[k] * part[k]
        expected = mass / powers
        probability = expected + _FLOOR
        total = total - _log2(probability)
        factor = -_ONE / (probability * powers)
        moved = rise * (factor * (_ONE / _LN2))
        slopes[rows(0, c)] = moved * local
        slopes[rows(1, c)] = grow * (factor * (_ONE / _LN2))
        slopes[rows(2, c)] = power * (part - expected) * factor
        if pool.reads_latent:
            slopes[rows(3, c)] = moved * innovation[c]
        centre_slope = np.zeros_like(total)
        for k in range(count):
            centre_slope += moved[k]
        for j in range(c):
            slopes[couples + first + j] = centre_slope * (values[j] - mean[j])
    return total, slopes


class _Changing:
    """A layer and the numbers that change it, with what Adam remembers of them."""

    def __init__(self, shipped: Dense, numbers: Numbers | None) -> None:
        self.shipped, self.numbers, self.now = shipped, numbers, shipped
        self._weight_slope, self._bias_slope = np.zeros_like(shipped.weight), np.zeros_like(shipped.bias)
        self._first: Any = None if numbers is None else Numbers.none(shipped)
        self._second: Any = None if numbers is None else Numbers.none(shipped)

    def apply(self) -> None:
        if self.numbers is not None:
            gain = _ONE + self.numbers.gain
            weight = self.shipped.weight * gain[:, None] + self.numbers.weight
            self.now = Dense(weight, self.shipped.bias * gain + self.numbers.bias)

    def add(self, weight_slope: FloatArray, bias_slope: FloatArray) -> None:
        self._weight_slope += weight_slope
        self._bias_slope += bias_slope

    def step(self, search: Search, number: int) -> None:
        if self.numbers is not None:
            gain_slope = self._bias_slope * self.shipped.bias
            for i in range(self.shipped.weight.shape[1]):
                gain_slope += self._weight_slope[:, i] * self.shipped.weight[:, i]
            share = _ONE / np.float32(search.order.shape[1])
            rates = (search.rate, search.rate, search.weight_rate)
            slopes = (gain_slope, self._bias_slope, self._weight_slope)
            for place, (rate, slope, units) in enumerate(zip(rates, slopes, search.units, strict=True)):
                self._move(place, slope * share, np.float32(rate) * search.pace[number], np.float32(units), search, number)
        self._weight_slope[:] = 0
        self._bias_slope[:] = 0

    def _move(self, place: int, slope: FloatArray, rate: Any, units: Any, search: Search, number: int) -> None:
        assert self.numbers is not None
        value, m, v = self.numbers[place], self._first[place], self._second[place]
        first_left, second_left = _ONE, _ONE
        for _ in range(number + 1):
            first_left, second_left = first_left * _FIRST_DECAY, second_left * _SECOND_DECAY
        penalised = (value != 0) & (np.abs(value) * units <= np.float32(search.most))
        push = np.float32(search.penalty) * units
        slope = slope + np.where(penalised, np.where(value > 0, push, -push), _ZERO)
        m[:] = m * _FIRST_DECAY + slope * (_ONE - _FIRST_DECAY)
        v[:] = v * _SECOND_DECAY + slope * slope * (_ONE - _SECOND_DECAY)
        value -= rate / (_ONE - first_left) * (m / (np.sqrt(v) / np.sqrt(_ONE - second_left) + _EPSILON))
