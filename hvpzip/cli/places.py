"""Inputs and outputs as they are named on the command line: files, folders, ``-`` for the standard streams."""

import os
import sys
from collections.abc import Sequence
from typing import BinaryIO

import click

from hvpzip.api import Job, PlannedFile, Tree, plan_outputs, plan_tree
from hvpzip.cli.console import Decorated

__all__ = ["STREAM", "input_argument", "opened", "plan", "planned_tree", "received"]

STREAM = "-"


def input_argument(function: Decorated) -> Decorated:
    """The argument ``[IN]...``: paths as they are, for the commands to fail on one by one."""
    return click.argument("inputs", nargs=-1, metavar="[IN]...", type=click.Path(allow_dash=True, readable=False))(function)


def received(inputs: Sequence[str]) -> list[str]:
    """The inputs, standard input if there are none. Raises: click.UsageError if standard input is not alone, or is a terminal."""
    paths = list(inputs) or [STREAM]
    if STREAM in paths:
        if len(paths) > 1:
            raise click.UsageError("- (standard input) cannot be one of several inputs.")
        if sys.stdin is not None and sys.stdin.isatty():
            raise click.UsageError("standard input is a terminal: name a file.")
    return paths


def _out_folder(paths: Sequence[str], output: str | None) -> str | None:
    """The folder that ``-o`` names, made if it ends in a slash; None if it names a file, or nothing. Raises: click.UsageError."""
    if output is None or output == STREAM:
        if output == STREAM and len(paths) > 1:
            raise click.UsageError("-o - takes one input only.")
        return None
    if output.endswith(os.sep):
        try:
            os.makedirs(output, exist_ok=True)
        except OSError as error:
            raise click.UsageError(f"cannot make the folder {output}: {error.strerror}") from error
    if os.path.isdir(output):
        if paths == [STREAM]:
            raise click.UsageError("-o must name a file where standard input is read.")
        return output
    if len(paths) > 1:
        raise click.UsageError(f"-o must be a folder for several inputs; {output} is none (end it with {os.sep} to make it).")
    return None


def plan(paths: Sequence[str], output: str | None, job: Job) -> Sequence[PlannedFile]:
    """The output of each input. Raises: click.UsageError where the command line makes no sense, before any work."""
    folder = _out_folder(paths, output)
    if folder is None and output is None and paths == [STREAM]:
        output = STREAM
    if output == STREAM and not job.options.force and sys.stdout is not None and sys.stdout.isatty():
        raise click.UsageError("binary data does not go to a terminal: use -o FILE, or -f.")
    if folder is None and output is not None:
        return [PlannedFile(paths[0], output, None)]
    return plan_outputs(paths, folder, job.options)


def planned_tree(paths: Sequence[str], output: str | None, job: Job) -> Tree:
    """The files of the one folder among the inputs, and their outputs. Raises: click.UsageError where the command line makes no sense."""
    if len(paths) != 1 or paths[0] == STREAM:
        raise click.UsageError("-r takes one folder.")
    if output is not None and (output == STREAM or (os.path.lexists(output) and not os.path.isdir(output))):
        raise click.UsageError(f"-o must be a folder with -r; {output} is none.")
    try:
        return plan_tree(paths[0], output, job.options)
    except OSError as error:
        raise click.UsageError(f"cannot read the folder {paths[0]}: {error.strerror}") from error


def opened(place: str, *, writing: bool) -> str | BinaryIO:
    """The path itself, or the binary standard stream that ``-`` means. Raises: OSError if that is closed."""
    if place != STREAM:
        return place
    stream = sys.stdout if writing else sys.stdin
    if stream is None:
        raise OSError(f"standard {'output' if writing else 'input'} is closed")
    return stream.buffer
