"""One plane in raster order: predictions and contexts from what is known: mirrors ``src/mixing/raster.h``.

Integers, and least squares in IEEE arithmetic (``regression.py``). This file reaches the bit stream.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import NDArray

from hvpzip.core.reference.mixing.engine import Code, Engine, Site
from hvpzip.core.reference.mixing.laws import ColourSet, Row
from hvpzip.core.reference.mixing.numbers import clip, cut, hashed, level, log16, slot_of
from hvpzip.core.reference.mixing.regression import Local, Recursive, rounded

__all__ = ["PROFILES", "Raster"]

PAD = 8
# fmt: off
OWN = ((-1, 0), (0, -1), (-1, -1), (-1, 1), (-2, 0), (0, -2), (-2, -1), (-2, 1), (-1, -2), (-1, 2), (-2, -2), (-2, 2), (-3, 0), (0, -3),
       (-3, -1), (-3, 1), (-1, -3), (-1, 3), (-3, -2), (-3, 2), (-2, -3), (-2, 3), (-4, 0), (0, -4), (-4, -1), (-4, 1), (-1, -4), (-1, 4),
       (-3, -3), (-3, 3))
OTHER = ((0, 0), (0, -1), (-1, 0), (0, 1), (1, 0), (-1, -1), (-1, 1), (1, -1), (1, 1))
# fmt: on
CHEAP, IMPLIED = 24, 8
# (own, other, reach, k0, half_powers, falloff, every) of local, (own, other, fade, every) of recursive regressions
_QUICK = ([(6, 3, 6, 5.0, 3, 0.03, 1)], [(16, 5, 0.9995, 8)])


def _strong(every: int) -> tuple[list[tuple[int, int, int, float, int, float, int]], list[tuple[int, int, float, int]]]:
    local = [(8, 3, 8, 5.0, 3, 0.03, 1), (10, 7, 7, 6.0, 2, 0.05, every), (18, 9, 8, 4.0, 4, 0.03, every)]
    return local, [(24, 7, 0.9995, 4), (24, 7, 0.996, 4)]


# ... and how many predictors there are besides them: 3 and 4 are 1 and 2 with what averages imply. In 5 to 8 each plane has a message of
# its own, and equations are solved less often.
PROFILES = {
    number: (*(_QUICK if number % 2 else _strong(2 if number > 4 else 1)), CHEAP + (IMPLIED if (number - 1) & 2 else 0))
    for number in range(1, 9)
}
Place = tuple[int, int]


def _median(*values: int) -> int:
    return sorted(values)[1]


class Raster:
    """State of one plane; ``before`` are the planes before it, the nearest first, two at most."""

    def __init__(
        self, shape: Place, low: int, high: int, before: list[Raster], bits: int, wide: bool, profile: int, reached: ColourSet | None
    ):
        self.height, self.width = shape
        self.low, self.high, self.before, self.bits, self.deep = low, high, before, bits, max(bits - 8, 0)
        self.reached, self.wide = reached, wide
        self.data: NDArray[np.int64] = np.zeros((self.height + 2 * PAD, self.width + 2 * PAD), np.int64)
        self.data[:PAD] = (low + high + 1) // 2
        self.data[PAD, :PAD] = (low + high + 1) // 2
        locals_, recursives, self.cheap = PROFILES[profile]
        more, planes = 6 * (not before), len(before)
        self.locals = []
        for own, other, reach, k0, half_powers, falloff, every in locals_:
            features = own + more + other * planes
            local = Local(reach, k0, half_powers, falloff, every, self.height, self.width, features, self.deep)
            self.locals.append((own + more, other, local))
        self.recursives = [
            (min(own + more, 30), other, Recursive(fade, every, min(own + more, 30) + other * planes))
            for own, other, fade, every in recursives
        ]
        self.squares = len(self.locals) + len(self.recursives)
        self.predictors = self.squares + self.cheap
        self.errors: dict[Place, list[int]] = {}
        self.blend_errors: dict[Place, int] = defaultdict(int)
        self.like: dict[Place, list[int]] = {}
        self.costs: dict[Place, int] = defaultdict(int)
        self.bests: dict[Place, int] = defaultdict(int)
        self.bias: dict[int, list[int]] = defaultdict(lambda: [0, 0])
        self.rows: list[dict[int, Row]] = [defaultdict(Row), defaultdict(Row)]
        self.repeats: dict[int, int] = {}
        self.repeat, self.run = -1, 0
        self.engine = Engine(4 + self.predictors + 4, 30, 0 if wide else 2 + (planes == 2), not wide and planes == 2, wide)
        self.log2_slots = 10
        while self.log2_slots < 17 and self.width * self.height >> self.log2_slots > 1:
            self.log2_slots += 1

    def at(self, y: int, x: int) -> int:
        return int(self.data[y + PAD, x + PAD])

    def _near(self, y: int, x: int) -> Callable[[int, int], int]:
        def sample(dy: int, dx: int) -> int:
            return self.at(y + dy, x + dx)

        return sample

    def put(self, y: int, x: int, value: int) -> None:
        self.data[y + PAD, x + PAD] = value
        if y == 0:
            self.data[:PAD, x + PAD : x + 2 * PAD + 1] = value
        if x == self.width - 1:
            self.data[y + PAD, self.width + PAD :] = value
            if y + 1 < self.height:
                self.data[y + 1 + PAD, :PAD] = self.at(y, 0)
            else:
                self.data[self.height + PAD :] = self.data[y + PAD]

    def code_row(self, y: int, code: Code, known: list[int] | None) -> None:
        for x in range(self.width):
            self._code(y, x, code, 0 if known is None else known[x])
        self.engine.end_row()

    def _code(self, y: int, x: int, code: Code, value: int) -> None:
        s = self._near(y, x)
        low64, high64 = 64 * self.low, 64 * self.high
        W, N, NW, NE, WW, NN = s(0, -1), s(-1, 0), s(-1, -1), s(-1, 1), s(0, -2), s(-2, 0)
        base = W + N
        own = [2 * s(*o) - base for o in OWN]
        other = []
        for plane in self.before:
            half = plane.at(y, x - 1) + plane.at(y - 1, x)
            other.append([2 * plane.at(y + dy, x + dx) - half for dy, dx in OTHER])
        means = self._regressions(y, x, own, other, base, low64, high64) + [clip(q, low64, high64) for q in self._cheap(y, x)]
        q, best, phase_best, phase_error = self._errors(y, x)
        blended = self.squares + 6
        weights = [(1 << 28) // (min((e >> self.deep) + 64, 32768) ** 2 >> 8) for e in q[:blended]]
        total = sum(weights)
        m = (sum(w * mu for w, mu in zip(weights, means, strict=False)) + total // 2) // total

        be = self.blend_errors
        past = 2 * (be[y, x - 1] + be[y - 1, x]) + be[y - 1, x - 1] + be[y - 1, x + 1] + be[y, x - 2] + be[y - 2, x]
        en, ecr = (past + 19) * 31 >> 8, 0
        if self.before:
            fe = self.before[0].blend_errors
            ecr = (2 * fe[y, x] + fe[y, x - 1] + fe[y, x + 1] + fe[y - 1, x] + fe[y + 1, x]) // 6
        sp = max(abs(mu - m) for mu in means[: self.squares])
        grad = abs(W - NW) + abs(N - NW) + abs(N - NE)
        kq = level(en)
        k2 = min(kq // 2, 15)
        ksp = clip(((log16((sp >> self.deep) + 6) - 96) * 3 >> 5) + 4, 0, 7)
        kg = min(((grad >> self.deep) + 1).bit_length() - 1, 7)
        k3 = clip(((log16(ecr + 19) - log16(en + 19)) * 3 >> 5) + 3, 0, 5) if self.before else min(kg, 5)
        ke = clip(log16((ecr >> self.deep) + 6) - 72 >> 4, 0, 2)
        bias = self.bias[k2 * 8 + (m < 64 * N) + 2 * (m < 64 * W) + 4 * (m < 64 * NE)]
        mb = clip(m + cut(bias[0], bias[1] + 4), low64, high64)
        phase = 2 * (y & 1) + (x & 1)
        repeated = self._repeated(y, x, [W, N, NW, NE, WW, NN])
        run = 31 if repeated is None else self.run if self.run < 16 else min(16 + (self.run - 15).bit_length() - 1, 30)
        window = sum(be[y - dy, x + dx] * (64 // (dy * dy + dx * dx)) for dy in range(4) for dx in range(-3, 4) if dy or dx < 0)
        experts = [mb, mb, mb, m, *means, means[0], means[phase_best], means[best], mb if repeated is None else 64 * repeated]
        scales: list[tuple[int, ...]] = [
            (-1, level((7 * en + 3 * (sp + 64 * grad // 10)) // 10), k3),
            (-2, ksp, kg, ke),
            (-3, k2, (m - low64) * 8 // (high64 - low64 + 64)),
            (-4, kq, k3),
            *((i, level(e >> 3)) for i, e in enumerate(q)),
            (-5, level(window >> 9), k3),
            (-6, phase, level(phase_error >> 2)),
            (-7, phase, level(q[best] >> 3)),
            (-8, run),
        ]
        costs = self.costs
        spent = 2 * (costs[y, x - 1] + costs[y - 1, x]) + costs[y - 1, x - 1] + costs[y - 1, x + 1]
        drop = max(self.bits - 4, 0)
        signs, tops = [W, N, NW, NE, WW, NN], (W - self.low >> drop, N - self.low >> drop)
        rows: list[Row] = []
        offsets: list[int] = []
        reaches = None
        if self.before:
            first = self.before[0]
            c = first.at(y, x)
            signs[4:] = [W + c - first.at(y, x - 1), N + c - first.at(y - 1, x)]
            second = self.before[1] if len(self.before) > 1 else None
            c2 = second.at(y, x) if second else 0
            tops = c - first.low >> drop, c2 - second.low >> drop if second else W - self.low >> drop
            rows, offsets = [self.rows[0][c * 256 + c2], self.rows[1][c2 - c if second else 0]], [-self.low, 256 - c]
            if self.reached is not None:
                reaches = partial(self.reached.has, c, c2)
        else:
            rows, offsets = [self.rows[0][0], self.rows[1][W]], [-self.low, -self.low]
        if self.wide:
            rows, offsets = [], []
        slots, references = self._contexts(y, x, mb + 32 >> 6, kq, ksp, kg, means[0])
        select: list[tuple[int, ...]] = [
            (kq,),
            (ksp, kg),
            (level(ecr), k3),
            (clip(log16((spent >> 8) + 1) - 96 >> 2, 0, 15),),
            (self.bests[y, x - 1], self.bests[y - 1, x]),
            tops,
            (phase,),
        ]
        by_depth = (True, True, False, True, False, False, True)
        correct = kq * 8 + ksp, kg
        ends = self.low, self.high + 1
        site = Site(*ends, experts, scales, signs, best, select, by_depth, correct, kq, references, slots, rows, offsets, reaches)
        value = self.engine.code(site, code, value)
        self.put(y, x, value)
        self.errors[y, x] = [abs(64 * value - mu) for mu in means]
        be[y, x] = abs(64 * value - mb)
        bias[0] += 64 * value - m
        bias[1] += 1
        if bias[1] > 200:
            bias[:] = cut(bias[0], 2), bias[1] // 2
        for _, _, local in self.locals:
            local.learn(y, x, 2 * value - base)
        for _, _, recursive in self.recursives:
            recursive.row[-1] = (2 * value - base) * (0.5 / (1 << self.deep))
            recursive.learn(recursive.row, self.weight)
        for row, offset in zip(rows, offsets, strict=True):
            row.add(value + offset)
        self.run = min(self.run + 1, 1 << 20) if repeated == value else 0
        self.repeats[self.repeat_slot] = y * self.width + x
        self.costs[y, x], self.bests[y, x] = self.engine.cost, best

    def _regressions(self, y: int, x: int, own: list[int], other: list[list[int]], base: int, low: int, high: int) -> list[int]:
        like = [v >> self.deep for features in other for v in features[:3]] + [v >> self.deep for v in own[:6]]
        self.like[y, x] = like
        likeness = {
            (yy, xx): sum(abs(a - b) for a, b in zip(self.like[yy, xx], like, strict=True))
            for yy in range(max(y - 8, 0), y + 1)
            for xx in range(max(x - 8, 0), min(x + 8, self.width - 1 if yy < y else x) + 1)
        }
        found = []
        for n, others, local in self.locals:
            features = [v for plane in other for v in plane[:3]] + own[:6] + [v for plane in other for v in plane[3:others]] + own[6:n]
            found.append(local.predict(y, x, features, base, likeness, low, high))
        shrink = 1.0 / (1 << self.deep)
        error = sum(abs(v) for v in own[:4]) / 8.0 * shrink
        self.weight = 1.0 / (error * error + 1.0)
        for n, others, recursive in self.recursives:
            values = [v for plane in other for v in plane[:others]] + own[:n]
            recursive.row[:-1] = np.array(values, np.float64) * (0.5 * shrink)
            if (x + y) % recursive.every == 0:
                recursive.solve()
            found.append(rounded(recursive.predict(recursive.row[:-1]) / shrink + 0.5 * base, low, high))
        return found

    def _cheap(self, y: int, x: int) -> list[int]:
        s = self._near(y, x)
        W, N, NW, NE, WW, NN, NNE, NEE = s(0, -1), s(-1, 0), s(-1, -1), s(-1, 1), s(0, -2), s(-2, 0), s(-2, 1), s(-1, 2)
        NWW, NNW, WWW, NNN = s(-1, -2), s(-2, -1), s(0, -3), s(-3, 0)
        both = [W, N, NE, 3 * W - 3 * WW + WWW, 3 * N - 3 * NN + NNN, _median(W, N, W + N - NW)]
        both += [2 * NW - s(-2, -2), 2 * NE - s(-2, 2), W + NW - NWW, N + NW - NNW]
        if not self.before:
            first = [64 * v for v in (W + N - NW, N + NE - NNE, W + NE - N, 2 * N - NN, 2 * W - WW)] + [32 * (W + NEE)]
            last = [32 * (N + W), 32 * (N + NE), 64 * NW, 16 * (W + N + NW + NE), 64 * W + 32 * (NE - NW), 64 * N + 32 * (W - NW)]
            return first + [64 * v for v in both] + last + [64 * NN, 64 * WW] + self._implied(y, x)
        p = self.before[0]
        c = p.at(y, x)
        dW, dN, dNW, dNE, dNN, dWW = (c - p.at(y + dy, x + dx) for dy, dx in ((0, -1), (-1, 0), (-1, -1), (-1, 1), (-2, 0), (0, -2)))
        plane = W + N - NW + dW + dN - dNW
        first = [32 * (W + dW + N + dN)] + [64 * v for v in (N + dN, W + dW, plane, NE + dNE, W + N - NW)]
        last = [64 * v for v in (c, _median(W + dW, N + dN, plane), NW + dNW, 2 * N - NN + 2 * dN - dNN, 2 * W - WW + 2 * dW - dWW)]
        last += [64 * (W + NE - N + dW + dNE - dN), 16 * (W + dW + N + dN + NW + dNW + NE + dNE), 32 * (W + N + cut(dW + dN, 2))]
        return first + [64 * v for v in both] + last + self._implied(y, x)

    def _implied(self, y: int, x: int) -> list[int]:
        """What follows if a sample above, or beside one above, is an average that this completes; averages of what follows so."""
        if self.cheap == CHEAP:
            return []
        s = self._near(y, x)
        W, N, NW, NE, WW, NN, NNE, NEE = s(0, -1), s(-1, 0), s(-1, -1), s(-1, 1), s(0, -2), s(-2, 0), s(-2, 1), s(-1, 2)
        east = 4 * NE - NNE - N - NEE
        found = [64 * v for v in (2 * N - NN, 2 * W - WW, 4 * N - NN - NW - NE, 4 * NW - s(-2, -2) - NN - WW)]
        return [*found, 32 * (W + 2 * NE - NNE), 21 * (W + N + east), 32 * (4 * N - s(-2, -1) - NNE), 64 * east]

    def _errors(self, y: int, x: int) -> tuple[list[int], int, int, int]:
        nothing = [0] * self.predictors

        def e(dy: int, dx: int) -> list[int]:
            return self.errors.get((y + dy, x + dx), nothing)

        sides = zip(e(0, -1), e(-1, 0), e(-1, -1), e(-1, 1), e(0, -2), e(-2, 0), strict=True)
        q = [2 * (w + n) + nw + ne + ww + nn for w, n, nw, ne, ww, nn in sides]
        by_phase = [sum(four) for four in zip(e(0, -2), e(-2, 0), e(-2, -2), e(-2, 2), strict=True)]
        phase_best = by_phase.index(min(by_phase))
        return q, q.index(min(q)), phase_best, by_phase[phase_best]

    def _repeated(self, y: int, x: int, near: list[int]) -> int | None:
        W, N, NW, NE, WW, NN = near
        p = self.before[0] if self.before else None
        last = [p.at(y, x), p.at(y, x + 1)] if p else [WW, NN]
        self.repeat_slot = (hashed(W, [N, NW, NE, *last]) * 0x85EBCA6B & 0xFFFFFFFF) >> 16
        if self.run > 0 and x > 0 and self.repeat % self.width != self.width - 1:
            self.repeat += 1
        else:
            self.repeat, self.run = self.repeats.get(self.repeat_slot, -1), 0
        return self.at(*divmod(self.repeat, self.width)) if self.repeat >= 0 else None

    def _contexts(self, y: int, x: int, mr: int, kq: int, ksp: int, kg: int, regression: int) -> tuple[list[Place], list[int]]:
        s = self._near(y, x)
        W, N, NW, NE, WW, NN, NEE, NNN = s(0, -1), s(-1, 0), s(-1, -1), s(-1, 1), s(0, -2), s(-2, 0), s(-1, 2), s(-3, 0)
        all_around = W, N, NE, NW, WW, NN
        found: list[tuple[int, tuple[int, ...]]] = [
            (0, (W, N)), (0, (W, N, NE, NW)), (0, (mr, kq // 4)), (0, (N, NN, NE)), (0, (W,)), (0, (N,)), (0, (mr, NE)), (0, all_around),
            (0, tuple(v >> 3 for v in (*all_around, NEE))), (mr, (kq, ksp, kg)), (mr, tuple(v - mr >> 1 for v in (W, N, NE, NW))),
            (mr, (*(cut(v - mr, 3) for v in (W, N, NE, NW)), cut(NN - mr, 4), cut(WW - mr, 4))), (mr, (W - mr, N - mr)),
            (N, (W - N, N - NW, N - NE)), (N, (W - NW, NE - N)), (W, (N - NW, W - NW)),
        ]  # fmt: skip
        if not self.before:
            near, half = regression + 32 >> 6, regression >> 5
            sides = (near < W) + 2 * (near < N) + 4 * (near < NE)
            found += [
                (0, (W, WW)), (0, (N, NE)), (0, (mr, W)), (0, (mr, N)), (0, (half,)), (0, (W + N - NW,)), (0, (W, NE)), (0, (NW, NE)),
                (0, (NN, NNN)), (near, (W - near, N - near, NE - near)), (near, (kq, half & 1, sides)), (W, (W - WW, N - NW)),
                (N, (N - NN, W - NW)), (mr, (mr - N, mr - W, NE - N)),
            ]  # fmt: skip
        else:
            p, g = self.before[0], self.before[-1]
            c, c2, cW, cN, cE, cS = p.at(y, x), g.at(y, x), p.at(y, x - 1), p.at(y - 1, x), p.at(y, x + 1), p.at(y + 1, x)
            dW, dN = c - cW, c - cN
            found += [
                (0, (c, c2)), (0, (c, W)), (0, (c, c2, W)), (0, (c, c2, N)), (0, (c, c2, mr)), (W, (W, dW)), (N, (N, dN)), (0, (c, mr)),
                (c, (c - c2,)), (c, (c - c2, mr - c)), (c, (W - cW, N - cN)), (c, (dW, dN, c - cE, c - cS)),
                (c, (c - c2, W - cW, cW - g.at(y, x - 1))), (mr, (cut(cE - c, 2), cut(cS - c, 2), kq // 4)),
            ]  # fmt: skip
        slots = [(n, slot_of(n, values, self.log2_slots)) for n, (_, values) in enumerate(found)]
        return slots, [reference for reference, _ in found]
