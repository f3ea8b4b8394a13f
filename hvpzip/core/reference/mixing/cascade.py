"""Three units between the samples of a coarse image: mirrors ``src/mixing/cascade_plane.h`` and ``units.h`` (docs/format.md, section 13).

Integers, and IEEE arithmetic in a fixed order: this file reaches the bit stream.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hvpzip.core.reference.mixing.engine import Code, Engine, Site, Starts
from hvpzip.core.reference.mixing.laws import WINDOW, ColourSet, Row, reached_by
from hvpzip.core.reference.mixing.message import Reader, Writer, joined, parted
from hvpzip.core.reference.mixing.numbers import clip, cut, log16, slot_of
from hvpzip.core.reference.mixing.regression import Recursive, Window, rounded

__all__ = ["CascadeCoder"]

HH, HL, LH = range(3)
FIRST = ((1, 1), (0, 1), (1, 0))  # row and column of each unit
MARGIN = 10
PREDICTORS = 24
HERE = (0, 0)
Step = tuple[int, int]
Gaussians = tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]

_ALIKE: dict[str, Step] = {"W": (0, -2), "N": (-2, 0), "NW": (-2, -2), "NE": (-2, 2), "WW": (0, -4), "NN": (-4, 0)}
_ALIKE.update({"E": (0, 2), "S": (2, 0)})  # known in earlier planes only


def _around(a: Step, b: Step, more: list[Step]) -> dict[str, Step]:
    """Neighbours by name: along the axes a and b, at one and three times the distance, and more known ones."""
    found = {**_ALIKE, **{f"M{i}": step for i, step in enumerate(more)}}
    for name, (dy, dx) in (("A", a), ("B", b)):
        for number, times in ((1, 1), (2, -1), (3, 3), (4, -3)):
            found[f"{name}{number}"] = times * dy, times * dx
    return found


_FAR = [(-2, -1), (-2, 1), (2, -1), (2, 1)]
STEPS = (
    _around((-1, -1), (-1, 1), [(-1, -3), (-1, 3), (1, -3), (1, 3), (-3, -1), (-3, 1), (3, -1), (3, 1)]),
    _around((0, -1), (-1, 0), [(-1, -2), (-1, 2), (1, -2), (1, 2), *_FAR]),
    _around((0, -1), (-1, 0), [(-1, -1), (-1, 1), (1, -1), (1, 1), *_FAR]),
)


def _features(*lists: str) -> list[tuple[int, str]]:
    """Of the plane itself, of the one before it, of the one before that; "0" is the place itself."""
    return [(plane, name) for plane, names in enumerate(lists) for name in names.split()]


_RED, _BLUE = "0 A1 A2 B1 E S W", "0 A1 A2 B1"
# Features of the local regression by whether the unit is lh, and by plane.
LOCAL = (
    (
        _features("A1 A2 B1 W N NW NE M0 M1 M2 M3 M4 M5 M6"),
        _features("A1 A2 B1 W N NW NE", _RED),
        _features("A1 A2 B1 W N NE", _BLUE, _BLUE),
    ),
    (
        _features("A1 A2 B1 W N NW NE M0 M1 M2 M3 M5 M6 WW"),
        _features("A1 A2 B1 W N M0 M1", _RED),
        _features("A1 A2 B1 W N NE", _BLUE, _BLUE),
    ),
)
LIKES = (range(7), range(10), (0, 1, 2, 3, 4, 5, 6, 10, 11))
_OTHER = "0 A1 A2 B1 W N E S"
RECURSIVE = _features("A1 A2 B1 W N NW NE M0 M1 M2 M3 M4 M5 M6 M7 A3 A4 B3 B4", _OTHER, _OTHER)


def _level(error: int) -> int:
    return clip(cut(log16(error + 3) - 26, 5), 0, 31)


class _Plane:
    """Numbers by row and column of the level, with a margin."""

    def __init__(self, height: int, width: int) -> None:
        self.height, self.width = height, width
        self.data: NDArray[np.int64] = np.zeros((height + 2 * MARGIN, width + 2 * MARGIN), np.int64)

    def at(self, y: int, x: int) -> int:
        return int(self.data[y + MARGIN, x + MARGIN])

    def put(self, y: int, x: int, value: int) -> None:
        self.data[y + MARGIN, x + MARGIN] = value

    def extend(self, y0: int, x0: int) -> None:
        """Repeats the outermost samples of a phase, or of the coarse image where it has none."""
        empty = y0 >= self.height or x0 >= self.width
        first_y, first_x = (0, 0) if empty else (y0, x0)
        last_y = first_y + (self.height - 1 - first_y) // 2 * 2
        last_x = first_x + (self.width - 1 - first_x) // 2 * 2
        for y in range(y0 - MARGIN, self.height + MARGIN, 2):
            for x in range(x0 - MARGIN, self.width + MARGIN, 2):
                if empty or not (y0 <= y <= last_y and x0 <= x <= last_x):
                    self.put(y, x, self.at(clip(y - y0 + first_y, first_y, last_y), clip(x - x0 + first_x, first_x, last_x)))


# Of scale contexts: how many each kind has for one number more of its first, and the first of each kind.
_STRIDES = {-1: 6, -2: 4, -3: 12, -4: 12, -5: 6}
_FIRST_SCALES = {-1: 0, -2: 192, -3: 448, -4: 640, -5: 1024}
_OF_NETWORK, _OF_PREDICTORS = 1216, 2240
_INPUTS, _SETS = 160, 14


def _starts_of(starts: bytes) -> Starts:
    """A plane's starts, told by the bytes."""
    weights = (np.frombuffer(starts, "<i2", _INPUTS + _SETS).astype(np.int64) << 16).tolist()
    classes = starts[2 * (_INPUTS + _SETS) :]

    def scale_of(context: tuple[int, ...]) -> int:
        kind, first = context[:2]
        if kind < 0:
            place = _FIRST_SCALES[kind] + first * _STRIDES[kind] + context[2]
        else:
            place = _OF_NETWORK + 32 * first + context[2] if kind == 2 else _OF_PREDICTORS + 32 * kind + first
        return (16 + (classes[place] & 15)) << (classes[place] >> 4) >> 4

    return weights[:_INPUTS], weights[_INPUTS:], scale_of


class CascadePlane:
    """State of one plane over all units; ``before`` are the planes before it, the nearest first."""

    def __init__(
        self, height: int, width: int, before: list[CascadePlane], reached: ColourSet | None, seen: ColourSet | None, starts: bytes | None
    ) -> None:
        self.height, self.width, self.before, self.reached, self.seen = height, width, before, reached, seen
        self.blue: CascadePlane | None = None  # red is told of it
        self.samples, self.misses = _Plane(height, width), _Plane(height, width)
        self.is_joint = len(before) == 1 and seen is not None
        factors = len(before) == 2 or self.is_joint
        self.engine = Engine(5 + PREDICTORS, 36, 2 + factors, factors, False, None if starts is None else _starts_of(starts))
        if self.is_joint and reached is not None:
            assert self.engine.factors is not None
            self.engine.factors.factor[:768] = [128 * (kind % 32) + 40 for kind in range(768)]
        self.log2_slots = 17 if height * width > 1 << 18 and starts is None else 16
        self.rows: list[dict[int, Row]] = [defaultdict(Row), defaultdict(Row)]
        self.bias: dict[int, list[int]] = defaultdict(lambda: [0, 0])

    def learn_coarse(self) -> None:
        self.samples.extend(0, 0)
        for y in range(0, self.height, 2):
            for x in range(0, self.width, 2):
                value = self.samples.at(y, x)
                rows, shift = self._count_rows(y, x, value)
                rows[0].add(value)
                rows[1].add(value + shift)
                self._see(y, x, value)

    def _see(self, y: int, x: int, value: int) -> None:
        if len(self.before) == 2 and self.seen is not None:
            self.seen.table[self.before[1].samples.at(y, x), self.before[0].samples.at(y, x), value] = True

    def _count_rows(self, y: int, x: int, near: int) -> tuple[list[Row], int]:
        if not self.before:
            return [self.rows[0][0], self.rows[1][near]], 0
        before = self.before[0].samples.at(y, x)
        if len(self.before) == 1:
            return [self.rows[0][before], self.rows[1][0]], 256 - before
        green = self.before[1].samples.at(y, x)
        return [self.rows[0][before * 256 + green], self.rows[1][green - before]], 256 - before

    def code(self, code: Code, unit: int, network: Gaussians, values: NDArray[np.uint8]) -> None:
        """A unit's values (rows, columns): read as long as they are known to ``code``, filled in with what it gives."""
        self._begin(unit)
        rows, columns = values.shape
        if not values.size:
            rows = 0
        for y in range(rows):
            row = self.y0 + 2 * y
            for x in (1, 2):
                for plane in (self.samples, self.misses):
                    plane.put(row, self.x0 - 2 * x, plane.at(row - 2, self.x0))
            for x in range(columns):
                values[y, x] = self._code(y, x, code, network, int(values[y, x]))
            last = self.x0 + 2 * (columns - 1)
            for x in (1, 2):
                for plane in (self.samples, self.misses):
                    plane.put(row, last + 2 * x, plane.at(row, last))
                # Left of the row: what the row three below finds there.
                self.errors[y, -x] = self.errors[y, 0]
                self.errors[y, columns - 1 + x] = self.errors[y, columns - 1]
            self.engine.end_row()
        self.samples.extend(self.y0, self.x0)
        self.misses.extend(self.y0, self.x0)

    def _begin(self, unit: int) -> None:
        self.unit, self.steps = unit, STEPS[unit]
        self.y0, self.x0 = FIRST[unit]
        rows, columns = max(0, (self.height - self.y0 + 1) // 2), max(0, (self.width - self.x0 + 1) // 2)
        self.columns = columns
        if not rows or not columns:
            return
        self.local = LOCAL[unit == LH][len(self.before)]
        self.recursive_features = RECURSIVE[: min(19 + 8 * len(self.before), 34)]
        self.window = Window(rows, columns, len(self.local) + 1)
        self.recursive = Recursive(0.9995, 8, len(self.recursive_features) + 1)
        self.errors: dict[tuple[int, int], list[int]] = {}
        self.bests: dict[tuple[int, int], int] = defaultdict(int)
        self.costs: dict[tuple[int, int], int] = defaultdict(int)
        for x in range(-2, columns + 2):
            inside = self.x0 + 2 * clip(x, 0, columns - 1)
            near = [self.samples.at(self.y0 + dy, inside + dx) for dy, dx in (self.steps[name] for name in ("A1", "A2", "B1", "B2"))]
            for dy in (1, 2):
                self.samples.put(self.y0 - 2 * dy, self.x0 + 2 * x, sum(near) + 2 >> 2)
                self.misses.put(self.y0 - 2 * dy, self.x0 + 2 * x, 128)

    def _code(self, y: int, x: int, code: Code, network: Gaussians, known: int) -> int:
        row, column = self.y0 + 2 * y, self.x0 + 2 * x
        planes = [self, *self.before]

        def at(name: str, plane: int = 0) -> int:
            dy, dx = HERE if name == "0" else self.steps[name]
            return planes[plane].samples.at(row + dy, column + dx)

        sums = [sum(at(name, p) for name in ("A1", "A2", "B1", "B2")) for p in range(len(planes))]
        expected, error = self._network(network, y, x, [at("0", p) for p in range(len(planes) - 1, 0, -1)])
        less_base = np.float32(expected - 16 * sums[0]) * np.float32(1.0 / 64)
        base = np.float32(0.25) * np.float32(sums[0])

        local = [4 * at(name, p) - sums[p] for p, name in self.local]
        found = self.window.predict(y, x, local, less_base, LIKES[len(self.before)])
        means = [rounded(found + base, 0, 255 * 64)]
        recursive = self.recursive
        recursive.row[:-2] = [0.25 * (4 * at(name, p) - sums[p]) for p, name in self.recursive_features]
        recursive.row[-2:] = float(less_base), 0.0
        place = y * self.columns + x
        if place and place % 8 == 0:
            recursive.solve()
        means.append(expected if place < 64 else rounded(recursive.predict(recursive.row[:-1]) + float(base), 0, 255 * 64))
        means.append(expected)
        means += [clip(q, 0, 255 * 64) for q in self._interpolations(row, column)]

        # The blend, and what contexts are made of.
        nothing = [0] * PREDICTORS
        if (y, -1) not in self.errors and y >= 3:
            self.errors[y, -1], self.errors[y, -2] = self.errors[y - 3, 0], self.errors[y - 3, 0]
        sides = ((0, -1), (-1, 0), (-1, -1), (-1, 1), (0, -2), (-2, 0))
        past = [self.errors.get((y + dy, x + dx), nothing) for dy, dx in sides]
        errors = [2 * (w + n) + nw + ne + ww + nn for w, n, nw, ne, ww, nn in zip(*past, strict=True)]
        weighted = weights = 0.0
        for mean, e in zip(means[:11], errors, strict=False):
            weight = 1.0 / (float(e + 64) * float(e + 64))
            weighted, weights = weighted + weight * mean, weights + weight
        blend = clip(int(weighted / weights + 0.5), 0, 255 * 64)

        def miss(name: str, plane: CascadePlane = self) -> int:
            dy, dx = HERE if name == "0" else self.steps[name]
            return plane.misses.at(row + dy, column + dx)

        inside = 2 * (miss("W") + miss("N")) + miss("NW") + miss("NE") + miss("WW") + miss("NN") >> 3
        if self.unit == HH:
            e = 5 * inside + 3 * error >> 3
        else:
            axis = "B" if self.unit == HL else "A"
            e = 3 * inside + miss(axis + "1") + miss(axis + "2") + 3 * error >> 3
        a1, a2, b1, b2 = at("A1"), at("A2"), at("B1"), at("B2")
        t = abs(a1 - a2) + abs(b1 - b2)
        spread = max(abs(mean - blend) for mean in means[:3])
        kq, kn, kg = _level(e), _level(error), min((t + 1).bit_length() - 1, 7)
        ks = clip(cut((log16(spread + 6) - 96) * 3, 32) + 4, 0, 7)
        other, k3 = 0, min(kg, 5)
        if self.before:
            first = self.before[0]
            other = (2 * miss("0", first) + sum(miss(name, first) for name in "WENS")) // 6
            k3 = clip(cut(3 * (log16(other + 20) - log16(e + 20)) + 96, 32), 0, 5)
        bias = self.bias[min(kq // 2, 15) * 16 + (64 * a1 > blend) + 2 * (64 * a2 > blend) + 4 * (64 * b1 > blend) + 8 * (expected > blend)]
        best_mean = clip(blend + cut(bias[0], bias[1] + 4), 0, 255 * 64)

        beside = clip(cut(log16(other + 6) - 72, 16), 0, 3) if self.before else kn // 8
        scales: list[tuple[int, ...]] = [
            (-1, _level(45 * e + 19 * (spread + 4 * t) >> 6), k3),
            (-2, ks * 8 + kg, beside),
            (-3, min(kq // 2, 15), best_mean >> 11),
            (-4, kn, min(kq // 3, 11)),
            (-5, kq, k3),
            *((i, _level(q >> 3)) for i, q in enumerate(errors)),
        ]
        scales[7] = 2, kn, kq

        def spent(dy: int, dx: int) -> int:
            return clip(log16((self.costs[y + dy, x + dx] >> 12) + 1) // 16 - 1, 0, 7)

        high, low = (at("0", 1), at("0", len(self.before))) if self.before else (a1, b1)
        apart = clip(cut((log16(abs(expected - best_mean) + 6) - 96) * 3, 32) + 4, 0, 7)
        select: list[tuple[int, ...]] = [
            (kq,),
            (ks, kg),
            (self.bests[y, x - 1], self.bests[y - 1, x]),
            (_level(other), k3, self.unit),
            (spent(0, -1), spent(-1, 0), self.unit),
            (high >> 5, low >> 5, self.unit),
            (kn, apart),
        ]
        rows, shift = self._count_rows(row, column, a1)
        signs = [a1, a2, b1, b2, at("W"), at("N")]
        reaches = None if self.reached is None or len(self.before) < 2 else partial(self.reached.has, at("0", 1), at("0", 2))
        regressed = [mean + 32 >> 6 for mean in means[:3]]
        keys = self._contexts(row, column, best_mean + 32 >> 6, kq, ks, kg, kn, regressed, means)
        slots = [(n, slot_of(n, values, self.log2_slots)) for n, (_, values) in enumerate(keys)]
        references = [reference for reference, _ in keys]
        experts = [best_mean] * 4 + [blend] + means
        by_depth = (True, True, False, False, False, False, True)
        best = errors.index(min(errors))
        correct, shifts = (kq * 8 + ks, kg), [0, shift]
        kinds = self._joint(network, y, x, (best_mean >> 6) - WINDOW // 2) if self.is_joint else None
        site = Site(0, 256, experts, scales, signs, best, select, by_depth, correct, kq, references, slots, rows, shifts, reaches, kinds)
        value = self.engine.code(site, code, known)

        self.samples.put(row, column, value)
        self.misses.put(row, column, abs(64 * value - best_mean))
        here = [min(abs(64 * value - mean), 4095) for mean in means]
        self.errors[y, x] = here
        self.bests[y, x], self.costs[y, x] = here.index(min(here)), self.engine.cost
        bias[0] += 64 * value - blend
        bias[1] += 1
        if bias[1] > 200:
            bias[:] = cut(bias[0], 2), bias[1] // 2
        self.window.learn(y, x, np.float32(value) - base)
        recursive.row[-1] = float(value) - float(base)
        samples = e * (1.0 / 64)
        recursive.learn(recursive.row, 1.0 / (samples * samples + 1.0))
        rows[0].add(value)
        rows[1].add(value + shift)
        self._see(row, column, value)
        return value

    def _joint(self, network: Gaussians, y: int, x: int, first: int) -> list[int]:
        """What reds are worth for the blues that may follow: the kind of each of the window's."""
        assert self.blue is not None
        assert self.seen is not None
        row, column, green = self.y0 + 2 * y, self.x0 + 2 * x, self.before[0].samples.at(self.y0 + 2 * y, self.x0 + 2 * x)
        above = 0
        for dy, dx in (self.steps[name] for name in ("A1", "A2", "B1", "B2")):
            above += self.blue.samples.at(row + dy, column + dx) - self.samples.at(row + dy, column + dx)
        error = rounded(float(network[2][2, y, x]) * 0.8, 1, 4096)
        halves = [min(error * share + 2048 >> 12, 31) for share in (58, 125, 240)]
        width = min((error // 8 + 1).bit_length() - 1, 7)
        kinds = []
        for red in range(first, first + WINDOW):
            if not 0 <= red < 256:
                kinds.append(32 * width)
                continue
            blue = clip(self._network(network, y, x, [green, red])[0] + 64 * red + 16 * above + 64 >> 7, 0, 255)
            share = 0
            if self.reached is not None:
                share = sum(340 // (2 * half + 1) * self.reached.count(red, green, blue, half) for half in halves)
            level = min(1 + share // 33, 31) if share else 0
            kinds.append((min(self.seen.count(red, green, blue, halves[1]), 2) * 8 + width) * 32 + level)
        return kinds

    def _network(self, network: Gaussians, y: int, x: int, known: list[int]) -> tuple[int, int]:
        """The network's mean given the planes that are known, and its error, in 1/64."""
        mean, slope, sigma = (part[:, y, x].tolist() for part in network)
        plane = len(known)
        m = mean[plane]
        if plane == 1:
            m = m + slope[0] * (known[0] - mean[0])
        elif plane == 2:
            m = (m + slope[1] * (known[0] - mean[0])) + slope[2] * (known[1] - mean[1])
        return rounded(m, 0, 255 * 64), rounded(sigma[plane] * 0.8, 1, 4096)

    def _interpolations(self, row: int, column: int) -> list[int]:
        def reader(plane: CascadePlane, less: CascadePlane | None = None) -> Any:
            def at(name: str) -> int:
                dy, dx = self.steps[name]
                found = plane.samples.at(row + dy, column + dx)
                return found if less is None else found - less.samples.at(row + dy, column + dx)

            return at

        def between(at: Any) -> tuple[int, int, int, int, int, int, int]:
            a1, a2, b1, b2 = (at(name) for name in ("A1", "A2", "B1", "B2"))
            cubic_a = 4 * (9 * (a1 + a2) - at("A3") - at("A4"))
            cubic_b = 4 * (9 * (b1 + b2) - at("B3") - at("B4"))
            change_a, change_b = abs(a1 - a2) + 1, abs(b1 - b2) + 1
            towards = cut(cubic_a * change_b + cubic_b * change_a, change_a + change_b)
            return 32 * (a1 + a2), 32 * (b1 + b2), cubic_a, cubic_b, cubic_a + cubic_b >> 1, towards, 16 * (a1 + a2 + b1 + b2)

        at = reader(self)
        *own, both = between(at)
        a1, a2, b1, b2 = (at(name) for name in ("A1", "A2", "B1", "B2"))
        if not self.before:
            around = 0
            for side in ("W", "N"):
                dy, dx = self.steps[side]
                around += 4 * at(side)
                for name in ("A1", "A2", "B1", "B2"):
                    around -= self.samples.at(row + dy + self.steps[name][0], column + dx + self.steps[name][1])
            four = sorted((a1, a2, b1, b2))
            found = [*own, both + 8 * around, 32 * (four[1] + four[2]), both]
            found += [64 * at(name) for name in ("A1", "A2", "B1", "B2", "W", "N")]
            found += [32 * (at("W") + at("N")), 64 * (at("W") + at("N") - at("NW")), 64 * at("NE"), 64 * at("M0")]
        else:
            first = self.before[0]
            other, at = 64 * first.samples.at(row, column), reader(self, first)
            *ds, d_both = between(at)
            found = [other + d for d in ds]
            found += [other + ds[4] + own[4] >> 1, other + ds[5] + own[5] >> 1, other + d_both, own[5], own[4]]
            moved = [other + 64 * at(name) for name in ("A1", "A2", "B1", "B2", "W", "N")]
            found += [*moved, moved[4] + moved[5] >> 1]
            if len(self.before) == 2:
                green = self.before[1]
                found.append(64 * green.samples.at(row, column) + between(reader(self, green))[5])
        found += [both] * (19 - len(found))
        return [*found, 64 * (a1 + a2 >> 1), 64 * (b1 + b2 >> 1)]

    def _contexts(
        self, row: int, column: int, m: int, kq: int, ks: int, kg: int, kn: int, regressed: list[int], means: list[int]
    ) -> list[tuple[int, tuple[int, ...]]]:
        """The reference of each context, and what it is made of."""
        samples, steps, unit = self.samples, self.steps, self.unit
        a1, a2, b1, b2, w, nn, ne = (
            samples.at(row + steps[name][0], column + steps[name][1]) for name in ("A1", "A2", "B1", "B2", "W", "N", "NE")
        )

        def off_average(side: str, before: str, behind: str) -> int:
            y, x = row + steps[side][0], column + steps[side][1]
            pair = [samples.at(y + steps[name][0], x + steps[name][1]) for name in (before, behind)]
            return samples.at(y, x) - (sum(pair) >> 1)

        a, b, four = a1 + a2 >> 1, b1 + b2 >> 1, (a1, a2, b1, b2)
        w_a, n_a = off_average("W", "A1", "A2"), off_average("N", "A1", "A2")
        w_b, n_b = off_average("W", "B1", "B2"), off_average("N", "B1", "B2")
        found: list[tuple[int, tuple[int, ...]]] = [
            (0, (a1, a2)), (0, (b1, b2)), (0, four), (0, (w, nn)), (0, (m, kq // 4)), (0, (m, a1)), (0, (m, b1)),
            (0, tuple(v >> 3 for v in (*four, w, nn, ne))), (m, (kq, ks, kg)), (m, tuple(v - m >> 1 for v in four)),
            (m, (*(cut(v - m, 3) for v in four), cut(w - m, 4), cut(nn - m, 4))), (m, (a1 - m, a2 - m)), (m, (b1 - m, b2 - m)),
            (a1, (a1 - a2, b1 - a1, b2 - a1)), (a, (unit, kg // 2)), (b, (unit, kg // 2)), (a1, (a1 - b1, w - a1)),
            (b1, (b1 - b2, nn - b1)), (a, (w_a, n_a)), (b, (w_b, n_b)),
        ]  # fmt: skip
        if not self.before:
            l0, l1, l2 = regressed
            m0, m1, m2, m3 = (samples.at(row + steps[name][0], column + steps[name][1]) for name in ("M0", "M1", "M2", "M3"))
            return [
                *found,
                (0, (m, w)), (0, (m, nn)), (0, (l0, l1)), (0, (l0, l2)), (0, (a1, b1)), (0, (a2, b2)), (m, (l2 - m, kn)), (0, (a1, w)),
                (0, (b1, nn)), (0, (m, a2)), (0, (a1, b2, m)), (m, (m0 - m, m1 - m)), (m, (m2 - m, m3 - m)), (m, (l0 - m, l1 - m, l2 - m)),
                (0, (means[0] >> 5,)), (l1, (means[1] >> 4 & 3, kq)),
            ]  # fmt: skip
        p, g = self.before[0].samples, self.before[-1].samples

        def of(plane: _Plane, name: str) -> int:
            return plane.at(row + steps[name][0], column + steps[name][1])

        c, c2 = p.at(row, column), g.at(row, column)
        d = {name: of(samples, name) - of(p, name) for name in ("A1", "A2", "B1", "B2", "W", "N")}
        off_a, off_b = c - (of(p, "A1") + of(p, "A2") >> 1), c - (of(p, "B1") + of(p, "B2") >> 1)
        return [
            *found,
            (0, (c, c2)), (0, (c, a1)), (0, (c, c2, a1)), (0, (c, c2, b1)), (0, (c, c2, m)), (0, (c, m)), (c, (c - c2,)),
            (c, (c - c2, m - c)), (c, (d["A1"], d["A2"])), (c, (d["B1"], d["B2"])),
            (c, tuple(d[name] >> 1 for name in ("A1", "A2", "B1", "B2"))), (c, (d["W"], d["N"])),
            (c, (c - c2, d["A1"], a1 - of(g, "A1"))), (a, (off_a, off_b)), (m, (cut(of(p, "E") - c, 2), cut(of(p, "S") - c, 2), kq // 4)),
            (b, (off_b, kg // 2)),
        ]  # fmt: skip


class CascadeCoder:
    """The finest level of a group: a writer, or the reader of ``data``. Planes are green, red and blue, or a single one.

    Units come in the order hh, hl, lh, after the coarse image. ``portable`` is for the compiled one alone. starts: from profile 4 on, those
    of three planes (``codec.cascade.starts``).
    """

    def __init__(
        self,
        height: int,
        width: int,
        planes: int,
        matrix: NDArray[np.int64],
        data: bytes | None = None,
        portable: bool = False,
        profile: int = 1,
        starts: bytes | None = None,
    ):
        assert (starts is not None) == (profile > 3)
        reached = reached_by(tuple(matrix.tolist())) if matrix.size else None
        seen = ColourSet() if profile > 1 and planes == 3 else None
        self.planes: list[CascadePlane] = []
        for number in range(planes):
            of_plane = None if starts is None else starts[number * len(starts) // 3 : (number + 1) * len(starts) // 3]
            self.planes.append(CascadePlane(height, width, self.planes[::-1][:2], reached, seen, of_plane))
        if planes == 3:
            self.planes[1].blue = self.planes[2]
        count = planes if profile in (3, 5) else 1
        self.messages: list[Reader | Writer] = (
            [Writer() for _ in range(count)] if data is None else [Reader(message) for message in parted(data, count)]
        )
        self.reads = data is not None
        self.next = 0

    def coarse(self, samples: NDArray[np.uint8]) -> None:
        """(planes, rows, columns): the samples of even rows and columns, before all units."""
        for plane, values in zip(self.planes, samples, strict=True):
            plane.samples.data[MARGIN : MARGIN + plane.height : 2, MARGIN : MARGIN + plane.width : 2] = values
            plane.learn_coarse()

    def unit(
        self,
        samples: NDArray[np.uint8],
        mean: NDArray[np.float64],
        slope: NDArray[np.float64],
        sigma: NDArray[np.float64],
        threads: int = 1,
        watch: Callable[[int, int], None] | None = None,
    ) -> list[float]:
        """The next unit (planes, rows, columns): read by a writer, filled in by a reader, which raises CorruptMessage. Returns the bits
        of each plane.

        mean, sigma (planes, rows, columns), slope (3, rows, columns): what the network expects. threads: the same bytes on any number; here
        there is one. watch: called now and then with how many rows of all planes are done, and how many there are; what it raises ends the
        work.
        """
        found = []
        for number, (plane, values) in enumerate(zip(self.planes, samples, strict=True)):
            bits = 0.0
            message = self.messages[number % len(self.messages)]

            def code(bit: bool, chance: int, message: Reader | Writer = message) -> bool:
                nonlocal bits
                bit = message.code(bit, chance)
                bits -= math.log2((chance if bit else 65536 - chance) / 65536)
                return bit

            plane.code(code, self.next, (mean, slope, sigma), values)
            found.append(bits)
            if watch is not None:
                watch(number * values.shape[0] + values.shape[0], len(samples) * values.shape[0])
        self.next += 1
        return found

    def finish(self) -> bytes:
        """A writer's messages; a reader checks that its own are at their end."""
        found = [message.finish() for message in self.messages]
        return b"" if self.reads else joined(found)
