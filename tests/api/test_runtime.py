"""Torch's thread count is borrowed, not taken."""

import threading

import pytest
import torch

from hvpzip.api import runtime


def test_thread_count_is_restored() -> None:
    before = torch.get_num_threads()
    with runtime.torch_threads(before + 1):
        assert torch.get_num_threads() == before + 1
        with runtime.torch_threads(None):
            assert torch.get_num_threads() == before + 1
        with runtime.torch_threads(0):
            assert torch.get_num_threads() == runtime.available_cores()
    assert torch.get_num_threads() == before


def test_thread_count_is_restored_after_an_error() -> None:
    before = torch.get_num_threads()
    with pytest.raises(KeyError), runtime.torch_threads(before + 1):
        raise KeyError
    assert torch.get_num_threads() == before


def test_overlapping_uses_restore_the_original() -> None:
    before = torch.get_num_threads()
    entered, leave = threading.Event(), threading.Event()

    def other() -> None:
        with runtime.torch_threads(before + 2):
            entered.set()
            leave.wait(10)

    thread = threading.Thread(target=other)
    with runtime.torch_threads(before + 1):
        thread.start()
        assert entered.wait(10)
    # The first has left while the second is still inside.
    leave.set()
    thread.join(10)
    assert torch.get_num_threads() == before
    counts: list[int] = []
    thread = threading.Thread(target=lambda: counts.append(torch.get_num_threads()))
    thread.start()
    thread.join(10)
    assert counts == [before]


def test_negative_thread_count_is_refused_at_once() -> None:
    with pytest.raises(ValueError, match="threads"), runtime.torch_threads(-1):
        pass


def test_model_is_loaded_once_a_process() -> None:
    model = runtime.model_by_name(None)
    assert runtime.model_by_name(None) is model
    assert runtime.model_by_id(model.id) is runtime.model_by_id(bytes(model.id))
