"""The thread count goes with the context: borrowed, not taken, and each thread has its own."""

import threading

import pytest

from hvpzip.threads import available_cores, current_threads, using_threads


def test_all_cores_are_used_where_nothing_is_asked_for() -> None:
    assert current_threads() == available_cores() >= 1


def test_the_count_is_restored_also_after_an_error() -> None:
    before = current_threads()
    with using_threads(before + 1):
        assert current_threads() == before + 1
        with using_threads(None):
            assert current_threads() == before + 1
        with using_threads(0):
            assert current_threads() == available_cores()
        with pytest.raises(KeyError), using_threads(before + 2):
            raise KeyError
        assert current_threads() == before + 1
    assert current_threads() == before


def test_another_thread_has_its_own_count() -> None:
    counts: list[int] = []
    with using_threads(7):
        thread = threading.Thread(target=lambda: counts.append(current_threads()))
        thread.start()
        thread.join()
    assert counts == [available_cores()]


def test_a_negative_count_is_refused_at_once() -> None:
    with pytest.raises(ValueError, match="threads"), using_threads(-1):
        pass
