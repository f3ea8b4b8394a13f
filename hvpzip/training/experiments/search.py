"""The schedule as an optimisation: the shortest path through states of knowledge under a budget of network evaluations.

Watson et al. (arXiv 2106.03802) choose the noise levels of a diffusion by dynamic programming over one number; here a state has a number
(or a phase) for each unit of a level. A ``pilot`` says what each step costs; the search walks from "everything exact" back to "nothing
known", as the encoder does, so that it knows what is on the stack: a step that borrows more than that is left out. Watson's path needs no
such care, for likelihoods need no stack.

    on the stack in state t (latents of t still to be pushed) = bits of finer levels + cost so far - log2 1/q(y_t | x)
    borrowed by a step s -> t                                  = log2 1/q(y_s | y_t)

Only the cheapest way to each (state, number of evaluations) is kept; a dearer one that would have had more on the stack is not.
"""

from __future__ import annotations

import itertools
import json
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from hvpzip.diffusion.schedule import UNITS
from hvpzip.nn.config import NetworkConfig
from hvpzip.training.config import TrainConfig
from hvpzip.training.data import Crops, load_photos
from hvpzip.training.experiments.pilot import (
    BAND_STATES,
    EXACT,
    HALF,
    QUARTER,
    SIGMAS,
    UNKNOWN,
    Mixtures,
    Pilot,
    Seen,
    exact_bits,
    known_positions,
    look,
    noisy_bits,
    sigma_of,
    successors,
)
from hvpzip.training.loop import learning_rate, validation_crops
from hvpzip.training.loss import LevelPlanes, pyramid_of

__all__ = ["Kind", "Route", "cost_table", "search", "search_schedules", "train_pilots", "uniform"]

State = tuple[int, int, int]  # a band state for hh, hl, lh
_BANDS = range(len(BAND_STATES))
STATES: tuple[State, ...] = tuple(itertools.product(_BANDS, _BANDS, _BANDS))
NOISY = range(1, 1 + len(SIGMAS))
EVALUATION_CROPS, EVALUATION_SIDE = 4, 64  # a source; side of the level's own image
RATIO = 1.0  # sigma / delta, which only the debt depends on
Costs = NDArray[np.float64]  # (state, unit, band state): bits per dimension of the level's image


class Kind(NamedTuple):
    """Which schedules a search may choose.

    Attributes:
        noise, phases: Whether band states with noise, or with some phases, are allowed.
        side_branches: Latents speak to their own unit alone, as in the codec; else every unit of a step reads them.
    """

    name: str
    noise: bool
    phases: bool
    side_branches: bool = False

    def allows(self, state: State) -> bool:
        return all((self.noise or s not in NOISY) and (self.phases or sigma_of(s) is not None or s in (UNKNOWN, EXACT)) for s in state)


KINDS = (
    Kind("noise and phases", True, True),
    Kind("noise", True, False),
    Kind("noise, side branches (the codec's)", True, False, True),
    Kind("phases", False, True),
)


class Route(NamedTuple):
    """A schedule of one level: its states from nothing known to all exact, and its cost in bits per dimension of the level's image."""

    states: tuple[State, ...]
    bits: float

    def __str__(self) -> str:
        return " | ".join(
            " ".join(f"{unit}{'' if b == EXACT else ' ' + BAND_STATES[b]}" for unit, a, b in zip(UNITS, s, t, strict=True) if a != b)
            for s, t in itertools.pairwise(self.states)
        )


def train_pilots(config: TrainConfig, steps: int, report: Callable[[str], None] = print) -> list[Pilot]:
    """Pilots of the levels 1, 2 and 3 (which serves all coarser ones), on the photos of ``config``; every crop in a random state."""
    generator = torch.Generator().manual_seed(config.seed)
    torch.manual_seed(config.seed)
    crops = Crops(load_photos(config.sources), config.weights, config.crop, config.augmentation, torch.device("cpu"), generator)
    pilots = [Pilot() for _ in range(3)]
    optimizer = torch.optim.Adam([p for pilot in pilots for p in pilot.parameters()], betas=(0.9, 0.99))
    began, average = time.process_time(), 0.0
    for step in range(steps):
        images = crops.batch(config.batch)
        loss = torch.zeros(())
        for planes in pyramid_of(images, NetworkConfig())[:4]:
            states = torch.randint(0, len(BAND_STATES), (len(images), 3), generator=generator)
            seen = {u: look(planes.units[u], states[:, i].tolist(), torch.randn(planes.units[u].shape)) for i, u in enumerate(UNITS)}
            mixtures = pilots[min(planes.number, 3) - 1](planes, seen)
            for unit in UNITS:
                loss = loss + torch.where(seen[unit].known[:, 0], 0.0, exact_bits(mixtures[unit], planes.units[unit])).sum()
        loss = loss / images.numel()
        loss.backward()  # type: ignore[no-untyped-call]
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, 3e-3, min(100, steps), (steps // 2, steps))
        for pilot in pilots:
            torch.nn.utils.clip_grad_norm_(pilot.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        average += (float(loss.detach()) - average) / min(200, step + 1)
        if (step + 1) % 200 == 0:
            report(f"pilot, step {step + 1}  {average:.3f} bits/dim of what is not known  {time.process_time() - began:.0f} s")
    return pilots


@torch.no_grad()
def cost_table(pilot: Pilot, planes: LevelPlanes, report: Callable[[str], None] = print) -> Costs:
    """What each unit costs from each state to each band state, infinite where that may not follow. All states see the same noise."""
    generator = torch.Generator().manual_seed(0)
    shape = planes.coarse.shape
    draws = {unit: (torch.randn(shape, generator=generator), torch.randn(shape, generator=generator)) for unit in UNITS}
    views = {(u, s): look(planes.units[u], [s] * shape[0], draws[u][0]) for u in UNITS for s in range(len(BAND_STATES))}
    samples = 12 * shape[0] * shape[2] * shape[3]
    table = np.full((len(STATES), 3, len(BAND_STATES)), np.inf)
    for number, state in enumerate(STATES):
        seen = {unit: views[unit, s] for unit, s in zip(UNITS, state, strict=True)}
        mixtures = pilot(planes, seen)
        for i, unit in enumerate(UNITS):
            values = planes.units[unit]
            exact = exact_bits(mixtures[unit], values)
            for target in successors(state[i]):
                table[number, i, target] = _step_bits(mixtures[unit], seen[unit], values, target, state[i], exact, draws[unit][1]) / samples
        if (number + 1) % 128 == 0:
            report(f"level {planes.number}: {number + 1} of {len(STATES)} states")
    return table


def _step_bits(mixtures: Mixtures, seen: Seen, values: Tensor, target: int, state: int, exact: Tensor, noise: Tensor) -> float:
    if target == state:
        return 0.0
    if target in NOISY:
        return float(noisy_bits(mixtures, seen, values, target, noise).sum())
    new = known_positions(target, *values.shape[2:]) & ~known_positions(state, *values.shape[2:])
    return float(exact[:, new].sum())


def _latent_bits(state: State) -> float:
    """-log2 q(y | x) of a state's latents on their lattices, in bits per dimension of the level's image."""
    return sum(0.25 * (0.5 * math.log2(2 * math.pi * math.e) + math.log2(RATIO)) for s in state if s in NOISY)


def _borrowed_bits(before: State, after: State) -> float:
    """-log2 q(y_s | y_t) of the latents of ``before`` that change; their lattices are those of their whole noise."""
    total = 0.0
    for s, t in zip(before, after, strict=True):
        if s in NOISY and s != t:
            share = 1 - ((sigma_of(t) or 0.0) / (sigma_of(s) or 1.0)) ** 2
            total += 0.25 * (0.5 * math.log2(2 * math.pi * math.e * share) + math.log2(RATIO))
    return total


def search(table: Costs, kind: Kind, budget: int, stack: float) -> list[Route | None]:
    """The cheapest schedule with each number of evaluations from 1 to ``budget``; None where there is none.

    Args:
        table: From ``cost_table``.
        kind: What may be chosen.
        budget: Network evaluations at most.
        stack: What finer levels have left on the stack, in bits per dimension of this level's image.
    """
    allowed = [number for number, state in enumerate(STATES) if kind.allows(state)]
    position = {STATES[number]: i for i, number in enumerate(allowed)}
    edges = [_edges(table, STATES[number], kind, position) for number in allowed]
    demands = [
        np.array([_latent_bits(t) + _borrowed_bits(STATES[number], t) for t in found[2]])
        for number, found in zip(allowed, edges, strict=True)
    ]
    last = position[EXACT, EXACT, EXACT]
    best = np.full((budget + 1, len(allowed)), np.inf)
    best[0, last] = 0.0
    follow = np.full((budget + 1, len(allowed)), -1)
    for count in range(1, budget + 1):
        for i, (targets, costs, _) in enumerate(edges):
            if not len(targets):
                continue
            after = best[count - 1, targets]
            total = np.where(stack + after >= demands[i], costs + after, np.inf)
            choice = int(total.argmin())
            if np.isfinite(total[choice]):
                best[count, i], follow[count, i] = total[choice], targets[choice]
    first = position[UNKNOWN, UNKNOWN, UNKNOWN]
    paths: list[Route | None] = []
    for count in range(1, budget + 1):
        if not np.isfinite(best[count, first]):
            paths.append(None)
            continue
        states, place = [STATES[allowed[first]]], first
        for left in range(count, 0, -1):
            place = int(follow[left, place])
            states.append(STATES[allowed[place]])
        paths.append(Route(tuple(states), float(best[count, first])))
    return paths


def _edges(
    table: Costs, state: State, kind: Kind, position: dict[State, int]
) -> tuple[NDArray[np.int64], NDArray[np.float64], list[State]]:
    """(positions, costs, states) of all steps that may follow ``state``."""
    rows = [STATES.index(_visible(state, unit)) if kind.side_branches else STATES.index(state) for unit in range(3)]
    targets = [t for t in itertools.product(*map(successors, state)) if t != state and t in position]
    costs = [sum(table[rows[unit], unit, t[unit]] for unit in range(3)) for t in targets]
    return np.array([position[t] for t in targets], np.int64), np.array(costs), targets


def _visible(state: State, unit: int) -> State:
    """The state as a unit sees it where latents are side branches."""
    a, b, c = (UNKNOWN if s in NOISY and i != unit else s for i, s in enumerate(state))
    return a, b, c


def uniform(table: Costs, count: int) -> Route:
    """Noise falling evenly in log sigma, the same for all units at once: a diffusion without a search."""
    levels = [round(float(k)) for k in np.linspace(1, len(SIGMAS), count - 1)] if count > 2 else [2] * (count - 1)
    states: list[State] = [(k, k, k) for k in (UNKNOWN, *dict.fromkeys(levels), EXACT)]
    bits = sum(float(table[STATES.index(s), unit, t[unit]]) for s, t in itertools.pairwise(states) for unit in range(3))
    return Route(tuple(states), bits)


def unit_gains(table: Costs) -> list[str]:
    """A line a unit, the units before it exact and those after it unknown: its bits per dimension of the level's image in one evaluation,
    and what two evaluations gain in percent, by way of each noise level or of some phases; last, three, by a quarter and a half.
    """
    lines = []
    for i, unit in enumerate(UNITS):
        start = tuple(EXACT if j < i else UNKNOWN for j in range(3))

        def cost(*ways: int, i: int = i, start: tuple[int, ...] = start) -> float:
            states = [STATES.index((*start[:i], s, *start[i + 1 :])) for s in (UNKNOWN, *ways)]
            return sum(float(table[state, i, t]) for state, t in zip(states, (*ways, EXACT), strict=True))

        direct = cost()
        ways = {BAND_STATES[s]: (s,) for s in range(1, EXACT)} | {"1/4 1/2": (QUARTER, HALF)}
        lines.append(f"{unit}  {direct:.4f}  " + "  ".join(f"{name}: {100 * (1 - cost(*way) / direct):+.2f}" for name, way in ways.items()))
    return lines


def search_schedules(
    config: TrainConfig, into: Path, steps: int, budget: int, pilots_of: Path | None = None, report: Callable[[str], None] = print
) -> str:
    """Train pilots (or read ``pilots_of``), search schedules for the levels 1 to 3, write ``pilots.safetensors``, ``schedules.json`` and
    ``schedules.png`` in ``into``; returns a table.
    """
    into.mkdir(parents=True, exist_ok=True)
    if pilots_of is None:
        pilots = train_pilots(config, steps, report)
        save_file(nn.ModuleList(pilots).state_dict(), into / "pilots.safetensors")
    else:
        pilots = [Pilot() for _ in range(3)]
        nn.ModuleList(pilots).load_state_dict(load_file(pilots_of))
    images = torch.cat([crops[:EVALUATION_CROPS] for crops in validation_crops(config.validation).values()])
    stack, lines, results = 0.0, [], []
    for planes in pyramid_of(images, NetworkConfig())[:3]:
        table = cost_table(pilots[planes.number - 1], _centre(planes), report)
        np.save(into / f"costs-{planes.number}.npy", table)
        lines += [f"level {planes.number}  gain in % over one evaluation  {line}" for line in unit_gains(table)]
        found = {kind.name: search(table, kind, budget, stack) for kind in KINDS}
        found["uniform noise (debt not asked)"] = [uniform(table, count) for count in range(1, len(SIGMAS) + 2)]
        for name, paths in found.items():
            lines += [f"level {planes.number}  {name}  {n}  {p.bits:.4f}  {p}" for n, p in enumerate(paths, start=1) if p is not None]
        results.append({name: [None if p is None else {"bits": p.bits, "steps": str(p)} for p in paths] for name, paths in found.items()})
        cheapest = found[KINDS[2].name][-1]
        stack = (stack + (cheapest.bits if cheapest else 0.0)) * 4
    (into / "schedules.json").write_text(json.dumps(results, indent=1) + "\n")
    plot(results, into / "schedules.png")
    return "\n".join(lines)


def _centre(planes: LevelPlanes) -> LevelPlanes:
    side = EVALUATION_SIDE // 2
    top, left = ((length - side) // 2 for length in planes.coarse.shape[2:])
    part = (..., slice(top, top + side), slice(left, left + side))
    return LevelPlanes(planes.number, planes.coarse[part], {unit: values[part] for unit, values in planes.units.items()})


def plot(results: list[dict[str, list[dict[str, object] | None]]], image: Path) -> None:
    """Bits per dimension over evaluations, a panel a level. Raises ImportError without matplotlib."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, panels = pyplot.subplots(1, len(results), figsize=(4.2 * len(results), 3.8), layout="constrained")
    for number, (axes, found) in enumerate(zip(np.atleast_1d(panels), results, strict=True), start=1):
        for name, paths in found.items():
            points = [(n, p["bits"]) for n, p in enumerate(paths, start=1) if p is not None]
            axes.plot(*zip(*points, strict=True), marker="." if "uniform" not in name else "x", label=name)
        axes.set(xlabel="network evaluations", ylabel="bits per dimension of the level", title=f"level {number}")
        axes.grid(alpha=0.3)
    np.atleast_1d(panels)[-1].legend(fontsize="x-small")
    figure.savefig(image, dpi=90)
    pyplot.close(figure)
