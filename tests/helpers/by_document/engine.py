"""Decisions and their probabilities, written from docs/format.md alone: sections 12.1, 12.2, 12.6 and 12.8, as sections 12 and 13 use them.

Slow and plain on purpose. Nothing of hvpzip is imported: what these modules know, the document says.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass

import numpy as np

ONE = 1048576
NEWEST_FIRST = (64, 54, 46, 39, 33, 28, 24)
NUM_SETS = 14
MATRICES = {
    1: (65536, 91881, 22554, 46802, 116130, 32768, 32768, 32768),
    2: (76309, 104597, 25675, 53279, 132201, 32768, 32768, 32768),
    3: (65536, 103206, 12276, 30679, 121609, 32768, 32768, 32768),
    4: (76309, 117489, 13975, 34925, 138438, 32768, 32768, 32768),
    **{5 + k: (89024, 119374, 28198, 60761, 145352, 0, 8192 * k, 0) for k in range(8)},
}


def clip(v: int, a: int, b: int) -> int:
    return min(max(v, a), b)


def quotient(a: int, b: int) -> int:
    """a / b towards zero."""
    return a // b if (a < 0) == (b < 0) else -(-a // b)


def floor_log2(v: int) -> int:
    return v.bit_length() - 1


def l16(x: int) -> int:
    e = floor_log2(x)
    return 16 * e + ((x << 4 >> e) & 15)


def _mantissas() -> list[int]:
    found = []
    for i in range(1024):
        u = (i / 1024) / (2 + i / 1024)
        square, power, s = u * u, u, 0.0
        for k in range(1, 34, 2):
            s += power / k
            power *= square
        found.append(int(65536 * (2 * s) + 0.5))
    return found


M = _mantissas()


def lg(x: int) -> int:
    e = floor_log2(x)
    return 45426 * e + M[(x << 10 >> e) & 1023]


def _sigma_table() -> list[int]:
    term, step = 1.0, 1.0
    for k in range(1, 13):
        term = term / (64 * k)
        step += term
    table, power = [0] * 1537, 1.0
    for i in range(769):
        table[768 + i] = int(1048576 * power / (1 + power) + 0.5)
        table[768 - i] = ONE - table[768 + i]
        power *= step
    return table


T = _sigma_table()


def sigma(z: int) -> int:
    q = z + 49152
    i = q >> 6
    return T[i] + ((T[i + 1] - T[i]) * (q & 63) >> 6)


def _widths() -> list[int]:
    found = []
    for c in range(448):
        b = (16 + c % 16) << (c // 16)
        m = (b + (b >> 5)) >> 4
        found.append((max(m, 205) * 115 >> 8) + 123)
    return found


WIDTH = _widths()
MEAN_RATE = [max(65536 // (n + 2), 655) for n in range(128)]
RATE1 = [max(80, int(1311 / math.sqrt(1 + n) + 0.5)) for n in range(256)]
RATE2 = [max(33, int(328 / math.sqrt(1 + n) + 0.5)) for n in range(256)]


def level(e: int) -> int:
    return clip((l16(e + 3) - 26) * 13 >> 6, 0, 63)


def mix(h: int, v: int) -> int:
    h = (h ^ v) * 0x9E3779B1 % 2**32
    return h ^ (h >> 15)


def messages_of(data: bytes, count: int) -> list[Message]:
    """Section 12: one message, or several after the lengths of all but the last."""
    messages, offset = [], 4 * (count - 1)
    for number in range(count):
        last = number == count - 1
        end = len(data) if last else offset + int.from_bytes(data[4 * number : 4 * number + 4], "little")
        assert offset <= end <= len(data)
        messages.append(Message(data[offset:end]))
        offset = end
    return messages


class Message:
    """Section 7.2 with one lane and precision 16."""

    def __init__(self, data: bytes) -> None:
        assert len(data) >= 4
        assert data[-1]
        number = int.from_bytes(data, "little")
        assert number >= 2**31
        count = number.bit_length() // 32 - 1
        self.words = [(number >> (32 * i)) % 2**32 for i in range(count)]
        self.head = number >> (32 * count)

    def is_yes(self, p: int) -> bool:
        cf = self.head % 65536
        yes = cf < p
        start, freq = (0, p) if yes else (p, 65536 - p)
        self.head = freq * (self.head >> 16) + cf - start
        if self.head < 2**31:
            self.head = (self.head << 32) + self.words.pop()
        return yes

    def finish(self) -> None:
        assert self.head == 2**31
        assert not self.words


@functools.cache
def reaches(matrix: int, red: int, green: int, blue: int) -> bool:
    """Section 7.12: whether some Y, Cb, Cr give the colour. A red leaves each Y one Cr at most, a blue one Cb."""
    if matrix == 0 or not 0 <= blue <= 255:
        return False
    luma, r, g, h, b, first, second, third = MATRICES[matrix]
    y = np.arange(256)
    cr = -((luma * y + first - (red << 16)) // r)
    cb = -((luma * y + third - (blue << 16)) // b)
    found = (luma * y + r * cr + first) >> 16 == red
    found &= (luma * y + b * cb + third) >> 16 == blue
    found &= (luma * y - g * cb - h * cr + second) >> 16 == green
    return bool((found & (abs(cb) <= 256) & (abs(cr) <= 256)).any())


class Normal:
    """An expert with a mean: its value at v, given the class of its scale."""

    def __init__(self, mu: int, scale_class: int, low: int, high: int) -> None:
        self.mu, self.low, self.high = mu, low, high
        self.width = WIDTH[scale_class]
        self.inverse, self.limit = 2**33 // self.width, 12 * self.width // 64

    def __call__(self, v: int) -> int:
        if v <= self.low or v > self.high:
            return 0 if v <= self.low else ONE
        return sigma(clip(clip(64 * v - 32 - self.mu, -self.limit, self.limit) * self.inverse >> 15, -49151, 49151))


class Counts:
    """Rows of counts of section 12.8."""

    def __init__(self) -> None:
        self.rows: dict[Hashable, dict[int, int]] = {}

    def row(self, name: Hashable) -> dict[int, int]:
        return self.rows.setdefault(name, {})

    def add(self, name: Hashable, v: int) -> None:
        row = self.row(name)
        row[v] = row.get(v, 0) + 1
        if row[v] == 4000:
            for key in row:
                row[key] //= 2


class Law:
    """A law's values at one sample: the base expert's, changed in a window of 64 values. ``gains``: r_k of the 64."""

    def __init__(self, base: Callable[[int], int], first: int, gains: list[int]) -> None:
        self.base, self.first, self.gains = base, first, gains
        self.all = base(first) + sum(gains) + ONE - base(first + 64)

    def __call__(self, v: int) -> int:
        if v <= self.first:
            return self.base(v)
        if v - self.first <= 64:
            return self.base(self.first) + sum(self.gains[: v - self.first])
        return self.base(v) + self.all - ONE


def boxes(row: dict[int, int], first: int, shift: int) -> list[tuple[int, int]]:
    """(count_k, box_k) of v_k = first + k; counts are found at v + shift."""
    counts = [row.get(first + k + shift, 0) for k in range(-16, 80)]
    up_to = [0, *itertools.accumulate(counts)]
    return [(counts[k + 16], up_to[k + 33] - up_to[k]) for k in range(64)]


def steps_of(base: Callable[[int], int], first: int) -> list[int]:
    """b(v_k + 1) - b(v_k) of the window."""
    values = [base(first + k) for k in range(65)]
    return [after - before for before, after in itertools.pairwise(values)]


def counted_law(base: Callable[[int], int], first: int, found: list[tuple[int, int]]) -> Law:
    count, box = np.array(found).T
    share = (528 * count + box + 32).astype(np.float32) / (17 * box + 32).astype(np.float32)
    gains = np.array(steps_of(base, first)).astype(np.float32) * share
    return Law(base, first, gains.astype(np.int64).tolist())


class Factors:
    """Factors by kind that learn from row to row (law 2, and that of section 13.5)."""

    def __init__(self, start: Callable[[int], int]) -> None:
        self.start = start
        self.factors: dict[int, int] = {}
        self.expected: dict[int, int] = {}
        self.came: dict[int, int] = {}

    def law(self, base: Callable[[int], int], first: int, kinds: list[int]) -> Law:
        factors = [self.factors.get(kind, self.start(kind)) for kind in kinds]
        return Law(base, first, [step * f >> 10 for step, f in zip(steps_of(base, first), factors, strict=True)])

    def learn(self, law: Law, kinds: list[int], v: int) -> None:
        for kind, gain in zip(kinds, law.gains, strict=True):
            self.expected[kind] = self.expected.get(kind, 0) + (gain * (2**40 // law.all) >> 20)
        if 0 <= v - law.first < 64:
            kind = kinds[v - law.first]
            self.came[kind] = self.came.get(kind, 0) + 1

    def end_row(self) -> None:
        for kind in self.expected:
            f, y = self.factors.get(kind, self.start(kind)), self.came.get(kind, 0)
            self.factors[kind] = clip(f * (y + 8 << 20) // (self.expected[kind] + 8 * 2**20), 1, 32768)
        self.expected, self.came = {}, {}


def law2_kinds(
    first: int, triples: list[tuple[int, int]], differences: list[tuple[int, int]], is_reached: Callable[[int], bool]
) -> list[int]:
    kinds = []
    for k, ((n, box), (d, near)) in enumerate(zip(triples, differences, strict=True)):
        a = sum(limit < n for limit in (0, 1, 2, 4, 8))
        e = min(box.bit_length(), 9)
        t = 32 * d
        like = 0 if near < 64 else 1 + sum((8 * t >= near, 4 * t >= near, 2 * t >= near, t >= near, t >= 2 * near, t >= 4 * near))
        kinds.append((a * 10 + e) * 8 + like + 480 * is_reached(first + k))
    return kinds


@dataclass
class Question:
    """What is known before one sample.

    experts: (mean, scale context) of each expert with a mean. laws: the further ones, and ``known`` of section 12.8. contexts: (reference,
    slot) of each exact-value context. early: contexts of weight sets 0 to 6 for a depth dd. signs: the six numbers that set 8 compares.
    corrections: the contexts of the first two, of which the second has the node as well.
    """

    low: int
    high: int
    experts: list[tuple[int, Hashable]]
    make_laws: Callable[[Normal], tuple[list[Law], int]]
    contexts: list[tuple[int, Hashable]]
    early: Callable[[int], Sequence[Hashable]]
    signs: tuple[int, ...]
    best: int
    kq: Hashable
    corrections: tuple[Hashable, Hashable]


class Starts:
    """13.6: what an engine begins with, of the 3356 bytes of its plane."""

    def __init__(self, data: bytes) -> None:
        assert len(data) == 3356
        numbers = np.frombuffer(data[:348], "<i2").astype(np.int64) * 65536
        self.weights, self.shares, self.classes = numbers[:160], np.append(numbers[160:], (0, 0)), data[348:]

    def scale(self, expert: int, context) -> int:
        first, *others = context if isinstance(context, tuple) else (context,)
        if expert == 1:
            kg, more = others
            place = 192 + (8 * first + kg) * 4 + more
        elif expert < 5:
            begin, width = ((0, 6), (), (448, 12), (640, 12), (1024, 6))[expert]
            place = begin + width * first + others[0]
        elif expert == 7:
            place = 1216 + 32 * first + others[0]
        else:
            place = 2240 + 32 * (expert - 5) + first
        b = self.classes[place]
        return ((16 + b % 16) << (b // 16)) >> 4


class Engine:
    """All that learns of one plane but its predictors. ``narrow``: whether histories hold 8 bits. ``starts``: of section 13.6."""

    def __init__(self, narrow: bool, starts: Starts | None = None) -> None:
        self.starts = starts
        self.modulus = 256 if narrow else 65536
        self.scales: dict[Hashable, list[int]] = {}
        self.histories: dict[Hashable, list[int]] = {}
        self.sets: dict[Hashable, list] = {}  # [weights, count]
        self.cells: dict[Hashable, list[int]] = {}

    def decode(self, message: Message, question: Question) -> tuple[int, int]:
        """(the sample, its cost). Scales and histories learn it as well."""
        low, high = question.low, question.high
        normals = []
        for mu, key in question.experts:
            begin = 8192 if self.starts is None else self.starts.scale(len(normals), key)
            error, _ = self.scales.setdefault((len(normals), key), [begin, 0])
            normals.append(Normal(mu, min(l16(4 * error + 1), 447), low, high))
        laws, known = question.make_laws(normals[0])
        values = [*normals, *laws]
        slots = [self.histories.setdefault((n, slot), []) for n, (_, slot) in enumerate(question.contexts)]
        held = [[(d + ref) % self.modulus for d in slot] for (ref, _), slot in zip(question.contexts, slots, strict=True)]
        lo, hi, depth, node, cost = low, high + 1, 0, 1, 0
        while hi - lo > 1:
            base = normals[0]
            mid = (lo + hi) >> 1
            if depth < 12:
                t = clip((base(lo) + base(hi)) >> 1, 1, 1048575)
                mid = clip((base.mu + ((lg(t) - lg(ONE - t)) * base.width >> 22) + 64) >> 6, lo + 1, hi - 1)
            decision = _Decision(self, question, values, held, len(laws), known, (lo, mid, hi), depth, node)
            p = clip((decision.chance + 8) >> 4, 1, 65535)
            yes = message.is_yes(p)
            cost += 726817 - lg(p if yes else 65536 - p)
            decision.learn(yes)
            lo, hi = (mid, hi) if yes else (lo, mid)
            node = min(2 * node + yes, 63)
            depth += 1
        for i, (mu, key) in enumerate(question.experts):
            state = self.scales[i, key]
            state[0] += ((abs(64 * lo - mu) << 4) - state[0]) * MEAN_RATE[state[1]] >> 16
            state[1] = min(state[1] + 1, 127)
        for (ref, _), slot in zip(question.contexts, slots, strict=True):
            slot.insert(0, (lo - ref) % self.modulus)
            del slot[7:]
        return lo, cost


class _Decision:
    """One decision: inputs, weight sets, corrections."""

    def __init__(self, engine, question, values, held, num_laws, known, interval, depth, node) -> None:
        lo, mid, hi = interval
        dd = min(depth, 5)
        s = []
        for value in values:
            low_value, mid_value, high_value = value(lo), value(mid), value(hi)
            ratio = lg(min(high_value - mid_value + 10, 2**24 - 1)) - lg(min(mid_value - low_value + 10, 2**24 - 1))
            s.append(clip(ratio >> 8, -2047, 2047))
        p = sigma(16 * s[0])
        z, sure, below, above = [], [], 0, 0
        for values_held in held:
            n0 = n1 = 0
            for weight, v in zip(NEWEST_FIRST, values_held, strict=False):
                if lo <= v < mid:
                    n0 += weight
                elif mid <= v < hi:
                    n1 += weight
            found = 0
            if n0 or n1:
                ratio = (lg(16 * n1 + (p >> 10) + 20) - lg(16 * n0 + 1044 - (p >> 10))) >> 8
                found = clip(ratio - s[0], -2047, 2047)
            z.append(found)
            sure.append(z[-1] if (n0 == 0) != (n1 == 0) else 0)
            below += n0 != 0 and n1 == 0
            above += n1 != 0 and n0 == 0
        inputs = [
            *padded([s[0], *(clip(one - s[0], -2047, 2047) for one in s[1:])], 8),
            *padded(z, 8),
            *padded(sure, 8),
            *padded([77, (p - 524288) >> 10], 16),
            *padded([(sigma(16 * one) - p) >> 10 for one in s], 8),
        ]
        self.x = np.array(padded(inputs, 16), np.int64)
        place = ((mid - question.low) << 6) // (question.high + 1 - question.low)
        contexts = [
            *question.early(dd),
            (node, dd),
            (*(v >= mid for v in question.signs), dd),
            (clip((s[0] + 1024) >> 7, 0, 15), question.best),
            (min((below + 1) // 2, 7), min((above + 1) // 2, 7)),
            (place, dd),
            (min(floor_log2(hi - lo), 15), node),
            known,
        ]
        assert len(contexts) == NUM_SETS
        means = len(values) - num_laws
        first = np.zeros(len(self.x), np.int64)
        first[1:means] = int(0.3 * 2**28) // (means - 1)
        first[0] = int(0.9 * 2**28)
        if engine.starts is not None:
            first = engine.starts.weights
        self.first = [engine.sets.setdefault((1, n, context), [first, 0]) for n, context in enumerate(contexts)]
        self.logits = logits(self.first, self.x)
        self.x2 = np.array(padded([one >> 4 for one in self.logits], 16), np.int64)
        second = np.where(np.arange(16) < NUM_SETS, 2**28 // 14, 0)
        if engine.starts is not None:
            second = engine.starts.shares
        self.second = [engine.sets.setdefault((2, n, context), [second, 0]) for n, context in enumerate((question.kq, node, 0))]
        self.logits2 = logits(self.second, self.x2)
        outcome = quotient(sum(self.logits2), 3)
        lawful = 0
        if num_laws:
            coarse = [clip((s[i] - s[0] + 1024) >> 6, 0, 31) for i in (means, len(s) - 1)]
            lawful = 32 * coarse[0] + coarse[1]
        tables = question.corrections[0], (question.corrections[1], node), (place, min(depth, 3)), lawful
        start = [T[768 + 48 * (i - 16)] for i in range(33)]
        self.tables = [engine.cells.setdefault((n, context), list(start)) for n, context in enumerate(tables)]
        q = outcome + 49152
        self.i, self.f = q // 3072, q % 3072
        i, f = self.i, self.f
        corrected = sum((cells[i] * (3072 - f) + cells[i + 1] * f) // 3072 for cells in self.tables)
        self.chance = (4 * sigma(outcome) + corrected) // 8

    def learn(self, yes: bool) -> None:
        for states, found, x, rates in ((self.first, self.logits, self.x, RATE1), (self.second, self.logits2, self.x2, RATE2)):
            for state, one in zip(states, found, strict=True):
                error = 65536 * yes - (sigma(one) >> 4)
                step = (error * rates[state[1]] + 2048) >> 12
                state[1] = min(state[1] + 1, 255)
                state[0] = np.minimum(np.maximum(state[0] + x * step, -0x70000000), 0x70000000)
        target = 1048575 * yes
        for cells in self.tables:
            cells[self.i] += quotient((target - cells[self.i]) * (3072 - self.f), 153600)
            cells[self.i + 1] += quotient((target - cells[self.i + 1]) * self.f, 153600)


def padded(values: list[int], multiple: int) -> list[int]:
    return values + [0] * (-len(values) % multiple)


def logits(states: list, x: np.ndarray) -> list[int]:
    found = []
    for total in ((np.array([state[0] for state in states]) >> 16) * x).sum(1).tolist():
        total %= 2**32
        found.append(clip((total - 2**32 if total >= 2**31 else total) >> 8, -49151, 49151))
    return found
