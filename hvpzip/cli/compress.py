"""``hvpzip compress``."""

from collections.abc import Iterator

import click

from hvpzip import api
from hvpzip.cli.console import Console, output_options, picture_text, shown
from hvpzip.cli.options import Transfer, coding_options, gathered, transfer_options
from hvpzip.cli.places import STREAM, input_argument
from hvpzip.cli.transfer import run_transfer

__all__ = ["command"]


def _not(ctx: click.Context, param: click.Parameter, value: bool) -> bool:
    return not value


@click.command("compress", short_help="Compress pictures to .hvz files.")
@gathered(options=api.CompressOptions, transfer=Transfer, console=Console)
@input_argument
@transfer_options
@click.option("--no-verify", "verify", is_flag=True, callback=_not, help="Do not decode what was written before it gets its name.")
@click.option(
    "--effort",
    type=click.IntRange(1, 4),
    metavar="N",
    help=(
        "How much to spend. 1: the model alone, quickest. 2, the default: also latents, colours and what adapts to the photo, or the "
        "mixing coder where a sample says that it saves a twelfth. "
        "3: the mixing coder on all photos, the finest level alone and coarse to fine as before, or all of it in raster order, as a sample "
        "says; two to four times the time. 4: with more experts in raster order, smallest; twice the time of 3 to decode."
    ),
)
@click.option("--frame", type=click.IntRange(min=0), metavar="N", help="Take picture N of an animation or of several pages, from 0.")
@click.option("--strip", is_flag=True, help="Leave out the metadata (EXIF, XMP, ICC profile, texts and the like).")
@click.option("--pixels", is_flag=True, help="Of JPEG files keep the pixels, not the file itself, which takes more room.")
@click.option("--model", metavar="NAME", help="The bundled model to use; the default is the best one.")
@coding_options
@output_options
def command(inputs: tuple[str, ...], options: api.CompressOptions, transfer: Transfer, console: Console) -> int:
    """Compress each picture IN to a .hvz file, without loss.

    The output is IN with .hvz added. It gets its name only after it was read back, decoded, and found equal to the picture. Inputs are
    kept, and existing outputs are not replaced. With no IN, or with -, standard input is read and standard output written.

    Pictures are PNG, JPEG, WebP, TIFF, GIF, BMP, PPM and the like: gray and RGB of up to 16 bits, with alpha or not, palettes, CMYK. Their
    metadata is kept. A JPEG file is kept itself, byte for byte: recompressed without loss where the package imagecodecs is installed, else
    stored as it is. The file of any other picture cannot be rebuilt byte for byte, its pixels and metadata can.

    \b
    Examples:
      hvpzip compress photo.png
      hvpzip compress -o packed/ -j 4 *.png
      hvpzip compress -r photos/ -o packed/
      hvpzip compress --json photo.png -o photo.hvz
      hvpzip compress < photo.png > photo.hvz
    """
    if transfer.remove and not options.verify:
        raise click.UsageError("--rm needs the verification that --no-verify leaves out.")
    job = api.Job(options=options, mirror=transfer.recursive, remove=transfer.remove)

    def summary(result: api.FileResult) -> str:
        return "\n".join(
            [_summary(result), *([_figures(result)] if console.verbose else []), *(_trial_lines(result) if console.verbose > 1 else [])]
        )

    return run_transfer(console, job, inputs, summary, transfer)


def _summary(result: api.FileResult) -> str:
    return (
        f"{shown(result.path)} -> {shown(result.output or STREAM)}: {result.input_bytes:,} to {result.output_bytes:,} bytes, "
        f"{result.bits_per_dim:.3f} bits per dimension, {result.seconds:.1f} s"
    )


def _trial_lines(result: api.FileResult) -> Iterator[str]:
    """What was weighed for each group, what it took or would have taken, and what was taken."""
    for number, trials in enumerate(result.trials, start=1):
        yield f"  group {number}"
        for trial in trials:
            size = "" if trial.size_bytes is None else f"{trial.size_bytes:,} bytes"
            taken = "taken" if trial.taken else ""
            told = "; ".join(filter(None, (taken, trial.reason)))
            yield f"    {'  ' * trial.depth + trial.what:<44} {size:>16}  {told}".rstrip()


def _figures(result: api.FileResult) -> str:
    """The bound, the coded bits and the file's bits beside each other."""
    bound, coded, file_bits = result.bound_bits or 0.0, result.coded_bits or 0, 8 * (result.output_bytes or 0)

    def over(bits: float) -> str:
        return f"{bits:,.0f} bits ({100 * (bits / bound - 1):+.2f} %)" if bound > 0 else f"{bits:,.0f} bits"

    return (
        f"  {picture_text(result)}; model {result.model}, effort {result.effort}, groups {result.groups}\n"
        f"  bound {bound:,.0f} bits, coded {over(coded)}, file {over(file_bits)}"
    )
