"""What ``compress`` and ``decompress`` share: the loop over the inputs."""

from collections.abc import Callable, Sequence

import click

from hvpzip.api import FileResult, Job, PlannedFile, as_record, run_batch
from hvpzip.cli.console import Console, shown
from hvpzip.cli.options import Transfer
from hvpzip.cli.places import STREAM, opened, plan, planned_tree, received
from hvpzip.cli.tally import Tally
from hvpzip.progress import watched_by

__all__ = ["run_transfer"]


def run_transfer(
    console: Console,
    job: Job,
    inputs: Sequence[str],
    summary: Callable[[FileResult], str],
    transfer: Transfer,
) -> int:
    """The exit status after all inputs; a failed one stops no other. ``summary`` tells in a line what became of a file that did not fail.

    Raises: click.UsageError before any work.
    """
    paths, output, as_json = received(inputs), transfer.output, transfer.as_json
    if as_json and (output == STREAM or (output is None and paths == [STREAM])):
        raise click.UsageError("--json and the output cannot both go to standard output: use -o FILE.")
    tally = None
    if transfer.recursive:
        tree = planned_tree(paths, output, job)
        plans: Sequence[PlannedFile] = tree.plans
        tally = Tally(job.compressing, tree)
    else:
        plans = plan(paths, output, job)
    if job.remove and STREAM in (paths[0], output):
        raise click.UsageError("--rm needs files on both sides, not - (a standard stream).")

    def finish(result: FileResult) -> None:
        if tally is not None:
            tally.add(result)
        if result.error is not None:
            console.failure(result.path, result.error, result.trace)
        for notice in result.notices:
            console.notice(f"hvpzip: {shown(result.path)}: {notice}")
        if as_json:
            console.record(as_record(result))
        if result.skipped:
            console.detail(f"{shown(result.path)} -> {shown(result.output or '')}: there already")
        elif result.error is None:
            # In a pipe, a program that works says nothing.
            (console.detail if result.output == STREAM else console.notice)(summary(result))

    try:
        if transfer.jobs > 1 and len(plans) > 1:
            _in_processes(console, job, plans, transfer.jobs, finish)
        else:
            for number, item in enumerate(plans, start=1):
                finish(_attempt(console, job, item, f"[{number}/{len(plans)}] {shown(item.path)}"))
    except KeyboardInterrupt:
        if tally is not None:
            tally.say(console, as_json=as_json, interrupted=True)
        raise
    if tally is not None:
        tally.say(console, as_json=as_json)
    return console.exit_code


def _in_processes(console: Console, job: Job, plans: Sequence[PlannedFile], jobs: int, finish: Callable[[FileResult], None]) -> None:
    done = 0

    def arrived(result: FileResult) -> None:
        nonlocal done
        done += 1
        finish(result)
        console.progress(f"{done} of {len(plans)} files")

    console.progress(f"0 of {len(plans)} files")
    run_batch(plans, job, workers=jobs, progress=arrived)
    console.clear()


def _attempt(console: Console, job: Job, item: PlannedFile, label: str) -> FileResult:
    """The result of one file, failed or not. Interrupts and closed pipes go on."""
    from hvpzip.api import delete_source, failed, refuse_to_remove, source_state

    of_groups = ""

    def on_group(done: int, groups: int) -> None:
        nonlocal of_groups
        of_groups = f"  {done} of {groups} groups"
        console.progress(label + of_groups)

    def on_rows(what: str, done: int, rows: int) -> None:
        console.progress(f"{label}{of_groups}  {what} {100 * done // rows} %")

    console.progress(label)
    try:
        if item.error is not None:
            raise item.error
        before = None
        if job.remove and item.output is not None:
            refuse_to_remove(item.output)
            before = source_state(item.path)
        with watched_by(on_rows):
            if job.mirror and item.output is not None:
                result = job.resume(item.path, item.output, on_group)
            else:
                result = job.run(opened(item.path, writing=False), opened(item.output or STREAM, writing=True), on_group)
        if before is not None:
            delete_source(item.path, before, result)
        return result
    except BrokenPipeError:
        raise
    except Exception as error:
        return failed(item.path, error)
    finally:
        console.clear()
