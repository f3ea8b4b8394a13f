"""Runs of a tiny network: terms, closed form, resuming, cooling down, and agreement of what was simulated with what the codec counts."""

import dataclasses
import json
from itertools import pairwise

import numpy as np
import pytest
import torch
from PIL import Image

from hvpzip.codec.bitsback import group_codec
from hvpzip.nn.config import NetworkConfig
from hvpzip.nn.graph.export import export
from hvpzip.nn.graph.network import Cascade
from hvpzip.nn.graph.ops import FloatOps
from hvpzip.training import loop
from hvpzip.training.closed_form import initialise_biases, solve
from hvpzip.training.config import NoiseConfig, TrainConfig
from hvpzip.training.data import Augmentation
from hvpzip.training.loop import Run, learning_rate, validation_crops
from hvpzip.training.loss import cascade_terms, path_bits, pyramid_of, training_loss
from hvpzip.transform import colour, lifting, pyramid

NETWORK = NetworkConfig(channels=8, components=2, networks=2, trunk_blocks=1, carry_blocks=1, side_blocks=1)
NOISE = NoiseConfig(sigma=((80, 64, 64), (96, 80, 80)), log2_delta=((2, 1, 1), (3, 2, 2)))
KINDS = {(0, "hh", "rate"), (0, "hh", "refund"), (1, "hh", "rate"), (2, "hl", "rate"), (3, "lh", "rate"), (4, "hh", "rate")}


def smooth(seed: int, height: int, width: int) -> np.ndarray:
    """A photo of waves with a little noise: uint8 ``(height, width, 3)``."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    waves = sum(30 * np.sin(rng.uniform(-0.3, 0.3) * y + rng.uniform(-0.3, 0.3) * x + rng.uniform(0, 6)) for _ in range(4))
    colours = waves[..., None] * rng.uniform(0.6, 1.0, 3)
    return np.clip(128 + colours + rng.normal(0, 1.5, (height, width, 3)), 0, 255).astype(np.uint8)


@pytest.fixture(autouse=True)
def short_start(monkeypatch):
    """Few batches for the closed form: photos of one kind need no more."""
    monkeypatch.setattr(loop, "CLOSED_FORM_BATCHES", 8)


@pytest.fixture(scope="module", autouse=True)
def single_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def config(tmp_path_factory) -> TrainConfig:
    folder, held_out = tmp_path_factory.mktemp("photos"), tmp_path_factory.mktemp("held-out")
    for number in range(3):
        Image.fromarray(smooth(number, 40, 48)).save(folder / f"{number}.png")
    Image.fromarray(smooth(9, 256, 260)).save(held_out / "only.png")
    return TrainConfig(
        sources=(str(folder),),
        weights=(1.0,),
        validation=(str(held_out),),
        network=NETWORK,
        noise=NOISE,
        augmentation=Augmentation(resample=0.3, noise=0.3),
        batch=2,
        crop=16,
        warmup=2,
        calibration=2,
        validate_every=1000,
        seed=3,
    )


@pytest.fixture
def cascade() -> Cascade:
    torch.manual_seed(1)
    model = Cascade(NETWORK, NOISE.schedule())
    initialise_biases(model)
    return model


def images(count: int, side: int = 32, seed: int = 20) -> torch.Tensor:
    return torch.from_numpy(np.stack([smooth(seed + i, side, side).transpose(2, 0, 1) for i in range(count)]).astype(np.int32))


def test_the_rate_warms_up_stays_and_falls_with_the_root_of_the_cool_downs_progress():
    assert [learning_rate(step, 1.0, 4, None) for step in (0, 1, 3, 4, 1000)] == [0.25, 0.5, 1.0, 1.0, 1.0]
    cooling = [learning_rate(step, 2.0, 4, (100, 200)) for step in range(99, 201)]
    assert cooling[0] == 2.0
    assert cooling[25] == pytest.approx(2.0 * 0.5)  # a quarter of the way
    assert all(a > b for a, b in pairwise(cooling[1:91]))
    assert min(cooling) == cooling[100] == cooling[101] == pytest.approx(0.04)
    assert learning_rate(0, 1.0, 0, None) == 1.0


def test_levels_are_the_crops_pyramid_finest_first():
    levels = pyramid_of(images(2), NETWORK)
    assert [level.number for level in levels] == [1, 2, 3, 4]
    assert [tuple(level.coarse.shape) for level in levels] == [(2, 3, side, side) for side in (16, 8, 4, 2)]
    finer, coarser = levels[0], levels[1]
    assert torch.equal(finer.coarse[..., 1::2, 1::2], coarser.units["hh"])  # subsampling only picks
    assert torch.equal(finer.coarse[..., ::2, ::2], coarser.coarse)


@pytest.mark.parametrize("side", [16, 32])
def test_the_pyramid_made_on_the_device_is_that_of_the_codec(side):
    crops = images(2, side)
    count = side.bit_length() - 2
    split = pyramid.split(colour.forward(crops.numpy(), colour.YCOCG_R), lifting.SUBSAMPLE, count)
    image = split.base
    for level, bands in zip(reversed(pyramid_of(crops, NETWORK)), split.levels, strict=True):
        assert np.array_equal(level.coarse.numpy(), image)
        assert all(np.array_equal(level.units[unit].numpy(), bands[unit]) for unit in bands)
        image = lifting.merge2d(image, bands, lifting.SUBSAMPLE)
    haar = pyramid_of(crops, dataclasses.replace(NETWORK, transform=lifting.HAAR))
    assert [tuple(level.coarse.shape[-2:]) for level in haar] == [(side >> n, side >> n) for n in range(1, count + 1)]
    assert not torch.equal(haar[0].coarse, pyramid_of(crops, NETWORK)[0].coarse)


def test_terms_name_every_step_of_every_level_and_paths_are_rates_minus_refunds(cascade):
    terms = cascade_terms(cascade, FloatOps(), images(2))
    names = [(term.level, term.step, term.unit, term.kind) for term in terms]
    assert len(set(names)) == len(names)
    assert set(names) == {(level, *kind) for level in (1, 2, 3, 4) for kind in KINDS}
    schedules = {level: cascade.schedule.level(level) for level in range(1, 5)}
    bits = {name[:2] + name[3:]: float(term.bits.detach()) for name, term in zip(names, terms, strict=True)}
    for path, steps in {"diffusion": (0, 1, 2, 3), "direct": (4, 2, 3)}.items():
        expected = sum(bits[level, step, "rate"] - bits.get((level, step, "refund"), 0.0) for level in range(1, 5) for step in steps)
        assert float(path_bits(terms, schedules, path).detach()) == pytest.approx(expected, rel=1e-5)
    assert all(value > 0 for value in bits.values())


def test_after_luma_alone_a_path_counts_the_other_colours_of_the_direct_step():
    torch.manual_seed(1)
    noise = NoiseConfig(sigma=((80,), (96,)), log2_delta=((2,), (3,)))
    cascade = Cascade(NETWORK, noise.schedule())
    terms = cascade_terms(cascade, FloatOps(), images(2))
    schedules = {level: cascade.schedule.level(level) for level in range(1, 5)}
    rates = {(t.level, t.step, t.colours): float(t.bits.detach()) for t in terms if t.kind == "rate"}
    refunds = sum(float(t.bits.detach()) for t in terms if t.kind == "refund")
    shared = sum(bits for (_, step, _), bits in rates.items() if step in (2, 3))
    luma = sum(bits for (_, step, _), bits in rates.items() if step in (0, 1)) - refunds
    direct_luma, others = (sum(rates[level, 4, colours] for level in range(1, 5)) for colours in ((0, 1), (1, 3)))
    assert float(path_bits(terms, schedules, "direct").detach()) == pytest.approx(shared + direct_luma + others, rel=1e-5)
    assert float(path_bits(terms, schedules, "diffusion").detach()) == pytest.approx(shared + luma + others, rel=1e-5)
    loss = training_loss(terms, cascade, 100, side_weight=0.5)
    assert float(loss.detach()) == pytest.approx((shared + luma + others + 0.5 * direct_luma) / 100, rel=1e-5)


def test_the_loss_is_the_first_path_a_sample_and_a_share_of_the_steps_beside_it(cascade):
    terms = cascade_terms(cascade, FloatOps(), images(2))
    schedules = {level: cascade.schedule.level(level) for level in range(1, 5)}
    main = float(path_bits(terms, schedules, "diffusion").detach())
    beside = sum(float(term.bits.detach()) for term in terms if term.step == 4)
    loss = training_loss(terms, cascade, 1000, 0.25)
    assert float(loss.detach()) == pytest.approx((main + 0.25 * beside) / 1000, rel=1e-5)
    loss.backward()
    without = [name for name, p in cascade.named_parameters() if p.grad is None]
    assert without == []
    assert all(bool(torch.isfinite(p.grad).all()) for p in cascade.parameters())


def test_the_closed_form_takes_bits_off_smooth_pictures(cascade):
    def bits() -> dict[str, float]:
        torch.manual_seed(0)
        with torch.no_grad():
            terms = cascade_terms(cascade, FloatOps(), images(4, seed=90))
        schedules = {level: cascade.schedule.level(level) for level in range(1, 5)}
        return {path: float(path_bits(terms, schedules, path)) / (4 * 3 * 32 * 32) for path in ("diffusion", "direct")}

    before = bits()
    batches = iter([images(4, seed=seed) for seed in (30, 40, 50, 60)])
    solve(cascade, lambda: next(batches), 4)
    after = bits()
    for path in before:
        assert after[path] < 0.5 * before[path]
        assert after[path] < 5.0
    for buffer in (form for name, form in cascade.state_dict().items() if "closed_form" in name):
        assert torch.equal(buffer, buffer.round())


def weights_of(folder) -> dict[str, torch.Tensor]:
    from safetensors.torch import load_file

    return load_file(folder / "last.safetensors") | load_file(folder / "last.optimizer.safetensors")


def losses_of(run: Run, steps: int) -> list[float]:
    """Train and return the sum of each step's terms."""
    found: list[float] = []
    inner = run._backward

    def backward(ops):
        result = inner(ops)
        found.append(float(sum(term.bits.detach() for term in result[0])))
        return result

    run._backward = backward
    run.train(max_steps=steps, report=lambda line: None)
    return found


@pytest.mark.parametrize("optimizer", ["adam", "muon"])
def test_a_resumed_run_goes_on_as_if_it_had_not_stopped(config, tmp_path, optimizer):
    config = dataclasses.replace(config, optimizer=optimizer)
    whole = losses_of(Run(config, tmp_path / "whole", "cpu"), 6)
    first = losses_of(Run(config, tmp_path / "parts", "cpu"), 3)
    second = Run(config, tmp_path / "parts", "cpu")
    assert second.step == 3
    assert [*first, *losses_of(second, 3)] == whole
    one, other = weights_of(tmp_path / "whole"), weights_of(tmp_path / "parts")
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert not torch.equal(one["model.networks.0.trunk.embed.weight"], one["averaged.networks.0.trunk.embed.weight"])


def test_a_run_may_change_its_optimiser_and_keeps_what_both_average(config, tmp_path):
    folder, muon = tmp_path / "run", dataclasses.replace(config, optimizer="muon")
    Run(config, folder, "cpu").train(max_steps=2, report=lambda line: None)
    adam = weights_of(folder)
    run = Run(muon, folder, "cpu")
    name, weight = next((name, p) for name, p in run.model.named_parameters() if name.endswith("trunk.embed.weight"))
    assert torch.equal(run.optimizers[1].state[weight]["exp_avg"], adam[f"{name}.m"])
    run.train(max_steps=1, report=lambda line: None)
    after = weights_of(folder)
    assert not torch.equal(after[f"model.{name}"], adam[f"model.{name}"])
    assert f"{name}.m" in after
    assert f"{name}.v" not in after  # Muon needs none
    assert {key for key in adam if key.endswith(".v")} - {key for key in after if key.endswith(".v")} == {
        key for key in adam if key.endswith(".weight.v") and ".out." not in key
    }
    back = Run(config, folder, "cpu")  # back with Adam, whose averages of these weights begin anew
    assert next(p for n, p in back.model.named_parameters() if n == name) not in back.optimizers[0].state
    back.train(max_steps=1, report=lambda line: None)
    assert f"{name}.v" in weights_of(folder)


def test_a_cool_down_branches_off_ends_at_its_step_with_simulated_integers_and_exports_what_it_simulated(config, tmp_path):
    Run(config, tmp_path / "long", "cpu").train(max_steps=4, report=lambda line: None)
    before = (tmp_path / "long" / "last.safetensors").read_bytes()
    config = dataclasses.replace(config, validate_every=14)
    branch = Run(config, tmp_path / "branch", "cpu", initial=tmp_path / "long" / "last.safetensors", cooldown=10)
    branch.train(max_steps=2, report=lambda line: None)
    again = Run(config, tmp_path / "branch", "cpu", cooldown=10)  # resuming does not start the cool-down anew
    assert (again.step, again.start_of_cooldown, again.end) == (6, 4, 14)
    again.train(report=lambda line: None)
    assert again.step == 14
    assert (tmp_path / "long" / "last.safetensors").read_bytes() == before
    [entry] = [json.loads(line) for line in (tmp_path / "branch" / "log.jsonl").read_text().splitlines()]
    assert (entry["kind"], entry["simulated"], entry["step"]) == ("validation", True, 14)
    # The codec, with the exported integers, codes a validation crop in the bits that were simulated.
    [(name, crops)] = validation_crops(config.validation).items()
    assert crops.shape == (1, 3, 256, 256)
    part = crops[:, :, :64, :64]
    model = export(again.model, again.averaged, tmp_path / "model", {})
    again._load(again.averaged)
    with torch.no_grad():
        terms = cascade_terms(again.model, FloatOps(simulate=True), part)
    schedules = {level: again.model.schedule.level(level) for level in range(1, 6)}
    simulated = float(path_bits(terms, schedules, "direct"))
    _, report = group_codec.encode_along(part[0].numpy().astype(np.uint8), model, model.schedule.path_names.index("direct"))
    assert [term.unit for term in report.terms if term.level == 0] == ["base"]
    assert report.bound_bits - report.terms[-1].bits == pytest.approx(simulated, rel=0.003)
    ratio = entry["bits_per_dim"][f"{name}/diffusion"] / entry["bits_per_dim"][f"{name}/direct"]
    assert 0.9 < ratio < 1.3


def test_a_log_line_is_written_every_hundred_steps_with_all_terms(config, tmp_path):
    run = Run(config, tmp_path / "run", "cpu")
    run.step = 98
    lines: list[str] = []
    run.train(max_steps=2, report=lines.append)
    [entry] = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    assert (entry["kind"], entry["step"]) == ("train", 100)
    bits = entry["bits_per_dim"]
    assert set(bits) == {"diffusion", "direct"} | {
        f"level{level}/{unit}/step{step}/{kind}" for level in (1, 2, 3) for step, unit, kind in KINDS
    }
    assert lines[0].startswith("step 100 ")
    for path, steps in {"diffusion": (0, 1, 2, 3), "direct": (4, 2, 3)}.items():
        parts = [(key, value) for key, value in bits.items() if key.startswith("level") and int(key.split("/step")[1][0]) in steps]
        assert bits[path] == pytest.approx(sum(-v if k.endswith("refund") else v for k, v in parts), rel=1e-4)
