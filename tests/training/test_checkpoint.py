"""Checkpoints come back as they were, and a pair torn by a crash is noticed."""

import pytest
import torch

from hvpzip.training import checkpoint
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


def names(folder) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_large_checkpoint_lies_in_parts_and_only_the_newest_stay(tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoint, "PART_BYTES", 60)
    tensors = {f"model.{i}": torch.full((5, 2), float(i)) for i in range(3)}  # 40 bytes each
    for step in (5, 6):
        write_checkpoint(tmp_path / "last.safetensors", tensors, MOMENTS, {"step": step})
        assert names(tmp_path) == [
            f"last.{step}.2.safetensors",
            f"last.{step}.3.safetensors",
            "last.optimizer.safetensors",
            "last.safetensors",
        ]
    found, moments, state = read_checkpoint(tmp_path / "last.safetensors")
    assert state == {"step": 6}
    assert found.keys() == tensors.keys()
    assert all(torch.equal(found[k], tensors[k]) for k in tensors)
    assert moments.keys() == MOMENTS.keys()


def test_a_crash_between_the_parts_leaves_the_old_checkpoint(tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoint, "PART_BYTES", 60)
    old, new = ({f"model.{i}": torch.full((5, 2), value) for i in range(3)} for value in (1.0, 2.0))
    path = tmp_path / "last.safetensors"
    write_checkpoint(path, old, MOMENTS, {"step": 5})
    save = checkpoint._save

    def killed(tensors, target, metadata):
        if target == path:
            raise KeyboardInterrupt
        save(tensors, target, metadata)

    monkeypatch.setattr(checkpoint, "_save", killed)
    with pytest.raises(KeyboardInterrupt):
        write_checkpoint(path, new, MOMENTS, {"step": 6})
    found, moments, state = read_checkpoint(path)
    assert state == {"step": 5}
    assert moments is None  # their file is of step 6
    assert all(torch.equal(found[k], old[k]) for k in old)
    monkeypatch.setattr(checkpoint, "_save", save)
    write_checkpoint(path, new, MOMENTS, {"step": 7})
    assert [name for name in names(tmp_path) if ".5." in name or ".6." in name] == []
    assert torch.equal(read_checkpoint(path)[0]["model.2"], new["model.2"])
