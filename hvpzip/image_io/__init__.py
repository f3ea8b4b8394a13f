"""Picture files in and out, exactly, with their metadata; what cannot be held is refused by name."""

from hvpzip.image_io.form import CHANNELS, DEPTHS, Chunk, Form, Kind, plain_form
from hvpzip.image_io.png import METADATA, is_metadata
from hvpzip.image_io.reading import MAX_METADATA_BYTES, MAX_PIXELS, Picture, picture_bytes, picture_of, read_again, read_image
from hvpzip.image_io.writing import SUFFIXES, RowWriter, format_of, row_writer, write_image

__all__ = [
    "CHANNELS",
    "DEPTHS",
    "MAX_METADATA_BYTES",
    "MAX_PIXELS",
    "METADATA",
    "SUFFIXES",
    "Chunk",
    "Form",
    "Kind",
    "Picture",
    "RowWriter",
    "format_of",
    "is_metadata",
    "picture_bytes",
    "picture_of",
    "plain_form",
    "read_again",
    "read_image",
    "row_writer",
    "write_image",
]
