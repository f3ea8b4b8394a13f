"""Noise levels tried on a trained model: what was trained stays, what is new starts like it and is trained, and all of it codes."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from hvpzip.codec.bitsback import group_codec
from hvpzip.codec.bitsback.group_codec import decode_group
from hvpzip.diffusion.schedule import LevelSchedule, Schedule, Step
from hvpzip.nn.config import NetworkConfig
from hvpzip.nn.graph.network import Cascade
from hvpzip.nn.graph.ops import FloatOps
from hvpzip.nn.model import load_folder
from hvpzip.training import __main__ as command
from hvpzip.training.closed_form import initialise_biases
from hvpzip.training.config import NoiseConfig, TrainConfig
from hvpzip.training.experiments.levels import _start, extend, levels_table
from hvpzip.training.loop import Run
from hvpzip.training.loss import cascade_terms

NETWORK = NetworkConfig(channels=8, components=2, networks=2, trunk_blocks=1, carry_blocks=1, side_blocks=1)
NOISE = NoiseConfig(sigma=((80, 64, 64), (96, 80, 80)), log2_delta=((2, 1, 1), (3, 2, 2)))
NEW = (
    Step(unit="hh"),
    Step(unit="hh", sigma=(80, 64, 64), log2_delta=(2, 1, 1)),
    Step(unit="hh", sigma=(64, 48, 48), log2_delta=(1, 0, 0), given=6),
    Step(unit="hh", given=7),
    Step(unit="hl", sigma=(64, 48, 48), log2_delta=(1, 0, 0)),
    Step(unit="hl", given=9),
)
PATHS = {"diffusion": (0, 1, 2, 3), "one-shot": (5, 2, 3), "chain": (6, 7, 8, 9, 10, 3)}


@pytest.fixture(scope="module", autouse=True)
def single_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def trained() -> Cascade:
    torch.manual_seed(1)
    model = Cascade(NETWORK, NOISE.schedule())
    initialise_biases(model)
    for head in (head for network in model.networks for head in network.heads):
        torch.nn.init.normal_(head.out.weight, std=0.1)
    return model


def wider(schedule: Schedule) -> Schedule:
    return Schedule(levels=tuple(LevelSchedule(steps=level.steps + NEW, paths=PATHS) for level in schedule.levels))


def test_new_steps_start_as_the_trained_ones_most_like_them(trained):
    cascade, kept = extend(trained, wider(trained.schedule))
    _start(cascade, kept)
    torch.manual_seed(0)
    photos = torch.randint(0, 256, (1, 3, 32, 32), dtype=torch.int32)
    bits = {(t.level, t.step, t.kind): float(t.bits.detach()) for t in cascade_terms(cascade, FloatOps(), photos)}
    for level in range(1, 5):
        assert bits[level, 5, "rate"] == pytest.approx(bits[level, 4, "rate"], rel=1e-5)


def test_only_what_is_new_is_trained(trained):
    cascade, kept = extend(trained, wider(trained.schedule))
    assert kept == 5
    known = trained.state_dict()
    assert {name for name, p in cascade.named_parameters() if not p.requires_grad} == set(known) & dict(cascade.named_parameters()).keys()
    for name, value in known.items():
        assert torch.equal(cascade.state_dict()[name], value)


def test_a_schedule_that_does_not_begin_with_the_trained_steps_is_refused(trained):
    other = Schedule(levels=tuple(LevelSchedule(steps=level.steps[2:] + NEW[:1], paths={}) for level in trained.schedule.levels))
    with pytest.raises(ValueError, match="must begin"):
        extend(trained, other)


def test_the_table_tells_gains_by_level_in_percent():
    schedule = NOISE.schedule()
    bits = {f"level{n}/hh/step4/rate": 1.0 for n in range(1, 6)} | {f"level{n}/hh/step0/rate": 0.5 for n in range(1, 6)}
    bits |= {f"level{n}/hh/step0/refund": 0.25 for n in range(1, 6)} | {f"level{n}/hh/step1/rate": 0.5 for n in range(1, 6)}
    bits |= {f"level{n}/{unit}/step{i}/rate": 0.3 for n in range(1, 6) for unit, i in (("hl", 2), ("lh", 3))}
    lines = levels_table({"photos": bits}, schedule, "direct").splitlines()
    assert len(lines) == 2
    assert lines[1].split() == ["photos", "diffusion", "hh", *["+25.00"] * 4, "+1.2500"]


def test_the_command_trains_them_and_writes_a_model_that_codes_along_every_path(tmp_path, capsys, crop):
    photos = tmp_path / "photos"
    photos.mkdir()
    Image.fromarray(np.tile(crop(0, 0, 64, 64).transpose(1, 2, 0), (4, 4, 1))).save(photos / "photo.png")
    settings = TrainConfig(
        sources=(str(photos),), weights=(1.0,), validation=(str(photos),), network=NETWORK, noise=NOISE, batch=1, crop=16, calibration=1
    )
    run = Run(settings, tmp_path / "run", "cpu")
    run.validate(FloatOps())
    run.save()
    schedule = tmp_path / "schedule.json"
    schedule.write_text(json.dumps(wider(run.model.schedule).to_dict()))
    into = tmp_path / "levels"
    assert command.main(["levels", str(tmp_path / "run" / "last.safetensors"), str(schedule), str(into), "--steps", "2"]) == 0
    assert "photos" in capsys.readouterr().out
    model = load_folder(into)
    samples = crop(10, 10, 20, 18)
    for path in range(len(model.schedule.path_names)):
        payload, _ = group_codec.encode_along(samples, model, path)
        assert np.array_equal(decode_group(payload, samples.shape, 8, model), samples)
    assert command.main(["gains", str(tmp_path / "run")]) == 0
    assert capsys.readouterr().out.startswith("step 0\n")
