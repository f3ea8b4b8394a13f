"""Outputs that are links, open files by their number, or private; each where a user would meet it."""

import os
import stat
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hvpzip import decompress
from tests.helpers.children import ran

from .conftest import Run

pytestmark = pytest.mark.skipif(os.name != "posix", reason="links and permissions of POSIX")


def test_a_link_as_output_stays_and_its_file_is_replaced(run: Run) -> None:
    Path("real.hvz").write_bytes(b"old")
    os.symlink("real.hvz", "link.hvz")
    status, _, err = run("compress", "rgb.png", "-o", "link.hvz")
    assert status == 1
    assert "exists already" in err
    assert Path("real.hvz").read_bytes() == b"old"
    assert run("compress", "-f", "rgb.png", "-o", "link.hvz").status == 0
    assert os.readlink("link.hvz") == "real.hvz"
    assert decompress(Path("real.hvz").read_bytes()).shape == (40, 48, 3)


def test_a_link_to_the_input_is_the_input(run: Run) -> None:
    os.symlink("rgb.png", "link.hvz")
    status, _, err = run("compress", "-f", "rgb.png", "-o", "link.hvz")
    assert status == 1
    assert "same file" in err


@pytest.mark.skipif(not os.path.exists("/dev/stdout"), reason="a system without /dev/stdout")
@pytest.mark.parametrize("options", [[], ["-f"]])
def test_dev_stdout_is_written_to_where_it_is_a_file_too(folder: Path, options: list[str]) -> None:
    before = os.readlink("/dev/stdout")
    with open("caught.hvz", "wb") as caught:
        command = [sys.executable, "-m", "hvpzip", "compress", "-q", *options, "rgb.png", "-o", "/dev/stdout"]
        assert ran(command, stdout=caught).returncode == 0
    assert os.readlink("/dev/stdout") == before
    with Image.open("rgb.png") as image:
        assert np.array_equal(decompress(Path("caught.hvz").read_bytes()), np.asarray(image))


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o444])
def test_a_private_picture_stays_private_both_ways(run: Run, mode: int) -> None:
    os.chmod("gray.png", mode)
    assert run("compress", "gray.png", "-o", "private.hvz").status == 0
    assert stat.S_IMODE(os.stat("private.hvz").st_mode) == mode
    assert run("decompress", "private.hvz", "-o", "again.png").status == 0
    assert stat.S_IMODE(os.stat("again.png").st_mode) == mode
