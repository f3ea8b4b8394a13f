"""A PNG file to a picture; frames of an animation are put together by Pillow."""

import io

import numpy as np
from PIL import PngImagePlugin

from hvpzip.image_io.form import Form, Kind
from hvpzip.image_io.pillow_forms import form_of_image, same_form
from hvpzip.image_io.png import Png, png_samples, read_png
from hvpzip.image_io.refusals import Found, counted, take_frame, unsupported
from hvpzip.image_io.rows import array_of

__all__ = ["read_png_picture"]


def read_png_picture(data: bytes, max_pixels: int, frame: int | None) -> Found:
    """Raises: ImageError, LimitError; what Pillow raises on damage."""
    parts = read_png(io.BytesIO(data), max_pixels, frame or 0)
    number = take_frame("PNG", frame, parts.pictures, f"{parts.form.words}, animated")
    dropped = parts.dropped
    if parts.pictures > 1:
        dropped.content.add(counted(parts.pictures - 1, "other picture"))
    if number == 0:  # what readers show that know nothing of animations
        samples, form = png_samples(io.BytesIO(data), parts.form), parts.form
    else:
        samples, form = _frame(data, number, parts)
    return Found(np.ascontiguousarray(samples), form, dropped, parts.pictures)


def _frame(data: bytes, number: int, parts: Png) -> "tuple[np.ndarray, Form]":
    """A later picture, as a player would show it."""
    if parts.form.bit_depth == 16:
        raise unsupported("PNG", f"{parts.form.words}, animated, after the first picture")
    with PngImagePlugin.PngImageFile(io.BytesIO(data)) as image:
        image.seek(number)
        form = form_of_image(image, "PNG")
        samples = array_of(image, np.uint8)
        same_form(image, form, "PNG")
    if form.kind is parts.form.kind and form.bit_depth == 8 and form.kind in (Kind.PALETTE, Kind.GRAY):
        if form.kind is Kind.GRAY and parts.form.bit_depth < 8:
            samples //= np.uint8(255 // ((1 << parts.form.bit_depth) - 1))
        form = form._replace(bit_depth=parts.form.bit_depth, palette=parts.form.palette, transparency=parts.form.transparency)
    return samples, form._replace(chunks=parts.form.chunks)
