"""What the commands report about a file: plain frozen records, and their JSON form.

The invariant: ``8 * output_bytes == 8 * header_bytes + coded_bits`` for every ``.hvz`` file, so nothing that a file spends is left out.
"""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from hvpzip.codec.choice import Trial

__all__ = [
    "JSON_KEYS",
    "Damage",
    "FileInfo",
    "FileResult",
    "GroupAccount",
    "Likeness",
    "ScaleAccount",
    "Section",
    "StackPoint",
    "as_record",
    "result_of",
]

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
    "skipped",
    "holds",
    "source_format",
    "source_bytes",
    "source_sha256",
    "dropped",
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Section:
    """One run of bytes of a ``.hvz`` file: what it is, where it begins, how long it is, and what it is for.

    ``purpose`` is "header" (what the picture is), "model id", "checksum", "length", "metadata", "parameters" (of a group: path,
    lanes, and what its colours' lattice needs), "message" (what the model coded) "parts" (of a group that is made of parts)
    or "JPEG file" (a whole one, or the JPEG XL file that gives it).
    """

    name: str
    offset: int
    size_bytes: int
    purpose: str


@dataclass(frozen=True, kw_only=True, slots=True)
class StackPoint:
    """What the encoder's stack held, in bits beyond an empty lane, after one of its moves.

    ``kind`` is "rate" where a unit or a latent was pushed and "refund" where a latent was popped, that is borrowed; ``latent`` tells the
    latents among the pushes. ``moved_bits`` is what the model says of the move, positive in both. ``level`` 1 is the finest, 0 the base.
    """

    level: int
    unit: str
    step: int
    kind: str
    latent: bool
    moved_bits: float
    stack_bits: float


@dataclass(frozen=True, kw_only=True, slots=True)
class ScaleAccount:
    """A scale's bits: ``exact_bits`` for its units, ``returned_bits`` for pushing its latents, ``borrowed_bits`` for popping them.

    Exact plus returned minus borrowed is the scale's part of the bound. ``lowest_bits`` is the least that the stack held meanwhile.
    """

    level: int
    exact_bits: float
    returned_bits: float
    borrowed_bits: float
    lowest_bits: float


@dataclass(frozen=True, kw_only=True, slots=True)
class GroupAccount:
    """The debt curve of one group: every move of the encoder in its order (finest scale first), and the sums by scale.

    ``group`` is its number, from 1; where groups are made of parts, each part that the model coded has an account. ``coded_bits`` is the
    payload, ``bound_bits`` what the model says that it should be, ``path`` and ``lanes`` what the encoder chose.
    """

    group: int
    path: str
    lanes: int
    coded_bits: int
    bound_bits: float
    stack: tuple[StackPoint, ...] = field(repr=False)
    scales: tuple[ScaleAccount, ...] = field(repr=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class FileInfo:
    """What a ``.hvz`` file says about itself.

    ``output_bytes`` is the length of the file, ``coded_bits`` eight times the length of all group payloads, ``header_bytes`` everything
    else (header, metadata, group lengths and checksums). ``bits_per_dim`` is ``8 * output_bytes / (width * height * channels)``.
    ``model`` is the model's id in hexadecimal; ``sections`` covers the file from its first byte to its last, without gaps.
    ``holds`` is "pixels", or a JPEG file kept whole: "JPEG file, stored" or "JPEG file, as JPEG XL". ``source_format``, ``source_bytes``
    and ``source_sha256`` (hexadecimal) tell of the file that was compressed, None where the ``.hvz`` does
    not: of arrays, of pictures that Pillow saved, of older files.
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
    holds: str
    source_format: str | None
    source_bytes: int | None
    source_sha256: str | None
    sections: tuple[Section, ...] = field(repr=False)


class Likeness(NamedTuple):
    """How a picture compares with those that its model was trained on.

    Attributes:
        share: The model's bits over the plain coder's (WebP's fastest method).
        usual: What 99 of 100 training pictures need at most; None where it was not measured for the model.
    """

    share: float
    usual: float | None

    @property
    def unlike(self) -> bool | None:
        """Whether the picture is unlike what the model knows."""
        return None if self.usual is None else self.share > self.usual


class Damage(NamedTuple):
    """A group that could not be decoded: its number, counted from 1, its rectangle in pixels of the whole picture, and why."""

    group: int
    x: int
    y: int
    width: int
    height: int
    reason: str


@dataclass(frozen=True, kw_only=True, slots=True)
class FileResult:
    """What became of one file: the outcome of ``compress_file`` or ``decompress_file``, or one entry of a batch.

    The figures always describe the pair picture and ``.hvz`` file as the operation saw it: ``input_bytes`` is the length of what was read,
    ``output_bytes`` of what was written. After ``compress`` the figures obey the rule of ``FileInfo``; after ``decompress`` it holds with
    ``input_bytes`` in the place of ``output_bytes``, and ``bits_per_dim`` is that of the ``.hvz`` file in both; ``width`` and ``height``
    are those of the picture that was written, which may be a part or a smaller one. ``bound_bits`` is the
    model's own bound, known only to the encoder. ``error`` is one line, and then the figures that were not reached are None;
    ``trace`` is the traceback that belongs to it. ``skipped`` says that the output was there already and holds the same, so that nothing
    was written. ``notices`` are one-line remarks, such as metadata that was not kept. ``damaged`` are the groups that could not be
    salvaged: then there is an output, with 0 in their places, and yet an ``error``. ``dropped`` names what the picture file holds and the
    ``.hvz`` does not. ``holds`` and ``source_...`` are those of ``FileInfo``.
    ``trials`` says by group what the encoder weighed, and what it took.
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
    skipped: bool = False
    notices: tuple[str, ...] = ()
    damaged: tuple[Damage, ...] = ()
    dropped: tuple[str, ...] | None = None
    holds: str | None = None
    source_format: str | None = None
    source_bytes: int | None = None
    source_sha256: str | None = None
    trials: "tuple[tuple[Trial, ...], ...]" = field(default=(), repr=False, compare=False)
    trace: str | None = field(default=None, repr=False, compare=False)


def as_record(result: FileInfo | FileResult) -> dict[str, object]:
    """The JSON form: every key of ``JSON_KEYS`` in that order, None where the operation cannot know the value."""
    return {key: getattr(result, key, None) for key in JSON_KEYS}


def result_of(facts: FileInfo, *, output: str, input_bytes: int, output_bytes: int, seconds: float) -> FileResult:
    """The result of an operation on the ``.hvz`` file of which ``facts`` tells, ``facts.path`` being the name of its source."""
    return FileResult(
        path=facts.path,
        output=output,
        width=facts.width,
        height=facts.height,
        channels=facts.channels,
        bit_depth=facts.bit_depth,
        input_bytes=input_bytes,
        output_bytes=output_bytes,
        header_bytes=facts.header_bytes,
        coded_bits=facts.coded_bits,
        bits_per_dim=facts.bits_per_dim,
        model=facts.model,
        effort=facts.effort,
        groups=facts.groups,
        seconds=seconds,
        dropped=(),
        holds=facts.holds,
        source_format=facts.source_format,
        source_bytes=facts.source_bytes,
        source_sha256=facts.source_sha256,
    )
