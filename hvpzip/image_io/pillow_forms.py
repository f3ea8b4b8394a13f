"""What Pillow gives, as a form."""

import struct
from typing import Final

from PIL import ImageFile

from hvpzip.image_io.form import Form, Kind
from hvpzip.image_io.refusals import unsupported

__all__ = ["form_of_image", "same_form"]

_FORMS: Final = {
    "1": Form(Kind.GRAY, 1),
    "L": Form(Kind.GRAY, 8),
    "LA": Form(Kind.GRAY_ALPHA, 8),
    "P": Form(Kind.PALETTE, 8),
    "RGB": Form(Kind.RGB, 8),
    "RGBA": Form(Kind.RGB_ALPHA, 8),
}


def form_of_image(image: ImageFile.ImageFile, kind: str) -> Form:
    """The form of the frame that was sought, without metadata. Raises: ImageError if it is of another mode."""
    if getattr(image, "is_animated", False):
        image.load()  # a frame gets its mode when it is put together
    form = _FORMS.get(image.mode)
    if form is None:
        raise unsupported(kind, f"a picture of mode {image.mode}")
    if form.kind is Kind.PALETTE:
        image.load()
        if image.palette is None or image.palette.mode not in ("RGB", "RGBX"):
            raise unsupported(kind, "a palette with more than red, green and blue")
        form = form._replace(palette=bytes(image.getpalette("RGB") or ())[:768])
    clear = image.info.get("transparency")
    if clear is None or form.kind in (Kind.GRAY_ALPHA, Kind.RGB_ALPHA):
        return form
    if form.kind is Kind.PALETTE:
        return form._replace(transparency=clear if isinstance(clear, bytes) else b"\xff" * clear + b"\0")
    values = clear if isinstance(clear, tuple) else (clear,)
    return form._replace(transparency=struct.pack(f">{len(values)}H", *values))


def same_form(image: ImageFile.ImageFile, form: Form, kind: str) -> None:
    """Raises: ImageError if a frame of an animation changed its mode when it was loaded."""
    if image.mode not in _FORMS or _FORMS[image.mode].kind is not form.kind:
        raise unsupported(kind, f"a frame that becomes mode {image.mode}")
