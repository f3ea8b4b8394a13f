"""What ``compress`` and ``decompress`` share: their options, and the loop over the inputs. Layer rank 5."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import click

from hvpzip.api import FileResult, Plan
from hvpzip.cli.console import Console, Decorated, shown
from hvpzip.cli.places import STREAM, out_folder, plan

__all__ = ["GroupProgress", "Transfer", "coding_options", "run_transfer", "transfer_options"]

GroupProgress = Callable[[int, int], None]


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
    ):
        function = option(function)
    return function


@dataclass(frozen=True, kw_only=True, slots=True)
class Transfer:
    """One run of ``compress`` or ``decompress``: how to do one file here, how to do many at a time, and what to say of a result."""

    compressing: bool
    one: Callable[[Plan, GroupProgress], FileResult]
    many: Callable[[Sequence[str], str | None, Callable[[FileResult], None]], object]
    report: Callable[[FileResult], None]


def run_transfer(
    console: Console, transfer: Transfer, paths: Sequence[str], *, output: str | None, force: bool, remove: bool, jobs: int
) -> int:
    """The exit status after all inputs; a failed one stops no other. Raises: click.UsageError before any work."""
    plans = plan(paths, output, compressing=transfer.compressing, force=force)
    if remove and STREAM in (plans[0].path, plans[0].output):
        raise click.UsageError("--rm needs files on both sides, not - (a standard stream).")

    def finish(result: FileResult) -> None:
        if result.error is not None:
            console.failure(result.path, result.error, result.trace)
        for notice in result.notices:
            console.notice(f"hvpzip: {shown(result.path)}: {notice}")
        transfer.report(result)
        if remove and result.error is None:
            try:
                os.unlink(result.path)
            except OSError as error:
                console.failure(result.path, error)

    if jobs > 1 and len(plans) > 1:
        done = 0

        def arrived(result: FileResult) -> None:
            nonlocal done
            done += 1
            finish(result)
            console.progress(f"{done} of {len(plans)} files")

        console.progress(f"0 of {len(plans)} files")
        transfer.many(paths, out_folder(paths, output), arrived)
        console.clear()
        return console.exit_code
    for number, item in enumerate(plans, start=1):
        finish(_attempt(console, transfer, item, f"[{number}/{len(plans)}] {shown(item.path)}"))
    return console.exit_code


def _attempt(console: Console, transfer: Transfer, item: Plan, label: str) -> FileResult:
    """The result of one file, failed or not. Interrupts and closed pipes go on."""
    import traceback

    from hvpzip.api import describe_failure

    console.progress(label)
    try:
        if item.error is not None:
            raise item.error
        return transfer.one(item, lambda done, groups: console.progress(f"{label}  {done} of {groups} groups"))
    except BrokenPipeError:
        raise
    except Exception as error:
        return FileResult(path=item.path, error=describe_failure(error, item.path), trace=traceback.format_exc())
    finally:
        console.clear()
