"""Full disks, folders that cannot be written, inputs that change, two writers of one name: nothing half-written, the others still done."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import hvpzip
from hvpzip import atomic
from hvpzip.atomic import atomic_write
from hvpzip.cli import main
from tests.helpers.children import COMMAND, ENVIRONMENT, ROOT, child, ran

posix = pytest.mark.skipif(os.name != "posix", reason="needs the permissions and limits of POSIX")
nobody = 65534


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with four small pictures of few colours, which need no model."""
    for number in range(4):
        samples = (np.indices((20, 24)).sum(axis=0) // (number + 2) % 2 * 200).astype(np.uint8)
        Image.fromarray(samples).convert("P").save(tmp_path / f"{number}.png")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(params=["nameless", "hidden"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Both ways in which an output comes to its name."""
    if request.param == "hidden":
        monkeypatch.setattr(atomic, "_open_nameless", lambda folder, mode: None)
    return request.param


def listing(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def decodes(path: Path) -> bool:
    with Image.open(path.with_suffix(".png")) as image:
        return bool(np.array_equal(hvpzip.decompress(path.read_bytes()), np.asarray(image)))


def save_noise(height: int, width: int) -> None:
    """noise.png, of 4 bits a sample, which nothing makes smaller; the model is not asked."""
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 16, (height, width), np.uint8))
    noise.putpalette(bytes(range(48)))
    noise.save("noise.png", bits=4)


# ---- disks ----


LIMITED = """
import resource, sys
from hvpzip import atomic
from hvpzip.cli import main
if sys.argv[1] == "hidden":
    atomic._open_nameless = lambda folder, mode: None
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), int(sys.argv[2])))
sys.exit(main(sys.argv[3:]))
"""


@posix
@pytest.mark.parametrize("name", ["nameless", "hidden"])
def test_file_that_would_be_too_large_is_one_line_and_the_others_are_done(folder: Path, name: str) -> None:
    """A limit of the size of files: writing beyond it fails in the middle of a file, as on a full disk."""
    save_noise(80, 100)
    before = listing(folder)
    # -B: else Python's own caches would be cut off too, where it may write them.
    command = [sys.executable, "-B", "-c", LIMITED, name, "2000", "compress", "-q", "0.png", "noise.png", "1.png"]
    done = ran(command, env=ENVIRONMENT)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "hvpzip: noise.png: noise.hvz: File too large" in done.stderr
    assert listing(folder) == sorted([*before, "0.hvz", "1.hvz"])
    assert decodes(folder / "0.hvz")
    assert decodes(folder / "1.hvz")


@pytest.fixture
def small_disk(folder: Path) -> Iterator[Path]:
    """A file system of 32 KiB in ``disk``."""
    disk = folder / "disk"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=32k", "tmpfs", str(disk)]
    try:
        mounted = ran(command)
    except FileNotFoundError:
        pytest.skip("needs the command mount")
    if mounted.returncode:
        pytest.skip(f"may not mount: {mounted.stderr.strip()}")
    yield disk
    ran(["umount", str(disk)], check=True)


def test_full_disk_is_one_line_and_what_was_there_stays(
    folder: Path, small_disk: Path, way: str, capsys: pytest.CaptureFixture[str]
) -> None:
    save_noise(224, 224)  # 25,088 bytes; the old one and the others leave 20 KiB at most
    (small_disk / "noise.hvz").write_bytes(b"old" * 2600)
    assert main(["compress", "-q", "-f", "--effort", "1", "0.png", "noise.png", "1.png", "-o", "disk"]) == 1
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert "hvpzip: noise.png: disk/noise.hvz: No space left on device" in err
    assert listing(small_disk) == ["0.hvz", "1.hvz", "noise.hvz"]
    assert (small_disk / "noise.hvz").read_bytes() == b"old" * 2600
    for name in ("0.hvz", "1.hvz"):
        assert hvpzip.verify(small_disk / name).width == 24


def test_disk_that_fails_when_it_is_flushed_leaves_nothing(
    folder: Path, way: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import errno

    def broken(descriptor: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    before = listing(folder)
    monkeypatch.setattr(os, "fsync", broken)
    assert main(["compress", "0.png"]) == 1
    assert "hvpzip: 0.png: 0.hvz: Input/output error" in capsys.readouterr().err
    assert listing(folder) == before


# ---- folders ----


@posix
def test_folder_that_may_not_be_written_is_one_line_and_the_others_are_done(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "locked").mkdir()
    for number in (0, 1):
        (folder / f"{number}.png").rename(folder / "locked" / f"{number}.png")
    (folder / "locked").chmod(0o555)
    folder.chmod(0o777)
    root = os.geteuid() == 0
    if root:  # whom no permissions bind
        os.seteuid(nobody)
    try:
        status = main(["compress", "-q", "locked/0.png", "2.png", "locked/1.png", "3.png"])
        to_folder = main(["compress", "-q", "2.png", "-o", "locked/"])
    finally:
        if root:
            os.seteuid(0)
        (folder / "locked").chmod(0o755)
    lines = capsys.readouterr().err.splitlines()
    assert (status, to_folder) == (1, 1)
    assert lines == [
        "hvpzip: locked/0.png: locked/0.hvz: Permission denied",
        "hvpzip: locked/1.png: locked/1.hvz: Permission denied",
        "hvpzip: 2.png: locked/2.hvz: Permission denied",
    ]
    assert listing(folder) == ["2.hvz", "2.png", "3.hvz", "3.png", "locked/0.png", "locked/1.png"]


@posix
def test_input_that_may_not_be_read_is_one_line_and_the_others_are_done(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "1.png").chmod(0)
    folder.chmod(0o777)
    root = os.geteuid() == 0
    if root:
        os.seteuid(nobody)
    try:
        status = main(["compress", "-q", "0.png", "1.png", "2.png"])
    finally:
        if root:
            os.seteuid(0)
    assert status == 1
    assert capsys.readouterr().err == "hvpzip: 1.png: Permission denied\n"
    assert (folder / "0.hvz").exists()
    assert (folder / "2.hvz").exists()
    assert not (folder / "1.hvz").exists()


# ---- inputs that change ----


def test_input_that_vanishes_in_a_batch_is_one_line_and_the_others_are_done(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """2.png is deleted while 0.png is compressed."""
    from hvpzip.codec.registry import ByPlain

    real = ByPlain.encode

    def encode(*arguments: Any) -> Any:
        (folder / "2.png").unlink(missing_ok=True)
        return real(*arguments)

    monkeypatch.setattr(ByPlain, "encode", encode)
    assert main(["compress", "-q", "0.png", "1.png", "2.png", "3.png"]) == 1
    assert capsys.readouterr().err == "hvpzip: 2.png: No such file or directory\n"
    assert listing(folder) == ["0.hvz", "0.png", "1.hvz", "1.png", "3.hvz", "3.png"]


def test_input_that_changes_while_it_is_read_gives_the_old_picture_or_the_new(folder: Path) -> None:
    """Another process replaces the picture all the time, whole as careful programs do; each output is of one state."""
    states = [np.full((16, 16), value, np.uint8) for value in (10, 200)]
    Image.fromarray(states[0]).save(folder / "0.png")
    stop = threading.Event()

    def replace() -> None:
        number = 0
        while not stop.is_set():
            number ^= 1
            with atomic_write(folder / "0.png", overwrite=True) as out:
                Image.fromarray(states[number]).save(out, format="PNG")

    writer = threading.Thread(target=replace)
    writer.start()
    try:
        for _ in range(12):
            hvpzip.compress_file(folder / "0.png", folder / "x.hvz", force=True)
            found = hvpzip.decompress((folder / "x.hvz").read_bytes())
            assert any(np.array_equal(found, state) for state in states)
    finally:
        stop.set()
        writer.join()


def test_source_that_changed_while_it_was_compressed_is_not_deleted(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from hvpzip.codec.registry import ByPlain

    real = ByPlain.encode

    def encode(*arguments: Any) -> Any:
        if (folder / "1.png").exists():
            (folder / "1.png").write_bytes((folder / "2.png").read_bytes())
            os.utime(folder / "1.png", (5, 5))
        return real(*arguments)

    monkeypatch.setattr(ByPlain, "encode", encode)
    assert main(["compress", "-q", "--rm", "1.png"]) == 1
    assert "it was changed while it was read, so it was not deleted" in capsys.readouterr().err
    assert (folder / "1.png").exists()


# ---- two writers of one name ----

WRITER = """
import sys
from hvpzip.atomic import atomic_write
for round in range(60):
    try:
        with atomic_write(sys.argv[1], overwrite=sys.argv[3] == "overwrite") as out:
            for _ in range(64):
                out.write(sys.argv[2].encode() * 1024)
    except FileExistsError:
        continue
    print(round)
"""


@pytest.mark.parametrize("overwrite", [False, True])
def test_two_processes_that_write_one_name_leave_one_whole_file(tmp_path: Path, overwrite: bool) -> None:
    target = tmp_path / "x"
    command = [sys.executable, "-c", WRITER, str(target)]
    seen = set()
    with ExitStack() as stack:
        processes = [
            stack.enter_context(
                child([*command, letter, "overwrite" if overwrite else "never"], env=ENVIRONMENT, stdout=subprocess.PIPE, text=True)
            )
            for letter in "ab"
        ]
        while any(process.poll() is None for process in processes):
            if target.exists():
                seen.add(target.read_bytes())
        wins = [len(process.communicate()[0].splitlines()) for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    assert wins == [60, 60] if overwrite else sum(wins) == 1
    whole = {b"a" * 65536, b"b" * 65536}
    assert seen <= whole
    assert target.read_bytes() in whole
    assert os.listdir(tmp_path) == ["x"]


def test_two_commands_with_one_target_both_end_and_one_says_that_it_exists(folder: Path) -> None:
    command = [sys.executable, "-m", "hvpzip", "compress", "-q", "0.png", "-o", "x.hvz"]
    with ExitStack() as stack:
        processes = [stack.enter_context(child(command, env=ENVIRONMENT, stderr=subprocess.PIPE, text=True)) for _ in range(2)]
        errors = sorted(process.communicate()[1] for process in processes)
    assert sorted(process.returncode for process in processes) == [0, 1]
    assert errors[0] == ""
    assert "exists already" in errors[1]
    assert hvpzip.verify("x.hvz").width == 24
    assert listing(folder) == ["0.png", "1.png", "2.png", "3.png", "x.hvz"]


# ---- signals, kills ----

# Loaded by every process at its start, workers among them: whoever flushes an output says so, and waits for the signal.
WAITING = """if True:
    import os, time

    def fsync(descriptor):
        open(f"flushing-{os.getpid()}", "x").close()
        time.sleep(600)

    os.fsync = fsync
    if "HVPZIP_TEST_HIDDEN" in os.environ:
        del os.O_TMPFILE
"""


@posix
@pytest.mark.parametrize(
    ("signum", "jobs", "hidden"), [("SIGTERM", 1, True), ("SIGTERM", 2, True), ("SIGHUP", 1, False), ("SIGINT", 2, True)]
)
def test_signal_while_outputs_are_written_leaves_nothing_of_them(folder: Path, signum: str, jobs: int, hidden: bool) -> None:
    """The signal goes to the command alone, which passes it on to its workers."""
    before = listing(folder)
    (folder / "start").mkdir()
    (folder / "start" / "sitecustomize.py").write_text(WAITING)
    environment = ENVIRONMENT | {"PYTHONPATH": f"{folder / 'start'}{os.pathsep}{ROOT}"} | ({"HVPZIP_TEST_HIDDEN": "1"} if hidden else {})
    command = [*COMMAND, "compress", "-q", "-j", str(jobs), *before]
    with child(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        while len(list(folder.glob("flushing-*"))) < jobs and process.poll() is None:
            time.sleep(0.05)
        assert len(list(folder.glob(".*"))) == (jobs if hidden else 0)
        process.send_signal(signal.Signals[signum])
        out, _ = process.communicate()
    assert (process.returncode, out.strip()) == (128 + signal.Signals[signum], "")
    assert [name for name in listing(folder) if not name.startswith(("start", "flushing"))] == before


@posix
@pytest.mark.parametrize("signum", ["SIGHUP", "SIGTERM"])
def test_a_signal_that_was_ignored_at_the_start_is_ignored(folder: Path, signum: str) -> None:
    """As under nohup: who started the program did not want it to end."""
    code = f"""if True:
        import os, signal, sys
        from hvpzip import cli
        from hvpzip.codec.registry import ByPlain
        real = ByPlain.skip

        def skip(method, part, tried):
            os.kill(os.getpid(), signal.{signum})
            return real(method, part, tried)

        ByPlain.skip = skip
        sys.exit(cli.main(["compress", "-q", "--effort", "1", "0.png"]))
    """

    def ignore() -> None:
        signal.signal(signal.Signals[signum], signal.SIG_IGN)

    with child([sys.executable, "-c", code], env=ENVIRONMENT, stderr=subprocess.PIPE, preexec_fn=ignore) as process:
        _, err = process.communicate()
    assert (process.returncode, err) == (0, b"")
    assert decodes(folder / "0.hvz")


@posix
def test_killed_between_two_files_of_a_batch_the_first_is_whole_and_the_second_is_not_there(folder: Path) -> None:
    code = """if True:
        import os, signal, sys
        from hvpzip import atomic, cli
        real = os.fsync
        count = 0

        def fsync(descriptor):
            global count
            real(descriptor)
            count += not os.path.isdir(f"/proc/self/fd/{descriptor}")
            if count == 2:
                os.kill(os.getpid(), signal.SIGKILL)

        os.fsync = fsync
        cli.main(["compress", "-q", "0.png", "1.png"])
    """
    done = ran([sys.executable, "-c", code], env=ENVIRONMENT)
    assert done.returncode == -signal.SIGKILL
    assert [name for name in listing(folder) if name.endswith(".hvz")] == ["0.hvz"]
    assert decodes(folder / "0.hvz")
