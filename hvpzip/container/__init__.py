"""The ``.hvz`` file, format version 1: checked sections around coded groups, which are opaque here. Normative text: docs/format.md."""

from hvpzip.container.checksum import crc32
from hvpzip.container.layout import (
    FORM_SECTION,
    MAGIC,
    METADATA_SECTION,
    SOURCE_SECTION,
    VERSION,
    Container,
    Group,
    Header,
    Limits,
    Section,
)
from hvpzip.container.reader import read, read_head, read_header
from hvpzip.container.salvage import Salvaged, salvage
from hvpzip.container.writer import write, write_to

__all__ = [
    "FORM_SECTION",
    "MAGIC",
    "METADATA_SECTION",
    "SOURCE_SECTION",
    "VERSION",
    "Container",
    "Group",
    "Header",
    "Limits",
    "Salvaged",
    "Section",
    "crc32",
    "read",
    "read_head",
    "read_header",
    "salvage",
    "write",
    "write_to",
]
