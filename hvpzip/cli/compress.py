"""``hvpzip compress``. Layer rank 5."""

from collections.abc import Callable, Sequence

import click

from hvpzip import api
from hvpzip.cli.console import Console, output_options, picture_text, shown
from hvpzip.cli.places import STREAM, input_argument, opened, received
from hvpzip.cli.transfer import GroupProgress, Transfer, coding_options, run_transfer, transfer_options

__all__ = ["command"]


@click.command("compress", short_help="Compress pictures to .hvz files.")
@input_argument
@transfer_options
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a file to standard output.")
@click.option("--no-verify", is_flag=True, help="Do not decode what was written before it gets its name.")
@click.option("--effort", type=click.IntRange(0, 15), metavar="N", help="How much to spend. Models so far have one effort, 1.")
@click.option("--frame", type=click.IntRange(min=0), metavar="N", help="Take picture N of an animation or of several pages, from 0.")
@click.option("--strip", is_flag=True, help="Leave out the metadata (EXIF, XMP, ICC profile, texts and the like).")
@click.option("--model", metavar="NAME", help="The bundled model to use; the default is the best one.")
@coding_options
@output_options
def command(
    inputs: tuple[str, ...],
    output: str | None,
    force: bool,
    remove: bool,
    jobs: int,
    as_json: bool,
    no_verify: bool,
    effort: int | None,
    frame: int | None,
    strip: bool,
    model: str | None,
    threads: int | None,
    max_pixels: int,
    quiet: int,
    verbose: int,
    no_progress: bool,
) -> int:
    """Compress each picture IN to a .hvz file, without loss.

    The output is IN with .hvz added. It gets its name only after it was read back, decoded, and found equal to the picture. Inputs are
    kept, and existing outputs are not replaced. With no IN, or with -, standard input is read and standard output written.

    Pictures are PNG, JPEG, WebP, TIFF, GIF, BMP, PPM and the like: gray and RGB of up to 16 bits, with alpha or not, palettes, CMYK. Their
    metadata is kept. Of a JPEG the decoded pixels are kept, which takes more room than the JPEG itself.

    \b
    Examples:
      hvpzip compress photo.png
      hvpzip compress -o packed/ -j 4 *.png
      hvpzip compress --json photo.png -o photo.hvz
      hvpzip compress < photo.png > photo.hvz
    """
    if remove and no_verify:
        raise click.UsageError("--rm needs the verification that --no-verify leaves out.")
    paths = received(inputs)
    if as_json and (output == STREAM or (output is None and paths == [STREAM])):
        raise click.UsageError("--json and the compressed data cannot both go to standard output: use -o FILE.")
    console = Console(quiet=quiet, verbose=verbose, no_progress=no_progress)

    def one(item: api.Plan, on_group: GroupProgress) -> api.FileResult:
        return api.compress_file(
            opened(item.path, writing=False),
            opened(item.output or STREAM, writing=True),
            force=force,
            verify=not no_verify,
            effort=effort,
            model=model,
            threads=threads,
            max_pixels=max_pixels,
            on_group=on_group,
            frame=frame,
            strip=strip,
        )

    def many(paths: Sequence[str], folder: str | None, progress: Callable[[api.FileResult], None]) -> object:
        return api.compress_files(
            paths,
            folder,
            workers=jobs,
            progress=progress,
            force=force,
            verify=not no_verify,
            effort=effort,
            model=model,
            threads=threads,
            max_pixels=max_pixels,
            frame=frame,
            strip=strip,
        )

    def report(result: api.FileResult) -> None:
        if as_json:
            console.record(api.as_record(result))
        if result.error is None:
            # In a pipe, a program that works says nothing.
            (console.detail if result.output == STREAM else console.notice)(_summary(result))
            console.detail(_figures(result))

    transfer = Transfer(compressing=True, one=one, many=many, report=report)
    return run_transfer(console, transfer, paths, output=output, force=force, remove=remove, jobs=jobs)


def _summary(result: api.FileResult) -> str:
    return (
        f"{shown(result.path)} -> {shown(result.output or STREAM)}: {result.input_bytes:,} to {result.output_bytes:,} bytes, "
        f"{result.bits_per_dim:.3f} bits per dimension, {result.seconds:.1f} s"
    )


def _figures(result: api.FileResult) -> str:
    """The bound, the coded bits and the file's bits beside each other."""
    bound, coded, file_bits = result.bound_bits or 0.0, result.coded_bits or 0, 8 * (result.output_bytes or 0)

    def over(bits: float) -> str:
        return f"{bits:,.0f} bits ({100 * (bits / bound - 1):+.2f} %)" if bound > 0 else f"{bits:,.0f} bits"

    return (
        f"  {picture_text(result)}; model {result.model}, effort {result.effort}, groups {result.groups}\n"
        f"  bound {bound:,.0f} bits, coded {over(coded)}, file {over(file_bits)}"
    )
