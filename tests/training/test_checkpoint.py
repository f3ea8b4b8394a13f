"""Checkpoints come back as they were, and a pair torn by a crash is noticed."""

import pytest
import torch

from hvpzip.training.checkpoint import read_checkpoint, write_checkpoint

TENSORS = {"model.a": torch.arange(6.0).reshape(2, 3), "averaged.a": torch.zeros(2, 3)}
MOMENTS = {"a.m": torch.ones(2, 3), "a.v": torch.full((2, 3), 2.0)}


def test_a_checkpoint_comes_back(tmp_path):
    state = {"step": 5, "seconds": 1.25, "config": {"crop": 16, "sources": ["x"]}, "cooldown": [None, None]}
    write_checkpoint(tmp_path / "last.safetensors", TENSORS, MOMENTS, state)
    tensors, moments, found = read_checkpoint(tmp_path / "last.safetensors")
    assert found == state
    assert tensors.keys() == TENSORS.keys()
    assert moments.keys() == MOMENTS.keys()
    assert all(torch.equal(tensors[k], TENSORS[k]) for k in TENSORS)
    assert all(torch.equal(moments[k], MOMENTS[k]) for k in MOMENTS)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["last.optimizer.safetensors", "last.safetensors"]


def test_moments_of_another_step_or_none_are_left_out(tmp_path):
    path = tmp_path / "last.safetensors"
    write_checkpoint(path, TENSORS, MOMENTS, {"step": 5})
    weights = path.read_bytes()
    write_checkpoint(path, TENSORS, MOMENTS, {"step": 6})
    path.write_bytes(weights)  # a crash between the two files: the optimizer's is written first
    tensors, moments, state = read_checkpoint(path)
    assert state["step"] == 5
    assert moments is None
    assert tensors.keys() == TENSORS.keys()
    path.with_suffix(".optimizer.safetensors").unlink()
    assert read_checkpoint(path)[1] is None


def test_a_write_that_fails_leaves_the_old_checkpoint(tmp_path):
    path = tmp_path / "last.safetensors"
    write_checkpoint(path, TENSORS, MOMENTS, {"step": 5})
    with pytest.raises(TypeError):
        write_checkpoint(path, TENSORS, MOMENTS, {"step": 6, "config": object()})
    tensors, moments, state = read_checkpoint(path)
    assert state["step"] == 5
    assert moments is None
    assert torch.equal(tensors["model.a"], TENSORS["model.a"])
