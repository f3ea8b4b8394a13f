"""``hvpzip decompress``."""

import re

import click

from hvpzip import api
from hvpzip.cli.console import Console, output_options, shown
from hvpzip.cli.options import Transfer, coding_options, gathered, transfer_options
from hvpzip.cli.places import STREAM, input_argument
from hvpzip.cli.transfer import run_transfer

__all__ = ["command"]


def _crop(ctx: click.Context, param: click.Parameter, value: str | None) -> api.Crop | None:
    if value is None:
        return None
    found = re.fullmatch(r"(\d{1,10}),(\d{1,10}),(\d{1,10}),(\d{1,10})", value)
    if not found or not int(found[3]) or not int(found[4]):
        raise click.BadParameter(f"{value!r} is not X,Y,W,H: the upper left corner, width and height in pixels, as 0,0,640,480.")
    return int(found[1]), int(found[2]), int(found[3]), int(found[4])


def _scale(ctx: click.Context, param: click.Parameter, value: str) -> float:
    found = re.fullmatch(r"1(?:/([1-9]\d{0,4}))?", value)
    try:
        return 1 / api.checked_scale(1 / int(found[1] or 1) if found else 0)
    except ValueError as error:
        raise click.BadParameter(f"{value!r} is not 1/2, 1/4, 1/8 and so on.") from error


@click.command("decompress", short_help="Bring pictures back from .hvz files.")
@gathered(options=api.DecompressOptions, transfer=Transfer, console=Console)
@input_argument
@transfer_options
@click.option("--strip", is_flag=True, help="Leave out the metadata, so that formats that cannot hold it will do.")
@click.option(
    "--crop", callback=_crop, metavar="X,Y,W,H", help="Decode a rectangle only: its upper left corner, width and height in pixels."
)
@click.option("--scale", callback=_scale, default="1", metavar="1/N", help="Decode the scales of a smaller picture only: 1/2, 1/4, 1/8 ...")
@click.option(
    "--fill", type=click.Choice(["mean", "sample"]), help="With --scale, fill in what is not decoded: what the model expects, or one draw."
)
@click.option("--salvage", is_flag=True, help="Take damaged files: write what is whole, fill the rest with 0, and count as failed.")
@coding_options
@output_options
def command(inputs: tuple[str, ...], options: api.DecompressOptions, transfer: Transfer, console: Console) -> int:
    """Bring the picture back from each .hvz file IN.

    The output is IN without .hvz; .png is added where no lossless picture suffix is left, .tif for CMYK. A JPEG file that was kept
    comes back as the identical file, .jpg; with another suffix, --crop or --scale its pixels do. The suffix chooses the kind of
    picture: .png, .webp (lossless), .tif, .tiff, .bmp, .ppm, .pgm; one that cannot hold the picture or its metadata is refused. It gets
    its name only after it was read back and found equal to what was decoded. With no IN, or with -, standard input is read; standard
    output gets PNG, or TIFF for CMYK.

    With -r, IN is a folder. The .hvz files in it and below go back into the same tree under OUT, as with compress; where the suffix is of
    a kind that cannot hold the picture, .png is added.

    --scale 1/8 gives every eighth row and column, exactly as they are in the picture, in a fraction of the time. Of a --crop it gives
    those that lie in it. What is left out of a picture's groups is not decoded, so the checksum of the samples in a smaller picture cannot
    be compared; that of the coded bytes is. With --fill the picture has its whole size: those rows and columns as they are, and the rest
    as the model expects it, on average or in one draw. Gray and RGB of 8 bits without transparency can be filled in
    where the model alone coded them.

    --salvage brings back what is whole of a file whose header is. Where groups are damaged or missing, the picture is black, transparent
    where it has alpha; each is named. The picture is written, and the exit status is 1 all the same.

    \b
    Examples:
      hvpzip decompress photo.hvz
      hvpzip decompress --scale 1/8 photo.hvz -o small.png
      hvpzip decompress --scale 1/4 --fill mean photo.hvz -o preview.png
      hvpzip decompress --crop 0,0,640,480 photo.hvz -o corner.png
      hvpzip decompress photo.hvz -o photo.tif
      hvpzip decompress -o photos/ packed/*.hvz
      hvpzip decompress -r packed/ -o photos/
      hvpzip decompress < photo.hvz > photo.png
    """
    if transfer.remove and not options.whole:
        raise click.UsageError("--rm needs the whole picture: not with --crop, --scale or --salvage.")
    job = api.Job(options=options, mirror=transfer.recursive, remove=transfer.remove)
    return run_transfer(console, job, inputs, _summary, transfer)


def _summary(result: api.FileResult) -> str:
    return (
        f"{shown(result.path)} -> {shown(result.output or STREAM)}: {result.width} x {result.height}, "
        f"{result.input_bytes:,} to {result.output_bytes:,} bytes, {result.seconds:.1f} s"
    )
