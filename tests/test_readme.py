"""The README's code blocks do what they say, and CI runs its commands word for word."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.helpers.children import ran

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def block(name: str) -> str:
    """The code block that follows the marker ``<!-- name -->``."""
    found = re.findall(rf"^<!-- {name} -->\n```\w*\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
    assert len(found) == 1, f"README.md needs exactly one code block after <!-- {name} -->"
    return found[0]


def samples(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A folder with the examples, as the README's reader has it."""
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    return tmp_path


def run_shell(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = os.environ | {"PATH": path, "PYTHONPATH": str(ROOT)}
    return ran(["bash", "-euo", "pipefail", "-c", command], cwd=folder, env=environment, deadline_s=1800)


def require_command() -> None:
    if shutil.which("bash") is None:
        pytest.skip("needs bash")
    if not (Path(sys.executable).parent / "hvpzip").exists():
        pytest.skip("the hvpzip command is not installed in this environment: pip install -e .")


@pytest.mark.slow
def test_photo_command_brings_the_photo_back(checkout: Path) -> None:
    require_command()
    install, _, rest = block("photo-command").strip().partition(" && ")
    assert install == "pip install -c constraints.txt ."  # tests/test_wheel.py and .ci/run install; here the rest runs
    done = run_shell(rest, checkout)
    assert done.returncode == 0, done.stderr
    np.testing.assert_array_equal(samples(checkout / "photo.png"), samples(checkout / "examples" / "kodim23-crop.png"))


@pytest.mark.slow
def test_quickstart_in_the_shell(checkout: Path) -> None:
    require_command()
    done = run_shell(block("quickstart-shell"), checkout)
    assert done.returncode == 0, done.stderr
    np.testing.assert_array_equal(samples(checkout / "parrot.png"), samples(checkout / "examples" / "kodim23-crop.png"))


@pytest.mark.slow
def test_quickstart_in_python(checkout: Path) -> None:
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = ran([sys.executable, "-c", block("quickstart-python")], cwd=checkout, env=environment)
    assert done.returncode == 0, done.stderr


def test_every_command_block_is_marked_and_so_run() -> None:
    fenced = re.findall(r"^```(\w*)$", README, re.MULTILINE)
    languages = [language for language in fenced if language]
    assert sorted(languages) == ["python", "sh", "sh", "sh"]


def test_ci_takes_both_commands_from_the_readme() -> None:
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert "for name in photo-command test-command; do" in script
    assert block("test-command").strip().endswith("python -m pytest -n 2 --dist loadfile")
    assert re.findall("pip install.*", script) == ['pip install --no-deps "$CRAYSTACK"']  # all else it installs is what the README says


def test_ci_reads_the_same_blocks() -> None:
    if shutil.which("awk") is None or shutil.which("bash") is None:
        pytest.skip("needs bash and awk")
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    function = re.search(r"^readme_command\(\) \{\n.*?^\}\n", script, re.MULTILINE | re.DOTALL)
    assert function is not None
    for name in ("photo-command", "test-command"):
        done = run_shell(f"{function.group()}readme_command {name}", ROOT)
        assert (done.returncode, done.stdout) == (0, block(name))


PAGES = sorted(
    path.relative_to(ROOT).as_posix() for path in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("benchmarks/*.md")]
)


@pytest.mark.parametrize("page", PAGES)
def test_links_point_to_files_of_the_project(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    targets = [target.partition("#")[0] for target in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in target]
    assert [target for target in targets if target and not ((ROOT / page).parent / target).exists()] == []


def test_every_page_of_docs_is_linked_from_the_readme_or_from_the_measurements() -> None:
    pages = (
        README
        + (ROOT / "docs" / "measurements" / "README.md").read_text(encoding="utf-8")
        + (ROOT / "docs" / "images.md").read_text("utf-8")
    )
    names = [path.name for path in (ROOT / "docs").glob("**/*.md")]
    assert [name for name in names if name not in pages] == []
