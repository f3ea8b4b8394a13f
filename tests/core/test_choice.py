"""Which kernels serve, and that both kinds are called alike."""

import inspect
import re
import sys

import pytest

from hvpzip import core
from hvpzip.core import reference
from tests.helpers.children import ran

CODE = "import sys; sys.modules['hvpzip.core._core'] = None; from hvpzip.core import kernels; print(kernels().__name__, kernels().__name__)"


def test_the_environment_decides(monkeypatch) -> None:
    monkeypatch.setenv("HVPZIP_KERNELS", "reference")
    assert core.kernels() is reference
    monkeypatch.setenv("HVPZIP_KERNELS", "compiled")
    assert core.kernels().__name__ == "hvpzip.core._core"
    monkeypatch.setenv("HVPZIP_KERNELS", "cuda")
    with pytest.raises(ValueError, match="HVPZIP_KERNELS"):
        core.kernels()


def test_compiled_kernels_serve_where_they_are_built(monkeypatch) -> None:
    monkeypatch.delenv("HVPZIP_KERNELS", raising=False)
    assert core.kernels().__name__ == "hvpzip.core._core"


def test_without_the_compiled_core_the_reference_serves_with_one_notice(monkeypatch) -> None:
    monkeypatch.delenv("HVPZIP_KERNELS", raising=False)
    done = ran([sys.executable, "-c", CODE])
    assert done.stdout.split() == ["hvpzip.core.reference"] * 2
    assert len(done.stderr.splitlines()) == 1
    assert "compiled core is missing" in done.stderr


def test_asking_for_the_compiled_core_where_it_is_missing_fails(monkeypatch) -> None:
    monkeypatch.setenv("HVPZIP_KERNELS", "compiled")
    done = ran([sys.executable, "-c", CODE])
    assert done.returncode != 0
    assert "ImportError" in done.stderr or "ModuleNotFoundError" in done.stderr


@pytest.mark.parametrize("name", [name for name in reference.__all__ if inspect.isfunction(getattr(reference, name))])
def test_both_kernels_have_the_same_arguments(name) -> None:
    compiled = getattr(pytest.importorskip("hvpzip.core._core"), name)
    signature = compiled.__doc__.splitlines()[0]
    arguments = re.findall(r"(\w+): (?:ndarray|int|object)", signature)
    assert arguments == list(inspect.signature(getattr(reference, name)).parameters)
