"""Training: the bound falls, a resumed run goes on, gradients of the schedule are those of finite differences."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from hvpzip.training.__main__ import main
from hvpzip.training.continuous.bound import diffuse, reconstruction, squared_error
from hvpzip.training.continuous.evaluate import continuous_bound
from hvpzip.training.continuous.images import lifted
from hvpzip.training.continuous.loop import DiffusionRun, DiffusionTrainConfig, load_cascade
from hvpzip.training.continuous.widen import widen_cascade
from tests.training.continuous.tiny import smooth_pictures, tiny_config


@pytest.fixture
def config(tmp_path: Path) -> DiffusionTrainConfig:
    np.savez(tmp_path / "pictures.npz", images=smooth_pictures(96))
    return DiffusionTrainConfig(
        pictures=str(tmp_path / "pictures.npz"), held_out=32, batch=16, cascade=tiny_config(), warmup=1, validate_every=1000
    )


def size_of(image: Path) -> tuple[int, int]:
    with Image.open(image) as opened:
        return opened.size


def test_training_lowers_the_bound_and_its_average_is_what_is_saved(config: DiffusionTrainConfig, tmp_path: Path) -> None:
    run = DiffusionRun(config, tmp_path / "run", cooldown=40)
    before = sum(run.validate())
    run.train(report=lambda line: None)
    after = sum(run.validate())
    assert after < before - 0.1
    saved = load_cascade(tmp_path / "run" / "last.safetensors")
    assert sum(s.total for s in continuous_bound(saved, run.validation, draws=2).scales) == pytest.approx(after, abs=1e-5)
    kinds = [json.loads(line)["kind"] for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    assert kinds == ["validation"]


def test_a_resumed_run_goes_on_from_its_step(config: DiffusionTrainConfig, tmp_path: Path) -> None:
    first = DiffusionRun(config, tmp_path / "run")
    first.train(max_steps=3, report=lambda line: None)
    second = DiffusionRun(config, tmp_path / "run")
    assert second.step == 3
    for name, value in first.cascade.state_dict().items():
        assert torch.equal(value, second.cascade.state_dict()[name]), name
        assert torch.equal(first.average[name], second.average[name]), name
    for a, b in zip(first.optimizers, second.optimizers, strict=True):
        mine, theirs = (o.state_dict()["state"] for o in (a, b))
        assert mine.keys() == theirs.keys()
        assert all(torch.equal(mine[key]["exp_avg"], theirs[key]["exp_avg"]) for key in mine)


def test_a_larger_network_begins_as_the_same_function_and_learns_with_all_of_its_weights(
    config: DiffusionTrainConfig, tmp_path: Path
) -> None:
    DiffusionRun(config, tmp_path / "narrow").train(max_steps=3, report=lambda line: None)
    narrow = tmp_path / "narrow" / "last.safetensors"
    (width, *_), (depth, *_) = config.cascade.widths, config.cascade.blocks
    arguments = ["--widths", str(2 * width + 1), str(width), "--blocks", str(depth + 1)]
    assert main(["diffusion", "widen", str(narrow), str(tmp_path / "wide"), *arguments]) == 0
    before, after = load_cascade(narrow), load_cascade(tmp_path / "wide" / "last.safetensors")
    assert after.multiply_adds() > 2 * before.multiply_adds()
    for number, (known, values) in enumerate(before.split(lifted(smooth_pictures(4)))):
        gamma = torch.linspace(-4, 4, len(values))
        z = diffuse(before.scale(number), values, gamma, torch.randn(values.shape))
        one, other = (cascade.scale(number).estimate(z, gamma, known).belief for cascade in (before, after))
        for part, same in zip(one, other, strict=True):
            assert torch.allclose(part, same, atol=1e-5)
    run = DiffusionRun(config, tmp_path / "wide")
    assert run.step == 3
    begun = {name: p.detach().clone() for name, p in run.cascade.named_parameters()}
    run.train(max_steps=6, report=lambda line: None)
    assert [name for name, p in run.cascade.named_parameters() if torch.equal(p, begun[name])] == []
    with pytest.raises(ValueError, match="more blocks"):
        widen_cascade(narrow, tmp_path / "less.safetensors", [width], [depth - 1])
    with pytest.raises(ValueError, match="cannot be widened"):
        widen_cascade(narrow, tmp_path / "less.safetensors", [width - 1], [depth])


def test_schedule_follows_the_gradients_of_finite_differences(config: DiffusionTrainConfig, tmp_path: Path) -> None:
    """Of the loss for the end points, of its square for the shape."""
    run = DiffusionRun(config, tmp_path / "run")
    run.cascade.double()
    planes = run.validation[:4]
    known, values = (t.double() for t in run.cascade.split(planes)[1])
    model, schedule = run.cascade.scale(1), run.cascade.scale(1).schedule
    t = torch.tensor([0.1, 0.3, 0.6, 0.9], dtype=torch.float64)
    eps = torch.randn(values.shape, generator=torch.Generator().manual_seed(2), dtype=torch.float64)

    def losses(gamma: torch.Tensor, slope: torch.Tensor) -> torch.Tensor:
        belief = model.estimate(diffuse(model, values, gamma, eps), gamma, known).belief
        return 0.5 * slope * squared_error(model, values, belief, gamma)

    gamma_of_t, slope_of_t = schedule(t)
    gamma, slope = gamma_of_t.detach().requires_grad_(), slope_of_t.detach().requires_grad_()
    found = losses(gamma, slope)
    gradients = torch.autograd.grad(found.sum(), (gamma, slope))
    schedule.ends.grad = torch.zeros_like(schedule.ends)
    run._schedule_gradients(1, gamma_of_t, slope_of_t, gradients, found.detach(), 0, 4)
    for parameter, of_square in ((schedule.ends, False), (schedule.offsets, True)):
        step = 1e-5
        with torch.no_grad():
            ends = []
            for sign in (1, -1):
                parameter[0] += sign * step
                value = losses(*schedule(t))
                ends.append(float((value**2).sum() / run.cascade.dims if of_square else value.sum()))
                parameter[0] -= sign * step
        expected = (ends[0] - ends[1]) / (2 * step)
        assert parameter.grad is not None
        assert float(parameter.grad[0]) == pytest.approx(expected, rel=1e-3)


def test_command_trains_and_measures(config: DiffusionTrainConfig, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "tiny.json").write_text(json.dumps(config.to_dict()))
    into = tmp_path / "run"
    assert main(["diffusion", "train", "--config", str(tmp_path / "tiny.json"), "--into", str(into), "--steps", "2"]) == 0
    measured = ["diffusion", "bound", str(into / "last.safetensors"), config.pictures, "--limit", "8", "--draws", "2"]
    for more, words in ((["--steps", "4"], "| 4 |"), (["--invariance"], "| cosine |"), ([], "continuous bound of 8 pictures")):
        capsys.readouterr()
        assert main([*measured, *more]) == 0
        assert words in capsys.readouterr().out


def test_commands_that_draw_and_code(config: DiffusionTrainConfig, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = DiffusionRun(config, tmp_path / "run")
    run.save()
    checkpoint, pictures = str(tmp_path / "run" / "last.safetensors"), config.pictures
    grid = tmp_path / "grid.png"
    assert main(["diffusion", "samples", checkpoint, str(grid), "--count", "9", "--steps", "2"]) == 0
    assert size_of(grid) == (128, 32)
    Image.fromarray(smooth_pictures(1)[0]).save(tmp_path / "small.png")
    assert main(["diffusion", "superres", checkpoint, str(tmp_path / "small.png"), str(grid), "--steps", "2"]) == 0
    assert size_of(grid) == (48, 16)
    capsys.readouterr()
    assert main(["diffusion", "code", checkpoint, pictures, "--limit", "6", "--steps", "2"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("6 pictures in a chain, 2 steps a scale; all decoded")
    coded, ledger, wanted = (float(line.split()[2 if "bound" in line or "bits" in line[:9] else 1]) for line in lines[1:4])
    assert coded == pytest.approx(ledger, abs=0.01)
    assert coded == pytest.approx(wanted, rel=0.05)
    assert main(["diffusion", "progressive", checkpoint, pictures, "--limit", "4"]) == 0
    assert capsys.readouterr().out.splitlines()[2].startswith("| 0 | 0.000 |")
    assert main(["diffusion", "steps", checkpoint, pictures, "--limit", "4", "--levels", "5", "--budget", "2"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 5


@pytest.mark.slow
def test_commands_for_photo_models(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With the model that ships: the mean of what is not known is nearer than one draw, and than interpolation."""
    rng = np.random.default_rng(0)
    y, x = np.arange(32)[:, None, None], np.arange(32)[None, :, None]
    photo = np.clip(128 + 60 * np.sin(x / 5 + [0, 1, 2]) * np.cos(y / 7) + rng.normal(0, 2, (32, 32, 3)), 0, 255).astype(np.uint8)
    Image.fromarray(photo).save(tmp_path / "photo.png")
    assert main(["diffusion", "photo-progressive", "small-3", str(tmp_path / "photo.png")]) == 0
    rows = [line.split("|")[1:-1] for line in capsys.readouterr().out.splitlines()[2:]]
    bits = [float(row[1]) for row in rows]
    assert bits == sorted(bits)
    mean, sample = (float(cell) for cell in rows[-1][2:4])
    assert mean > sample
    assert main(["diffusion", "superres", "small-3", str(tmp_path / "photo.png"), str(tmp_path / "large.png")]) == 0
    assert size_of(tmp_path / "large.png") == (192, 64)


def test_fine_tuning_of_second_order_changes_the_weights(config: DiffusionTrainConfig, tmp_path: Path) -> None:
    found = []
    for weight in (0.0, 0.1):
        run = DiffusionRun(dataclasses.replace(config, second_order=weight), tmp_path / str(weight))
        run.train(max_steps=3, report=lambda line: None)
        found.append(run.cascade.scale(1).denoiser.leave.weight)
    assert torch.isfinite(found[1]).all()
    assert not torch.equal(*found)


def test_settings_that_make_no_sense_are_errors(config: DiffusionTrainConfig) -> None:
    with pytest.raises(ValueError, match="unknown settings of a run: bach"):
        DiffusionTrainConfig.from_dict({"pictures": "x", "bach": 3})
    with pytest.raises(ValueError, match="unknown map"):
        tiny_config(map_name="fourier")
    with pytest.raises(ValueError, match="unknown settings of a cascade: depth"):
        tiny_config(depth=3)


def test_scales_take_turns_and_learn_to_say_everything_at_once(config: DiffusionTrainConfig, tmp_path: Path) -> None:
    run = DiffusionRun(dataclasses.replace(config, turns=(1, 2), alone=0.25, alone_weight=1.0), tmp_path / "run")
    before = run.cascade.scale(0).denoiser.leave.weight.clone()
    found = [run._train_step() for _ in range(2)]
    assert np.isfinite(found[0]).all()
    assert np.isnan(found[1][0])
    assert np.isfinite(found[1][1:]).all()
    once = run.cascade.scale(0).denoiser.leave.weight.clone()
    assert not torch.equal(once, before)
    run._train_step()
    assert not torch.equal(run.cascade.scale(0).denoiser.leave.weight, once)

    def alone() -> float:
        model, (known, values) = run.cascade.scale(1), run.cascade.split(run.validation)[1]
        gamma = torch.full((len(values),), model.schedule.gamma(1.0))
        with torch.no_grad():
            return float(reconstruction(model, values, model.estimate(torch.zeros_like(values), gamma, known).belief).mean())

    start = alone()
    for _ in range(30):
        run._train_step()
    assert alone() < start
