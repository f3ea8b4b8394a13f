"""Many files on any ``concurrent.futures.Executor``. Layer rank 4.

The invariant: one result per path, in the order of the paths; a file that fails says so in its result and stops no other.
"""

import os
import signal
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import CancelledError, Executor, Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

from hvpzip.api.arrays import DEFAULT_MAX_PIXELS
from hvpzip.api.failures import describe_failure
from hvpzip.api.files import StrPath, compress_file, decompress_file
from hvpzip.api.naming import Plan, plan_outputs
from hvpzip.api.records import FileResult
from hvpzip.api.runtime import available_cores, checked_threads

__all__ = ["compress_files", "decompress_files"]

Progress = Callable[[FileResult], None]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Task:
    """What a worker is told: everything by value, so that it can travel to another process or machine."""

    compressing: bool
    path: str
    output: str
    force: bool
    verify: bool
    effort: int | None
    model: str | None
    threads: int | None
    max_pixels: int
    frame: int | None
    strip: bool


def compress_files(
    paths: Iterable[StrPath],
    out_dir: StrPath | None = None,
    *,
    executor: Executor | None = None,
    workers: int | None = None,
    progress: Progress | None = None,
    force: bool = False,
    verify: bool = True,
    effort: int | None = None,
    model: str | None = None,
    threads: int | None = None,
    max_pixels: int = DEFAULT_MAX_PIXELS,
    frame: int | None = None,
    strip: bool = False,
) -> list[FileResult]:
    """Compresses each picture to its own ``.hvz`` file, several at a time; one result per path, in order.

    out_dir: an existing folder for the outputs; None puts each beside its input. executor: where the work runs; it is not shut down. None
    makes a pool of ``workers`` fresh processes (None: one per core, or one per file if those are fewer); each loads the model once.
    threads: per file, 0 for all cores; None shares the cores among the workers of the default pool, and leaves another executor's as it is.
    progress: called here with each result as it comes, in any order. The rest: as for ``compress_file``.
    Failures of single files are in ``FileResult.error``, not raised. Raises: ValueError if an option is out of range.
    """

    def task(path: str, output: str, threads: int | None) -> _Task:
        return _Task(
            compressing=True,
            path=path,
            output=output,
            force=force,
            verify=verify,
            effort=effort,
            model=model,
            threads=threads,
            max_pixels=max_pixels,
            frame=frame,
            strip=strip,
        )

    return _run_all(plan_outputs(paths, out_dir, compressing=True), task, executor, workers, threads, progress)


def decompress_files(
    paths: Iterable[StrPath],
    out_dir: StrPath | None = None,
    *,
    executor: Executor | None = None,
    workers: int | None = None,
    progress: Progress | None = None,
    force: bool = False,
    threads: int | None = None,
    max_pixels: int = DEFAULT_MAX_PIXELS,
    strip: bool = False,
) -> list[FileResult]:
    """Decompresses each ``.hvz`` file to its own picture, several at a time; the arguments and results are those of ``compress_files``."""

    def task(path: str, output: str, threads: int | None) -> _Task:
        return _Task(
            compressing=False,
            path=path,
            output=output,
            force=force,
            verify=True,
            effort=None,
            model=None,
            threads=threads,
            max_pixels=max_pixels,
            frame=None,
            strip=strip,
        )

    return _run_all(plan_outputs(paths, out_dir, compressing=False), task, executor, workers, threads, progress)


def _run_all(
    plans: Sequence[Plan],
    task_for: Callable[[str, str, int | None], _Task],
    executor: Executor | None,
    workers: int | None,
    threads: int | None,
    progress: Progress | None,
) -> list[FileResult]:
    """Runs the plans that have an output; the others become results at once."""
    checked_threads(threads)
    if workers is not None and workers < 1:
        raise ValueError(f"workers must be at least 1, not {workers}")
    results: dict[int, FileResult] = {}

    def finish(index: int, result: FileResult) -> None:
        results[index] = result
        if progress is not None:
            progress(result)

    runnable: list[tuple[int, str, str]] = []
    for index, plan in enumerate(plans):
        if plan.output is None:
            error = plan.error or ValueError("no output")
            finish(index, FileResult(path=plan.path, error=describe_failure(error, plan.path)))
        else:
            runnable.append((index, plan.path, plan.output))
    if runnable:
        if executor is None:
            workers = min(workers or available_cores(), len(runnable))
            if threads is None:
                threads = max(1, available_cores() // workers)
        with _pool(executor, workers) as pool:
            futures: dict[Future[FileResult], tuple[int, str]] = {}
            try:
                with _quiet_spawn(executor is None):
                    for index, path, output in runnable:
                        futures[pool.submit(_work, task_for(path, output, threads))] = (index, path)
                for future in as_completed(futures):
                    index, path = futures[future]
                    finish(index, _outcome(future, path))
            except BaseException:
                for future in futures:
                    future.cancel()
                raise
    return [results[index] for index in range(len(plans))]


def _outcome(future: "Future[FileResult]", path: str) -> FileResult:
    """The result of a worker; one that was lost on the way becomes a failure of its file. Interrupts go on."""
    try:
        return future.result()
    except BrokenProcessPool:
        return FileResult(path=path, error="the worker process ended abruptly; perhaps memory ran out: try fewer workers")
    except CancelledError:
        return FileResult(path=path, error="cancelled")
    except Exception as error:
        # The executor's own trouble (a task that cannot be sent, a lost connection): the worker catches what coding raises.
        return FileResult(path=path, error=describe_failure(error, path), trace="".join(traceback.format_exception(error)))


def _work(task: _Task) -> FileResult:
    """One file, in whatever process the executor runs it. Returns failures, lets interrupts through."""
    with _interruptible():
        try:
            if task.compressing:
                return compress_file(
                    task.path,
                    task.output,
                    force=task.force,
                    verify=task.verify,
                    effort=task.effort,
                    model=task.model,
                    threads=task.threads,
                    max_pixels=task.max_pixels,
                    frame=task.frame,
                    strip=task.strip,
                )
            return decompress_file(
                task.path, task.output, force=task.force, threads=task.threads, max_pixels=task.max_pixels, strip=task.strip
            )
        except Exception as error:
            return FileResult(path=task.path, error=describe_failure(error, task.path), trace=traceback.format_exc())


# ---- Ctrl-C in the default pool ----
# A terminal sends the interrupt to parent and workers alike. A worker in the middle of a file must clean up (KeyboardInterrupt does that);
# an idle or starting one would only print a traceback, so it leaves silently.

_own_worker = False  # set in the processes of the default pool only, so that no other process's signal handlers are touched


@contextmanager
def _pool(executor: Executor | None, workers: int | None) -> Iterator[Executor]:
    """The given executor as it is, or a pool of fresh processes that ends with the block."""
    if executor is not None:
        yield executor
        return
    import multiprocessing

    # spawn: torch's threads do not survive a fork, and the bytes must not depend on what the parent did before.
    pool = ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn"), initializer=_start_worker)
    try:
        yield pool
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


@contextmanager
def _quiet_spawn(own: bool) -> Iterator[None]:
    """While the default pool starts its processes, interrupts wait: here until the block ends, there until ``_start_worker`` has run.

    A new process inherits which signals are blocked. Where signals cannot be blocked, a starting worker may print a traceback.
    """
    if not own or not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _start_worker() -> None:
    global _own_worker
    _own_worker = True
    signal.signal(signal.SIGINT, _leave)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})


def _leave(signum: int, frame: FrameType | None) -> None:
    os._exit(128 + signum)


@contextmanager
def _interruptible() -> Iterator[None]:
    """In a worker of the default pool, an interrupt inside the block raises KeyboardInterrupt."""
    if not _own_worker:
        yield
        return
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, _leave)
