"""The built wheel holds all that compressing a photo needs, the weights too: it works in a fresh environment, away from the checkout."""

import os
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.helpers.children import ran

ROOT = Path(__file__).resolve().parent.parent
PHOTO = ROOT / "examples" / "kodim23-crop.png"

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    for backend in ("nanobind", "scikit_build_core"):
        pytest.importorskip(backend, reason=f"{backend} is not installed: pip install 'hvpzip[test]'")
    out = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", str(ROOT), "--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir", str(out)]
    done = ran(command, deadline_s=1800)
    assert done.returncode == 0, done.stdout + done.stderr
    (path,) = out.glob("hvpzip-*.whl")
    return path


@pytest.fixture(scope="module")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment with the wheel in it, and with the dependencies (gigabytes) borrowed from this interpreter's.

    The borrowing is one line in a .pth file: a folder added that way is searched for packages, but .pth files in it are not read,
    so an editable install of the checkout stays out; and it comes last, after the new environment's own packages.
    """
    root = tmp_path_factory.mktemp("environment")
    venv.create(root, with_pip=False, symlinks=os.name != "nt")
    python = root / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    command = [sys.executable, "-m", "pip", "--python", str(python), "install", "--no-deps", "--no-index", str(wheel)]
    done = ran(command, deadline_s=1800)
    assert done.returncode == 0, done.stdout + done.stderr
    code = "import sysconfig; print(sysconfig.get_path('purelib'))"
    site = Path(ran([python, "-c", code], check=True).stdout.strip())
    borrowed = dict.fromkeys(path for path in sys.path if Path(path).name in ("site-packages", "dist-packages"))
    (site / "borrowed.pth").write_text("\n".join(borrowed) + "\n", encoding="utf-8")
    return python


def run(python: Path, *arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Runs the environment's Python in a folder that is no checkout; -I keeps PYTHONPATH and the working folder out."""
    return ran([str(python), "-I", *arguments], cwd=folder)


def test_wheel_holds_the_package_the_models_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        members = archive.namelist()
    assert {name.split("/")[0].split("-")[0] for name in members} == {"hvpzip"}
    assert "hvpzip/py.typed" in members
    assert [name for name in members if name.startswith("hvpzip/core/_core.") and name.endswith((".so", ".pyd"))], "no compiled core"
    assert not [name for name in members if name.endswith((".cpp", ".h", "CMakeLists.txt"))]
    shipped = {name.removeprefix("hvpzip/") for name in members if name.startswith("hvpzip/models/")}
    tracked = ran(["git", "-C", str(ROOT), "ls-files", "-co", "--exclude-standard", "models"])
    assert any(name.endswith(".safetensors") for name in shipped)
    if tracked.returncode == 0:
        # Checkpoints and settings are for training; every model of the index ships.
        wanted = {name for name in tracked.stdout.splitlines() if not name.startswith(("models/checkpoint", "models/configs/"))}
        assert shipped == wanted


def test_package_is_taken_from_the_wheel(environment: Path, tmp_path: Path) -> None:
    done = run(environment, "-c", "import hvpzip; print(hvpzip.__file__)", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    place = Path(done.stdout.strip())
    assert environment.parent.parent in place.parents
    assert ROOT not in place.parents


def test_compiled_core_is_taken_from_the_wheel(environment: Path, tmp_path: Path) -> None:
    done = run(environment, "-c", "import hvpzip.core._core as core; print(core.__file__)", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert environment.parent.parent in Path(done.stdout.strip()).parents


def test_photo_goes_through_the_installed_wheel(environment: Path, tmp_path: Path) -> None:
    coded, back = tmp_path / "photo.hvz", tmp_path / "photo.png"
    for arguments in (["compress", str(PHOTO), "-o", str(coded)], ["decompress", str(coded), "-o", str(back)]):
        done = run(environment, "-m", "hvpzip", *arguments, folder=tmp_path)
        assert done.returncode == 0, done.stdout + done.stderr
    assert 0 < coded.stat().st_size < PHOTO.stat().st_size
    with Image.open(PHOTO) as before, Image.open(back) as after:
        np.testing.assert_array_equal(np.asarray(after), np.asarray(before))


def test_console_script_is_installed(environment: Path, tmp_path: Path) -> None:
    script = environment.with_name("hvpzip.exe" if os.name == "nt" else "hvpzip")
    done = ran([str(script), "--version"], cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "hvpzip" in done.stdout
