"""What becomes of damaged files: every truncation, every flipped bit, random mutations; with the checksums left alone, or made right again.

A damaged file must give the exact picture or one clear error, in bounded time and memory, and leave nothing behind. Where the checksums
were made right again ("sealed"), the damage reaches what lies behind them: fields, metadata, coder. Then the samples' own checksum must
refuse it, unless it was the header that changed: such a file is a sound one that says something else.
"""

import argparse
import collections
import csv
import io
import random
import resource
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from benchmarks import specimens
from benchmarks.machine import say
from hvpzip import api, container, decompress, varint
from hvpzip.container.checksum import CRC_BYTES, crc32_bytes
from hvpzip.errors import HvpzipError

__all__ = [
    "Case",
    "Cut",
    "Outcome",
    "cut",
    "every_flip",
    "every_sealed_flip",
    "every_truncation",
    "main",
    "mutated",
    "mutations",
    "seal",
    "try_case",
]

Samples = npt.NDArray[np.unsignedinteger[Any]]  # uint8 or uint16

# What a case does to a file.
HEADER, METADATA, SAMPLES, PAYLOAD = "header, sealed", "metadata, sealed", "samples' checksum, sealed", "payload, sealed"
KINDS = ("truncated", "flipped", "random", HEADER, METADATA, SAMPLES, PAYLOAD)
# Only of this may another picture come out: its sides, say, are others, and every checksum is right.
MAY_DIFFER = HEADER


class Case(NamedTuple):
    """One damaged file: what was done (one of ``KINDS``), where (for messages), the bytes."""

    kind: str
    place: str
    data: bytes


class Outcome(NamedTuple):
    """What became of it: "exact", "refused", "differs" (another picture), or what must not be: "crash: ...", "left ...", "too slow"."""

    word: str
    seconds: float
    message: str = ""

    def allowed(self, kind: str) -> bool:
        """Whether that may become of a case of that kind."""
        return self.word in ("exact", "refused") or (self.word == "differs" and kind == MAY_DIFFER)


class Cut(NamedTuple):
    """A file in pieces, without the checksums that ``seal`` computes: header, sections as they stand, groups as (samples' CRC, payload)."""

    header: bytes
    sections: tuple[tuple[int, bytes], ...]
    groups: tuple[tuple[bytes, bytes], ...]


def cut(data: bytes) -> Cut:
    """The pieces of a sound file."""
    parsed = container.read(data)
    sections = tuple((section.type, section.data) for section in parsed.metadata)
    groups = tuple((group.samples_crc.to_bytes(CRC_BYTES, "little"), group.payload) for group in parsed.groups)
    behind = len(_records(b"", Cut(b"", sections, groups)))
    return Cut(data[: len(data) - behind - CRC_BYTES], sections, groups)


def seal(pieces: Cut) -> bytes:
    """The file of these pieces, with right checksums whatever they hold."""
    mark = crc32_bytes(pieces.header)
    return pieces.header + mark + _records(mark, pieces)


def _records(mark: bytes, pieces: Cut) -> bytes:
    found = []
    for number, (kind, data) in enumerate(pieces.sections):
        record = varint.write(kind) + varint.write(len(data)) + data
        found += [record, crc32_bytes(mark, varint.write(number), record)]
    for number, (crc, payload) in enumerate(pieces.groups):
        record = varint.write(len(payload)) + crc + payload
        found += [record, crc32_bytes(mark, varint.write(number), record)]
    return b"".join(found)


# ---- the cases ----


def every_truncation(data: bytes) -> Iterator[Case]:
    """The file cut off after each number of bytes."""
    for size in range(len(data)):
        yield Case("truncated", f"after {size} bytes", data[:size])


def every_flip(data: bytes) -> Iterator[Case]:
    """Each bit flipped alone."""
    for position in range(8 * len(data)):
        yield Case("flipped", f"bit {position}", _flipped(data, position))


def every_sealed_flip(data: bytes) -> Iterator[Case]:
    """Each bit of header, sections, samples' checksums and payloads flipped alone, and all other checksums made right."""
    pieces = cut(data)
    for position in range(8 * len(pieces.header)):
        yield Case(HEADER, f"bit {position}", seal(pieces._replace(header=_flipped(pieces.header, position))))
    for number, (kind, content) in enumerate(pieces.sections):
        for position in range(8 * len(content)):
            yield _sealed(METADATA, f"section {number}, bit {position}", pieces, number, kind, _flipped(content, position))
    for number, (crc, payload) in enumerate(pieces.groups):
        for position in range(8 * len(crc)):
            yield _sealed(SAMPLES, f"group {number}, bit {position}", pieces, number, _flipped(crc, position), payload)
        for position in range(8 * len(payload)):
            yield _sealed(PAYLOAD, f"group {number}, bit {position}", pieces, number, crc, _flipped(payload, position))


def mutations(data: bytes, count: int, seed: int) -> Iterator[Case]:
    """``count`` random mutations, half of them sealed; the same for the same seed."""
    chance = random.Random(seed)
    pieces = cut(data)
    for number in range(count):
        place = f"mutation {number} of seed {seed}"
        draw = chance.random()
        if draw < 0.5:
            yield Case("random", place, mutated(data, chance))
        elif draw < 0.6:
            yield Case(HEADER, place, seal(pieces._replace(header=mutated(pieces.header, chance))))
        elif draw < 0.7 and pieces.sections:
            which = chance.randrange(len(pieces.sections))
            kind, content = pieces.sections[which]
            kind = chance.randrange(6) if chance.random() < 0.1 else kind
            yield _sealed(METADATA, place, pieces, which, kind, mutated(content, chance))
        else:
            which = chance.randrange(len(pieces.groups))
            crc, payload = pieces.groups[which]
            yield _sealed(PAYLOAD, place, pieces, which, crc, mutated(payload, chance))


def _flipped(data: bytes, position: int) -> bytes:
    changed = bytearray(data)
    changed[position // 8] ^= 1 << position % 8
    return bytes(changed)


def _sealed(kind: str, place: str, pieces: Cut, number: int, mark: Any, content: bytes) -> Case:
    """The case in which section or group ``number`` is (mark, content): its type or its samples' checksum, and its data or payload."""
    items: tuple[Any, ...] = pieces.sections if kind == METADATA else pieces.groups
    items = (*items[:number], (mark, content), *items[number + 1 :])
    return Case(kind, place, seal(pieces._replace(sections=items) if kind == METADATA else pieces._replace(groups=items)))


def mutated(data: bytes, chance: random.Random) -> bytes:
    """One to four edits: a bit flipped, a byte set, bytes left out, put in, repeated, or overwritten by others, the end cut off."""
    changed = bytearray(data)
    for _ in range(chance.choice((1, 1, 1, 2, 3, 4))):
        at = chance.randrange(len(changed) + 1)
        size = chance.choice((1, 1, 2, 4, 8, 64))
        edit = chance.randrange(8)
        if edit <= 1 and at < len(changed):
            changed[at] ^= 1 << chance.randrange(8)
        elif edit == 2 and at < len(changed):
            changed[at] = chance.choice((0, 1, 127, 128, 255, chance.randrange(256)))
        elif edit == 3:
            del changed[at : at + size]
        elif edit == 4:
            changed[at:at] = chance.randbytes(size)
        elif edit == 5:
            changed[at:at] = changed[at : at + size]
        elif edit == 6 and changed:
            start = chance.randrange(len(changed))
            changed[at : at + size] = changed[start : start + size]
        elif edit == 7:
            del changed[at:]
    return bytes(changed)


# ---- the trial ----


class _TooSlow(BaseException):
    """Not an Exception: nothing may catch it on the way."""


def _ring(signum: int, frame: FrameType | None) -> None:
    raise _TooSlow


def try_case(case: Case, expected: Samples, folder: Path, limit_s: float) -> Outcome:
    """Decompresses the case to a file in the empty ``folder``, and says what became of it. ``expected``: the undamaged samples."""
    target = folder / "picture.tif" if expected.ndim == 3 and expected.shape[2] == 4 else folder / "picture.png"
    before = signal.signal(signal.SIGALRM, _ring)
    started = time.perf_counter()
    signal.setitimer(signal.ITIMER_REAL, limit_s)
    message = ""
    try:
        api.decompress_file(io.BytesIO(case.data), target)
        signal.setitimer(signal.ITIMER_REAL, 0)
        word = "exact" if _same(decompress(case.data), expected) else "differs"
        target.unlink()
    except HvpzipError as error:
        word, message = "refused", f"{type(error).__name__}: {error}"
        if not str(error) or "\n" in str(error):
            word = "crash: an error that is not one line"
    except _TooSlow:
        word = "too slow"
    except Exception as error:
        word, message = f"crash: {type(error).__name__}", str(error)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    seconds = time.perf_counter() - started
    left = sorted(path.name for path in folder.iterdir())
    for name in left:
        (folder / name).unlink()
    return Outcome(f"left {', '.join(left)}" if left else word, seconds, message)


def _same(one: Samples, other: Samples) -> bool:
    return one.dtype == other.dtype and np.array_equal(one, other)


# ---- the command ----


class Row(NamedTuple):
    """A line of the table: one kind of damage to one file."""

    file: str
    damage: str
    cases: int
    exact: int
    refused: int
    differs: int
    bad: int
    slowest_s: float


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the trials; returns 0 if every case gave the exact picture or one clear error within the bounds, 1 if not."""
    options = _parser().parse_args(arguments)
    rows: list[Row] = []
    bad = 0
    options.out.mkdir(parents=True, exist_ok=True)
    reasons: collections.Counter[str] = collections.Counter()
    with tempfile.TemporaryDirectory(prefix="damage-") as scratch:
        for name, data, count in _files(options):
            expected = decompress(data)
            tallies: dict[str, list[Outcome]] = collections.defaultdict(list)
            for case in mutations(data, count, options.seed) if options.mutations else _every(data):
                # If the interpreter itself dies, this is the file that did it.
                (options.out / "last.hvz").write_bytes(case.data)
                outcome = try_case(case, expected, Path(scratch), options.seconds)
                tallies[case.kind].append(outcome)
                reasons[outcome.message.partition(":")[0] or outcome.word] += 1
                if not outcome.allowed(case.kind):
                    bad += 1
                    (options.out / f"bad-{bad}.hvz").write_bytes(case.data)
                    say(f"{name}: {case.kind}, {case.place}: {outcome.word} ({outcome.message}); kept as bad-{bad}.hvz")
            for kind in KINDS:
                if outcomes := tallies.get(kind):
                    rows.append(_row(name, kind, outcomes))
                    say(_line(rows[-1]))
    (options.out / "last.hvz").unlink(missing_ok=True)
    with (options.out / "results.csv").open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows([Row._fields, *rows])
    print(_table(rows))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 if sys.platform != "darwin" else 1024**2)
    print(f"\nby outcome: {', '.join(f'{name} {count:,}' for name, count in reasons.most_common())}")
    print(f"peak memory of the process {peak:,.0f} MiB (limit {options.memory:,}); {bad} cases that must not be")
    return 1 if bad or peak > options.memory else 0


def _files(options: argparse.Namespace) -> Iterator[tuple[str, bytes, int]]:
    """(name, contents, number of mutations) of each file: those named, or specimens made for the purpose."""
    if options.files:
        for number, path in enumerate(options.files):
            share = options.mutations * (number + 1) // len(options.files) - options.mutations * number // len(options.files)
            yield path.name, path.read_bytes(), share
        return
    for name, specimen in specimens.SPECIMENS.items():
        if bool(options.mutations) == bool(specimen.share):
            yield name, specimens.make(name), options.mutations * specimen.share // 100


def _every(data: bytes) -> Iterator[Case]:
    for maker in (every_truncation, every_flip, every_sealed_flip):
        yield from maker(data)


def _row(name: str, kind: str, outcomes: Sequence[Outcome]) -> Row:
    words = collections.Counter(outcome.word for outcome in outcomes)
    allowed = sum(outcome.allowed(kind) for outcome in outcomes)
    slowest = max(outcome.seconds for outcome in outcomes)
    return Row(name, kind, len(outcomes), words["exact"], words["refused"], words["differs"], len(outcomes) - allowed, slowest)


def _table(rows: Sequence[Row]) -> str:
    head = "| file | damage | cases | exact | one clear error | another sound file | must not be | slowest s |"
    return "\n".join([head, "|---|---|" + "---:|" * 6, *map(_line, rows)])


def _line(row: Row) -> str:
    *numbers, slowest = row[2:]
    return f"| {row.file} | {row.damage} | {' | '.join(f'{number:,}' for number in numbers)} | {slowest:.2f} |"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks damage", description=__doc__)
    parser.add_argument("files", nargs="*", type=Path, metavar="FILE.hvz", help="sound files (default: some made of the example photo)")
    parser.add_argument("--mutations", type=int, default=0, metavar="N", help="N random mutations in place of every truncation and flip")
    parser.add_argument("--seed", type=int, default=1, help="of the mutations (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=60.0, metavar="S", help="that a case may take (default: %(default)s)")
    parser.add_argument("--memory", type=int, default=2048, metavar="MIB", help="that the process may take (default: %(default)s)")
    parser.add_argument("--out", type=Path, default=Path("runs/damage"), metavar="DIR", help="for the results (default: %(default)s)")
    return parser
