"""``hvpzip decompress``. Layer rank 5."""

from collections.abc import Callable, Sequence

import click

from hvpzip import api
from hvpzip.cli.console import Console, output_options, shown
from hvpzip.cli.places import STREAM, input_argument, opened, received
from hvpzip.cli.transfer import GroupProgress, Transfer, coding_options, run_transfer, transfer_options

__all__ = ["command"]


@click.command("decompress", short_help="Bring pictures back from .hvz files.")
@input_argument
@transfer_options
@click.option("--strip", is_flag=True, help="Leave out the metadata, so that formats that cannot hold it will do.")
@coding_options
@output_options
def command(
    inputs: tuple[str, ...],
    output: str | None,
    force: bool,
    remove: bool,
    jobs: int,
    strip: bool,
    threads: int | None,
    max_pixels: int,
    quiet: int,
    verbose: int,
    no_progress: bool,
) -> int:
    """Bring the picture back from each .hvz file IN.

    The output is IN without .hvz; .png is added where no lossless picture suffix is left (photo.jpg.hvz gives photo.jpg.png), .tif for
    CMYK. The suffix chooses the kind of picture: .png, .webp (lossless), .tif, .tiff, .bmp, .ppm, .pgm; one that cannot hold the picture
    or its metadata is refused. It gets its name only after it was read back and found equal to what was decoded. With no IN, or with -,
    standard input is read; standard output gets PNG, or TIFF for CMYK.

    \b
    Examples:
      hvpzip decompress photo.hvz
      hvpzip decompress photo.hvz -o photo.tif
      hvpzip decompress -o photos/ packed/*.hvz
      hvpzip decompress < photo.hvz > photo.png
    """
    paths = received(inputs)
    console = Console(quiet=quiet, verbose=verbose, no_progress=no_progress)

    def one(item: api.Plan, on_group: GroupProgress) -> api.FileResult:
        return api.decompress_file(
            opened(item.path, writing=False),
            opened(item.output or STREAM, writing=True),
            force=force,
            threads=threads,
            max_pixels=max_pixels,
            on_group=on_group,
            strip=strip,
        )

    def many(paths: Sequence[str], folder: str | None, progress: Callable[[api.FileResult], None]) -> object:
        return api.decompress_files(
            paths, folder, workers=jobs, progress=progress, force=force, threads=threads, max_pixels=max_pixels, strip=strip
        )

    def report(result: api.FileResult) -> None:
        if result.error is None:
            # In a pipe, a program that works says nothing.
            (console.detail if result.output == STREAM else console.notice)(
                f"{shown(result.path)} -> {shown(result.output or STREAM)}: {result.width} x {result.height}, "
                f"{result.input_bytes:,} to {result.output_bytes:,} bytes, {result.seconds:.1f} s"
            )

    transfer = Transfer(compressing=False, one=one, many=many, report=report)
    return run_transfer(console, transfer, paths, output=output, force=force, remove=remove, jobs=jobs)
