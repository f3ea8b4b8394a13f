"""The command as a user meets it: real processes, pipes, signals, terminals, damaged files."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from hvpzip import container
from tests.helpers.children import COMMAND, ENVIRONMENT, child, ran
from tests.helpers.coded import coded

Samples = npt.NDArray[np.uint8]

posix = pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals and devices")


def start(*arguments: str, **streams: object) -> "contextlib.AbstractContextManager[subprocess.Popen[bytes]]":
    """The command, started in the current folder."""
    streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | streams
    return child([*COMMAND, *arguments], env=ENVIRONMENT, **streams)


def hvpzip(*arguments: str, stdin: bytes = b"") -> tuple[int, bytes, str]:
    """Status, output and messages of the finished command."""
    done = ran([*COMMAND, *arguments], feed=stdin, env=ENVIRONMENT, text=False)
    return done.returncode, done.stdout, done.stderr.decode()


def listing() -> list[str]:
    return sorted(str(path) for path in Path().rglob("*") if path.is_file())


@posix
def test_help_is_quick_and_imports_nothing_heavy() -> None:
    import resource

    def used_s() -> float:
        """Processor time of finished children: unlike the clock on the wall, it leaves out what the machine did besides."""
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        return usage.ru_utime + usage.ru_stime

    code = "import sys; from hvpzip.cli import main; main(['--help']); print({'torch', 'numpy', 'PIL'} & set(sys.modules))"
    times = []
    for _ in range(3):
        before = used_s()
        done = ran([sys.executable, "-c", code], env=ENVIRONMENT, check=True)
        times.append(used_s() - before)
        assert done.stdout.rstrip().endswith("set()")
    assert min(times) < 0.3


@pytest.mark.usefixtures("folder")
def test_pipe_through_both_commands_gives_the_picture_back(pictures: Mapping[str, Samples]) -> None:
    with open("rgb.png", "rb") as source, start("compress", stdin=source) as first:
        with start("decompress", "-", stdin=first.stdout) as second:
            out, err = second.communicate(timeout=300)
        assert first.stderr is not None
        assert (first.wait(), first.stderr.read()) == (0, b"")
        assert (second.returncode, err) == (0, b"")
    Path("again.png").write_bytes(out)
    with Image.open("again.png") as image:
        np.testing.assert_array_equal(np.asarray(image), pictures["rgb"], strict=True)


@pytest.mark.usefixtures("folder")
def test_other_process_with_other_threads_writes_and_reads_the_same(pictures: Mapping[str, Samples], packed: Mapping[str, bytes]) -> None:
    assert hvpzip("compress", "-q", "-T", "2", "rgb.png", "gray.png", "-o", "made/") == (0, b"", "")
    for name in ("rgb", "gray"):
        assert coded(Path(f"made/{name}.hvz").read_bytes()) == coded(packed[name])  # made on one thread
    assert hvpzip("decompress", "-q", "-T", "3", "made/rgb.hvz") == (0, b"", "")
    with Image.open("made/rgb.png") as image:
        np.testing.assert_array_equal(np.asarray(image), pictures["rgb"], strict=True)


@pytest.fixture
def bad_files(folder: Path, packed: Mapping[str, bytes]) -> dict[str, str]:
    """Names of files that cannot be decompressed, and a word that their errors hold."""
    good = packed["rgb"]
    parsed = container.read(good)
    (group,) = parsed.groups
    flipped = bytearray(good)
    flipped[len(good) // 2] ^= 0x10
    payload = bytearray(group.payload)
    payload[len(payload) // 2] ^= 0x10
    stranger = replace(parsed.header, model_id=bytes.fromhex("0123456789abcdef"))
    contents = {
        "empty.hvz": (b"", "empty"),
        "magic.hvz": (good[:5], "ends after 5 bytes"),
        "cut.hvz": (good[:-1], "ends after"),
        "half.hvz": (good[: len(good) // 2], "ends after"),
        "longer.hvz": (good + b"\0", "follow"),
        "foreign.hvz": (Path("rgb.png").read_bytes(), "not a .hvz file"),
        "flipped.hvz": (bytes(flipped), "checksum"),
        "newer.hvz": (good[:8] + b"\x7f" + good[9:], "version 127"),
        "stranger.hvz": (container.write(stranger, parsed.groups), "0123456789abcdef"),
        # A liar's file: all checksums of the container hold, but the payload is not what the encoder wrote.
        "payload.hvz": (container.write(parsed.header, [container.Group(bytes(payload), group.samples_crc)]), ""),
        "samples.hvz": (container.write(parsed.header, [container.Group(group.payload, group.samples_crc ^ 1)]), "checksum"),
    }
    for name, (data, _) in contents.items():
        (folder / name).write_bytes(data)
    return {"missing.hvz": "No such file", "packed": "directory"} | {name: word for name, (_, word) in contents.items()}


@pytest.mark.parametrize("command", ["decompress", "test"])
def test_bad_files_give_one_line_each_and_no_output(bad_files: dict[str, str], command: str) -> None:
    names = [name for name in bad_files if name != "packed" or command == "test"]
    before = listing()
    status, out, err = hvpzip(command, *names)
    assert (status, out) == (1, b"")
    lines = err.splitlines()
    assert len(lines) == len(names)
    for name, line in zip(names, lines, strict=True):
        assert line.startswith(f"hvpzip: {name}: ")
        assert bad_files[name] in line
    assert listing() == before


@pytest.mark.parametrize("name", ["missing.hvz", "empty.hvz", "half.hvz", "foreign.hvz", "flipped.hvz", "stranger.hvz"])
def test_bad_file_alone_is_status_1_and_one_line(bad_files: dict[str, str], name: str) -> None:
    before = listing()
    status, out, err = hvpzip("decompress", name, "-o", "out.png")
    assert (status, out) == (1, b"")
    assert err.count("\n") == 1
    assert err.startswith(f"hvpzip: {name}: ")
    assert bad_files[name] in err
    assert listing() == before


def test_bad_file_on_standard_input_leaves_standard_output_empty(bad_files: dict[str, str]) -> None:
    status, out, err = hvpzip("decompress", stdin=Path("flipped.hvz").read_bytes())
    assert (status, out) == (1, b"")
    assert err.startswith("hvpzip: -: ")
    assert err.count("\n") == 1


@pytest.mark.usefixtures("folder")
def test_bad_pictures_give_one_line_each_and_no_output() -> None:
    Path("empty.png").write_bytes(b"")
    Path("cut.png").write_bytes(Path("rgb.png").read_bytes()[:-30])
    Path("text.png").write_text("no picture")
    Image.new("F", (4, 4)).save("float.tif")
    Image.new("L", (4, 4)).save("moving.png", save_all=True, append_images=[Image.new("L", (4, 4), 9)])
    names = ["missing.png", "empty.png", "cut.png", "text.png", "float.tif", "moving.png", "packed/rgb.hvz", "packed"]
    before = listing()
    status, out, err = hvpzip("compress", *names)
    assert (status, out) == (1, b"")
    lines = err.splitlines()
    assert [line.split(": ")[1] for line in lines] == names
    assert all(line.startswith("hvpzip: ") for line in lines)
    assert listing() == before


@pytest.mark.usefixtures("folder")
def test_closed_pipe_is_quiet() -> None:
    for arguments in (["info", "packed/rgb.hvz"], ["decompress", "packed/rgb.hvz", "-o", "-"], ["compress", "--json", "-q", "gray.png"]):
        reader, writer = os.pipe()
        os.close(reader)
        with start(*arguments, stdout=writer) as process:
            os.close(writer)
            _, err = process.communicate(timeout=300)
        assert (process.returncode, err) == (1, b""), arguments


@posix
@pytest.mark.usefixtures("folder")
def test_closed_standard_streams_are_an_error_in_one_line() -> None:
    command = f"{sys.executable} -m hvpzip"
    for line, expected in (
        (f"{command} info packed/rgb.hvz >&-", "standard output is closed"),
        (f"{command} decompress packed/rgb.hvz -o - >&-", "standard output is closed"),
        (f"{command} info <&-", "standard input is closed"),
    ):
        done = ran(["sh", "-c", line], env=ENVIRONMENT)
        assert done.returncode == 1
        assert done.stderr.count("\n") == 1
        assert expected in done.stderr
    done = ran(["sh", "-c", f"{command} decompress packed/rgb.hvz 2>&-"], env=ENVIRONMENT)
    assert (done.returncode, done.stdout, Path("packed/rgb.png").exists()) == (0, "", True)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.usefixtures("folder")
def test_full_disk_is_an_error_in_one_line() -> None:
    for arguments in (["info", "packed/rgb.hvz"], ["decompress", "packed/rgb.hvz", "-o", "-"]):
        with open("/dev/full", "wb") as full, start(*arguments, stdout=full) as process:
            _, err = process.communicate(timeout=300)
        assert process.returncode == 1
        assert err.count(b"\n") == 1
        assert b"No space left" in err


@pytest.fixture
def large(folder: Path, pictures: Mapping[str, Samples]) -> str:
    """A picture that takes long enough to be interrupted."""
    Image.fromarray(np.tile(pictures["rgb"], (20, 20, 1))).save("large.png")
    return "large.png"


@contextlib.contextmanager
def terminal() -> Iterator[tuple[int, int]]:
    """The two ends of a pseudo-terminal: what the user sees, and what the program has."""
    import pty

    ours, theirs = pty.openpty()
    try:
        yield ours, theirs
    finally:
        os.close(ours)
        with contextlib.suppress(OSError):
            os.close(theirs)


def seen(ours: int, theirs: int) -> bytes:
    """All that came out at our end, once the program has ended."""
    os.set_blocking(ours, False)
    shown = b""
    with contextlib.suppress(BlockingIOError, OSError):
        while data := os.read(ours, 65536):
            shown += data
    return shown


def interrupted(*arguments: str, after: bytes, delay_s: float) -> tuple[int, bytes, str]:
    """Presses Ctrl-C, for all the processes as a terminal does, ``delay_s`` after the progress line holds ``after``."""
    with terminal() as (ours, theirs):
        with start(*arguments, stderr=theirs) as process:
            shown = b""
            while after not in shown:
                shown += os.read(ours, 65536)
            time.sleep(delay_s)
            os.killpg(process.pid, signal.SIGINT)
            out, _ = process.communicate(timeout=300)
        shown += seen(ours, theirs)
    # Python ends itself by the signal where an interrupt meets it in its own shutdown; a shell calls that 130 as well.
    status = 130 if process.returncode == -signal.SIGINT else process.returncode
    return status, out, shown.replace(b"\r", b"").decode()


@posix
# Before, while and after torch is imported.
@pytest.mark.parametrize("delay_s", [0.0, 0.7, pytest.param(5.0, marks=pytest.mark.slow)])
def test_interrupt_is_status_130_and_leaves_nothing(large: str, delay_s: float) -> None:
    before = listing()
    status, out, err = interrupted("compress", large, "gray.png", after=b"[1/2]", delay_s=delay_s)
    assert (status, out) == (130, b"")
    assert "Traceback" not in err
    assert "[2/2]" not in err
    assert listing() == before


@posix
@pytest.mark.parametrize("delay_s", [0.0, 0.7, pytest.param(7.0, marks=pytest.mark.slow)])
def test_interrupt_of_several_jobs_leaves_nothing(large: str, delay_s: float) -> None:
    Path("second.png").write_bytes(Path(large).read_bytes())
    before = listing()
    status, out, err = interrupted("compress", "-j", "2", large, "second.png", after=b"0 of 2 files", delay_s=delay_s)
    assert (status, out) == (130, b"")
    assert "Traceback" not in err
    assert listing() == before


@posix
@pytest.mark.usefixtures("folder")
def test_interrupt_while_a_pipe_is_read_is_status_130() -> None:
    os.mkfifo("pipe")
    before = listing()
    for arguments in (["compress", "pipe", "-o", "x.hvz"], ["info", "pipe"]):
        with start(*arguments) as process, open("pipe", "wb"):  # opening waits for the command to open its end
            time.sleep(0.2)
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=300)
        assert (process.returncode, out, err.strip()) == (130, b"", b"")
    assert listing() == before


@posix
@pytest.mark.usefixtures("folder")
def test_progress_is_shown_on_a_terminal_only() -> None:
    for options, progress in (([], True), (["--no-progress"], False), (["-q"], False)):
        with terminal() as (ours, theirs):
            with start("test", *options, "missing.hvz", "rgb.png", stderr=theirs) as process:
                assert process.wait(timeout=300) == 1
            shown = seen(ours, theirs)
        assert (b"[2/2] rgb.png" in shown) == progress
        assert (b"\x1b[K" in shown) == progress
        assert b"hvpzip: rgb.png: not a .hvz file" in shown
    assert "[2/2]" not in hvpzip("test", "missing.hvz", "rgb.png")[2]


@posix
@pytest.mark.usefixtures("folder")
def test_binary_data_does_not_go_to_a_terminal_without_force(packed: Mapping[str, bytes]) -> None:
    for command, path in (("compress", "gray.png"), ("decompress", "packed/gray.hvz")):
        with terminal() as (ours, theirs):
            with start(command, path, "-o", "-", stdout=theirs) as process:
                _, err = process.communicate(timeout=300)
            assert seen(ours, theirs) == b""
        assert process.returncode == 2
        assert b"does not go to a terminal" in err
    with terminal() as (ours, theirs):
        import tty

        tty.setraw(theirs)  # as the bytes are, without line ends rewritten
        with start("compress", "-f", "gray.png", "-o", "-", stdout=theirs) as process:
            assert process.wait(timeout=300) == 0
        assert coded(seen(ours, theirs)) == coded(packed["gray"])


@posix
@pytest.mark.usefixtures("folder")
def test_terminal_is_no_standard_input() -> None:
    with terminal() as (_, theirs), start("compress", stdin=theirs) as process:
        _, err = process.communicate(timeout=300)
    assert process.returncode == 2
    assert b"standard input is a terminal" in err


@posix
@pytest.mark.usefixtures("folder")
def test_named_pipe_can_be_the_input(packed: Mapping[str, bytes]) -> None:
    os.mkfifo("pipe")
    with start("compress", "--json", "pipe", "-o", "x.hvz") as process:
        Path("pipe").write_bytes(Path("gray.png").read_bytes())
        out, _ = process.communicate(timeout=300)
    assert json.loads(out)["input_bytes"] == Path("gray.png").stat().st_size
    assert coded(Path("x.hvz").read_bytes()) == coded(packed["gray"])


@posix
@pytest.mark.parametrize("megabytes", [200, 300])
def test_little_memory_is_one_clear_line(folder: Path, megabytes: int) -> None:
    import resource

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (megabytes << 20, megabytes << 20))

    few_threads = ENVIRONMENT | {"OPENBLAS_NUM_THREADS": "1"}
    done = ran([*COMMAND, "compress", "gray.png"], env=few_threads, preexec_fn=limit)
    if done.returncode:  # where it is too little
        assert done.stderr == "hvpzip: gray.png: not enough memory\n"
        assert not Path("gray.hvz").exists()
