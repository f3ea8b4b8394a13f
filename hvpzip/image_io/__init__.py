"""Picture files in and out: gray and RGB of 8 bits, exactly; everything else is refused by name. Pillow is used here only."""

from hvpzip.image_io.reading import MAX_PIXELS, Picture, read_image
from hvpzip.image_io.writing import SUFFIXES, format_of, write_image

__all__ = ["MAX_PIXELS", "SUFFIXES", "Picture", "format_of", "read_image", "write_image"]
