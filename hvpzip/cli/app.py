"""The group ``hvpzip`` and what turns its outcome into an exit status."""

import errno
import importlib
import os
import sys
from collections.abc import Sequence

import click

from hvpzip.device import VARIABLE

__all__ = ["app", "run"]

_COMMANDS = ("compress", "decompress", "test", "info")


class LazyGroup(click.Group):
    """Commands are modules of this package, imported when one is named or listed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"hvpzip.cli.{cmd_name}").command
        return command


def _print_version(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    if not value or ctx.resilient_parsing:
        return
    from hvpzip import __version__, api

    found = api.versions()
    click.echo(f"hvpzip {__version__}")
    click.echo(f"container version {found.container}")
    for name, model_id in found.models:
        click.echo(f"model {name} {model_id or 'is damaged'}")
    ctx.exit()


def _set_device(ctx: click.Context, param: click.Parameter, value: str | None) -> None:
    if value is not None and not ctx.resilient_parsing:
        os.environ[VARIABLE] = value  # worker processes inherit it


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit status: 0 all done, 1 at least one file failed, 2 wrong usage, 130 interrupted, 143 terminated.",
)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_print_version,
    help="Show versions and bundled models, and exit.",
)
@click.option(
    "--device",
    metavar="NAME",
    expose_value=False,
    callback=_set_device,
    help="What runs the network: cpu (the default), or cuda where torch is installed. Files do not depend on it.",
)
def app() -> None:
    """Compress photos without loss, and bring them back.

    \b
    Examples:
      hvpzip compress photo.png                write photo.hvz
      hvpzip decompress photo.hvz              write photo.png
      hvpzip compress -o packed/ *.png         write into a folder
      hvpzip test packed/*.hvz                 check, write nothing
      hvpzip info --json photo.hvz             figures for programs

    `hvpzip COMMAND --help` tells more.
    """


def run(arguments: Sequence[str] | None = None) -> int:
    """The exit status of the command line. Prints at most one line about an error that no command has reported itself."""
    try:
        outcome = app.main(None if arguments is None else list(arguments), prog_name="hvpzip", standalone_mode=False)
        _flush()
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except click.Abort:
        return 130
    except SystemExit as leaving:
        # click leaves like this when a pipe is closed; it has made the stream quiet.
        return leaving.code if isinstance(leaving.code, int) else 1
    except OSError as error:
        if error.errno == errno.EPIPE:
            _silence_stdout()
            return 1
        return _failed(error)
    except Exception as error:
        return _failed(error)
    return outcome if isinstance(outcome, int) else 0


def _failed(error: Exception) -> int:
    from hvpzip import api

    _silence_stdout()
    click.echo(f"hvpzip: {api.describe_failure(error, '')}", err=True)
    return 1


def _flush() -> None:
    """Meets a closed pipe or a full disk here rather than when the interpreter ends, where it would print a traceback."""
    if sys.stdout is not None:
        sys.stdout.flush()


def _silence_stdout() -> None:
    """What is still in the buffer of a broken standard output goes nowhere, so that the interpreter's last flush cannot fail."""
    if sys.stdout is None:
        return
    try:
        sink = os.open(os.devnull, os.O_WRONLY)
        os.dup2(sink, sys.stdout.fileno())
        os.close(sink)
    except (OSError, ValueError):
        pass
