"""Many files on executors of every kind."""

import functools
import multiprocessing
import pickle
import shutil
from collections.abc import Callable, Mapping
from concurrent.futures import CancelledError, Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

import hvpzip
from hvpzip.codec.bitsback import group_codec
from tests.helpers.coded import coded

Samples = npt.NDArray[np.uint8]


def samples(path: Path) -> Samples:
    with Image.open(path) as image:
        return np.asarray(image)


class SendingExecutor(Executor):
    """Runs each task at once, after everything went through pickle, as it does on the way to another machine."""

    def __init__(self) -> None:
        self.submitted = 0

    def submit(self, fn: Callable[..., object], /, *args: object, **kwargs: object) -> "Future[object]":  # type: ignore[override]
        self.submitted += 1
        future: Future[object] = Future()
        fn, args, kwargs = pickle.loads(pickle.dumps((fn, args, kwargs)))
        future.set_result(pickle.loads(pickle.dumps(fn(*args, **kwargs))))
        return future


def test_any_executor_is_taken_and_results_are_in_order(folder: Path, pictures: Mapping[str, Samples]) -> None:
    executor = SendingExecutor()
    seen: list[str] = []
    (folder / "made").mkdir()
    paths = [folder / "rgb.png", folder / "missing.png", folder / "gray.png"]
    results = hvpzip.compress_files(paths, folder / "made", executor=executor, progress=lambda result: seen.append(result.path))
    assert [result.path for result in results] == [str(path) for path in paths]
    assert sorted(seen) == sorted(str(path) for path in paths)
    assert executor.submitted == 3
    good, missing, gray = results
    assert missing.error == "No such file or directory"
    assert "FileNotFoundError" in (missing.trace or "")
    assert good.error is gray.error is None
    assert good.output == str(folder / "made" / "rgb.hvz")
    assert (good.width, good.height, good.channels) == (48, 40, 3)
    assert good.output_bytes == (folder / "made" / "rgb.hvz").stat().st_size

    outputs = [result.output for result in (good, gray) if result.output]
    (folder / "again").mkdir()
    back = hvpzip.decompress_files(outputs, folder / "again", executor=executor)
    assert [result.error for result in back] == [None, None]
    for name in ("rgb", "gray"):
        np.testing.assert_array_equal(samples(folder / "again" / f"{name}.png"), pictures[name], strict=True)


def test_threads_of_one_process_can_share_the_work(folder: Path, packed: Mapping[str, bytes]) -> None:
    with ThreadPoolExecutor(2) as executor:
        results = hvpzip.compress_files([folder / "rgb.png", folder / "gray.png"], executor=executor, threads=1)
        executor.submit(int).result()  # it was not shut down
    assert [result.error for result in results] == [None, None]
    for name in ("rgb", "gray"):
        assert coded((folder / f"{name}.hvz").read_bytes()) == coded(packed[name])


def test_default_pool_of_processes_gives_the_same_bytes(folder: Path, packed: Mapping[str, bytes]) -> None:
    results = hvpzip.compress_files([folder / "rgb.png", folder / "nothing.png", folder / "gray.png"], workers=1)
    assert [result.error for result in results] == [None, "No such file or directory", None]
    for name in ("rgb", "gray"):
        assert coded((folder / f"{name}.hvz").read_bytes()) == coded(packed[name])


def test_options_reach_the_workers(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    executor = SendingExecutor()
    (folder / "rgb.hvz").write_bytes(b"precious")
    compress = functools.partial(hvpzip.compress_files, [folder / "rgb.png"], executor=executor)
    (kept,) = compress()
    assert "exists already" in (kept.error or "")
    (limited,) = compress(force=True, max_pixels=10)
    assert "over the limit" in (limited.error or "")
    (unknown,) = compress(force=True, model="no-such-model")
    assert "no-such-model" in (unknown.error or "")
    assert (folder / "rgb.hvz").read_bytes() == b"precious"
    monkeypatch.setattr(group_codec, "decode_group", None)
    (unverified,) = compress(force=True, verify=False)
    assert unverified.error is None
    (verified,) = compress(force=True)
    assert (verified.error or "").startswith("internal error: TypeError")


def test_wrong_options_are_raised_before_any_work(folder: Path) -> None:
    executor = SendingExecutor()
    with pytest.raises(ValueError, match="threads"):
        hvpzip.compress_files([folder / "rgb.png"], executor=executor, threads=-1)
    with pytest.raises(ValueError, match="workers"):
        hvpzip.decompress_files([folder / "rgb.png"], workers=0)
    assert executor.submitted == 0


def test_inputs_that_cannot_have_an_output_fail_alone(folder: Path) -> None:
    executor = SendingExecutor()
    paths = [folder / "packed" / "gray.hvz", folder / "packed" / "gray.zip", folder / "packed" / "GRAY.zip"]
    good, *bad = hvpzip.decompress_files(paths, executor=executor)
    assert good.error is None
    assert all("unknown suffix" in (result.error or "") for result in bad)
    assert executor.submitted == 1


def test_no_paths_give_no_results() -> None:
    assert hvpzip.compress_files([]) == []


class LosingExecutor(Executor):
    """Its tasks are lost in one way or another."""

    def __init__(self, failure: BaseException) -> None:
        self.failure = failure

    def submit(self, fn: Callable[..., object], /, *args: object, **kwargs: object) -> "Future[object]":  # type: ignore[override]
        future: Future[object] = Future()
        future.set_exception(self.failure)
        return future


@pytest.mark.parametrize(
    ("failure", "words"),
    [
        (BrokenProcessPool("gone"), "worker process ended"),
        (CancelledError(), "cancelled"),
        (ConnectionResetError(104, "Connection reset by peer"), "Connection reset"),
        (RuntimeError("tried on 4 workers,\nall died"), "the executor gave it up: RuntimeError: tried on 4 workers, all died"),
    ],
)
def test_lost_worker_is_the_failure_of_its_file(folder: Path, failure: BaseException, words: str) -> None:
    (result,) = hvpzip.compress_files([folder / "rgb.png"], executor=LosingExecutor(failure))
    assert words in (result.error or "")


def test_interrupt_goes_on_to_the_caller(folder: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        hvpzip.compress_files([folder / "rgb.png", folder / "gray.png"], executor=LosingExecutor(KeyboardInterrupt()))


def test_interrupt_of_the_default_pool_ends_its_workers_without_a_word(
    folder: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """And without an exception in a thread of the pool, which would be an error here."""
    paths = [folder / f"{number}.png" for number in range(8)]
    for path in paths:
        shutil.copy(folder / "rgb.png", path)
    real = ProcessPoolExecutor.shutdown

    def late(pool: ProcessPoolExecutor, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """As where the pool finds its workers ended before it is shut down."""
        pool._executor_manager_thread.join()
        real(pool, wait, cancel_futures=cancel_futures)

    def interrupt(result: hvpzip.FileResult) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(ProcessPoolExecutor, "shutdown", late)
    with pytest.raises(KeyboardInterrupt):
        hvpzip.compress_files(paths, workers=1, progress=interrupt)
    assert multiprocessing.active_children() == []
    assert capfd.readouterr().err == ""


class RepeatingExecutor(Executor):
    """Runs each task twice, as a cluster does with the tasks of a worker that died before it gave its results away."""

    def __init__(self) -> None:
        self.tasks = set[object]()

    def submit(self, fn: Callable[..., object], /, *args: object, **kwargs: object) -> "Future[object]":  # type: ignore[override]
        assert args not in self.tasks  # Dask would give the first one's result
        self.tasks.add(args)
        fn(*args, **kwargs)
        future: Future[object] = Future()
        future.set_result(fn(*args, **kwargs))
        return future


@pytest.mark.parametrize("options", [{}, {"force": True}, {"remove": True}, {"recursive": True}])
def test_tasks_that_are_run_again_succeed_again(folder: Path, packed: Mapping[str, bytes], options: dict[str, bool]) -> None:
    (folder / "in").mkdir()
    (folder / "rgb.png").rename(folder / "in" / "rgb.png")
    (folder / "out").mkdir()
    executor = RepeatingExecutor()
    paths = [folder / "in"] if "recursive" in options else [folder / "in" / "rgb.png"]
    (result,) = hvpzip.compress_files(paths, folder / "out", executor=executor, **options)  # type: ignore[arg-type]
    assert result.error is None
    assert result.output is not None
    assert coded(Path(result.output).read_bytes()) == coded(packed["rgb"])
    assert (folder / "in" / "rgb.png").exists() != ("remove" in options)
    if not options:
        (second,) = hvpzip.compress_files(paths, folder / "out", executor=executor)
        assert "exists already" in (second.error or "")
        Path(result.output).unlink()
        assert hvpzip.compress_files(paths, folder / "out", executor=executor)[0].error is None
        assert Path(result.output).exists()
