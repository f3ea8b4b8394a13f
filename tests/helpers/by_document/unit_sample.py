"""What is known before one sample of a unit, written from docs/format.md alone: sections 13.4 and 13.5."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.helpers.by_document.engine import (
    Law,
    Normal,
    Question,
    boxes,
    clip,
    counted_law,
    floor_log2,
    l16,
    law2_kinds,
    mix,
    quotient,
    reaches,
)
from tests.helpers.by_document.places import FIRST, NEAR, bound, l32

if TYPE_CHECKING:
    from tests.helpers.by_document.units import PlaneState


class Sample:
    """13.4 and 13.5 at one sample."""

    def __init__(self, plane: PlaneState, i: int, j: int, mus: list[int], mean: int, deviation: int) -> None:
        self.plane, self.i, self.j = plane, i, j
        unit, number = plane.unit_number, plane.number
        row, column = FIRST[plane.unit]
        self.y, self.x = 2 * i + row, 2 * j + column
        n = deviation
        local_errors = [plane.local_error(i, j, one) for one in range(24)]
        total = weighted = 0.0
        for error, mu in zip(local_errors[:11], mus, strict=False):
            w = 1 / ((error + 64.0) * (error + 64.0))
            total, weighted = total + w, weighted + w * mu
        self.blend = blend = int(weighted / total + 0.5)

        def miss(name: str, back: int = 0) -> int:
            dy, dx = NEAR[plane.unit][name]
            return plane.picture.miss(number - back, self.y + dy, self.x + dx)

        m = (2 * miss("W") + 2 * miss("N") + miss("NW") + miss("NE") + miss("WW") + miss("NN")) // 8
        if plane.unit == "hh":
            e = (5 * m + 3 * n) // 8
        else:
            sides = ("B1", "B2") if plane.unit == "hl" else ("A1", "A2")
            e = (3 * m + sum(miss(name) for name in sides) + 3 * n) // 8
        self.expected = e
        o = 0
        if number:
            o = (2 * miss("here", 1) + miss("W", 1) + miss("E", 1) + miss("N", 1) + miss("S", 1)) // 6
        s = max(abs(mu - blend) for mu in mus[:3])
        self.near = {name: plane.near(i, j, name) for name in ("A1", "A2", "B1", "B2", "W", "N", "M0", "M1", "M2", "M3")}
        a1, a2, b1, b2 = (self.near[name] for name in ("A1", "A2", "B1", "B2"))
        t = abs(a1 - a2) + abs(b1 - b2)
        kq, kn, kg = l32(e), l32(n), min(floor_log2(t + 1), 7)
        ks = clip(quotient(3 * (l16(s + 6) - 96), 32) + 4, 0, 7)
        k3 = clip((3 * (l16(o + 20) - l16(e + 20)) + 96) // 32, 0, 5) if number else min(kg, 5)
        above = tuple(one > blend for one in (64 * a1, 64 * a2, 64 * b1, mean))
        self.bias = plane.biases.setdefault((min(kq // 2, 15), above), [0, 0])
        self.mb = mb = bound(blend + quotient(self.bias[0], self.bias[1] + 4))
        second = (clip((l16(o + 6) - 72) // 16, 0, 3) if number else kn // 8,)
        experts = [
            (mb, (l32((45 * e + 19 * (s + 4 * t)) >> 6), k3)),
            (mb, (ks, kg, *second)),
            (mb, (min(kq // 2, 15), mb >> 11)),
            (mb, (kn, min(kq // 3, 11))),
            (blend, (kq, k3)),
            *((mu, (kn, kq) if k == 2 else l32(q >> 3)) for k, (mu, q) in enumerate(zip(mus, local_errors, strict=True))),
        ]

        def spent(row: int, column: int) -> int:
            return clip(floor_log2((plane.costs.get((row, column), 0) >> 12) + 1) - 1, 0, 7)

        bests = plane.bests.get((i, j - 1), 0), plane.bests.get((i - 1, j), 0)
        green, red = plane.near(i, j, "here", number), plane.near(i, j, "here", number - 1) if number else 0
        tops = (a1 >> 5, b1 >> 5) if number == 0 else (green >> 5, green >> 5) if number == 1 else (red >> 5, green >> 5)
        far = clip(quotient(3 * (l16(abs(mean - mb) + 6) - 96), 32) + 4, 0, 7)

        def early(dd: int) -> list:
            return [
                (kq, dd),
                (ks, kg, dd),
                bests,
                (l32(o), k3, unit),
                (spent(i, j - 1), spent(i - 1, j), unit),
                (tops, unit),
                (kn, far, dd),
            ]

        self.question = Question(
            low=0,
            high=255,
            experts=experts,
            make_laws=self._make_laws,
            contexts=self._contexts(mus, kq, kn, ks, kg),
            early=early,
            signs=(a1, a2, b1, b2, self.near["W"], self.near["N"]),
            best=local_errors.index(min(local_errors)),
            kq=kq,
            corrections=((kq, ks), kg),
        )

    def _contexts(self, mus: list[int], kq: int, kn: int, ks: int, kg: int) -> list[tuple[int, int]]:
        plane, i, j = self.plane, self.i, self.j
        a1, a2, b1, b2, w, n, m0, m1, m2, m3 = self.near.values()
        ne = plane.near(i, j, "NE")
        four = [a1, a2, b1, b2]
        m = (self.mb + 32) >> 6
        a, b = (a1 + a2) >> 1, (b1 + b2) >> 1

        def off(place: str, first: str, second: str) -> int:
            dy, dx = NEAR[plane.unit][place]
            ends = (NEAR[plane.unit][name] for name in (first, second))
            values = [plane.picture.at(plane.number, self.y + dy + ey, self.x + dx + ex) for ey, ex in ends]
            return self.near[place] - ((values[0] + values[1]) >> 1)

        found: list[tuple[int, list[int]]] = [
            (0, [a1, a2]), (0, [b1, b2]), (0, four), (0, [w, n]), (0, [m, kq // 4]), (0, [m, a1]), (0, [m, b1]),
            (0, [v >> 3 for v in [*four, w, n, ne]]), (m, [kq, ks, kg]), (m, [(v - m) >> 1 for v in four]),
            (m, [*(quotient(v - m, 3) for v in four), quotient(w - m, 4), quotient(n - m, 4)]), (m, [a1 - m, a2 - m]),
            (m, [b1 - m, b2 - m]),
            (a1, [a1 - a2, b1 - a1, b2 - a1]), (a, [plane.unit_number, kg // 2]), (b, [plane.unit_number, kg // 2]),
            (a1, [a1 - b1, w - a1]), (b1, [b1 - b2, n - b1]), (a, [off("W", "A1", "A2"), off("N", "A1", "A2")]),
            (b, [off("W", "B1", "B2"), off("N", "B1", "B2")]),
        ]  # fmt: skip
        if plane.number == 0:
            l0, l1, l2 = ((mu + 32) >> 6 for mu in mus[:3])
            found += [
                (0, [m, w]), (0, [m, n]), (0, [l0, l1]), (0, [l0, l2]), (0, [a1, b1]), (0, [a2, b2]), (m, [l2 - m, kn]), (0, [a1, w]),
                (0, [b1, n]), (0, [m, a2]), (0, [a1, b2, m]), (m, [m0 - m, m1 - m]), (m, [m2 - m, m3 - m]), (m, [l0 - m, l1 - m, l2 - m]),
                (0, [mus[0] >> 5]), (l1, [(mus[1] >> 4) & 3, kq]),
            ]  # fmt: skip
        else:

            def p(name: str) -> int:
                return plane.near(i, j, name, 1)

            c = p("here")
            c2, green_a1 = (plane.near(i, j, name, plane.number) for name in ("here", "A1"))

            def d(name: str) -> int:
                return self.near[name] - p(name)

            a_other, b_other = (p("A1") + p("A2")) >> 1, (p("B1") + p("B2")) >> 1
            found += [
                (0, [c, c2]), (0, [c, a1]), (0, [c, c2, a1]), (0, [c, c2, b1]), (0, [c, c2, m]), (0, [c, m]), (c, [c - c2]),
                (c, [c - c2, m - c]), (c, [d("A1"), d("A2")]), (c, [d("B1"), d("B2")]),
                (c, [d(name) >> 1 for name in ("A1", "A2", "B1", "B2")]), (c, [d("W"), d("N")]), (c, [c - c2, d("A1"), a1 - green_a1]),
                (a, [c - a_other, c - b_other]), (m, [quotient(p("E") - c, 2), quotient(p("S") - c, 2), kq // 4]),
                (b, [c - b_other, kg // 2]),
            ]  # fmt: skip
        size = 17 if plane.picture.height * plane.picture.width > 2**18 and plane.picture.profile < 4 else 16
        slots = []
        for number, (reference, values) in enumerate(found):
            h = (number + 1) * 0x85EBCA6B % 2**32
            for v in values:
                h = mix(h, v % 2**32)
            slots.append((reference, h * 0xC2B2AE35 % 2**32 >> (32 - size)))
        return slots

    def _make_laws(self, base: Normal) -> tuple[list[Law], int]:
        plane, picture = self.plane, self.plane.picture
        first = (self.mb >> 6) - 32
        self.rows = plane.rows_of(self.y, self.x, self.near["A1"])
        found = [boxes(counts.row(name), first, shift) for counts, (name, shift) in zip(plane.laws, self.rows, strict=True)]
        known = [min(floor_log2(one[32][1] + 1), 15) for one in found]
        laws = [counted_law(base, first, one) for one in found]
        self.kinds: list[int] | None = None
        if plane.number == 2:
            green, red = picture.values[:2, self.y, self.x].tolist()
            self.kinds = law2_kinds(first, *found, lambda v: reaches(picture.matrix, red, green, v))
            self.learnt = plane.factors
        elif plane.number == 1 and picture.profile > 1:
            self.kinds = self._red_kinds(first)
            self.learnt = plane.red_factors
        if self.kinds is not None:
            laws.append(self.learnt.law(base, first, self.kinds))
            self.factor_law = laws[-1]
        return laws, 16 * known[0] + known[1]

    def _red_kinds(self, first: int) -> list[int]:
        """13.5."""
        plane, picture = self.plane, self.plane.picture
        green = int(picture.values[0, self.y, self.x])
        index = self.i * plane.columns + self.j
        _, error = plane.told.of(2, index, [green, 0])
        h = [min((error * f + 2048) >> 12, 31) for f in (58, 125, 240)]
        w = min(floor_log2(error // 8 + 1), 7)
        u = 0
        for name in ("A1", "A2", "B1", "B2"):
            dy, dx = NEAR[plane.unit][name]
            u += picture.at(2, self.y + dy, self.x + dx) - picture.at(1, self.y + dy, self.x + dx)
        kinds = []
        for r in range(first, first + 64):
            if not 0 <= r <= 255:
                kinds.append(32 * w)
                continue
            mean, _ = plane.told.of(2, index, [green, r])
            beta = clip((mean + 64 * r + 16 * u + 64) >> 7, 0, 255)
            q = 0
            if picture.matrix:
                for one in h:
                    q += 340 // (2 * one + 1) * sum(reaches(picture.matrix, r, green, v) for v in range(beta - one, beta + one + 1))
            s = sum((r, green, v) in picture.seen for v in range(beta - h[1], beta + h[1] + 1))
            level = min(1 + q // 33, 31) if q else 0
            kinds.append(256 * min(s, 2) + 32 * w + level)
        return kinds

    def learn(self, v: int) -> None:
        self.bias[0] += 64 * v - self.blend
        self.bias[1] += 1
        if self.bias[1] > 200:
            self.bias[:] = quotient(self.bias[0], 2), self.bias[1] // 2
        for counts, (name, shift) in zip(self.plane.laws, self.rows, strict=True):
            counts.add(name, v + shift)
        if self.kinds is not None:
            self.learnt.learn(self.factor_law, self.kinds, v)
