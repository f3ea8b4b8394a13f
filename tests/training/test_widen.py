"""A widened network is the same function, in every prediction, and has room to learn."""

import pytest
import torch

from hvpzip.nn.config import NetworkConfig
from hvpzip.nn.graph.network import Cascade
from hvpzip.nn.graph.ops import FloatOps
from hvpzip.training.checkpoint import read_checkpoint, write_checkpoint
from hvpzip.training.config import TrainConfig
from hvpzip.training.export import load_cascade
from hvpzip.training.loss import cascade_terms
from hvpzip.training.widen import widen_checkpoint, widened

CONFIG = TrainConfig(sources=("x",), weights=(1.0,), network=NetworkConfig(channels=6, components=2, networks=2))


def checkpoint_of(folder):
    torch.manual_seed(1)
    cascade = Cascade(CONFIG.network, CONFIG.noise.schedule())
    with torch.no_grad():
        for p in cascade.parameters():
            p.add_(0.1 * torch.randn_like(p))  # heads begin at zero and would say nothing
    tensors = {f"model.{k}": v for k, v in cascade.state_dict().items()}
    tensors |= {f"averaged.{k}": v + 0.01 for k, v in cascade.named_parameters()}
    moments = {f"{name}.m": torch.ones_like(p) for name, p in cascade.named_parameters()}
    write_checkpoint(folder / "last.safetensors", tensors, moments, {"step": 7, "config": CONFIG.to_dict()})
    return cascade


def bits(cascade: Cascade, weights=None) -> list[float]:
    if weights:
        cascade.load_state_dict({**cascade.state_dict(), **weights})
    torch.manual_seed(2)  # the same latents
    images = torch.randint(0, 256, (2, 3, 16, 16), generator=torch.Generator().manual_seed(3), dtype=torch.int32)
    with torch.no_grad():
        return [float(term.bits) for term in cascade_terms(cascade, FloatOps(), images)]


@pytest.mark.parametrize("channels", [6, 9, 20])
def test_the_function_stays(tmp_path, channels):
    checkpoint_of(tmp_path)
    widen_checkpoint(tmp_path / "last.safetensors", tmp_path / "wide" / "last.safetensors", channels)
    narrow, narrow_average, _, _ = load_cascade(tmp_path / "last.safetensors")
    wide, wide_average, config, step = load_cascade(tmp_path / "wide" / "last.safetensors")
    assert (config.network.channels, step) == (channels, 7)
    assert bits(wide) == pytest.approx(bits(narrow), rel=1e-5)
    assert bits(wide, wide_average) == pytest.approx(bits(narrow, narrow_average), rel=1e-5)


def test_new_channels_differ_and_can_learn(tmp_path):
    checkpoint_of(tmp_path)
    widen_checkpoint(tmp_path / "last.safetensors", tmp_path / "wide" / "last.safetensors", 12)
    wide, _, _, _ = load_cascade(tmp_path / "wide" / "last.safetensors")
    weight = wide.networks[0].trunk.blocks[0].spatial.weight  # rows are outputs
    assert not any(torch.equal(weight[i], weight[j]) for i in range(12) for j in range(i))
    images = torch.randint(0, 256, (1, 3, 16, 16), dtype=torch.int32)
    torch.stack([term.bits for term in cascade_terms(wide, FloatOps(), images)]).sum().backward()
    hidden = wide.networks[0].heads[2].hidden.weight.grad
    assert bool((hidden[:6, 6:].abs().amax(0) > 0).all())


def test_moments_of_weights_that_grew_begin_anew(tmp_path):
    cascade = checkpoint_of(tmp_path)
    widen_checkpoint(tmp_path / "last.safetensors", tmp_path / "wide" / "last.safetensors", 8)
    _, moments, _ = read_checkpoint(tmp_path / "wide" / "last.safetensors")
    outputs = {f"{name}.m" for name, _ in cascade.named_parameters() if name.endswith("out.bias")}
    assert moments.keys() == outputs


def test_narrowing_is_refused():
    with pytest.raises(ValueError, match="cannot be widened"):
        widened(torch.zeros(4, 4, 3, 3), torch.Size((3, 4, 3, 3)), 0)
