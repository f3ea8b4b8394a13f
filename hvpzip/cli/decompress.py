"""``hvpzip decompress``. Layer rank 5."""

import click

from hvpzip import api
from hvpzip.cli.console import Console, output_options, shown
from hvpzip.cli.places import STREAM, input_argument
from hvpzip.cli.transfer import coding_options, run_transfer, transfer_options

__all__ = ["command"]


@click.command("decompress", short_help="Bring pictures back from .hvz files.")
@input_argument
@transfer_options
@click.option("--strip", is_flag=True, help="Leave out the metadata, so that formats that cannot hold it will do.")
@coding_options
@output_options
def command(
    inputs: tuple[str, ...],
    recursive: bool,
    output: str | None,
    force: bool,
    remove: bool,
    jobs: int,
    as_json: bool,
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

    With -r, IN is a folder. The .hvz files in it and below go back into the same tree under OUT, as with compress; where the suffix is of
    a kind that cannot hold the picture, .png is added.

    \b
    Examples:
      hvpzip decompress photo.hvz
      hvpzip decompress photo.hvz -o photo.tif
      hvpzip decompress -o photos/ packed/*.hvz
      hvpzip decompress -r packed/ -o photos/
      hvpzip decompress < photo.hvz > photo.png
    """
    console = Console(quiet=quiet, verbose=verbose, no_progress=no_progress)
    job = api.Job(compressing=False, force=force, threads=threads, max_pixels=max_pixels, strip=strip, mirror=recursive, remove=remove)
    return run_transfer(console, job, inputs, _summary, output=output, jobs=jobs, recursive=recursive, as_json=as_json)


def _summary(result: api.FileResult) -> str:
    return (
        f"{shown(result.path)} -> {shown(result.output or STREAM)}: {result.width} x {result.height}, "
        f"{result.input_bytes:,} to {result.output_bytes:,} bytes, {result.seconds:.1f} s"
    )
