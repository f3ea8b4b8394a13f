"""Learnt colours from docs/format.md section 7.12 alone: what a symbol's intervals become, and what a stripe teaches."""

import bisect
import functools
from collections import defaultdict

import numpy as np

LO, N = -255, 511  # of Co and Cg
SCALE = 1 << 12  # of fine factors
# l, r, g, h, b, and o_R, o_G, o_B
MATRICES = [
    (65536, 91881, 22554, 46802, 116130, 32768, 32768, 32768),
    (76309, 104597, 25675, 53279, 132201, 32768, 32768, 32768),
    (65536, 103206, 12276, 30679, 121609, 32768, 32768, 32768),
    (76309, 117489, 13975, 34925, 138438, 32768, 32768, 32768),
    *((89024, 119374, 28198, 60761, 145352, 0, 8192 * k, 0) for k in range(8)),
]


@functools.cache
def reached(matrix: int) -> np.ndarray:
    """Which of (R, G, B) a matrix reaches."""
    found = np.zeros((256, 256, 256), bool)
    if not matrix:
        return found
    luma, r, g, h, b, o_r, o_g, o_b = MATRICES[matrix - 1]
    cr = np.arange(-256, 257)
    for y in range(256):
        red = (luma * y + r * cr + o_r) >> 16
        for cb in range(-256, 257):
            blue = (luma * y + b * cb + o_b) >> 16
            if 0 <= blue <= 255:
                green = (luma * y - g * cb - h * cr + o_g) >> 16
                inside = (red >= 0) & (red <= 255) & (green >= 0) & (green <= 255)
                found[red[inside], green[inside], blue] = True
    return found


def near(counts: np.ndarray) -> np.ndarray:
    """The sum over the eight before and the eight after."""
    return np.convolve(counts, np.ones(17, np.int64), "same") - counts


class Colours:
    """The state of a payload whose first byte is 255 and whose second is ``byte``."""

    def __init__(self, byte: int) -> None:
        self.matrix, self.of_co, self.striped = byte % 16, bool(byte & 16), bool(byte & 32)
        self.seen: dict[tuple[int, int], np.ndarray] = defaultdict(lambda: np.zeros(N, np.int64))  # by Y and Co
        self.pairs = np.zeros((N, N), np.int64)
        self.reached = reached(self.matrix)
        self.fine = {"context": [1024 * SCALE] * 960, "kind": [1024 * SCALE] * 40}
        self.evidence = {"context": [0] * 960, "kind": [0] * 40}
        self.rows: dict[tuple[int, int], np.ndarray] = {}
        self.now: dict[str, np.ndarray] = {}
        self.forget()

    def forget(self) -> None:
        """What was counted of a stripe, k and e."""
        self.count = {kind: [0] * len(values) for kind, values in self.fine.items()}
        self.expected = {kind: [0] * len(values) for kind, values in self.fine.items()}

    def stripes(self, rows: int, columns: int) -> list[range]:
        """7.6: the positions of each stripe."""
        if not (self.striped and rows * columns):
            return [range(rows * columns)]
        height = -(-max(2048, -(-rows * columns // 4)) // columns)
        return [range(y * columns, min(y + height, rows) * columns) for y in range(0, rows, height)]

    def add(self, pixels: np.ndarray) -> None:
        """Pixels become known."""
        for y, co, cg in np.asarray(pixels).reshape(3, -1).T.tolist():
            t = y - (cg >> 1)
            blue = t - (co >> 1)
            if all(0 <= v <= 255 for v in (blue + co, cg + t, blue)):
                row = self.seen[y, co]
                row[cg - LO] = min(row[cg - LO] + 1, 255)
                self.pairs[co - LO, cg - LO] = min(self.pairs[co - LO, cg - LO] + 1, 1 << 20)
        self.rows = {}

    def contexts(self, y: int, co: int) -> np.ndarray:
        """The contexts of (y, co, Cg) for Cg from -255 to 255; -1 outside the cube."""
        if (y, co) not in self.rows:
            cg = np.arange(LO, LO + N)
            t = y - (cg >> 1)
            blue = t - (co >> 1)
            red, green = blue + co, cg + t
            inside = (np.minimum(np.minimum(red, green), blue) >= 0) & (np.maximum(np.maximum(red, green), blue) <= 255)
            found = np.full(N, -1)
            seen = self.seen[y, co] if (y, co) in self.seen else np.zeros(N, np.int64)
            pairs = self.pairs[co - LO]
            i = np.nonzero(inside)[0]
            a = np.searchsorted([0, 1, 2, 4, 8], seen[i])
            b = np.minimum(9, np.ceil(np.log2(1 + near(seen * inside)[i])).astype(int))  # sums are below 2^12
            t, s = 16 * pairs[i], near(pairs * inside)[i]
            steps = (np.outer((8, 4, 2, 1, 1, 1), t) >= np.outer((1, 1, 1, 1, 2, 4), s)).sum(0)
            found[i] = (10 * a + b) * 8 + np.where(s < 32, 0, 1 + steps) + 480 * self.reached[red[i], green[i], blue[i]]
            self.rows[y, co] = found
        return self.rows[y, co]

    @property
    def factors(self) -> dict[str, np.ndarray]:
        if not self.now:
            self.now = {kind: np.array(fine) >> 12 for kind, fine in self.fine.items()}
        return self.now

    @staticmethod
    def first(mixture: list[tuple[int, int, int]]) -> int:
        mean = ((sum(w * m for m, _, w in mixture) >> 16) + 32) >> 6
        return min(max(mean - 32, LO), 192)

    def classes(self, colour: int, mixture, y: int, co: int, guessed, table, couple: int) -> tuple[str, int, list[int]]:
        """(what its factors are of, the first symbol that has one, the index of each symbol from there on, -1 for the factor 0).

        guessed: Cg's mixture for a value of Co. table: C(j) of a mixture for j from -255 to 256.
        """
        first = self.first(mixture)
        if colour == 2:
            return "context", first, self.contexts(y, co)[first - LO : first - LO + 64].tolist()
        other = guessed(first + 32)
        begin = self.first(other) + 24
        p = np.diff(table(other))[begin - LO : begin - LO + 16].tolist()
        factors = np.append(self.factors["context"], 0)  # of context -1 too
        kinds = []
        for i in range(32):
            g = begin + ((couple * (i - 16) + 32) >> 6)
            row = self.contexts(y, first + 16 + i)
            score = sum(p[k] * int(factors[row[g + k - LO]]) for k in range(16) if 0 <= g + k - LO < N)
            v = (score << 4) // sum(p)
            kinds.append(min(39, (v * v).bit_length()))
        return "kind", first + 16, kinds

    def find(self, cf: int, table: list[int], classes: tuple[str, int, list[int]]) -> tuple[int, int, int]:
        """The symbol whose interval holds cf, where that begins, and its frequency; k and e grow. table: C(j) for j from -255 to 256."""
        kind, first, indices = classes
        factors = np.full(N, 1024)
        factors[first - LO : first - LO + len(indices)] = np.append(self.factors[kind], 0)[indices]
        sums = [0, *np.cumsum(factors * np.diff(table)).tolist()]
        starts = [s * ((1 << 24) - N) // max(sums[N], 1) + i for i, s in enumerate(sums)]
        starts[N] = 1 << 24
        symbol = bisect.bisect_right(starts, cf) - 1
        for offset, index in enumerate(indices, first - LO):
            if index >= 0:
                self.expected[kind][index] += starts[offset + 1] - starts[offset]
                self.count[kind][index] += offset == symbol
        return symbol + LO, starts[symbol], starts[symbol + 1] - starts[symbol]

    def learn(self) -> None:
        """After a stripe, or after a unit where colours are not learnt by stripes."""
        self.now = {}
        for kind, fine in self.fine.items():
            count, expected, evidence = self.count[kind], list(self.expected[kind]), self.evidence[kind]
            if not self.striped:
                for i, (k, e) in enumerate(zip(count, expected, strict=True)):
                    fine[i] = min(max((fine[i] >> 12) * ((k + 3) << 24) // (e + (3 << 24)), 1), 32768) * SCALE
                continue
            if kind == "context":
                for a, d in ((a, d) for a in range(6) for d in range(2)):
                    together = range(80 * a + 480 * d, 80 * (a + 1) + 480 * d)
                    r = ((sum(count[i] for i in together) + 3) << 40) // (sum(expected[i] for i in together) + (3 << 24))
                    for i in together:
                        fine[i] = min(max(fine[i] * r >> 16, 1), 32768 * SCALE)
                        expected[i] = expected[i] * r >> 16
            for i, (k, e) in enumerate(zip(count, expected, strict=True)):
                r = ((k + 10 + evidence[i]) << 40) // (e + ((10 + evidence[i]) << 24))
                fine[i] = min(max(fine[i] * r >> 16, SCALE), 32768 * SCALE)
                evidence[i] = min(evidence[i] + k, 30)
        self.forget()

    def state(self):
        return [{kind: list(values) for kind, values in which.items()} for which in (self.fine, self.evidence)]

    def restore(self, state) -> None:
        (self.fine, self.evidence), self.now = state, {}
