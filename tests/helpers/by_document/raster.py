"""The mixing method, written from docs/format.md alone: section 12 but for what engine.py and regression.py have."""

from __future__ import annotations

import itertools
import math

import numpy as np

from tests.helpers.by_document.engine import (
    Counts,
    Engine,
    Factors,
    Law,
    Message,
    Normal,
    Question,
    boxes,
    clip,
    counted_law,
    floor_log2,
    l16,
    law2_kinds,
    level,
    messages_of,
    mix,
    quotient,
    reaches,
)
from tests.helpers.by_document.regression import F32, F64, Recursive, in_lanes, local

OWN = [
    (-1, 0), (0, -1), (-1, -1), (-1, 1), (-2, 0), (0, -2), (-2, -1), (-2, 1), (-1, -2), (-1, 2), (-2, -2), (-2, 2), (-3, 0), (0, -3),
    (-3, -1), (-3, 1), (-1, -3), (-1, 3), (-3, -2), (-3, 2), (-2, -3), (-2, 3), (-4, 0), (0, -4), (-4, -1), (-4, 1), (-1, -4), (-1, 4),
    (-3, -3), (-3, 3),
]  # fmt: skip
OTHER = [(0, 0), (0, -1), (-1, 0), (0, 1), (1, 0), (-1, -1), (-1, 1), (1, -1), (1, 1)]
LOCAL = {
    1: [(6, 3, 6, 5, 3, 0.03, 1)],
    2: [(8, 3, 8, 5, 3, 0.03, 1), (10, 7, 7, 6, 2, 0.05, 1), (18, 9, 8, 4, 4, 0.03, 1)],
}
LOCAL |= {3: LOCAL[1], 4: LOCAL[2]}
LOCAL |= {5: LOCAL[1], 6: [(8, 3, 8, 5, 3, 0.03, 1), (10, 7, 7, 6, 2, 0.05, 2), (18, 9, 8, 4, 4, 0.03, 2)]}
LOCAL |= {7: LOCAL[5], 8: LOCAL[6]}
RECURSIVE = {1: [(16, 5, 0.9995, 8)], 2: [(24, 7, 0.9995, 4), (24, 7, 0.996, 4)]}
RECURSIVE |= {number: RECURSIVE[2 - number % 2] for number in range(3, 9)}


def decode(data: bytes, shape: tuple[int, int, int], depth: int) -> np.ndarray:
    """Samples (h, w, C) of the data of method 7."""
    height, width, channels = shape
    profile, order, matrix = data[:3]
    ranges = [int.from_bytes(data[3 + 2 * i : 5 + 2 * i], "little") for i in range(2 * channels)]
    lows, highs = ranges[::2], ranges[1::2]
    assert all(low <= high < 1 << depth for low, high in zip(lows, highs, strict=True))
    places = list(itertools.permutations(range(channels)))[order]
    if matrix:
        assert channels >= 3
        assert depth <= 8
        assert places[:3] == (1, 0, 2)
    bits = max(1, *((high - low).bit_length() for low, high in zip(lows, highs, strict=True)))
    narrow = all(high < 256 for high in highs)
    messages = messages_of(data[3 + 4 * channels :], channels if profile > 4 else 1)
    planes: list[Plane] = []
    for low, high in zip(lows, highs, strict=True):
        plane = Plane(height, width, low, high, planes[-1:-3:-1], profile, bits, narrow, matrix if len(planes) == 2 else 0)
        for y in range(height):
            for x in range(width):
                plane.step(messages[len(planes) % len(messages)], y, x)
            plane.end_row()
        planes.append(plane)
    for message in messages:
        message.finish()
    samples = np.zeros(shape, np.uint16)
    for place, plane in zip(places, planes, strict=True):
        samples[:, :, place] = plane.samples
    return samples


class Plane:
    """One plane and all that it learns. ``before``: the first and the second plane, where they exist."""

    def __init__(self, height, width, low, high, before: list[Plane], profile, bits, narrow, matrix) -> None:
        self.height, self.width, self.low, self.high, self.before = height, width, low, high, before
        self.bits, self.narrow, self.matrix = bits, narrow, matrix
        self.deep = max(bits - 8, 0)
        self.samples = np.zeros((height, width), np.int64)
        self.known = 0  # samples so far
        self.engine = Engine(narrow)
        self.profile, self.local, self.recursive = profile, LOCAL[profile], RECURSIVE[profile]
        more = 0 if before else 6
        self.solvers = [Recursive(min(own + more, 30) + other * len(before), fade) for own, other, fade, _ in self.recursive]
        self.num_regressions = len(self.local) + len(self.recursive)
        self.errors: dict[tuple[int, int], list[int]] = {}  # of all predictors
        self.base_errors: dict[tuple[int, int], int] = {}
        self.costs: dict[tuple[int, int], int] = {}
        self.bests: dict[tuple[int, int], int] = {}
        self.biases: dict[int, list[int]] = {}
        self.repeats: dict[int, tuple[int, int]] = {}
        self.run, self.place = 0, None
        self.laws = [Counts(), Counts()]
        self.solutions: dict[tuple[int, int], np.ndarray | None] = {}
        self.factors = Factors(lambda kind: 1024)
        self.features: dict[tuple[int, int], tuple] = {}  # these four are remembered to save time
        self.alike: dict[tuple[int, int], np.ndarray] = {}
        self.chosen: dict[tuple[int, int, int], np.ndarray] = {}
        self.targets: dict[tuple[int, int], np.float32] = {}

    def at(self, y: int, x: int) -> int:
        """12.3. A plane that is whole has every place; one being coded those before the current sample."""
        middle = (self.low + self.high + 1) // 2
        y = min(y, self.height - 1)
        if x < 0:
            return middle if y <= 0 else self.at(y - 1, 0)
        if y < 0:
            at = min(x, self.width - 1)
            if at < self.known:
                return int(self.samples[0, at])
            last = min(self.known, self.width) - 1
            return int(self.samples[0, last]) if last >= 0 and x <= last + 8 else middle
        return int(self.samples[y, min(x, self.width - 1)])

    def features_at(self, y: int, x: int) -> tuple[list[int], list[list[int]]]:
        """(own, those of each earlier plane) with base, as integers."""
        if (y, x) not in self.features:
            base = self.at(y, x - 1) + self.at(y - 1, x)
            own = [2 * self.at(y + dy, x + dx) - base for dy, dx in OWN]
            others = []
            for plane in self.before:
                its = plane.at(y, x - 1) + plane.at(y - 1, x)
                others.append([2 * plane.at(y + dy, x + dx) - its for dy, dx in OTHER])
            self.features[y, x] = base, own, others
        return self.features[y, x]

    def likeness(self, y: int, x: int) -> np.ndarray:
        if (y, x) not in self.alike:
            _, own, others = self.features_at(y, x)
            self.alike[y, x] = np.array([v >> self.deep for v in [*(v for other in others for v in other[:3]), *own[:6]]])
        return self.alike[y, x]

    def scaled(self, values: list[int], kind) -> np.ndarray:
        return np.array(values, kind) * kind(0.5 * 2.0**-self.deep)

    def local_features(self, y: int, x: int, own: int, other: int) -> np.ndarray:
        if (y, x, own) not in self.chosen:
            _, mine, others = self.features_at(y, x)
            values = [v for each in others for v in each[:3]] + mine[:6] + [v for each in others for v in each[3:other]] + mine[6:own]
            self.chosen[y, x, own] = self.scaled(values, F32)
        return self.chosen[y, x, own]

    def predict_locally(self, y: int, x: int, own: int, other: int, reach: int, k0: int, halves: int, falloff: float, every: int) -> int:
        own += 0 if self.before else 6

        def places():
            here = self.likeness(y, x)
            for row in range(max(y - reach, 0), y + 1):
                for column in range(max(x - reach, 0), min(x + reach, self.width - 1) + 1):
                    if (row, column) >= (y, x):
                        return
                    s = int(np.abs(self.likeness(row, column) - here).sum()) % 65536
                    yield (
                        row - y,
                        column - x,
                        min(s, 4095) / 2 + k0,
                        self.local_features(row, column, own, other),
                        self.targets[row, column],
                    )

        base = self.features_at(y, x)[0]
        here, settings = self.local_features(y, x, own, other), (own, other)
        if x % every == 0:
            self.solutions[settings] = local(places(), len(here), k0, halves, falloff)
        solution = self.solutions[settings]
        if solution is None:
            return self.bound(32 * base)
        value = in_lanes(solution, here) / F32(2.0**-self.deep) + F32(0.5) * F32(base)
        return self.bound(math.floor(value * F32(64) + F32(0.5)))

    def bound(self, mu: int) -> int:
        return clip(mu, 64 * self.low, 64 * self.high)

    def recursive_features(self, y: int, x: int, own: int, other: int) -> np.ndarray:
        own = min(own + (0 if self.before else 6), 30)
        _, mine, others = self.features_at(y, x)
        return self.scaled([v for each in others for v in each[:other]] + mine[:own], F64)

    def cheap(self, y: int, x: int) -> list[int]:
        def s(dy: int, dx: int) -> int:
            return self.at(y + dy, x + dx)

        w, n, nw, ne, ww, nn, nne, nee = s(0, -1), s(-1, 0), s(-1, -1), s(-1, 1), s(0, -2), s(-2, 0), s(-2, 1), s(-1, 2)
        nww, nnww, nnee, www, nnn = s(-1, -2), s(-2, -2), s(-2, 2), s(0, -3), s(-3, 0)
        found = {
            6: 64 * w, 7: 64 * n, 8: 64 * ne, 9: 64 * (3 * w - 3 * ww + www), 10: 64 * (3 * n - 3 * nn + nnn),
            11: 64 * sorted((w, n, w + n - nw))[1], 12: 64 * (2 * nw - nnww), 13: 64 * (2 * ne - nnee), 14: 64 * (w + nw - nww),
            15: 64 * (n + nw - s(-2, -1)),
        }  # fmt: skip
        if not self.before:
            found |= {
                0: 64 * (w + n - nw), 1: 64 * (n + ne - nne), 2: 64 * (w + ne - n), 3: 64 * (2 * n - nn), 4: 64 * (2 * w - ww),
                5: 32 * (w + nee), 16: 32 * (n + w), 17: 32 * (n + ne), 18: 64 * nw, 19: 16 * (w + n + nw + ne),
                20: 64 * w + 32 * (ne - nw), 21: 64 * n + 32 * (w - nw), 22: 64 * nn, 23: 64 * ww,
            }  # fmt: skip
        else:
            c = self.p(y, x)

            def d(dy: int, dx: int) -> int:
                return c - self.p(y + dy, x + dx)

            dw, dn, dnw, dne, dnn, dww = d(0, -1), d(-1, 0), d(-1, -1), d(-1, 1), d(-2, 0), d(0, -2)
            third = w + n - nw + dw + dn - dnw
            found |= {
                0: 32 * (w + dw + n + dn), 1: 64 * (n + dn), 2: 64 * (w + dw), 3: 64 * third, 4: 64 * (ne + dne), 5: 64 * (w + n - nw),
                16: 64 * c, 17: 64 * sorted((w + dw, n + dn, third))[1], 18: 64 * (nw + dnw), 19: 64 * (2 * n - nn + 2 * dn - dnn),
                20: 64 * (2 * w - ww + 2 * dw - dww), 21: 64 * (w + ne - n + dw + dne - dn),
                22: 16 * (w + dw + n + dn + nw + dnw + ne + dne), 23: 32 * (w + n + quotient(dw + dn, 2)),
            }  # fmt: skip
        if self.profile in (3, 4, 7, 8):
            e = 4 * ne - nne - n - nee
            found |= {
                24: 64 * (2 * n - nn), 25: 64 * (2 * w - ww), 26: 64 * (4 * n - nn - nw - ne), 27: 64 * (4 * nw - nnww - nn - ww),
                28: 32 * (w + 2 * ne - nne), 29: 21 * (w + n + e), 30: 32 * (4 * n - s(-2, -1) - nne), 31: 64 * e,
            }  # fmt: skip
        return [self.bound(found[i]) for i in range(len(found))]

    def p(self, y: int, x: int) -> int:
        return self.before[0].at(y, x)

    def g(self, y: int, x: int) -> int:
        return self.before[1].at(y, x)

    def step(self, message: Message, y: int, x: int) -> None:
        if self.low == self.high:
            self.samples[y, x] = self.low
            self.known += 1
            return
        for solver, (_, _, _, every) in zip(self.solvers, self.recursive, strict=True):
            if (x + y) % every == 0:
                solver.solve()
        base, own, _ = self.features_at(y, x)
        mus = [self.predict_locally(y, x, *settings) for settings in self.local]
        rows = [self.recursive_features(y, x, own_count, other) for own_count, other, _, _ in self.recursive]
        for solver, f in zip(self.solvers, rows, strict=True):
            value = solver.predict(f) / 2.0**-self.deep + 0.5 * base
            mus.append(self.bound(math.floor(value * 64 + 0.5)))
        mus += self.cheap(y, x)
        sample = _Sample(self, y, x, mus)
        v, cost = self.engine.decode(message, sample.question)
        self.samples[y, x] = v
        self.known += 1
        [self.targets[y, x]] = self.scaled([2 * v - base], F32)
        self.errors[y, x] = [abs(64 * v - mu) for mu in mus]
        self.base_errors[y, x] = abs(64 * v - sample.mb)
        self.costs[y, x] = cost
        self.bests[y, x] = sample.best
        sample.learn(v)
        e = sum(abs(f) for f in own[:4]) / 8 * 2.0**-self.deep
        [target] = self.scaled([2 * v - base], F64)
        for solver, f in zip(self.solvers, rows, strict=True):
            solver.learn(f, target, F64(1 / (e * e + 1)))

    def end_row(self) -> None:
        self.factors.end_row()

    def error(self, y: int, x: int, i: int) -> int:
        return self.errors[y, x][i] if (y, x) in self.errors else 0


class _Sample:
    """12.5, 12.6's contexts, 12.7 and 12.8 at one sample."""

    def __init__(self, plane: Plane, y: int, x: int, mus: list[int]) -> None:
        self.plane, self.y, self.x = plane, y, x
        low, high, deep = plane.low, plane.high, plane.deep

        def s(dy: int, dx: int) -> int:
            return plane.at(y + dy, x + dx)

        w, n, nw, ne, ww, nn = s(0, -1), s(-1, 0), s(-1, -1), s(-1, 1), s(0, -2), s(-2, 0)
        local_errors, phase_errors = [], []
        for i in range(len(mus)):

            def e(dy: int, dx: int, i: int = i) -> int:
                return plane.error(y + dy, x + dx, i)

            local_errors.append(2 * e(0, -1) + 2 * e(-1, 0) + e(-1, -1) + e(-1, 1) + e(0, -2) + e(-2, 0))
            phase_errors.append(e(0, -2) + e(-2, 0) + e(-2, -2) + e(-2, 2))
        self.best = best = local_errors.index(min(local_errors))
        by_phase = phase_errors.index(min(phase_errors))
        total, weighted = 0, 0
        for q, mu in list(zip(local_errors, mus, strict=True))[: plane.num_regressions + 6]:
            t = min((q >> deep) + 64, 32768)
            weight = 2**28 // (t * t >> 8)
            total, weighted = total + weight, weighted + weight * mu
        m = (weighted + total // 2) // total

        def be(dy: int, dx: int) -> int:
            return plane.base_errors.get((y + dy, x + dx), 0)

        en = ((2 * be(0, -1) + 2 * be(-1, 0) + be(-1, -1) + be(-1, 1) + be(0, -2) + be(-2, 0)) + 19) * 31 >> 8
        ecr = 0
        if plane.before:
            fe = plane.before[0].base_errors
            near = (fe.get((y + dy, x + dx), 0) for dy, dx in ((0, -1), (0, 1), (-1, 0), (1, 0)))
            ecr = (2 * fe.get((y, x), 0) + sum(near)) // 6
        sp = max(abs(mu - m) for mu in mus[: plane.num_regressions])
        grad = abs(w - nw) + abs(n - nw) + abs(n - ne)
        kq = level(en)
        k2 = min(kq // 2, 15)
        ksp = clip(((l16((sp >> deep) + 6) - 96) * 3 >> 5) + 4, 0, 7)
        kg = min(floor_log2((grad >> deep) + 1), 7)
        k3 = clip(((l16(ecr + 19) - l16(en + 19)) * 3 >> 5) + 3, 0, 5) if plane.before else min(kg, 5)
        ke = clip((l16((ecr >> deep) + 6) - 72) >> 4, 0, 2)
        self.bias = plane.biases.setdefault(k2 * 8 + (64 * n > m) + 2 * (64 * w > m) + 4 * (64 * ne > m), [0, 0])
        self.m = m
        self.mb = mb = plane.bound(m + quotient(self.bias[0], self.bias[1] + 4))
        mr = (mb + 32) >> 6
        phase = 2 * (y & 1) + (x & 1)
        around = sum(be(-dy, dx) * (64 // (dy * dy + dx * dx)) for dy in range(4) for dx in range(-3, 4) if dy > 0 or dx < 0)
        self._find_repeat(w, n, nw, ne, nn, ww)
        repeat = mb if self.place is None else 64 * int(plane.samples[self.place])
        run = plane.run
        repeat_class = 31 if self.place is None else run if run < 16 else min(16 + floor_log2(run - 15), 30)
        experts = [
            (mb, (level((7 * en + 3 * (sp + 64 * grad // 10)) // 10), k3)),
            (mb, (ksp, kg, ke)),
            (mb, (k2, (m - 64 * low) * 8 // (64 * (high - low + 1)))),
            (m, (kq, k3)),
            *((mu, level(q >> 3)) for mu, q in zip(mus, local_errors, strict=True)),
            (mus[0], (level(around >> 9), k3)),
            (mus[by_phase], (phase, level(phase_errors[by_phase] >> 2))),
            (mus[best], (phase, level(local_errors[best] >> 3))),
            (repeat, repeat_class),
        ]

        def spent(dy: int, dx: int) -> int:
            return plane.costs.get((y + dy, x + dx), 0)

        cost = 2 * spent(0, -1) + 2 * spent(-1, 0) + spent(-1, -1) + spent(-1, 1)
        cost_class = clip((l16((cost >> 8) + 1) - 96) >> 2, 0, 15)

        def top(v: int) -> int:
            return v >> max(plane.bits - 4, 0)

        if not plane.before:
            tops, signs = (top(w - low), top(n - low)), (w, n, nw, ne, ww, nn)
        else:
            c = plane.p(y, x)
            first = plane.before[0]
            second = top(plane.g(y, x) - plane.before[1].low) if len(plane.before) > 1 else top(w - low)
            tops = top(c - first.low), second
            signs = (w, n, nw, ne, w + c - plane.p(y, x - 1), n + c - plane.p(y - 1, x))
        bests = plane.bests.get((y, x - 1), 0), plane.bests.get((y - 1, x), 0)

        def early(dd: int) -> list:
            return [(kq, dd), (ksp, kg, dd), (level(ecr), k3), (cost_class, dd), bests, tops, (phase, dd)]

        self.question = Question(
            low=low,
            high=high,
            experts=experts,
            make_laws=self._make_laws,
            contexts=self._contexts(mus[0], mr, kq, ksp, kg),
            early=early,
            signs=signs,
            best=best,
            kq=kq,
            corrections=((kq, ksp), kg),
        )

    def _contexts(self, mu: int, mr: int, kq: int, ksp: int, kg: int) -> list[tuple[int, int]]:
        plane, y, x = self.plane, self.y, self.x

        def s(dy: int, dx: int) -> int:
            return plane.at(y + dy, x + dx)

        w, n, nw, ne, ww, nn, nee, nnn = s(0, -1), s(-1, 0), s(-1, -1), s(-1, 1), s(0, -2), s(-2, 0), s(-1, 2), s(-3, 0)
        near = w - mr, n - mr, ne - mr, nw - mr
        found: list[tuple[int, list[int]]] = [
            (0, [w, n]), (0, [w, n, ne, nw]), (0, [mr, kq // 4]), (0, [n, nn, ne]), (0, [w]), (0, [n]), (0, [mr, ne]),
            (0, [w, n, ne, nw, ww, nn]), (0, [v >> 3 for v in (w, n, ne, nw, ww, nn, nee)]), (mr, [kq, ksp, kg]),
            (mr, [v >> 1 for v in near]),
            (mr, [*(quotient(v, 3) for v in near), quotient(nn - mr, 4), quotient(ww - mr, 4)]), (mr, [w - mr, n - mr]),
            (n, [w - n, n - nw, n - ne]), (n, [w - nw, ne - n]), (w, [n - nw, w - nw]),
        ]  # fmt: skip
        if not plane.before:
            at, half = (mu + 32) >> 6, mu >> 5
            found += [
                (0, [w, ww]), (0, [n, ne]), (0, [mr, w]), (0, [mr, n]), (0, [half]), (0, [w + n - nw]), (0, [w, ne]), (0, [nw, ne]),
                (0, [nn, nnn]), (at, [w - at, n - at, ne - at]), (at, [kq, half & 1, (w > at) + 2 * (n > at) + 4 * (ne > at)]),
                (w, [w - ww, n - nw]), (n, [n - nn, w - nw]), (mr, [mr - n, mr - w, ne - n]),
            ]  # fmt: skip
        else:
            c, cw, cn, ce, cs = (plane.p(y + dy, x + dx) for dy, dx in ((0, 0), (0, -1), (-1, 0), (0, 1), (1, 0)))
            c2, gw = (plane.g(y, x), plane.g(y, x - 1)) if len(plane.before) > 1 else (c, cw)
            found += [
                (0, [c, c2]), (0, [c, w]), (0, [c, c2, w]), (0, [c, c2, n]), (0, [c, c2, mr]), (w, [w, c - cw]), (n, [n, c - cn]),
                (0, [c, mr]), (c, [c - c2]), (c, [c - c2, mr - c]), (c, [w - cw, n - cn]), (c, [c - cw, c - cn, c - ce, c - cs]),
                (c, [c - c2, w - cw, cw - gw]), (mr, [quotient(ce - c, 2), quotient(cs - c, 2), kq // 4]),
            ]  # fmt: skip
        size = 10
        while size < 17 and plane.width * plane.height >> size > 1:
            size += 1
        slots = []
        for number, (reference, values) in enumerate(found):
            h = (number + 1) * 0x85EBCA6B % 2**32
            for v in values:
                h = mix(h, v % 2**32)
            slots.append((reference, h * 0xC2B2AE35 % 2**32 >> (32 - size)))
        return slots

    def _find_repeat(self, w: int, n: int, nw: int, ne: int, nn: int, ww: int) -> None:
        plane, y, x = self.plane, self.y, self.x
        h = w
        last = (plane.p(y, x), plane.p(y, x + 1)) if plane.before else (ww, nn)
        for v in (n, nw, ne, *last):
            h = mix(h, v)
        self.hash = h * 0x85EBCA6B % 2**32 >> 16
        if plane.run > 0 and x > 0 and plane.place[1] + 1 < plane.width:
            plane.place = plane.place[0], plane.place[1] + 1
        else:
            plane.run = 0
            plane.place = plane.repeats.get(self.hash)
        self.place = plane.place

    def _make_laws(self, base: Normal) -> tuple[list[Law], int]:
        plane = self.plane
        if not plane.narrow:
            self.rows: list[tuple[object, int]] = []
            return [], 0
        first = (self.mb >> 6) - 32
        if not plane.before:
            self.rows = [(0, -plane.low), (plane.at(self.y, self.x - 1), 0)]
        else:
            c = plane.p(self.y, self.x)
            if len(plane.before) == 1:
                self.rows = [(c, 0), (0, 256 - c)]
            else:
                c2 = plane.g(self.y, self.x)
                self.rows = [((c, c2), 0), (256 + c2 - c, 256 - c)]
        found = [boxes(counts.row(name), first, shift) for counts, (name, shift) in zip(plane.laws, self.rows, strict=True)]
        known = [min(floor_log2(one[32][1] + 1), 15) for one in found]
        laws = [counted_law(base, first, one) for one in found]
        if len(plane.before) > 1:
            self.kinds = law2_kinds(first, *found, lambda v: reaches(plane.matrix, c, c2, v))
            laws.append(plane.factors.law(base, first, self.kinds))
            self.law2 = laws[-1]
        return laws, 16 * known[0] + known[1]

    def learn(self, v: int) -> None:
        plane = self.plane
        self.bias[0] += 64 * v - self.m
        self.bias[1] += 1
        if self.bias[1] > 200:
            self.bias[:] = quotient(self.bias[0], 2), self.bias[1] // 2
        hit = self.place is not None and int(plane.samples[self.place]) == v
        plane.run = min(plane.run + 1, 2**20) if hit else 0
        plane.repeats[self.hash] = self.y, self.x
        for counts, (name, shift) in zip(plane.laws, self.rows, strict=False):
            counts.add(name, v + shift)
        if plane.narrow and len(plane.before) > 1:
            plane.factors.learn(self.law2, self.kinds, v)
