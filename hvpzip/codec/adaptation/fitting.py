"""Finding changes of the heads for one group (docs/design.md, Adaptation to the photo): the encoder's part, in float.

What comes out are small integers that the payload carries (``head_changes.py``); nothing here reaches the bit stream in any other way. All
of it is strict IEEE arithmetic in a fixed order (``search.py``), so every machine finds the same.

A head is two 1x1 convolutions, so its positions are independent of each other: the network has run over the group, and here only heads are
evaluated, on minibatches of positions from some crops. The loss is the bound plus what the numbers cost; what is left of a head's gain on
positions that its fit has not seen must pay for its numbers, or the head stays as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hvpzip.codec.adaptation.head_changes import LARGEST_CHANGE, Adaptation, HeadChanges, prior_bits
from hvpzip.codec.adaptation.search import FACTS, Dense, Numbers, Pool, Search, fit_head, head_bits
from hvpzip.codec.walk.geometry import Int32Array, Level
from hvpzip.codec.walk.level_walk import ExactStates, LevelWalk, States
from hvpzip.core.tables import gaussian_tables
from hvpzip.diffusion.schedule import COLOURS, Step
from hvpzip.errors import ModelError
from hvpzip.nn.adaptation import BIAS_BITS, GAIN_BITS, WEIGHT_BITS, Changes, adapted_layer
from hvpzip.nn.formats import ACT_BITS
from hvpzip.nn.layers import HeadLayers, Layer
from hvpzip.nn.model import Model
from hvpzip.threads import side_by_side

__all__ = ["FitSettings", "fit_heads"]

CROP, CROPS = 64, 12  # of a level's grid
HELD_OUT = 4  # every fourth position judges the fit
# A step of a number costs about so many bits (docs/experiments.md, 70: 1, 4 and 8 tried), until it is far from zero.
PENALTY_BITS, PENALTY_UNITS = 4.0, 8.0
RATE, WEIGHT_RATE = 0.03, 0.01  # the second: of a weight, relative to a bias
DEAD_ZONE = 0.75  # in steps; less is sent as zero
KNOWN = 2.0**20  # width of the bin of a colour that is known: it is certain, and costs nothing
STEPS_OF_ONE = (2.0**GAIN_BITS, 2.0**BIAS_BITS, 2.0**WEIGHT_BITS)  # of gain, bias and weight


class FitSettings(NamedTuple):
    """How much an encoder spends.

    Attributes:
        steps: Gradient steps a head.
        batch: Positions a step.
        networks: Networks whose heads are fitted, 1 for the finest level.
        layers: Layers of a head, see ``Adaptation.layers``.
    """

    steps: int
    batch: int
    networks: tuple[int, ...] = (1, 2)
    layers: tuple[str, ...] = ("out", "hidden")


def fit_heads(
    model: Model,
    levels: list[Level],
    exact: list[ExactStates],
    bands: list[dict[str, Int32Array]],
    settings: FitSettings,
) -> tuple[Adaptation, HeadChanges] | None:
    """Changes that make a group smaller, with the priors they are sent by; None where they would not.

    Args:
        model: The model, on any device; the fit itself runs on the CPU, each head on one thread.
        levels, exact, bands: Finest level first. ``exact`` has the states and predictions along the path that will be taken.
        settings: What to spend.
    """
    keys: list[tuple[int, int]] = []

    def fits() -> Iterator[Callable[[], dict[str, Changes]]]:
        for level, found, units in zip(levels, exact, bands, strict=True):
            rows, columns = _common(level)
            enough = rows * columns >= settings.batch and min(rows, columns) >= 5
            if enough and level.number in settings.networks and level.number <= model.config.networks:
                for index, sampled in _sampled(model, level, found, units):
                    keys.append((level.number, index))
                    yield partial(_fit, sampled, settings)

    fitted = side_by_side(fits())
    changes = dict(zip(keys, fitted, strict=True))
    worth = {network for (network, _), layers in changes.items() if any(part.any() for part in layers.values())}
    kept = {key: layers for key, layers in changes.items() if key[0] in worth}
    return (Adaptation.choose(kept, settings.layers), kept) if kept else None


def _common(level: Level) -> tuple[int, int]:
    """Rows and columns of the grid where all three units have samples."""
    rows, columns = (min(size[axis] for size in level.sizes.values()) for axis in (0, 1))
    return rows, columns


class _Sampled(NamedTuple):
    """One step at some of its positions, and how many it has."""

    head: HeadLayers
    pool: Pool
    positions: int


def _sampled(model: Model, level: Level, exact: ExactStates, bands: dict[str, Int32Array]) -> Iterator[tuple[int, _Sampled]]:
    """Each step of the path with what its head reads and must predict in crops of a level."""
    rows, columns = _common(level)
    layers, steps, places = model.levels[level.number - 1], level.schedule.steps, _places(rows, columns)
    states, channels = _with_latents(level, exact.states), model.config.channels
    walk = LevelWalk(model, len(bands[steps[0].unit]))
    for index in states.steps:
        step = steps[index]
        size = level.sizes[step.unit]
        prediction = exact.predictions.get(index) or walk.predict(level, states, index)
        values = states.known[index].reshape(-1, *size)
        facts = np.zeros((FACTS, *size), np.float32)
        facts[0:3] = prediction.mean.reshape(3, *size) / np.float32(64)
        facts[3:6] = prediction.log2_scale.reshape(3, *size) / np.float32(64)
        facts[6 : 6 + len(values)] = values
        if prediction.innovation is not None:
            facts[9:12] = prediction.innovation.reshape(3, *size) / np.float32(64)
        state = states.state(index)
        delta = [float(1 << log2) for log2 in step.log2_delta] if step.is_latent else [1.0] * COLOURS
        begun = level.schedule.begun(states.steps, index)
        delta[:begun] = [KNOWN] * begun
        pool = Pool(
            # Of the places alone: of a whole level they are many times as much.
            np.concatenate([model.predictor.activations(state, place).reshape(-1, channels) for place in places]),
            np.ascontiguousarray(np.concatenate([facts[(slice(None), *place)].reshape(FACTS, -1) for place in places], axis=1).T),
            (layers.closed_forms[index].coupling / 64).astype(np.float32),
            np.array([*delta, *[1.0] * (COLOURS - len(delta))], np.float32) / np.float32(2),
            layers.components,
            len(values),
            step.given is not None,
        )
        yield index, _Sampled(layers.heads[index], pool, rows * columns)


def _with_latents(level: Level, exact: States) -> States:
    """The states with a latent drawn for each step that reveals one."""
    states, steps = exact.again(), level.schedule.steps
    for index in reversed(states.steps):  # a latent's parent comes after it
        if steps[index].is_latent:
            above = states.known[states.parent(index)][: level.schedule.colours(index)]
            states.known[index] = np.stack([_latent(steps[index], channel, values) for channel, values in enumerate(above)])
    return states


def _latent(step: Step, channel: int, values: NDArray[np.int64]) -> NDArray[np.int64]:
    """Latents of ``values (n,)``: nearly normal noise, a sum of twelve uniform numbers, rounded to the lattice."""
    uniform = _numbers(channel, 12 * values.size) >> np.uint64(40)
    noise = uniform.reshape(12, -1).sum(0).astype(np.float64) / 2**24 - 6
    sigma, delta = gaussian_tables().scale64[step.sigma[channel]] / 64, 1 << step.log2_delta[channel]
    found: NDArray[np.int64] = np.rint((values + sigma * noise) / delta).astype(np.int64) * delta
    return found


def _numbers(seed: int, count: int) -> NDArray[np.uint64]:
    """Random numbers of 64 bits (splitmix64), the same with every version of numpy."""
    z = (np.arange(1, count + 1, dtype=np.uint64) + np.uint64(seed << 32)) * np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def _places(rows: int, columns: int) -> list[tuple[slice, slice]]:
    """At most ``CROPS`` crops of equal size, evenly spaced."""
    down = max(1, min(round((CROPS * rows / columns) ** 0.5), -(-rows // CROP), CROPS))
    across = max(1, min(CROPS // down, -(-columns // CROP)))
    height, width = min(CROP, rows), min(CROP, columns)
    tops = np.linspace(0, rows - height, down).astype(int) if down > 1 else [(rows - height) // 2]
    lefts = np.linspace(0, columns - width, across).astype(int) if across > 1 else [(columns - width) // 2]
    return [(slice(int(top), int(top) + height), slice(int(left), int(left) + width)) for top in tops for left in lefts]


def _real(layer: Layer) -> Dense:
    """A layer as the numbers that its integers stand for."""
    step = np.exp2(-layer.exponent.astype(np.float32))  # powers of two, exactly
    weight = layer.weight[:, :, 0, 0].astype(np.float32) * step[:, None]
    return Dense(weight, layer.bias.astype(np.float32) * step * np.float32(2.0**-ACT_BITS))


def _fit(sampled: _Sampled, settings: FitSettings) -> dict[str, Changes]:
    """Changes of one head, by layer."""
    head, pool, positions = sampled
    order = np.argsort(_numbers(0, len(pool.facts)), kind="stable").astype(np.int32)
    unseen, seen = order[: len(order) // HELD_OUT], order[len(order) // HELD_OUT :]
    drawn = _numbers(1, settings.steps * settings.batch) >> np.uint64(32)
    batches = seen[(drawn * np.uint64(len(seen)) >> np.uint64(32)).astype(np.int64)].reshape(settings.steps, settings.batch)
    pace = np.minimum(1.0, 2 * (1 - np.arange(settings.steps) / settings.steps)).astype(np.float32)
    # Weights meet activations that are around 32 times their step in size: a smaller rate.
    weight_rate = RATE * WEIGHT_RATE * 2.0**ACT_BITS
    plan = Search(batches, pace, RATE, weight_rate, PENALTY_BITS / positions, STEPS_OF_ONE, PENALTY_UNITS)
    shipped = HeadDense(_real(head.hidden), _real(head.out))
    numbers = {name: Numbers.none(getattr(shipped, name)) for name in settings.layers}
    fit_head(pool, shipped.hidden, shipped.out, (numbers.get("hidden"), numbers.get("out")), plan)
    found = {name: Changes(*map(_rounded, kinds, STEPS_OF_ONE)) for name, kinds in numbers.items()}
    return found if _worth(sampled, unseen, shipped, found) else {name: Changes.none(getattr(head, name)) for name in found}


class HeadDense(NamedTuple):
    """A head's layers in float32."""

    hidden: Dense
    out: Dense


def _rounded(values: NDArray[np.float32], unit: float) -> NDArray[np.int64]:
    steps = values * np.float32(unit)
    whole: NDArray[np.int64] = np.where(np.abs(steps) < DEAD_ZONE, 0, np.rint(steps)).astype(np.int64)
    return whole.clip(-LARGEST_CHANGE, LARGEST_CHANGE)


def _worth(sampled: _Sampled, unseen: NDArray[np.int32], shipped: HeadDense, found: Mapping[str, Changes]) -> bool:
    """Whether the changed head, as its integers say, saves more than its numbers cost."""
    head, pool, positions = sampled
    try:
        adapted = shipped._replace(**{name: _real(adapted_layer(getattr(head, name), changes)) for name, changes in found.items()})
    except ModelError:
        return False
    saved = head_bits(pool, *shipped, unseen) - head_bits(pool, *adapted, unseen)
    cost = 0.0
    for changes in found.values():
        for part in changes:
            cost += float((prior_bits() @ np.bincount(np.abs(part).ravel(), minlength=LARGEST_CHANGE + 1)).min())
    return saved / len(unseen) * positions > cost
