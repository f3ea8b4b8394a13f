"""Integer arithmetic only: this file reaches the bit stream.

The grammar of what the model writes for a group: a header, and the message of one lane.

::

    payload     = [adaptation] [colours] coding message
    adaptation  = 254  kinds  priors        kinds: bit n - 1 says that network n is adapted, bit 7 that hidden layers are too;
                                            3 bytes of priors for each such network and each of its layers
    colours     = 255  matrix + 16 * co + 32 * striped
                                            the number of a matrix (colours/matrices.py); co: whether Co is reweighted too; striped:
                                            whether units are learnt stripe by stripe
    coding      = path + 4 * (log2_lanes + 11 * run)

The payloads of parts, splits and rewritings, which such a payload may be in, are in ``parts`` and ``rewrites``.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from hvpzip.errors import CorruptError

__all__ = [
    "ADAPTED_MARK",
    "COLOURS_MARK",
    "CO_FLAG",
    "HIDDEN",
    "PRIOR_BYTES",
    "STRIPED_FLAG",
    "AdaptedHeads",
    "Coding",
    "Header",
    "LearntColours",
]

ADAPTED_MARK: Final = 254
COLOURS_MARK: Final = 255
MAX_NETWORKS: Final = 7
PRIOR_BYTES: Final = 3  # gains, biases and weights
HIDDEN: Final = 1 << 7
CO_FLAG: Final = 16
STRIPED_FLAG: Final = 32
NO_RAMP: Final = 3  # all lanes from the start: 31 bits a lane, for groups that never fill a ramp
RUNS: Final = {0: 32, 1: 128, 2: 512, 4: 2048}  # vector pushes before lanes double, by number
MAX_LOG2_LANES: Final = 10


class Coding(NamedTuple):
    """The parameter byte of a group, ``path + 4 * (log2_lanes + 11 * run)``: path 0..3, log2_lanes 0..10, run in ``RUNS`` or NO_RAMP."""

    path: int
    log2_lanes: int
    run: int

    def to_byte(self) -> int:
        """0..219."""
        return self.path + 4 * (self.log2_lanes + (MAX_LOG2_LANES + 1) * self.run)

    @classmethod
    def from_byte(cls, value: int, paths: int) -> Coding:
        """Inverse of ``to_byte``. Raises CorruptError for a byte that names no path of the model or no run."""
        rest, path = value // 4, value % 4
        run, log2_lanes = divmod(rest, MAX_LOG2_LANES + 1)
        if path >= paths or (run not in RUNS and run != NO_RAMP):
            raise CorruptError(f"group parameters {value} name path {path} of {paths} and run {run} of {len(RUNS) + 1}")
        return cls(path, log2_lanes, run)

    @property
    def first_lanes(self) -> int:
        """Lanes on which the encoder starts, and the decoder ends."""
        return 1 << self.log2_lanes if self.run == NO_RAMP else 1


class LearntColours(NamedTuple):
    """That the frequencies of the colours are reweighted.

    Attributes:
        matrix: Index into ``colours.matrices.MATRICES``, 0 for none.
        co: Whether Co is reweighted too.
        striped: Whether what a stripe of a unit taught serves the next one, or only whole units teach, as files of old have it.
    """

    matrix: int
    co: bool
    striped: bool

    @property
    def channels(self) -> tuple[int, ...]:
        """Those that are reweighted."""
        return (1, 2) if self.co else (2,)


class AdaptedHeads(NamedTuple):
    """That heads are changed.

    Attributes:
        networks: Numbers of the changed networks, rising.
        layers: Layers changed, ``("out",)`` or ``("out", "hidden")``.
        priors: A byte for each network, layer and kind of array, in this order.
    """

    networks: tuple[int, ...]
    layers: tuple[str, ...]
    priors: bytes


class Header(NamedTuple):
    """What a payload says before its message."""

    coding: Coding
    colours: LearntColours | None = None
    heads: AdaptedHeads | None = None

    def to_bytes(self) -> bytes:
        """The header as it is written."""
        found = b""
        if self.heads is not None:
            kinds = sum(1 << (number - 1) for number in self.heads.networks) + (HIDDEN if "hidden" in self.heads.layers else 0)
            found += bytes([ADAPTED_MARK, kinds]) + self.heads.priors
        if self.colours is not None:
            matrix, co, striped = self.colours
            found += bytes([COLOURS_MARK, matrix + CO_FLAG * co + STRIPED_FLAG * striped])
        return found + bytes([self.coding.to_byte()])

    @classmethod
    def read(cls, payload: bytes, *, networks: int, paths: int, matrices: int) -> tuple[Header, bytes]:
        """The header of a payload, and the message.

        Args:
            payload: Any bytes.
            networks, paths: How many the model has.
            matrices: How many there are; 0 where the model's maps leave no colours to be learnt.

        Raises:
            CorruptError: no such header.
        """
        if not payload:
            raise CorruptError("the payload is empty")
        heads, rest = _read_heads(payload, networks)
        colours = None
        if rest[:1] == bytes([COLOURS_MARK]):
            if len(rest) < 3 or rest[1] >= 2 * STRIPED_FLAG or rest[1] % CO_FLAG >= matrices:
                raise CorruptError("the payload's colour model is damaged, or its model cannot have one")
            colours = LearntColours(rest[1] % CO_FLAG, bool(rest[1] & CO_FLAG), bool(rest[1] & STRIPED_FLAG))
            rest = rest[2:]
        if not rest:
            raise CorruptError("the payload ends inside its parameters")
        return cls(Coding.from_byte(rest[0], paths), colours, heads), rest[1:]

    @staticmethod
    def size_of(payload: bytes) -> int:
        """How many bytes of a payload come before its message, without a model at hand; fewer only where the payload is shorter."""
        size = 0
        if payload[:1] == bytes([ADAPTED_MARK]) and len(payload) > 1:
            size = 2 + PRIOR_BYTES * (payload[1] & ~HIDDEN).bit_count() * (2 if payload[1] & HIDDEN else 1)
        return min(size + (3 if payload[size : size + 1] == bytes([COLOURS_MARK]) else 1), len(payload))


def _read_heads(payload: bytes, networks: int) -> tuple[AdaptedHeads | None, bytes]:
    if payload[:1] != bytes([ADAPTED_MARK]):
        return None, payload
    if len(payload) < 2:
        raise CorruptError("the payload ends inside its parameters")
    kinds = payload[1]
    changed = tuple(number for number in range(1, MAX_NETWORKS + 1) if kinds >> (number - 1) & 1)
    if not changed or changed[-1] > networks:
        raise CorruptError(f"the payload changes networks {changed} of {networks}")
    layers = ("out", "hidden") if kinds & HIDDEN else ("out",)
    size = PRIOR_BYTES * len(changed) * len(layers)
    if len(payload) < 2 + size:
        raise CorruptError("the payload ends inside its parameters")
    return AdaptedHeads(changed, layers, payload[2 : 2 + size]), payload[2 + size :]
