"""Schedules by search: what a step costs by the pilot's mixtures, the shortest path, and what is on the stack."""

import itertools
import json
import math

import numpy as np
import pytest
import torch
from PIL import Image

from hvpzip.diffusion.schedule import UNITS
from hvpzip.training import __main__ as command
from hvpzip.training.experiments import search
from hvpzip.training.experiments.pilot import (
    BAND_STATES,
    EXACT,
    HALF,
    QUARTER,
    UNKNOWN,
    Mixtures,
    Pilot,
    _given_latent,
    exact_bits,
    known_positions,
    look,
    noisy_bits,
    successors,
)
from hvpzip.training.loss import LevelPlanes

ALL_UNKNOWN, ALL_EXACT = (UNKNOWN,) * 3, (EXACT,) * 3
FREE = search.KINDS[0]


@pytest.fixture(autouse=True)
def single_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def random_table(seed: int) -> np.ndarray:
    """Costs of 0 to 1 bit where a step may lead, as a pilot's table has them."""
    table = np.full((len(search.STATES), 3, len(BAND_STATES)), np.inf)
    numbers = np.random.default_rng(seed)
    for number, state in enumerate(search.STATES):
        for unit, s in enumerate(state):
            targets = successors(s)
            table[number, unit, targets] = numbers.uniform(0, 1, len(targets))
            table[number, unit, s] = 0.0
    return table


def coupled(seed: int, shape=(1, 3, 240, 240)):
    """Integers of coupled colours with large scales, and the mixtures that know their law."""
    generator = torch.Generator().manual_seed(seed)
    y, co, cg = (scale * torch.randn(shape[0], *shape[2:], generator=generator) for scale in (30.0, 20.0, 25.0))
    values = torch.round(torch.stack([y, co + 0.5 * y, cg - 0.25 * y + 0.5 * (co + 0.5 * y)], 1))
    variance = torch.tensor([900.0, 400.0, 625.0])[:, None, None, None].expand(shape[0], 3, 1, *shape[2:])
    coupling = torch.tensor([0.5, -0.25, 0.5])[:, None, None].expand(*shape)
    # Component means are those before the shift by the colours already seen, which are zero on average.
    return values, Mixtures(torch.zeros(variance.shape), torch.zeros(variance.shape), variance, coupling)


def test_a_latent_between_costs_nothing_where_a_sample_has_nothing_to_do_with_others():
    values, prior = coupled(1)
    prior = prior._replace(coupling=torch.zeros_like(prior.coupling))
    values = torch.round(values.new_tensor([30.0, 20.0, 25.0])[:, None, None] * torch.randn(values.shape))
    blind, noise = look(values, [UNKNOWN], torch.randn(values.shape)), torch.randn(values.shape)
    direct = float(exact_bits(prior, values).mean())
    coarse = look(values, [1], torch.randn(values.shape))
    first = float(noisy_bits(prior, blind, values, 1, torch.randn(values.shape)).mean())
    posterior = _given_latent(prior, coarse)
    chain = float(noisy_bits(posterior, coarse, values, 3, noise).mean())
    last = float(exact_bits(posterior, values).mean())
    assert first + last == pytest.approx(direct, abs=0.03)
    fine = look(values, [3], torch.randn(values.shape))
    fine_last = float(exact_bits(_given_latent(prior, fine), values).mean())
    assert first + chain + fine_last == pytest.approx(direct, abs=0.03)


def test_a_known_coupling_of_colours_saves_bits_exactly_and_through_noise():
    values, prior = coupled(2)
    uncoupled = prior._replace(
        coupling=torch.zeros_like(prior.coupling), variance=values.var((0, 2, 3), keepdim=True)[:, :, None].expand_as(prior.variance)
    )
    blind, noise = look(values, [UNKNOWN], torch.randn(values.shape)), torch.randn(values.shape)
    assert float((exact_bits(prior, values) - exact_bits(uncoupled, values)).mean()) < -0.2
    through = [float(noisy_bits(one, blind, values, 2, noise).mean()) for one in (prior, uncoupled)]
    assert through[0] < through[1] - 0.1


def test_phases_are_nested_and_only_known_samples_reach_the_network():
    quarter, half = known_positions(QUARTER, 6, 6), known_positions(HALF, 6, 6)
    assert int(quarter.sum()) == 9
    assert int(half.sum()) == 18
    assert bool((half | ~quarter).all())
    torch.manual_seed(0)
    pilot = Pilot(channels=4, blocks=1)
    for parameter in pilot.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    coarse = torch.randint(0, 255, (2, 3, 8, 8)).float()
    units = {unit: torch.randint(0, 255, (2, 3, 8, 8)).float() for unit in UNITS}
    changed = {unit: torch.where(known_positions(QUARTER, 8, 8), values, values + 9) for unit, values in units.items()}
    found = []
    for values in (units, changed):
        seen = {"hh": look(values["hh"], [QUARTER] * 2, torch.zeros(2, 3, 8, 8))}
        seen |= {unit: look(values[unit], [UNKNOWN] * 2, torch.zeros(2, 3, 8, 8)) for unit in ("hl", "lh")}
        found.append(pilot(LevelPlanes(1, coarse, values), seen)["lh"].mean)
    assert torch.equal(*found)


def test_successors_know_more():
    assert successors(UNKNOWN) == list(range(len(BAND_STATES)))
    assert successors(3) == [3, 4, EXACT]
    assert successors(QUARTER) == [QUARTER, HALF, EXACT]
    assert successors(EXACT) == [EXACT]


def test_the_path_found_is_the_cheapest_of_all_where_nothing_need_be_borrowed():
    table, rich = random_table(3), 100.0
    paths = search.search(table, FREE, 3, rich)

    def cost(states) -> float:
        rows = [search.STATES.index(s) for s in states[:-1]]
        return sum(table[row, unit, t[unit]] for row, t in zip(rows, states[1:], strict=True) for unit in range(3))

    steps = {s: [t for t in itertools.product(*map(successors, s)) if t != s] for s in search.STATES}
    two = min(cost((ALL_UNKNOWN, m, ALL_EXACT)) for m in steps[ALL_UNKNOWN] if m != ALL_EXACT)
    assert paths[0].bits == pytest.approx(cost((ALL_UNKNOWN, ALL_EXACT)))
    assert paths[1].bits == pytest.approx(two)
    assert paths[2].bits == pytest.approx(cost(paths[2].states))
    assert len(paths[2].states) == 4
    assert all(t in steps[s] for s, t in itertools.pairwise(paths[2].states))


def test_an_empty_stack_lends_nothing_to_the_step_that_is_decoded_last():
    table = random_table(4) * 0.01  # far less than a latent borrows
    free, poor = search.search(table, FREE, 4, 100.0), search.search(table, FREE, 4, 0.0)
    assert any(s in search.NOISY for path in free for state in path.states for s in state)
    assert not any(s in search.NOISY for path in poor for state in path.states for s in state)
    assert all(one.bits >= other.bits for one, other in zip(poor, free, strict=True))


@pytest.mark.parametrize("kind", search.KINDS, ids=lambda kind: kind.name)
def test_a_search_stays_with_what_its_kind_allows(kind):
    for path in search.search(random_table(5), kind, 4, 100.0):
        assert path.states[0] == ALL_UNKNOWN
        assert path.states[-1] == ALL_EXACT
        assert all(kind.allows(state) for state in path.states)


def test_side_branches_hide_latents_from_other_units():
    assert search._visible((2, UNKNOWN, EXACT), 0) == (2, UNKNOWN, EXACT)
    assert search._visible((2, UNKNOWN, EXACT), 1) == (UNKNOWN, UNKNOWN, EXACT)


def test_borrowed_bits_are_the_entropies_of_the_kernels():
    one = 0.25 * math.log2(math.sqrt(2 * math.pi * math.e))
    assert search._borrowed_bits((1, UNKNOWN, UNKNOWN), (EXACT, UNKNOWN, EXACT)) == pytest.approx(one)
    assert search._borrowed_bits((1, 1, UNKNOWN), (2, 1, EXACT)) == pytest.approx(one + 0.25 * 0.5 * math.log2(0.75))
    assert search._latent_bits((1, 2, EXACT)) == pytest.approx(2 * one)


def test_uniform_noise_has_as_many_steps_as_asked_and_one_level_for_all():
    table = random_table(6)
    for count in range(1, len(search.SIGMAS) + 2):
        path = search.uniform(table, count)
        assert len(path.states) == count + 1
        assert all(len(set(state)) == 1 for state in path.states)


def test_gains_of_units_are_of_two_evaluations_over_one_with_the_units_before_exact():
    table = np.full((len(search.STATES), 3, len(BAND_STATES)), np.inf)
    for number, state in enumerate(search.STATES):
        for unit, s in enumerate(state):
            table[number, unit, successors(s)] = 0.25
    table[search.STATES.index((EXACT, UNKNOWN, UNKNOWN)), 1, EXACT] = 1.0
    lines = search.unit_gains(table)
    assert lines[0].split()[:4] == ["hh", "0.2500", "16:", "-100.00"]
    assert lines[1].split()[:4] == ["hl", "1.0000", "16:", "+50.00"]
    assert lines[1].endswith("1/4 1/2: +25.00")


def test_the_command_writes_schedules_for_three_levels(tmp_path, capsys, monkeypatch):
    pytest.importorskip("matplotlib")
    monkeypatch.setattr(search, "EVALUATION_CROPS", 1)
    monkeypatch.setattr(search, "EVALUATION_SIDE", 8)
    x, y = np.meshgrid(np.arange(256), np.arange(256))
    Image.fromarray(np.stack([x, y, (x + y) // 2], -1).astype(np.uint8)).save(tmp_path / "photo.png")
    settings = {"sources": [str(tmp_path)], "weights": [1.0], "validation": [str(tmp_path)], "batch": 1, "crop": 32}
    (tmp_path / "tiny.json").write_text(json.dumps(settings))
    out = tmp_path / "out"
    arguments = ["schedule", "--config", str(tmp_path / "tiny.json"), "--into", str(out), "--budget", "3"]
    assert command.main([*arguments, "--steps", "2"]) == 0
    first = capsys.readouterr().out.splitlines()
    results = json.loads((out / "schedules.json").read_text())
    assert len(results) == 3
    assert set(results[0]) == {kind.name for kind in search.KINDS} | {"uniform noise (debt not asked)"}
    assert (out / "schedules.png").stat().st_size > 1000
    assert command.main([*arguments, "--pilots", str(out / "pilots.safetensors")]) == 0
    assert [line for line in capsys.readouterr().out.splitlines() if line.startswith("level 1  phases")] == [
        line for line in first if line.startswith("level 1  phases")
    ]
