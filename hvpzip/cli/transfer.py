"""What ``compress`` and ``decompress`` share: their options, and the loop over the inputs."""

from collections.abc import Callable, Sequence

import click

from hvpzip.api import FileResult, Job, PlannedFile, as_record, run_batch
from hvpzip.cli.console import Console, Decorated, shown
from hvpzip.cli.places import STREAM, opened, plan, planned_tree, received
from hvpzip.cli.tally import Tally

__all__ = ["coding_options", "run_transfer", "transfer_options"]


def coding_options(function: Decorated) -> Decorated:
    """The options of every command that decodes: ``-T``, ``--max-pixels``."""
    for option in (
        click.option(
            "--max-pixels",
            type=click.IntRange(min=1),
            default=1 << 28,
            show_default=True,
            metavar="N",
            envvar="HVPZIP_MAX_PIXELS",
            show_envvar=True,
            help="Refuse pictures with more pixels.",
        ),
        click.option(
            "-T",
            "--threads",
            type=click.IntRange(min=0),
            metavar="N",
            envvar="HVPZIP_THREADS",
            show_envvar=True,
            help="Cores for one file; 0 is all of them. The bytes do not depend on it.",
        ),
    ):
        function = option(function)
    return function


def transfer_options(function: Decorated) -> Decorated:
    """The options of the commands that write files."""
    for option in (
        click.option("--json", "as_json", is_flag=True, help="Print one JSON object a file to standard output."),
        click.option(
            "-j",
            "--jobs",
            type=click.IntRange(min=1),
            default=1,
            show_default=True,
            metavar="N",
            help="Files at a time, each in its own process.",
        ),
        click.option("--rm", "remove", is_flag=True, help="Delete each input once its output was read back and found equal."),
        click.option("-f", "--force", is_flag=True, help="Replace existing outputs; write to a terminal."),
        click.option(
            "-o",
            "--output",
            metavar="OUT",
            type=click.Path(allow_dash=True),
            help="Output file, or folder for several inputs; - is standard output.",
        ),
        click.option("-r", "--recursive", is_flag=True, help="IN is a folder: take what is in it and below, into the same tree in OUT."),
    ):
        function = option(function)
    return function


def run_transfer(
    console: Console,
    job: Job,
    inputs: Sequence[str],
    summary: Callable[[FileResult], str],
    *,
    output: str | None,
    jobs: int,
    recursive: bool,
    as_json: bool,
) -> int:
    """The exit status after all inputs; a failed one stops no other. ``summary`` tells in a line what became of a file that did not fail.

    Raises: click.UsageError before any work.
    """
    paths = received(inputs)
    if as_json and (output == STREAM or (output is None and paths == [STREAM])):
        raise click.UsageError("--json and the output cannot both go to standard output: use -o FILE.")
    tally = None
    if recursive:
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
        if jobs > 1 and len(plans) > 1:
            _in_processes(console, job, plans, jobs, finish)
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

    def on_group(done: int, groups: int) -> None:
        console.progress(f"{label}  {done} of {groups} groups")

    console.progress(label)
    try:
        if item.error is not None:
            raise item.error
        before = None
        if job.remove and item.output is not None:
            refuse_to_remove(item.output)
            before = source_state(item.path)
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
