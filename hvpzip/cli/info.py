"""``hvpzip info``."""

from dataclasses import replace

import click

from hvpzip import api
from hvpzip.cli.console import Console, output_options, picture_text, shown
from hvpzip.cli.options import coding_options, gathered
from hvpzip.cli.places import STREAM, input_argument, opened, received

__all__ = ["command"]

_BAR = 30  # characters of the longest bar


@click.command("info", short_help="Show what .hvz files say about themselves.")
@gathered(console=Console)
@input_argument
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a file.")
@click.option(
    "--map",
    "map_path",
    type=click.Path(dir_okay=False),
    metavar="PNG",
    help="Draw where the bits went of one file that the model alone coded.",
)
@click.option("--likeness", is_flag=True, help="Say whether the picture is like those that its model knows.")
@coding_options
@output_options
def command(
    inputs: tuple[str, ...],
    as_json: bool,
    map_path: str | None,
    likeness: bool,
    threads: int | None,
    max_pixels: int,
    console: Console,
) -> int:
    """Show what each .hvz file IN says about itself: sizes, model, bits per dimension.

    The checksums of the coded bytes are verified, nothing is decoded. -v also shows what was chosen for each group and where its bytes
    go, and decodes the file to show what the coder borrowed and returned. --map decodes the file too, and draws the bits of each position
    and scale: coarse scales in the upper left corner of each tile of 1024 pixels, ten gray levels for a bit. --likeness decodes the file
    and has the model code it: what takes a larger share of the plain coder's bits than nearly all training pictures is unlike what the
    model knows. With no IN, or with -, standard input is read.

    \b
    Examples:
      hvpzip info photo.hvz
      hvpzip info -v photo.hvz
      hvpzip info --json *.hvz
      hvpzip info --map bits.png photo.hvz
      hvpzip info --likeness photo.hvz
    """
    paths = received(inputs)
    if map_path is not None and len(paths) != 1:
        raise click.UsageError("--map draws one file")
    for path in paths:
        try:
            data = api.packed_bytes(opened(path, writing=False), max_pixels)  # once: a pipe cannot be read again
            facts = replace(api.info(data, max_pixels=max_pixels), path=path)
        except Exception as error:
            console.failure(path, error)
            continue
        # Outside the try: a closed pipe is no failure of the file.
        if as_json:
            console.record(api.as_record(facts))
            continue
        console.result(_text(facts, shown(path), sections=console.verbose > 0))
        if map_path is not None:
            try:
                api.draw_bit_map(data, map_path, max_pixels=max_pixels, threads=threads)
            except Exception as error:
                console.failure(path, error)
                continue
        if likeness:
            try:
                console.result(f"  likeness  {_likeness_words(api.likeness(data, max_pixels=max_pixels, threads=threads))}")
            except Exception as error:
                console.failure(path, error)
                continue
        if console.verbose:
            try:
                console.result(
                    "\n".join(f"  group {n}: {words}" for n, words in enumerate(api.choices(data, max_pixels=max_pixels), start=1))
                )
                groups = api.account(data, max_pixels=max_pixels, threads=threads)
            except Exception as error:  # the model is missing, say: what the file itself says has been shown
                console.failure(path, error)
                continue
            if groups:  # none where the model coded nothing
                console.result("\n".join(line for group in groups for line in _account_lines(group)))
    return console.exit_code


def _text(facts: api.FileInfo, name: str, *, sections: bool) -> str:
    kept = facts.holds != "pixels"
    lines = [
        name if name != STREAM else "(standard input)",
        f"  picture   {picture_text(facts)}",
        f"  file      {facts.output_bytes:,} bytes, {facts.bits_per_dim:.3f} bits per dimension",
        f"  holds     {facts.holds}",
    ]
    if kept:
        lines.append(f"  coded     {facts.coded_bits // 8:,} bytes")
    else:
        grid = f"{facts.groups} group{'s' * (facts.groups > 1)}, {facts.group_side} pixels a side"
        lines.append(f"  coded     {facts.coded_bits // 8:,} bytes in {grid}")
    lines.append(f"  header    {facts.header_bytes:,} bytes with all lengths and checksums")
    if not kept:
        lines.append(f"  map       {facts.transform} over {facts.levels} levels, colour {facts.colour}")
        lines.append(f"  model     {facts.model}, effort {facts.effort}")
    if facts.source_format is not None:
        lines.append(f"  source    {facts.source_format}, {facts.source_bytes:,} bytes, SHA-256 {facts.source_sha256}")
    if sections:
        purposes = dict.fromkeys(part.purpose for part in facts.sections)
        sums = {purpose: sum(part.size_bytes for part in facts.sections if part.purpose == purpose) for purpose in purposes}
        lines.append("  bytes     for")
        lines += [f"    {size:>12,}  {size / facts.output_bytes:7.3%}  {purpose}" for purpose, size in sums.items()]
        lines.append("  sections  offset        bytes   share")
        lines += [
            f"    {part.offset:>14,} {part.size_bytes:>12,}  {part.size_bytes / facts.output_bytes:7.3%}  {part.name}"
            for part in facts.sections
        ]
    return "\n".join(lines)


def _likeness_words(found: api.Likeness) -> str:
    words = f"the model needs {found.share:.3f} of the plain coder's bits"
    if found.usual is None:
        return f"{words}; what is usual for its training pictures was not measured"
    verdict = "unlike" if found.unlike else "like"
    return f"{words}, of 100 training pictures 99 need at most {found.usual:.3f}: {verdict} what it knows"


def _account_lines(group: api.GroupAccount) -> list[str]:
    """The debt curve of a group and its sums by scale, in the encoder's order."""
    lines = [
        f"  group {group.group}: path {group.path}, {group.lanes} lane{'s' * (group.lanes > 1)}; payload {group.coded_bits:,} bits,"
        f" bound {group.bound_bits:,.1f}, over it {group.coded_bits - group.bound_bits:,.1f}",
        "    scale           exact     returned     borrowed          net lowest stack   (bits)",
    ]
    for scale in group.scales:
        net = scale.exact_bits + scale.returned_bits - scale.borrowed_bits
        figures = (scale.exact_bits, scale.returned_bits, scale.borrowed_bits, net, scale.lowest_bits)
        lines.append(f"    {_scale_name(scale.level):<8}" + "".join(f" {bits:>12,.1f}" for bits in figures))
    lines.append("    after                             moved        stack   (bits; in the encoder's order)")
    most = max(point.stack_bits for point in group.stack) or 1.0
    for point in group.stack:
        borrowed = point.kind == "refund"
        what = f"{_scale_name(point.level)} {point.unit}{' latent' * point.latent}" if point.level else point.unit
        moved = -point.moved_bits if borrowed else point.moved_bits
        bar = "#" * round(_BAR * point.stack_bits / most)
        lines.append(f"    {'pop ' if borrowed else 'push'} {what:<21} {moved:>12,.1f} {point.stack_bits:>12,.1f}  {bar}".rstrip())
    return lines


def _scale_name(level: int) -> str:
    return f"level {level}" if level else "base"
