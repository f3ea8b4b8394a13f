"""What the commands report about a file: plain frozen records, and their JSON form. Layer rank 4.

The invariant: ``8 * output_bytes == 8 * header_bytes + coded_bits`` for every ``.hvz`` file, so nothing that a file spends is left out.
"""

from dataclasses import dataclass, field

__all__ = ["JSON_KEYS", "FileInfo", "FileResult", "Section", "as_record"]

# The stable names and their order in JSON; a key that a command cannot know is null, never absent.
JSON_KEYS = (
    "path",
    "output",
    "width",
    "height",
    "channels",
    "bit_depth",
    "input_bytes",
    "output_bytes",
    "header_bytes",
    "coded_bits",
    "bound_bits",
    "bits_per_dim",
    "model",
    "effort",
    "groups",
    "seconds",
    "error",
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Section:
    """One run of bytes of a ``.hvz`` file: what it is for, where it begins, how long it is."""

    name: str
    offset: int
    size_bytes: int


@dataclass(frozen=True, kw_only=True, slots=True)
class FileInfo:
    """What a ``.hvz`` file says about itself.

    ``output_bytes`` is the length of the file, ``coded_bits`` eight times the length of all group payloads, ``header_bytes`` everything
    else (header, metadata, group lengths and checksums). ``bits_per_dim`` is ``8 * output_bytes / (width * height * channels)``.
    ``model`` is the model's id in hexadecimal; ``sections`` covers the file from its first byte to its last, without gaps.
    """

    path: str
    width: int
    height: int
    channels: int
    bit_depth: int
    output_bytes: int
    header_bytes: int
    coded_bits: int
    bits_per_dim: float
    model: str
    effort: int
    groups: int
    group_side: int
    levels: int
    transform: str
    colour: str
    sections: tuple[Section, ...] = field(repr=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class FileResult:
    """What became of one file: the outcome of ``compress_file`` or ``decompress_file``, or one entry of a batch.

    The figures always describe the pair picture and ``.hvz`` file as the operation saw it: ``input_bytes`` is the length of what was read,
    ``output_bytes`` of what was written. After ``compress`` the figures obey the rule of ``FileInfo``; after ``decompress`` it holds with
    ``input_bytes`` in the place of ``output_bytes``, and ``bits_per_dim`` is that of the ``.hvz`` file in both. ``bound_bits`` is the
    model's own bound, known only to the encoder. ``error`` is one line, and then the figures that were not reached are None;
    ``trace`` is the traceback that belongs to it. ``notices`` are one-line remarks, such as metadata that was not kept.
    """

    path: str
    output: str | None = None
    width: int | None = None
    height: int | None = None
    channels: int | None = None
    bit_depth: int | None = None
    input_bytes: int | None = None
    output_bytes: int | None = None
    header_bytes: int | None = None
    coded_bits: int | None = None
    bound_bits: float | None = None
    bits_per_dim: float | None = None
    model: str | None = None
    effort: int | None = None
    groups: int | None = None
    seconds: float | None = None
    error: str | None = None
    notices: tuple[str, ...] = ()
    trace: str | None = field(default=None, repr=False, compare=False)


def as_record(result: FileInfo | FileResult) -> dict[str, object]:
    """The JSON form: every key of ``JSON_KEYS`` in that order, None where the operation cannot know the value."""
    return {key: getattr(result, key, None) for key in JSON_KEYS}
