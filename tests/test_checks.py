"""The linter and the type checker find nothing; their settings are in pyproject.toml."""

import importlib.util
import sys
from pathlib import Path

import pytest

from tests.helpers.children import ran

ROOT = Path(__file__).resolve().parent.parent


@pytest.mark.slow
@pytest.mark.parametrize(("tool", "arguments"), [("ruff", ["check", "."]), ("mypy", [])])
def test_tool_finds_nothing(tool: str, arguments: list[str]) -> None:
    if importlib.util.find_spec(tool) is None:
        pytest.skip(f"{tool} is not installed: pip install 'hvpzip[dev]'")
    done = ran([sys.executable, "-m", tool, *arguments], cwd=ROOT, deadline_s=1800)
    assert done.returncode == 0, done.stdout + done.stderr
