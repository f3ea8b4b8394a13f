"""Settings of a run: plain data and back, and mistakes named."""

import json

import pytest

from hvpzip.diffusion.schedule import Schedule
from hvpzip.nn.config import NetworkConfig
from hvpzip.training.config import NoiseConfig, TrainConfig
from hvpzip.training.data import Augmentation

CONFIG = TrainConfig(
    sources=("a", "b"),
    weights=(0.75, 0.25),
    validation=("c",),
    network=NetworkConfig(channels=8, networks=2),
    noise=NoiseConfig(sigma=((80, 64, 64), (96, 80, 80)), log2_delta=((2, 1, 1), (3, 2, 2))),
    augmentation=Augmentation(scales=(0.5, 1.5), gray=0.0),
    crop=16,
)


def test_settings_survive_json():
    assert TrainConfig.from_dict(json.loads(json.dumps(CONFIG.to_dict()))) == CONFIG


def test_settings_are_read_from_a_file_with_defaults(tmp_path):
    (tmp_path / "run.json").write_text('{"sources": ["a"], "weights": [1], "crop": 32}')
    assert TrainConfig.read(tmp_path / "run.json") == TrainConfig(sources=("a",), weights=(1,), crop=32)


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        ({"learning_rat": 1}, "'learning_rat' of TrainConfig; did you mean 'learning_rate'"),
        ({"network": {"chanels": 8}}, "'chanels' of NetworkConfig; did you mean 'channels'"),
        ({"noise": {"sigmas": []}}, "'sigmas' of NoiseConfig; did you mean 'sigma'"),
        ({"augmentation": {"xyzzy": 1}}, "'xyzzy' of Augmentation$"),
        ({"weights": [1, 2]}, "as many weights as sources"),
        ({"sources": [], "weights": []}, "at least one"),
        ({"crop": 48}, "power of two.* not 48"),
        ({"crop": 4}, "power of two.* not 4"),
        ({"network": {"channels": 0}}, "channels must be at least 1"),
    ],
)
def test_mistakes_are_named(extra, message):
    with pytest.raises(ValueError, match=message):
        TrainConfig.from_dict({"sources": ["a"], "weights": [1.0], **extra})


def test_the_noise_makes_a_schedule_with_a_latent_on_every_level():
    schedule = CONFIG.noise.schedule()
    assert isinstance(schedule, Schedule)
    assert len(schedule.levels) == 2
    for level, sigma in zip(schedule.levels, CONFIG.noise.sigma, strict=True):
        assert level.steps[0].sigma == sigma
        assert level.steps[level.paths["diffusion"][0]].is_latent
