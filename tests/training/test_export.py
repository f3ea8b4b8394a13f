"""From a checkpoint to a model that ships: its index, its identity, and what its integers cost."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from hvpzip.nn.config import NetworkConfig
from hvpzip.nn.graph.network import Cascade
from hvpzip.nn.model import load_folder
from hvpzip.training.checkpoint import write_checkpoint
from hvpzip.training.closed_form import initialise_biases
from hvpzip.training.config import NoiseConfig, TrainConfig
from hvpzip.training.export import export_checkpoint, integer_cost, load_cascade

CONFIG = TrainConfig(
    sources=("photos",),
    weights=(1.0,),
    validation=("photos",),
    network=NetworkConfig(channels=6, components=2, networks=1, trunk_blocks=1, carry_blocks=1, side_blocks=1),
    noise=NoiseConfig(sigma=((80, 64, 64),), log2_delta=((2, 1, 1),)),
    seed=5,
)


@pytest.fixture
def checkpoint(tmp_path):
    """A checkpoint whose averaged weights differ from its live ones."""
    torch.manual_seed(1)
    cascade = Cascade(CONFIG.network, CONFIG.noise.schedule())
    initialise_biases(cascade)
    tensors = {f"model.{name}": value for name, value in cascade.state_dict().items()}
    tensors |= {f"averaged.{name}": value + 0.01 for name, value in cascade.named_parameters()}
    (tmp_path / "run").mkdir()
    write_checkpoint(tmp_path / "run" / "last.safetensors", tensors, {}, {"step": 7, "config": CONFIG.to_dict()})
    return tmp_path / "run" / "last.safetensors"


def test_the_averaged_weights_are_written_and_load_with_every_check(checkpoint, tmp_path):
    model = export_checkpoint(checkpoint, tmp_path / "models" / "a", default=False)
    again = load_folder(tmp_path / "models" / "a")
    assert again.id == model.id
    assert (again.config, again.schedule) == (CONFIG.network, CONFIG.noise.schedule())
    settings = json.loads((tmp_path / "models" / "a" / "config.json").read_text())
    assert settings["training"] == {"step": 7, "batch": CONFIG.batch, "crop": CONFIG.crop, "seed": 5}
    cascade, averaged, _, _ = load_cascade(checkpoint)
    bias = again.levels[0].heads[0].out.bias / 2.0 ** (again.levels[0].heads[0].out.exponent + 5)
    np.testing.assert_allclose(bias, averaged["networks.0.heads.0.out.bias"], atol=0.02)
    assert not np.allclose(bias, cascade.state_dict()["networks.0.heads.0.out.bias"], atol=0.005)


def test_the_index_has_every_model_once_and_the_default_that_was_asked_for(checkpoint, tmp_path):
    index = tmp_path / "models" / "index.json"
    for name, default, expected in (("b", False, "b"), ("a", False, "b"), ("c", True, "c"), ("a", False, "c")):
        export_checkpoint(checkpoint, tmp_path / "models" / name, default=default)
        assert json.loads(index.read_text())["default"] == expected
    assert json.loads(index.read_text())["models"] == ["a", "b", "c"]


def test_integers_cost_is_told_for_every_path_on_the_same_latents(checkpoint, tmp_path):
    (tmp_path / "photos").mkdir()
    noise = np.random.default_rng(0).normal(0, 6, (256, 256, 3)) + np.indices((256, 256)).sum(0)[..., None] / 3
    Image.fromarray(noise.clip(0, 255).astype(np.uint8)).save(tmp_path / "photos" / "a.png")
    found = integer_cost(checkpoint, (str(tmp_path / "photos"),))
    assert {name.rpartition("/")[2] for name in found} == {"diffusion", "direct"}
    for real, integer in found.values():
        assert real != integer
        assert integer == pytest.approx(real, rel=0.05)
