"""The model's payload from docs/format.md section 7 alone, one symbol at a time."""

import math

import numpy as np

from tests.helpers.by_document.colours import Colours
from tests.helpers.by_document.network import PHI, RECIPROCAL, SCALE64, Network, compand, differences, rhe, weights

F = [round(2**16 * math.log2(1 + v / 16)) for v in range(17)]

PHI2 = np.append(PHI, PHI[2048])


class Stack:
    """7.2 and 7.3."""

    def __init__(self, data: bytes) -> None:
        number = int.from_bytes(data, "little")
        count = number.bit_length() // 32 - 1
        self.words = [(number >> (32 * i)) % 2**32 for i in range(count)]
        self.heads = [number >> (32 * count)]

    def push(self, intervals: list[tuple[int, int]], precisions: list[int]) -> None:
        given = []
        for lane, ((start, freq), p) in enumerate(zip(intervals, precisions, strict=True)):
            head = self.heads[lane]
            if head >= freq << (63 - p):
                given.append(head % 2**32)
                head >>= 32
            self.heads[lane] = ((head // freq) << p) + head % freq + start
        self.words += given[::-1]

    def pop(self, find, precisions: list[int]) -> list[int]:
        symbols = []
        for lane, p in enumerate(precisions):
            cf = self.heads[lane] % 2**p
            symbol, start, freq = find(lane, cf)
            self.heads[lane] = freq * (self.heads[lane] >> p) + cf - start
            if self.heads[lane] < 2**31:
                self.heads[lane] = (self.heads[lane] << 32) + self.words.pop()
            symbols.append(symbol)
        return symbols

    def uniform(self, precisions: list[int]) -> list[int]:
        return self.pop(lambda lane, cf: (cf, cf, 1), precisions)

    def grow(self, m: int) -> None:
        tops = [31 + t for t in self.uniform([5] * m)]
        heads = [1 << top for top in tops]
        for o in (48, 32, 16, 0):
            parts = self.uniform([min(max(top - 4 - o, 0), 16) for top in tops])
            heads = [head + (part << o) for head, part in zip(heads, parts, strict=True)]

        def find(lane: int, cf: int) -> tuple[int, int, int]:
            v = max(v for v in range(16) if F[v] <= cf)
            return v, F[v], F[v + 1] - F[v]

        fours = self.pop(find, [16] * m)
        self.heads += [head + (v << (top - 4)) for head, v, top in zip(heads, fours, tops, strict=True)]

    def shrink(self, m: int) -> None:
        self.heads, heads = self.heads[:-m], self.heads[-m:]
        tops = [head.bit_length() - 1 for head in heads]
        fours = [(head >> (top - 4)) % 16 for head, top in zip(heads, tops, strict=True)]
        self.push([(F[v], F[v + 1] - F[v]) for v in fours], [16] * m)
        for o in (0, 16, 32, 48):
            bits = [min(max(top - 4 - o, 0), 16) for top in tops]
            self.push([((head >> o) % 2**b, 1) for head, b in zip(heads, bits, strict=True)], bits)
        self.push([(top - 31, 1) for top in tops], [5] * m)

    def use(self, lanes: int) -> None:
        while len(self.heads) < lanes:
            self.grow(len(self.heads))
        while len(self.heads) > lanes:
            self.shrink(len(self.heads) // 2)


def cumulative(mixture, j: int, lo: int, hi: int, delta: int) -> int:
    """7.5."""
    if j <= lo:
        return 0
    if j > hi:
        return 1 << 24
    total = 0
    for m, s, w in mixture:
        z = min(max(64 * delta * j - 32 * delta - m, -(2**26)), 2**26) * RECIPROCAL[s] >> 19
        u = min(max(z, -(2**23)), 2**23) + 2**23
        i = u >> 13
        total += w * (PHI[i] + ((PHI[min(i + 1, 2048)] - PHI[i]) * (u % 2**13) >> 13))
    return ((total >> 22) * (2**24 - (hi - lo + 1)) >> 24) + j - lo


def table_of(mixture, lo: int, hi: int) -> list[int]:
    """C(j) of 7.5 for j from lo to hi + 1, spacing 1: as ``cumulative``, all at once."""
    j, phi, total = np.arange(lo, hi + 2), PHI2, np.zeros(hi - lo + 2, np.int64)
    for m, s, w in mixture:
        z = np.clip(64 * j - 32 - m, -(2**26), 2**26) * RECIPROCAL[s] >> 19
        u = np.clip(z, -(2**23), 2**23) + 2**23
        i = u >> 13
        total += w * (phi[i] + ((phi[i + 1] - phi[i]) * (u % 2**13) >> 13))
    found = ((total >> 22) * (2**24 - (hi - lo + 1)) >> 24) + j - lo
    found[0], found[-1] = 0, 1 << 24
    return found.tolist()


def stages_of(transfers, most: int, run: int | None):
    """7.4: the stages of every array, in the writer's order, each from the beginning of the array to its end."""
    lanes, found = most if run is None else 1, []
    for pushed, count in transfers:
        stages, end = [], count
        while pushed and lanes < most and end > run * lanes:
            stages.append((lanes, end - run * lanes, end))
            end -= run * lanes
            lanes *= 2
        stages.append((lanes, 0, end))
        found.append(stages[::-1])
    return found, lanes


def colours_of(entry, name: str, index: int) -> tuple[int, int]:
    """7.6: the first colour of a step on a path, and the one after its last."""
    steps, path = entry["steps"], entry["paths"][name]

    def count(i: int) -> int:
        latent = i if steps[i]["sigma"] else steps[i]["given"]
        return 3 if latent is None else len(steps[latent]["sigma"])

    before = path[path.index(index) - 1] if path.index(index) else None
    exact = not steps[index]["sigma"] and before is not None and not steps[before]["sigma"]
    begun = count(before) if exact and steps[before]["unit"] == steps[index]["unit"] else 0
    return begun, count(index)


def reads(step: dict) -> list[int]:
    """7.6: the latents that a step reads, in rising order."""
    return sorted([*([] if step["given"] is None else [step["given"]]), *step.get("beside", [])])


def given_back(entry: dict, name: str, index: int) -> list[int]:
    """7.6: the latents that are pushed after a step of the path: those that no later one reads."""
    path, steps = entry["paths"][name], entry["steps"]
    later = [latent for i in path[path.index(index) + 1 :] for latent in reads(steps[i])]
    return [latent for latent in reads(steps[index]) if latent not in later]


def arrays_of(channels: range, step: dict, shape: tuple[int, int], colours: Colours | None) -> list[list[tuple[int, range]]]:
    """7.6: the arrays of a step, (channel, positions), as a reader pops them: those that are not reweighted, then those of each stripe."""
    changed = [] if colours is None or step["sigma"] else [c for c in channels if c == 2 or (c == 1 and colours.of_co)]
    plain = [(c, range(math.prod(shape))) for c in channels if c not in changed]
    return [plain, *([(c, at) for c in changed] for at in (colours.stripes(*shape) if changed else []))]


def decode(payload: bytes, shape: tuple[int, int, int], tensors: dict[str, np.ndarray], network, schedule) -> np.ndarray:
    channels, height, width = shape
    k = network["components"]
    colours = None
    if payload[0] == 255:
        colours, payload = Colours(payload[1]), payload[2:]
    path, rest = payload[0] % 4, payload[0] // 4
    most, run = 1 << rest % 11, (32, 128, 512, None, 2048)[rest // 11]
    name = list(schedule["levels"][0]["paths"])[path]
    grids = [(height, width)]
    while max(grids[-1]) > 2:
        grids.append(((grids[-1][0] + 1) // 2, (grids[-1][1] + 1) // 2))
    count = len(grids) - 1

    def entry(level: int) -> dict:
        return schedule["levels"][min(level, len(schedule["levels"])) - 1]

    def size(level: int, unit: str) -> tuple[int, int]:
        h, w = grids[level - 1]
        return {"hh": (h // 2, w // 2), "hl": ((h + 1) // 2, w // 2), "lh": (h // 2, (w + 1) // 2)}[unit]

    transfers = []
    for level in range(1, count + 1):
        for index in reversed(entry(level)["paths"][name]):
            step = entry(level)["steps"][index]
            for latent in reversed(given_back(entry(level), name, index)):
                n = math.prod(size(level, entry(level)["steps"][latent]["unit"]))
                transfers += [(False, n)] * min(channels, colours_of(entry(level), name, latent)[1])
            begun, end = colours_of(entry(level), name, index)
            arrays = arrays_of(range(begun, min(channels, end)), step, size(level, step["unit"]), colours)
            transfers += [(True, len(at)) for part in reversed(arrays) for _, at in reversed(part)]
    transfers += [(True, math.prod(grids[-1]))] * channels
    plans, lanes = stages_of(transfers, most, run)
    stack = Stack(payload[1:])
    stack.use(lanes)

    def pop_array(find, precision: int) -> list[int]:
        symbols = []
        for lanes, begin, end in plans.pop():
            stack.use(lanes)
            for first in range(begin, end, lanes):
                at = range(first, min(first + lanes, end))
                symbols += stack.pop(lambda lane, cf, at=at: find(at[lane], cf), [precision] * len(at))
        return symbols

    spans = [(0, 255), (-255, 255), (-255, 255)]
    image = np.zeros((3, *grids[-1]), np.int64)
    for c in range(channels):
        lo, hi = spans[c]
        found = pop_array(lambda i, cf: (cf, cf, 1), (hi - lo).bit_length())
        image[c] = np.array(found).reshape(grids[-1]) + lo
    if colours:
        colours.add(image)
    for level in range(count, 0, -1):
        image = decode_level(image, channels, k, level, entry(level), name, size, spans, plans, stack, pop_array, tensors, network, colours)
    assert stack.heads == [2**31] * (most if run is None else 1)
    assert stack.words == []
    if channels == 1:
        return image[:1]
    luma, orange, green = image
    t = luma - (green >> 1)
    blue = t - (orange >> 1)
    return np.stack([blue + orange, green + t, blue])


def decode_level(coarse, channels, k, level, entry, name, size, spans, plans, stack, pop_array, tensors, network, colours) -> np.ndarray:
    net = Network(tensors, f"networks.{min(level, network['networks']) - 1}")
    steps, grid = entry["steps"], coarse.shape[1:]
    first = np.concatenate(differences(coarse))
    companded = compand(first)
    levels = np.clip(np.stack([coarse[0] - 128, coarse[1] >> 1, coarse[2] >> 1]), -128, 127)
    f = net.branch("trunk", np.concatenate([companded, levels]), 0)
    planes, energies = coarse, np.abs(companded)
    order = entry.get("order", [["hh"], ["hl"], ["lh"]])
    side, latents, lumas, bands, exact, waiting = None, {}, {}, {}, {}, []

    def inputs_of(values: np.ndarray, mean: np.ndarray) -> np.ndarray:
        return compand(np.concatenate([values - rhe(mean, 6), *differences(values)[:2]]))

    for index in entry["paths"][name]:
        step = steps[index]
        unit, is_latent = step["unit"], bool(step["sigma"])
        rows, columns = size(level, unit)
        known = (f, planes, energies) if step["given"] is None else side
        group = next(units for units in order if unit in units)
        mean, log_scale = net.closed(index, "mean", known[1]), net.closed(index, "scale", known[2])
        corrections = net.head(index, known[0])
        kinds = 3 if step["given"] is None else 4
        parts = corrections[: 3 * kinds * k, :rows, :columns].reshape(kinds, 3, k, -1).tolist()
        couple = (corrections[3 * kinds * k :, :rows, :columns].reshape(3, -1) + net.get(f"closed_form.{index}.coupling")[:, None]).tolist()
        flat_mean = mean[:, :rows, :columns].reshape(3, -1).tolist()
        flat_scale = np.clip(log_scale[:, :rows, :columns], -192, 1081).reshape(3, -1).tolist()
        innovation = None if step["given"] is None else known[3][step["given"]][:, :rows, :columns].reshape(3, -1).tolist()
        values, errors = np.zeros((3, rows * columns), np.int64), [[0] * (rows * columns) for _ in range(3)]
        begun, end = colours_of(entry, name, index)

        def reveal(c, at, found, values=values, errors=errors, means=flat_mean):
            for i, value in zip(at, found, strict=True):
                values[c, i], errors[c][i] = value, 64 * value - means[c][i]

        if begun:
            reveal(0, range(rows * columns), lumas[unit].tolist())

        def index_of(v: int) -> int:
            return min(max((v + 194) >> 2, 0), 319)

        def mixture_of(i, c, errors, parts=parts, couple=couple, means=flat_mean, scales=flat_scale, innovation=innovation):
            """errors: those of position i, by colour."""
            centre = means[c][i]
            for before in range(c):
                centre += (couple[before if c == 1 else 1 + before][i] * errors[before] + 32) >> 6
            mixture = []
            w = weights([parts[2][c][n][i] for n in range(k)])
            for n in range(k):
                m = centre + ((parts[0][c][n][i] * SCALE64[index_of(scales[c][i])] + 32) >> 6)
                if innovation is not None:
                    m += (parts[3][c][n][i] * innovation[c][i] + 32) >> 6
                mixture.append((m, index_of(scales[c][i] + parts[1][c][n][i]), w[n]))
            return mixture

        def find(i, cf, c, changed, values=values, errors=errors, couple=couple, means=flat_mean, step=step, mixture_of=mixture_of):
            delta, (lo, hi) = 1, spans[c]
            if step["sigma"]:
                delta = 1 << step["log2_delta"][c]
                reach = SCALE64[step["sigma"][c]] * 8 // (64 * delta) + 2
                lo, hi = lo // delta - reach, hi // delta + reach
            known = [errors[before][i] for before in range(3)]
            mixture = mixture_of(i, c, known)
            if changed:
                classes = colours.classes(
                    c, mixture, int(values[0, i]), int(values[1, i]), lambda co: mixture_of(i, 2, [known[0], 64 * co - means[1][i]]),
                    lambda other: table_of(other, -255, 255), couple[2][i],
                )  # fmt: skip
                return colours.find(cf, table_of(mixture, lo, hi), classes)
            low, high = lo, hi + 1
            while high - low > 1:
                middle = (low + high) // 2
                low, high = (middle, high) if cumulative(mixture, middle, lo, hi, delta) <= cf else (low, middle)
            start = cumulative(mixture, low, lo, hi, delta)
            return low, start, cumulative(mixture, low + 1, lo, hi, delta) - start

        before = colours.state() if colours else None
        for number, part in enumerate(arrays_of(range(begun, min(channels, end)), step, (rows, columns), colours)):
            for c, at in part:
                delta = 1 << step["log2_delta"][c] if is_latent else 1
                popped = pop_array(lambda i, cf, c=c, at=at, n=number: find(at[i], cf, c, n > 0), 24)
                reveal(c, at, [delta * symbol for symbol in popped])
            if number:
                if colours.striped or not reads(step):
                    colours.learn()
                colours.forget()
                colours.add(values[:, part[0][1]])
        if colours and reads(step):
            colours.restore(before)
        (latents if is_latent else exact)[index if is_latent else unit] = values
        for latent in given_back(entry, name, index):
            chained = [i for i, s in enumerate(steps) if s["given"] == latent and s["sigma"]]
            above = latents[chained[0]] if chained else exact[steps[latent]["unit"]]
            push_latent(stack, plans, steps[latent], above, latents[latent], min(channels, colours_of(entry, name, latent)[1]))
        if not is_latent and end < 3:
            lumas[unit] = values[0]
            continue
        direct = [i for i, s in enumerate(steps) if s["unit"] == unit and not s["sigma"] and s["given"] is None]
        reference = index if is_latent else direct[0]
        own_mean = net.closed(reference, "mean", planes)
        full = rhe(own_mean, 6)
        for c in range(3):
            full[c] = np.clip(full[c], *(spans[c] if c < channels else (0, 0)))
        known_colours = end if channels == 3 else 3
        full[:known_colours, :rows, :columns] = values.reshape(3, rows, columns)[:known_colours]
        waiting.append((index, full, inputs_of(full, own_mean), 64 * full - own_mean))
        if is_latent:
            together = next(reads(s) for s in steps if index in reads(s))
            if index != together[-1]:
                continue
        else:
            bands[unit] = values.reshape(3, rows, columns)
            if unit != group[-1]:
                continue
        inputs = np.concatenate([part[2] for part in waiting])
        grown = np.concatenate([planes, *(part[1] for part in waiting)]), np.concatenate([energies, *(abs(part[2]) for part in waiting)])
        if is_latent:
            side = (net.branch(f"side.{index}", inputs, f), *grown, {part[0]: part[3] for part in waiting})
        elif group != order[-1]:
            f = net.branch(f"carry.{unit}", inputs, f)
            planes, energies = grown
        waiting = []
    image = np.zeros((3, grid[0] + bands["lh"].shape[1], grid[1] + bands["hl"].shape[2]), np.int64)
    image[:, ::2, ::2], image[:, ::2, 1::2], image[:, 1::2, ::2], image[:, 1::2, 1::2] = coarse, bands["hl"], bands["lh"], bands["hh"]
    return image


def push_latent(stack: Stack, plans, step, values: np.ndarray, latent: np.ndarray, channels: int) -> None:
    """7.8."""
    for c in reversed(range(channels)):
        s, delta = step["sigma"][c], 1 << step["log2_delta"][c]
        reach = SCALE64[s] * 8 // (64 * delta) + 2
        [(lanes, begin, end)] = plans.pop()
        for first in reversed(range(begin, end, lanes)):
            intervals = []
            for x, y in zip(values[c, first : first + lanes].tolist(), latent[c, first : first + lanes].tolist(), strict=True):
                j, lo, hi = y // delta, x // delta - reach, x // delta + reach
                start = cumulative([(64 * x, s, 2**16)], j, lo, hi, delta)
                intervals.append((start, cumulative([(64 * x, s, 2**16)], j + 1, lo, hi, delta) - start))
            stack.push(intervals, [24] * len(intervals))
