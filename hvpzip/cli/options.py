"""The options of the commands, and how a command gets them: a few objects rather than a list of values.

``gathered`` makes an object of each class from the options that are named as its fields, so that what can be asked for is declared once, in
``hvpzip.api.options``. What stands here is how it is said on a command line.
"""

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import click

from hvpzip.api import FileOptions
from hvpzip.cli.console import Decorated

__all__ = ["Transfer", "coding_options", "gathered", "transfer_options"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Transfer:
    """Which files a command makes of which, and how: what ``transfer_options`` say beside ``--force``."""

    recursive: bool
    output: str | None
    remove: bool
    jobs: int
    as_json: bool


def gathered(**classes: Callable[..., object]) -> Callable[[Callable[..., int]], Callable[..., int]]:
    """A decorator, to be the last one before ``click.command``: the command gets, under each keyword, an object of that class in the place
    of the options that are named as the parameters of its constructor.

    Raises: TypeError at once if a class has a parameter that no option sets; click.UsageError in a call if it refuses a value.
    """

    def decorate(function: Callable[..., int]) -> Callable[..., int]:
        set_here = {option.name for option in getattr(function, "__click_params__", ())}
        taken = {name: list(inspect.signature(made).parameters) for name, made in classes.items()}
        for name, keys in taken.items():
            if missing := sorted(set(keys) - set_here):
                raise TypeError(f"no option sets {', '.join(missing)} of {name}")

        @functools.wraps(function)
        def command(**values: Any) -> int:
            try:
                made = {name: classes[name](**{key: values[key] for key in keys}) for name, keys in taken.items()}
            except ValueError as error:
                raise click.UsageError(f"{error}.") from error
            left = {key: value for key, value in values.items() if not any(key in keys for keys in taken.values())}
            return function(**left, **made)

        return command

    return decorate


def coding_options(function: Decorated) -> Decorated:
    """The options of every command that decodes: ``-T``, ``--max-pixels``."""
    for option in (
        click.option(
            "--max-pixels",
            type=click.IntRange(min=1),
            default=FileOptions().max_pixels,
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
