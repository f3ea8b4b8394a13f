"""A model's id is a format: what the classes say of it may change, its bytes may not."""

import json
from dataclasses import dataclass, fields, replace
from pathlib import Path

import pytest

from hvpzip.diffusion.schedule import LevelSchedule, Schedule, Step
from hvpzip.nn.bundled import list_models, model_id, models_folder
from hvpzip.nn.config import NetworkConfig
from hvpzip.nn.identity import identity, identity_with_path


@dataclass(frozen=True, kw_only=True)
class LaterConfig(NetworkConfig):
    """A setting that came later."""

    attention: bool = False


@dataclass(frozen=True, kw_only=True)
class LaterStep(Step):
    """Likewise."""

    reveals: str = "all colours"


def told(name: str) -> dict[str, object]:
    return json.loads((models_folder() / name / "config.json").read_text())


PHOTO_MODELS = [name for name in list_models() if "noise_path" not in told(name)]


def settings(name: str) -> tuple[NetworkConfig, Schedule]:
    data = told(name)
    return NetworkConfig.from_dict(data["network"]), Schedule.from_dict(data["schedule"])


def tensors(name: str) -> dict[str, object]:
    from safetensors.numpy import load_file

    return dict(load_file(Path(models_folder()) / name / "weights.safetensors"))


@pytest.mark.parametrize("name", PHOTO_MODELS)
def test_a_setting_with_a_default_leaves_the_ids_of_all_models(name):
    network, schedule = settings(name)
    later = LaterConfig(**{field.name: getattr(network, field.name) for field in fields(network)})
    levels = tuple(
        LevelSchedule(
            steps=tuple(LaterStep(unit=s.unit, sigma=s.sigma, log2_delta=s.log2_delta, given=s.given) for s in level.steps),
            paths=level.paths,
        )
        for level in schedule.levels
    )
    assert identity(later, Schedule(levels=levels), tensors(name)) == model_id(name)


def test_every_setting_is_in_the_bytes():
    config = NetworkConfig()
    for field in fields(config):
        assert replace(config, **{field.name: getattr(config, field.name) + 1}).canonical() != config.canonical()


def test_the_bytes_are_these():
    assert NetworkConfig().canonical() == (
        b'{"carry_blocks": 2, "channels": 64, "colour_lift": 1, "components": 4, "networks": 3, "side_blocks": 1, "transform": 0, '
        b'"trunk_blocks": 2}'
    )
    level = LevelSchedule(
        steps=(
            Step(unit="hh", sigma=(80, 64, 64), log2_delta=(2, 1, 1)),
            Step(unit="hh", given=0),
            *(Step(unit=u) for u in ("hl", "lh", "hh")),
        ),
        paths={"z": (0, 1, 2, 3), "a": (4, 2, 3)},
    )
    assert Schedule(levels=(level,)).canonical() == (
        b'{"levels":[{"paths":{"a":[4,2,3],"z":[0,1,2,3]},"steps":['
        b'{"given":null,"log2_delta":[2,1,1],"sigma":[80,64,64],"unit":"hh"},{"given":0,"log2_delta":[],"sigma":[],"unit":"hh"},'
        b'{"given":null,"log2_delta":[],"sigma":[],"unit":"hl"},{"given":null,"log2_delta":[],"sigma":[],"unit":"lh"},'
        b'{"given":null,"log2_delta":[],"sigma":[],"unit":"hh"}]}]}'
    )


@pytest.mark.parametrize("name", sorted(set(list_models()) - set(PHOTO_MODELS)))
def test_an_id_with_a_noise_path_is_of_both_models(name):
    data = told(name)
    path = data["noise_path"]
    found = identity_with_path(model_id(data["photo_model"]), path["map"], path["depth"], path["components"], tensors(name))
    assert found == model_id(name)
    assert data["photo_model"] in PHOTO_MODELS
