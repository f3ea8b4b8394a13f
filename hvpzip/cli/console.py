"""What the commands say and how: one line per event to standard error, results to standard output.

Neither ``-q`` nor ``-v`` changes the exit status, and nothing here changes a file.
"""

import json
import shutil
import sys
import traceback
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, TypeVar

import click

if TYPE_CHECKING:
    from hvpzip.api import FileInfo, FileResult

__all__ = ["Console", "Decorated", "output_options", "picture_text", "shown"]

Decorated = TypeVar("Decorated", bound=Callable[..., object])


class Console:
    """Counts failures and prints within the verbosity that was asked for."""

    def __init__(self, *, quiet: int, verbose: int, no_progress: bool) -> None:
        self.quiet = quiet
        self.verbose = verbose
        self.failures = 0
        self._progress = not no_progress and not quiet and sys.stderr is not None and sys.stderr.isatty()
        self._drawn = False

    @property
    def exit_code(self) -> int:
        """0, or 1 if a file failed."""
        return 1 if self.failures else 0

    def result(self, text: str) -> None:
        """A result, to standard output. Raises: click.ClickException if that is closed, OSError if it takes no more."""
        if sys.stdout is None:
            raise click.ClickException("standard output is closed")
        self.clear()
        click.echo(text)

    def record(self, record: Mapping[str, object]) -> None:
        """A result as one line of JSON."""
        self.result(json.dumps(record))

    def notice(self, text: str) -> None:
        """A remark, unless ``-q``."""
        if not self.quiet:
            self._say(text)

    def detail(self, text: str) -> None:
        """A remark for ``-v``."""
        if self.verbose and not self.quiet:
            self._say(text)

    def failure(self, path: str, error: "BaseException | str", trace: str | None = None) -> None:
        """Counts and reports a failed file: one line unless ``-qq``, the traceback with ``-vv``."""
        from hvpzip import api

        self.failures += 1
        if self.quiet > 1:
            return
        if isinstance(error, BaseException):
            trace = "".join(traceback.format_exception(error))
            error = api.describe_failure(error, path)
        self._say(f"hvpzip: {shown(path)}: {error}")
        if self.verbose > 1 and trace:
            self._say(trace.rstrip())

    def progress(self, text: str) -> None:
        """What is going on, on one line of a terminal that the next message replaces; nothing where standard error is no terminal."""
        if self._progress:
            width = max(20, shutil.get_terminal_size().columns)
            click.echo(f"\r\x1b[K{text[: width - 1]}", nl=False, err=True)
            self._drawn = True

    def clear(self) -> None:
        """Takes the progress line away."""
        if self._drawn:
            click.echo("\r\x1b[K", nl=False, err=True)
            self._drawn = False

    def _say(self, text: str) -> None:
        self.clear()
        click.echo(text, err=True)


def shown(path: str) -> str:
    """The path as one printable line, whatever bytes it is made of."""
    text = path.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)


def picture_text(facts: "FileInfo | FileResult") -> str:
    """Sides, channels and depth of a picture in words."""
    return f"{facts.width} x {facts.height}, {facts.channels} channel{'' if facts.channels == 1 else 's'} of {facts.bit_depth} bits"


def output_options(function: Decorated) -> Decorated:
    """The options of every command about what is said: ``-q``, ``-v``, ``--no-progress``."""
    for option in (
        click.option("--no-progress", is_flag=True, help="Show no progress, even on a terminal."),
        click.option("-v", "--verbose", count=True, help="Say more; -vv adds what was tried, and tracebacks."),
        click.option("-q", "--quiet", count=True, help="Drop notices; -qq drops errors too."),
    ):
        function = option(function)
    return function
