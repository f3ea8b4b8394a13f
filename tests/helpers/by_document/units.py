"""The units of the cascade with mixing, written from docs/format.md alone: section 13."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np

from tests.helpers.by_document.engine import Counts, Engine, Factors, Starts, clip, messages_of, quotient
from tests.helpers.by_document.places import FIRST, NEAR, Place, bound
from tests.helpers.by_document.regression import F32, F64, Recursive, in_lanes, local
from tests.helpers.by_document.told import Teller, Told
from tests.helpers.by_document.unit_sample import Sample

STARTS = Path(__file__).parents[3] / "hvpzip" / "codec" / "cascade" / "starts.bin"  # which the document names
_R_HH = [(0, "A1 A2 B1 W N NW NE"), (1, "here A1 A2 B1 E S W")]
_B = [(0, "A1 A2 B1 W N NE"), (1, "here A1 A2 B1"), (2, "here A1 A2 B1")]
LOCAL = {
    "hh": [[(0, "A1 A2 B1 W N NW NE M0 M1 M2 M3 M4 M5 M6")], _R_HH, _B],
    "lh": [[(0, "A1 A2 B1 W N NW NE M0 M1 M2 M3 M5 M6 WW")], [(0, "A1 A2 B1 W N M0 M1"), _R_HH[1]], _B],
}
LOCAL["hl"] = LOCAL["hh"]
LIKENESS = [range(7), range(10), (*range(7), 10, 11)]
RECURSIVE_OWN = ["A1", "A2", "B1", "W", "N", "NW", "NE", "M0", "M1", "M2", "M3", "M4", "M5", "M6", "M7", "A3", "A4", "B3", "B4"]
RECURSIVE_OTHER = ["here", "A1", "A2", "B1", "W", "N", "E", "S"]


def decode(data: bytes, coarse: np.ndarray, shape: tuple[int, int, int], model: tuple[dict, dict, dict]) -> np.ndarray:
    """Samples (C, h, w) of *units* and the coarse image (C, ceil(h / 2), ceil(w / 2)). model: tensors, network and schedule."""
    return Picture(data, coarse, shape, model).samples


class Picture:
    def __init__(self, data: bytes, coarse: np.ndarray, shape: tuple[int, int, int], model: tuple[dict, dict, dict]) -> None:
        channels, height, width = shape
        self.profile, self.matrix = data[:2]
        assert self.profile in (1, 2, 3, 4, 5)
        self.messages = messages_of(data[2:], shape[0] if self.profile in (3, 5) else 1)
        self.channels, self.height, self.width = shape
        order = [0] if channels == 1 else [1, 0, 2]
        self.values = np.zeros(shape, np.int64)  # G, R, B
        self.values[:, ::2, ::2] = coarse[order]
        self.known = {(plane, 0, 0) for plane in range(channels)}
        self.missed: dict[tuple[int, int, int], int] = {}  # |sample - best mean| by plane and place in the picture
        self.seen: set[tuple[int, int, int]] = set()
        self.states = [PlaneState(number, self) for number in range(channels)]
        for state in self.states:
            for y in range(0, height, 2):
                for x in range(0, width, 2):
                    v = int(self.values[state.number, y, x])
                    for counts, (name, shift) in zip(state.laws, state.rows_of(y, x, v), strict=True):
                        counts.add(name, v + shift)
        if channels == 3:
            self.seen.update((red, green, blue) for green, red, blue in self.values[:, ::2, ::2].reshape(3, -1).T.tolist())
        teller = Teller(coarse.astype(np.int64), channels, *model)
        for number, unit in enumerate(FIRST):
            row, column = FIRST[unit]
            rows, columns = len(range(row, height, 2)), len(range(column, width, 2))
            told = teller.tell(unit, rows, columns)
            for state in self.states:
                state.code_unit(unit, number, rows, columns, told)
                self.known.add((state.number, row, column))
            teller.learn(unit, self.values[:, row::2, column::2][order])
        for message in self.messages:
            message.finish()
        self.samples = self.values[order]

    def at(self, plane: int, y: int, x: int, current: tuple[int, int] | None = None) -> int:
        """13.2: the sample of a plane at a place that may lie beyond the picture. current: the place being coded."""
        row, column = y & 1, x & 1
        i, j = y >> 1, x >> 1
        rows, columns = len(range(row, self.height, 2)), len(range(column, self.width, 2))
        if (plane, row, column) in self.known:
            i, j = clip(i, 0, rows - 1), clip(j, 0, columns - 1)
        else:
            j = min(j, columns - 1)
            if j < 0:
                return self.at(plane, y - 2, column) if i >= 0 else self.at(plane, y, column)
            if i < 0:
                near = NEAR[next(unit for unit, first in FIRST.items() if first == (row, column))]
                place = 2 * j + column
                total = sum(self.at(plane, row + near[name][0], place + near[name][1]) for name in ("A1", "A2", "B1", "B2"))
                return (total + 2) // 4
        return int(self.values[plane, 2 * i + row, 2 * j + column])

    def miss(self, plane: int, y: int, x: int) -> int:
        row, column = y & 1, x & 1
        i, j = y >> 1, x >> 1
        rows, columns = len(range(row, self.height, 2)), len(range(column, self.width, 2))
        if (plane, row, column) in self.known:
            i, j = clip(i, 0, rows - 1), clip(j, 0, columns - 1)
        else:
            if j < 0:
                i, j = i - 1, 0
            j = min(j, columns - 1)
            if i < 0:
                return 128
        return self.missed[plane, 2 * i + row, 2 * j + column]


class PlaneState:
    """What is kept of a plane over the three units, and what begins anew."""

    def __init__(self, number: int, picture: Picture) -> None:
        self.number, self.picture = number, picture
        starts = Starts(STARTS.read_bytes()[3356 * number : 3356 * (number + 1)]) if picture.profile in (4, 5) else None
        self.engine = Engine(narrow=True, starts=starts)
        self.biases: dict[object, list[int]] = {}
        self.laws = [Counts(), Counts()]
        has_matrix = picture.matrix != 0
        self.factors = Factors(lambda kind: 1024)
        self.red_factors = Factors(lambda kind: 128 * (kind % 32) + 40 if has_matrix else 1024)

    def rows_of(self, y: int, x: int, by: int) -> list[tuple[object, int]]:
        """The rows of laws 0 and 1 at a place, and what is added to a value. by: G's row of law 1."""
        values = self.picture.values
        if self.number == 0:
            return [(0, 0), (by, 0)]
        green = int(values[0, y, x])
        if self.number == 1:
            return [(green, 0), (0, 256 - green)]
        red = int(values[1, y, x])
        return [((red, green), 0), (256 + green - red, 256 - red)]

    def code_unit(self, unit: str, number: int, rows: int, columns: int, told: Told) -> None:
        self.unit, self.unit_number, self.columns, self.told = unit, number, columns, told
        self.errors: dict[Place, list[int]] = {}
        self.costs: dict[Place, int] = {}
        self.bests: dict[Place, int] = {}
        self.alike: dict[Place, np.ndarray] = {}
        self.features: dict[Place, tuple[np.ndarray, np.float32]] = {}
        self.solver: Recursive | None = None
        for i in range(rows):
            for j in range(columns):
                self.step(i, j)
            self.factors.end_row()
            self.red_factors.end_row()

    def near(self, i: int, j: int, name: str, back: int = 0) -> int:
        """A neighbour of place (i, j) of the unit, in the plane that is ``back`` before this one."""
        dy, dx = NEAR[self.unit][name]
        row, column = FIRST[self.unit]
        return self.picture.at(self.number - back, 2 * i + row + dy, 2 * j + column + dx)

    def base(self, i: int, j: int, back: int = 0) -> Fraction:
        return Fraction(sum(self.near(i, j, name, back) for name in ("A1", "A2", "B1", "B2")), 4)

    def local_features(self, i: int, j: int) -> tuple[list[Fraction], np.ndarray]:
        found = []
        for back, names in LOCAL[self.unit][self.number]:
            base = self.base(i, j, back)
            found += [self.near(i, j, name, back) - base for name in names.split()]
        likeness = [found[n] for n in LIKENESS[self.number]]
        found.append(Fraction(self.mean_at(i, j)[0], 64) - self.base(i, j))
        return likeness, np.array([F32(one) for one in map(float, found)], F32)

    def mean_at(self, i: int, j: int) -> tuple[int, int]:
        row, column = FIRST[self.unit]
        values = self.picture.values[: self.number, 2 * i + row, 2 * j + column].tolist()
        return self.told.of(self.number, i * self.columns + j, values)

    def predict_locally(self, i: int, j: int, mean: int) -> int:
        likeness, here = self.local_features(i, j)
        self.alike[i, j] = likeness

        def places():
            for row in range(max(i - 6, 0), i + 1):
                for column in range(max(j - 6, 0), min(j + 6, self.columns - 1) + 1):
                    if (row, column) >= (i, j):
                        return
                    s = sum(abs(a - b) for a, b in zip(self.alike[row, column], likeness, strict=True))
                    yield row - i, column - j, min(int(4 * s), 4095) / 4 + 5, *self.features[row, column]

        solution = local(places(), len(here), 5, 3, 0.03)
        self.here = here
        if solution is None:
            return mean
        return bound(math.floor((in_lanes(solution, here) + F32(self.base(i, j))) * F32(64) + F32(0.5)))

    def recursive_features(self, i: int, j: int, mean: int) -> np.ndarray:
        base = self.base(i, j)
        found = [self.near(i, j, name) - base for name in RECURSIVE_OWN]
        for back in range(1, self.number + 1):
            its = self.base(i, j, back)
            found += [self.near(i, j, name, back) - its for name in RECURSIVE_OTHER]
        found = [*found[:34], Fraction(mean, 64) - base]
        return np.array([F64(one) for one in map(float, found)], F64)

    def local_error(self, i: int, j: int, predictor: int) -> int:
        def error(row: int, column: int) -> int:
            if row < 0:
                return 0
            if column >= self.columns:
                column = self.columns - 1
            if column < 0:
                row, column = (row - 3, 0) if row == i else (row, 0)
            return self.errors[row, column][predictor] if row >= 0 else 0

        around = error(i - 1, j - 1) + error(i - 1, j + 1) + error(i, j - 2) + error(i - 2, j)
        return 2 * error(i, j - 1) + 2 * error(i - 1, j) + around

    def step(self, i: int, j: int) -> None:
        picture, number = self.picture, self.number
        row, column = FIRST[self.unit]
        mean, deviation = self.mean_at(i, j)
        index = i * self.columns + j
        first = self.predict_locally(i, j, mean)
        f = self.recursive_features(i, j, mean)
        if self.solver is None:
            self.solver = Recursive(len(f), 0.9995)
        if index % 8 == 0 and index:
            self.solver.solve()
        second = mean
        if index >= 64:
            second = bound(math.floor((self.solver.predict(f) + float(self.base(i, j))) * 64 + 0.5))
        mus = [first, second, mean, *self.cheap(i, j)]
        assert len(mus) == 24
        sample = Sample(self, i, j, mus, mean, deviation)
        v, cost = self.engine.decode(picture.messages[self.number % len(picture.messages)], sample.question)
        y, x = 2 * i + row, 2 * j + column
        picture.values[number, y, x] = v
        picture.missed[number, y, x] = abs(64 * v - sample.mb)
        self.errors[i, j] = [min(abs(64 * v - mu), 4095) for mu in mus]
        self.costs[i, j] = cost
        self.bests[i, j] = self.errors[i, j].index(min(self.errors[i, j]))
        target = v - self.base(i, j)
        self.features[i, j] = self.here, F32(float(target))
        e = sample.expected / 64
        self.solver.learn(f, F64(float(target)), F64(1 / (e * e + 1)))
        sample.learn(v)
        if number == 2:
            picture.seen.add((int(picture.values[1, y, x]), int(picture.values[0, y, x]), v))

    def cheap(self, i: int, j: int) -> list[int]:
        """Predictors 3 to 23, in 1/64."""

        def of(back: int, less: int | None = None) -> Callable[..., int]:
            def value(name: str, dy: int = 0, dx: int = 0) -> int:
                ry, rx = NEAR[self.unit][name]
                row, column = FIRST[self.unit]
                y, x = 2 * i + row + ry + dy, 2 * j + column + rx + dx
                found = self.picture.at(self.number - back, y, x)
                return found - (0 if less is None else self.picture.at(self.number - less, y, x))

            return value

        x = of(0)
        own = Six(x)
        if self.number == 0:
            both_w = sum(x(name, 0, -2) for name in ("A1", "A2", "B1", "B2"))
            both_n = sum(x(name, -2, 0) for name in ("A1", "A2", "B1", "B2"))
            middle = sorted(x(name) for name in ("A1", "A2", "B1", "B2"))[1:3]
            found = [
                *own.all,
                own.both + (64 * x("W") - 16 * both_w + 64 * x("N") - 16 * both_n) // 2,
                32 * sum(middle),
                own.both,
                *(64 * x(name) for name in ("A1", "A2", "B1", "B2", "W", "N")),
                32 * (x("W") + x("N")),
                64 * (x("W") + x("N") - x("NW")),
                64 * x("NE"),
                64 * x("M0"),
            ]
        else:
            p, d = 64 * self.near(i, j, "here", 1), of(0, 1)
            six = Six(d)
            found = [
                *(p + one for one in six.all),
                (p + six.cubic + own.cubic) // 2,
                (p + six.towards + own.towards) // 2,
                p + six.both,
                own.towards,
                own.cubic,
                *(p + 64 * d(name) for name in ("A1", "A2", "B1", "B2", "W", "N")),
                p + 32 * (d("W") + d("N")),
            ]
            if self.number == 2:
                found.append(64 * self.near(i, j, "here", 2) + Six(of(0, 2)).towards)
        found += [own.both] * (19 - len(found))
        found += [64 * ((x("A1") + x("A2")) // 2), 64 * ((x("B1") + x("B2")) // 2)]
        return [bound(one) for one in found]


class Six:
    """Interpolations of 13.3, in 1/64."""

    def __init__(self, x: Callable[..., int]) -> None:
        a1, a2, b1, b2 = (x(name) for name in ("A1", "A2", "B1", "B2"))
        a, b = 32 * (a1 + a2), 32 * (b1 + b2)
        along = 4 * (9 * (a1 + a2) - x("A3") - x("A4"))
        across = 4 * (9 * (b1 + b2) - x("B3") - x("B4"))
        self.both = 16 * (a1 + a2 + b1 + b2)
        self.cubic = (along + across) // 2
        slope_a, slope_b = abs(a1 - a2) + 1, abs(b1 - b2) + 1
        self.towards = quotient(along * slope_b + across * slope_a, slope_a + slope_b)
        self.all = [a, b, along, across, self.cubic, self.towards]
