"""Whole folders: ``compress -r`` and ``decompress -r``."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from hvpzip import api
from hvpzip.codec.bitsback import group_codec
from tests.helpers.children import COMMAND, ENVIRONMENT, child

Run = Callable[..., tuple[int, bytes, str]]

NAMES = ("a.png", "sub/B.JPG", "sub/deep/c.gif", "sub/deep/c.png")


@pytest.fixture
def tree(folder: Path) -> Path:
    """``in/`` with four small pictures, three folders deep, a broken one and two files that are none."""
    (folder / "in" / "sub" / "deep").mkdir(parents=True)
    for number, name in enumerate(NAMES):
        Image.new("RGB", (2, 3), (number, 50, 100)).save(folder / "in" / name)
        os.utime(folder / "in" / name, (10**9 + number, 10**9 + number))
    (folder / "in" / "sub" / "broken.png").write_bytes(b"no picture")
    (folder / "in" / "notes.txt").write_bytes(b"")
    (folder / "in" / "sub" / "README").write_bytes(b"")
    return folder


def listing(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def records(out: bytes) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """The objects of the files, and the summary, which is the last one."""
    *files, last = map(json.loads, out.splitlines())
    assert all(tuple(record) == api.JSON_KEYS for record in files)
    assert list(last) == ["summary"]
    return files, last["summary"]


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_folder_is_mirrored_past_a_bad_file_and_summed_up(run: Run, tree: Path, jobs: str) -> None:
    status, out, err = run("compress", "-r", "in", "-o", "out", "-j", jobs, "--json")
    assert status == 1
    assert listing(tree / "out") == sorted(f"{name}.hvz" for name in NAMES)
    for name in NAMES:
        assert (tree / "out" / f"{name}.hvz").stat().st_mtime_ns == (tree / "in" / name).stat().st_mtime_ns
    files, summary = records(out)
    assert sorted(record["path"] for record in files) == sorted(os.path.join("in", name) for name in (*NAMES, "sub/broken.png"))
    assert [record["path"] for record in files if record["error"]] == [os.path.join("in", "sub", "broken.png")]
    sizes = {key: sum(record[key] or 0 for record in files) for key in ("input_bytes", "output_bytes")}
    expected = {"done": 4, "skipped": 0, "failed": 1, "other_files": 2, "links": 0, **sizes, "interrupted": False}
    assert {key: value for key, value in summary.items() if key != "seconds"} == expected
    last = err.splitlines()[-1]
    assert last.startswith("hvpzip: 4 compressed, 0 there already, 1 failed; left alone: 2 other files (.txt 1, without suffix 1); ")
    assert f"{sizes['input_bytes']:,} to {sizes['output_bytes']:,} bytes" in last


def test_second_run_does_what_is_left_and_only_that(run: Run, tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run("compress", "-r", "in", "-o", "out")
    before = {name: (tree / "out" / name).stat() for name in listing(tree / "out")}
    os.unlink(tree / "out" / "sub" / "B.JPG.hvz")
    (tree / "in" / "sub" / "broken.png").unlink()
    status, out, err = run("compress", "-r", "in", "-o", "out", "--json", "-v")
    assert status == 0
    files, summary = records(out)
    assert {record["path"] for record in files if not record["skipped"]} == {os.path.join("in", "sub", "B.JPG")}
    assert (summary["done"], summary["skipped"], summary["failed"]) == (1, 3, 0)
    assert f"{os.path.join('in', 'a.png')} -> {os.path.join('out', 'a.png.hvz')}: there already" in err.splitlines()
    for name, stat in before.items():
        now = (tree / "out" / name).stat()
        assert name == "sub/B.JPG.hvz" or (now.st_ino, now.st_mtime_ns) == (stat.st_ino, stat.st_mtime_ns)
    monkeypatch.setattr(group_codec, "encode_group", None)
    assert run("compress", "-q", "-r", "in", "-o", "out") == (0, b"", "")


def test_folder_comes_back_by_its_names(run: Run, tree: Path) -> None:
    run("compress", "-r", "in", "-o", "out")
    status, out, err = run("decompress", "-r", "out", "-o", "back", "--json")
    assert status == 0
    assert listing(tree / "back") == ["a.png", "sub/B.JPG", "sub/deep/c.gif.png", "sub/deep/c.png"]
    for source, picture in (("a.png", "a.png"), ("sub/B.JPG", "sub/B.JPG"), ("sub/deep/c.gif", "sub/deep/c.gif.png")):
        if source == picture == "sub/B.JPG":
            assert (tree / "in" / source).read_bytes() == (tree / "back" / picture).read_bytes()
        with Image.open(tree / "in" / source) as one, Image.open(tree / "back" / picture) as other:
            np.testing.assert_array_equal(np.asarray(one), np.asarray(other), strict=True)
    _, summary = records(out)
    assert (summary["done"], summary["failed"], summary["other_files"]) == (4, 0, 0)
    assert err.splitlines()[-1].startswith("hvpzip: 4 decompressed, 0 there already, 0 failed; ")
    (tree / "back" / "a.png").unlink()
    _, summary = records(run("decompress", "-r", "out", "-o", "back", "--json")[1])
    assert (summary["done"], summary["skipped"]) == (1, 3)


def test_without_output_the_files_go_beside_their_sources_and_rm_leaves_only_them(run: Run, tree: Path) -> None:
    status, _, err = run("compress", "-r", "--rm", "in")
    assert status == 1
    assert listing(tree / "in") == sorted([*(f"{name}.hvz" for name in NAMES), "notes.txt", "sub/README", "sub/broken.png"])
    assert (
        run("compress", "-r", "--rm", "in")[2]
        .splitlines()[-1]
        .startswith("hvpzip: 0 compressed, 0 there already, 1 failed; left alone: 6 other files (.hvz 4, .txt 1, without suffix 1); ")
    )
    status, _, err = run("decompress", "-r", "--rm", "in")
    assert (status, err.splitlines()[-1].split(";")[0]) == (0, "hvpzip: 4 decompressed, 0 there already, 0 failed")
    assert "a.png" in listing(tree / "in")
    assert not [name for name in listing(tree / "in") if name.endswith(".hvz")]


def test_rm_deletes_sources_whose_outputs_were_there_only_if_those_hold_them(run: Run, tree: Path) -> None:
    run("compress", "-q", "-r", "in", "-o", "out")
    Image.new("RGB", (2, 3), "red").save(tree / "in" / "a.png")
    status, _, err = run("compress", "-q", "-r", "--rm", "in", "-o", "out")
    assert status == 1
    assert listing(tree / "in") == ["a.png", "notes.txt", "sub/README", "sub/broken.png"]
    assert "out/a.png.hvz: the output exists already and holds something else" in err


@pytest.mark.parametrize(
    "arguments",
    [
        ["compress", "-r"],
        ["compress", "-r", "in", "in"],
        ["compress", "-r", "-"],
        ["compress", "-r", "missing"],
        ["compress", "-r", "rgb.png"],
        ["compress", "-r", "in", "-o", "-"],
        ["compress", "-r", "in", "-o", "rgb.png"],
        ["compress", "-r", "in", "--rm", "--no-verify"],
        ["decompress", "-r", "in", "-o", "rgb.png"],
        ["decompress", "--json", "packed/rgb.hvz", "-o", "-"],
    ],
)
def test_wrong_usage_is_status_2_and_does_nothing(run: Run, tree: Path, arguments: list[str]) -> None:
    before = listing(tree)
    status, out, err = run(*arguments)
    assert (status, out) == (2, b"")
    assert "Error: " in err
    assert listing(tree) == before


@pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals")
@pytest.mark.parametrize("jobs", ["1", "2"])
def test_interrupted_folder_goes_on_where_it_stopped(run: Run, tree: Path, jobs: str) -> None:
    """After its first file the folder has one for each process that takes many seconds, so that it is interrupted in these."""
    (tree / "in" / "sub" / "broken.png").unlink()
    noise = np.random.default_rng(0).integers(0, 256, (1024, 1024, 3), np.uint8)
    for number in range(int(jobs)):
        Image.fromarray(noise).save(tree / "in" / f"b{number}.png", compress_level=0)
    arguments = [*COMMAND, "compress", "-r", "in", "-o", "out", "--effort", "1", "-j", jobs]
    with child(arguments, env=ENVIRONMENT, stderr=subprocess.PIPE) as process:
        while not (tree / "out" / "a.png.hvz").exists() and process.poll() is None:
            time.sleep(0.01)
        os.killpg(process.pid, signal.SIGINT)
        _, err = process.communicate()
    assert process.returncode in (130, -signal.SIGINT)
    last = err.decode().strip().splitlines()[-1]
    assert last.startswith("hvpzip: interrupted: ")
    assert " not done; " in last
    done = listing(tree / "out")
    assert done == ["a.png.hvz"]  # and no hidden half-written file
    for number in range(int(jobs)):
        (tree / "in" / f"b{number}.png").unlink()
    status, out, _ = run("compress", "-r", "in", "-o", "out", "--effort", "1", "--json", "-q")
    assert status == 0
    _, summary = records(out)
    assert (summary["skipped"], summary["done"], summary["failed"]) == (1, 3, 0)
