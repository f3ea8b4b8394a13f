"""Choosing between numpy and the compiled kernels."""

import sys

import pytest

from hvpzip.ans import backend

MODULE = "hvpzip.ans.kernels"


@pytest.fixture(autouse=True)
def _fresh(monkeypatch):
    """As in a process that has imported nothing yet and where the environment asks for nothing."""
    monkeypatch.delenv("HVPZIP_KERNELS", raising=False)
    monkeypatch.delitem(sys.modules, MODULE, raising=False)
    backend._found.cache_clear()
    yield
    backend._found.cache_clear()


def test_the_environment_can_ask_for_numpy(monkeypatch) -> None:
    monkeypatch.setenv("HVPZIP_KERNELS", "numpy")
    assert backend.kernels(1 << 30) is None


def test_anything_else_in_the_environment_is_refused(monkeypatch) -> None:
    monkeypatch.setenv("HVPZIP_KERNELS", "cuda")
    with pytest.raises(ValueError, match="HVPZIP_KERNELS"):
        backend.kernels(1)


def test_numba_is_not_imported_for_a_few_symbols() -> None:
    assert backend.kernels(1000) is None
    assert MODULE not in sys.modules


def test_kernels_that_are_loaded_serve_few_symbols_too(monkeypatch) -> None:
    pytest.importorskip("numba")
    assert backend.kernels(1 << 30).__name__ == MODULE
    assert backend.kernels(1).__name__ == MODULE


def test_without_numba_numpy_serves_unless_numba_is_asked_for(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "numba", None)
    assert backend.kernels(1 << 30) is None
    monkeypatch.setenv("HVPZIP_KERNELS", "numba")
    with pytest.raises(ImportError):
        backend.kernels(1)
