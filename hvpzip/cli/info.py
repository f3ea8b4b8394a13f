"""``hvpzip info``. Layer rank 5."""

import click

from hvpzip import api
from hvpzip.cli.console import Console, output_options, picture_text, shown
from hvpzip.cli.places import STREAM, input_argument, opened, received

__all__ = ["command"]


@click.command("info", short_help="Show what .hvz files say about themselves.")
@input_argument
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a file.")
@output_options
def command(inputs: tuple[str, ...], as_json: bool, quiet: int, verbose: int, no_progress: bool) -> int:
    """Show what each .hvz file IN says about itself: sizes, model, bits per dimension; -v also shows where its bytes go.

    The checksums of the coded bytes are verified, nothing is decoded. With no IN, or with -, standard input is read.

    \b
    Examples:
      hvpzip info photo.hvz
      hvpzip info -v photo.hvz
      hvpzip info --json *.hvz
    """
    console = Console(quiet=quiet, verbose=verbose, no_progress=no_progress)
    for path in received(inputs):
        try:
            place = opened(path, writing=False)
            facts = api.info(place if isinstance(place, str) else place.read())
        except Exception as error:
            console.failure(path, error)
            continue
        # Outside the try: a closed pipe is no failure of the file.
        if as_json:
            console.record(api.as_record(facts))
        else:
            console.result(_text(facts, shown(path), sections=verbose > 0))
    return console.exit_code


def _text(facts: api.FileInfo, name: str, *, sections: bool) -> str:
    lines = [
        name if name != STREAM else "(standard input)",
        f"  picture   {picture_text(facts)}",
        f"  file      {facts.output_bytes:,} bytes, {facts.bits_per_dim:.3f} bits per dimension",
        f"  coded     {facts.coded_bits // 8:,} bytes in {facts.groups} group{'s' * (facts.groups > 1)}, {facts.group_side} pixels a side",
        f"  header    {facts.header_bytes:,} bytes with all lengths and checksums",
        f"  map       {facts.transform} over {facts.levels} levels, colour {facts.colour}",
        f"  model     {facts.model}, effort {facts.effort}",
    ]
    if sections:
        lines.append("  sections  offset        bytes   share")
        lines += [
            f"    {part.offset:>14,} {part.size_bytes:>12,}  {part.size_bytes / facts.output_bytes:6.2%}  {part.name}"
            for part in facts.sections
        ]
    return "\n".join(lines)
