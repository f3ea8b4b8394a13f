"""Many files on any ``concurrent.futures.Executor``.

The invariants: one result per path, in the order of the paths; a file that fails says so in its result and stops no other; an executor may
run a task more than once. Sources are deleted here, not by the workers, so that a task that is run again finds its source.
"""

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from hvpzip.api.batch.jobs import Job
from hvpzip.api.batch.sources import SourceState, delete_source, refuse_to_remove, source_state
from hvpzip.api.batch.tree import plan_tree
from hvpzip.api.batch.workers import interruptible, pool_of, quiet_spawn
from hvpzip.api.failures import describe_failure, failed
from hvpzip.api.naming import PlannedFile, plan_outputs
from hvpzip.api.options import CompressOptions, DecompressOptions
from hvpzip.api.outputs import StrPath, refuse_early
from hvpzip.api.records import FileResult
from hvpzip.errors import HvpzipError
from hvpzip.threads import available_cores

if TYPE_CHECKING:
    from concurrent.futures import Executor, Future
    from typing import Unpack

    from hvpzip.api.options import CompressKeywords, DecompressKeywords

__all__ = ["compress_files", "decompress_files", "run_batch"]

Progress = Callable[[FileResult], None]


def compress_files(
    paths: Iterable[StrPath],
    out_dir: StrPath | None = None,
    *,
    recursive: bool = False,
    remove: bool = False,
    executor: "Executor | None" = None,
    workers: int | None = None,
    progress: Progress | None = None,
    **options: "Unpack[CompressKeywords]",
) -> list[FileResult]:
    """Compresses each picture to its own ``.hvz`` file, several at a time; one result per path, in order.

    out_dir: an existing folder for the outputs; None puts each beside its input. recursive: ``paths`` is one folder, and all pictures in it
    and below are compressed, into the same tree under ``out_dir``, which is made; an output that is there and holds its picture is left as
    it is, so that a batch can go on where it was stopped; results are sorted by path. remove: delete each source once its output was
    decoded and found equal, if nothing of the source is missing in it.
    executor: where the work runs; it is not shut down. None makes a pool of ``workers`` fresh processes (None: one per core, or one per
    file if those are fewer); each loads the model once. progress: called here with each result as it comes, in any order.
    options: as for ``compress_file``; ``threads`` is per file, and None shares the cores among the workers of the default pool, and leaves
    another executor's as it is.
    Failures of single files are in ``FileResult.error``, not raised. Raises: ValueError if an option is out of range, TypeError if there is
    no such option, OSError if the folder cannot be read.
    """
    job = Job(options=CompressOptions(**options), mirror=recursive, remove=remove)
    return run_batch(_plans(paths, out_dir, job), job, executor=executor, workers=workers, progress=progress)


def decompress_files(
    paths: Iterable[StrPath],
    out_dir: StrPath | None = None,
    *,
    recursive: bool = False,
    remove: bool = False,
    executor: "Executor | None" = None,
    workers: int | None = None,
    progress: Progress | None = None,
    **options: "Unpack[DecompressKeywords]",
) -> list[FileResult]:
    """Decompresses each ``.hvz`` file to its own picture, several at a time; the arguments and results are those of ``compress_files``,
    and options as for ``decompress_file``."""
    job = Job(options=DecompressOptions(**options), mirror=recursive, remove=remove)
    return run_batch(_plans(paths, out_dir, job), job, executor=executor, workers=workers, progress=progress)


def _plans(paths: Iterable[StrPath], out_dir: StrPath | None, job: Job) -> Sequence[PlannedFile]:
    if isinstance(paths, str | bytes | os.PathLike):
        raise TypeError(f"paths must be several, such as [{os.fspath(paths)!r}], not one")
    if not job.mirror:
        return plan_outputs(paths, out_dir, job.options)
    folders = list(paths)
    if len(folders) != 1:
        raise ValueError(f"recursive takes one folder, not {len(folders)} paths")
    return plan_tree(folders[0], out_dir, job.options).plans


def run_batch(
    plans: Sequence[PlannedFile],
    job: Job,
    *,
    executor: "Executor | None" = None,
    workers: int | None = None,
    progress: Progress | None = None,
) -> list[FileResult]:
    """Does the job with every plan that has an output, as ``compress_files`` says; the others become failures at once."""
    if workers is not None and workers < 1:
        raise ValueError(f"workers must be at least 1, not {workers}")
    results: dict[int, FileResult] = {}
    states: dict[int, SourceState] = {}

    def finish(index: int, result: FileResult) -> None:
        if index in states and result.error is None:
            try:
                delete_source(result.path, states[index], result)
            except (HvpzipError, OSError) as error:
                result = replace(result, error=describe_failure(error, result.path))
        results[index] = result
        if progress is not None:
            progress(result)

    runnable: list[tuple[int, str, str]] = []
    for index, plan in enumerate(plans):
        try:
            output = _checked_output(plan, job)
            if job.remove:
                refuse_to_remove(output)
                states[index] = source_state(plan.path)
        except (HvpzipError, OSError) as error:
            finish(index, failed(plan.path, error))
        else:
            runnable.append((index, plan.path, output))
    if runnable:
        if executor is None:
            workers = min(workers or available_cores(), len(runnable))
            if job.options.threads is None:
                job = replace(job, options=replace(job.options, threads=max(1, available_cores() // workers)))
        from concurrent.futures import as_completed

        batch = os.urandom(8).hex()
        with pool_of(executor, workers) as pool:
            futures: dict[Future[FileResult], tuple[int, str]] = {}
            try:
                with quiet_spawn(executor is None):
                    for index, path, output in runnable:
                        futures[pool.submit(_work, job, path, output, batch)] = (index, path)
                for future in as_completed(futures):
                    index, path = futures[future]
                    finish(index, _outcome(future, path))
            except BaseException:
                # The default pool cancels its own: one whose workers were ended stumbles over futures that somebody else cancelled
                # (CPython before 3.13 leaves the workers that are left alone then).
                for future in futures if executor is not None else ():
                    future.cancel()
                raise
    return [results[index] for index in range(len(plans))]


def _checked_output(plan: PlannedFile, job: Job) -> str:
    """The output of a plan, refused here rather than by the worker: an executor may run a task again after it lost the first result, and
    must not take its own output for somebody else's then. Raises: what the plan says, OSError."""
    if plan.output is None:
        raise plan.error or ValueError("no output")
    if not job.mirror:
        refuse_early(plan.path, plan.output, job.options.force)
    return plan.output


def _outcome(future: "Future[FileResult]", path: str) -> FileResult:
    """The result of a worker; one that was lost on the way becomes a failure of its file. Interrupts go on."""
    from concurrent.futures import CancelledError
    from concurrent.futures.process import BrokenProcessPool

    try:
        return future.result()
    except BrokenProcessPool:
        return FileResult(path=path, error="the worker process ended abruptly; perhaps memory ran out: try fewer workers")
    except CancelledError:
        return FileResult(path=path, error="cancelled")
    except OSError as error:
        return failed(path, error)
    except Exception as error:
        # The executor's own trouble (a task that cannot be sent, workers that die of it): the worker catches what coding raises.
        return replace(failed(path, error), error=f"the executor gave it up: {type(error).__name__}: {' '.join(str(error).split())}")


def _work(job: Job, path: str, output: str, batch: str) -> FileResult:
    """One file, in whatever process the executor runs it. Returns failures, lets interrupts through.

    ``batch`` tells this batch from others: Dask takes two calls with equal arguments for one, and would give the first one's result.
    """
    with interruptible():
        try:
            return job.resume(path, output)
        except Exception as error:
            return failed(path, error)
