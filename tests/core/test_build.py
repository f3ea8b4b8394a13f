"""The extension that the tests run is the one that this checkout's sources make."""

import pytest

from hvpzip.core.digest import source_digest


def test_extension_is_built_from_these_sources() -> None:
    core = pytest.importorskip("hvpzip.core._core", reason="the compiled core is not built")
    rebuild = "pip install --no-build-isolation --no-deps -e ."
    assert core.source_digest == source_digest(), f"the compiled core is stale: run {rebuild}"
