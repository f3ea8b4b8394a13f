"""A trained network goes on with latents of luma alone: what reads no latent says what it said."""

import numpy as np
import pytest
import torch
from PIL import Image

from hvpzip.nn.config import NetworkConfig
from hvpzip.nn.graph.network import Cascade
from hvpzip.nn.graph.ops import FloatOps
from hvpzip.training import luma
from hvpzip.training.checkpoint import read_checkpoint, write_checkpoint
from hvpzip.training.config import NoiseConfig, TrainConfig
from hvpzip.training.export import load_cascade
from hvpzip.training.loss import cascade_terms
from hvpzip.training.luma import luma_checkpoint


@pytest.fixture
def checkpoint(tmp_path, monkeypatch):
    monkeypatch.setattr(luma, "CLOSED_FORM_BATCHES", 2)
    pixels = np.random.default_rng(0).integers(0, 256, (40, 48, 3), np.uint8)
    (tmp_path / "photos").mkdir()
    Image.fromarray(pixels).save(tmp_path / "photos" / "a.png")
    config = TrainConfig(
        sources=(str(tmp_path / "photos"),),
        weights=(1.0,),
        network=NetworkConfig(channels=6, components=2, networks=1, trunk_blocks=1, carry_blocks=1, side_blocks=1),
        noise=NoiseConfig(sigma=((80, 64, 64),), log2_delta=((2, 1, 1),)),
        batch=2,
        crop=16,
    )
    torch.manual_seed(1)
    cascade = Cascade(config.network, config.noise.schedule())
    with torch.no_grad():
        for p in cascade.parameters():
            p.add_(0.1 * torch.randn_like(p))
    tensors = {f"model.{k}": v for k, v in cascade.state_dict().items()}
    tensors |= {f"averaged.{k}": v.detach().clone() for k, v in cascade.named_parameters()}
    moments = {f"{name}.m": torch.ones_like(p) for name, p in cascade.named_parameters()}
    write_checkpoint(tmp_path / "last.safetensors", tensors, moments, {"step": 7, "config": config.to_dict()})
    return tmp_path / "last.safetensors"


def test_steps_that_read_no_latent_stay_and_the_others_have_closed_forms(checkpoint, tmp_path):
    target = tmp_path / "luma" / "last.safetensors"
    luma_checkpoint(checkpoint, target)
    before, _, _, _ = load_cascade(checkpoint)
    after, _, config, step = load_cascade(target)
    assert (config.noise, step) == (NoiseConfig(sigma=((80,),), log2_delta=((2,),)), 7)
    images = torch.randint(0, 256, (2, 3, 16, 16), generator=torch.Generator().manual_seed(3), dtype=torch.int32)
    with torch.no_grad():
        bits = [{} for _ in range(2)]
        for found, cascade in zip(bits, (before, after), strict=True):
            for term in cascade_terms(cascade, FloatOps(), images):
                if term.step in (2, 3, 4):
                    found[term.level, term.step] = found.get((term.level, term.step), 0.0) + float(term.bits)
    assert bits[1] == pytest.approx(bits[0], rel=1e-5)
    new, old = (read_checkpoint(path)[0]["model.networks.0.closed_form.1.mean_weight"] for path in (target, checkpoint))
    assert not old.any()
    assert new.any()
    assert read_checkpoint(target)[1]


def test_a_second_time_there_is_nothing_to_do(checkpoint, tmp_path):
    luma_checkpoint(checkpoint, tmp_path / "luma" / "last.safetensors")
    with pytest.raises(ValueError, match="already"):
        luma_checkpoint(tmp_path / "luma" / "last.safetensors", tmp_path / "again" / "last.safetensors")
