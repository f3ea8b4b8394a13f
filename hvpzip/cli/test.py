"""``hvpzip test``."""

import click

from hvpzip import api
from hvpzip.cli.console import Console, output_options, picture_text, shown
from hvpzip.cli.options import coding_options, gathered
from hvpzip.cli.places import input_argument, opened, received

__all__ = ["command"]


@click.command("test", short_help="Check .hvz files by decoding them; write nothing.")
@gathered(console=Console)
@input_argument
@coding_options
@output_options
def command(inputs: tuple[str, ...], threads: int | None, max_pixels: int, console: Console) -> int:
    """Check each .hvz file IN: decode it, compare every checksum, write nothing.

    With no IN, or with -, standard input is read.

    \b
    Examples:
      hvpzip test packed/*.hvz
      hvpzip test -q photo.hvz && rm photo.png
    """
    paths = received(inputs)
    for number, path in enumerate(paths, start=1):
        label = f"[{number}/{len(paths)}] {shown(path)}"

        def on_group(done: int, groups: int, label: str = label) -> None:
            console.progress(f"{label}  {done} of {groups} groups")

        console.progress(label)
        try:
            facts = api.verify(opened(path, writing=False), threads=threads, max_pixels=max_pixels, on_group=on_group)
        except Exception as error:
            console.failure(path, error)
        else:
            console.notice(f"{shown(path)}: ok, {picture_text(facts)}")
        finally:
            console.clear()
    return console.exit_code
