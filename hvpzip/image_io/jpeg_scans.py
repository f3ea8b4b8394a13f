"""Whether the scans of a JPEG hold what its headers promise: every Huffman code of every block is gone through, and nothing is decoded.

libjpeg fills what is missing with gray and guesses where a code does not exist; it warns, but not through Pillow. Here such scans are
refused. The progressive scans that correct earlier ones take a bit for each coefficient that is not 0 yet, so those are remembered.
"""

import re
import struct
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from hvpzip.image_io.refusals import damaged, unsupported

__all__ = ["check_scans"]

_RESTART: Final = re.compile(b"\xff+([\xd0-\xd7])")
_PROGRESSIVE: Final = 0xC2
_ARITHMETIC: Final = frozenset({0xC9, 0xCA})
_REFILL: Final = 8  # bytes taken at once
_WINDOW: Final = 16  # bits of the longest code

_Table = list[int]  # for each number of 16 bits: 256 times the bits of the code, 0 for none, plus the symbol


class _Component(NamedTuple):
    h: int
    v: int
    columns: int  # blocks, without those that fill up
    rows: int
    padded: int  # blocks in a row, with those
    masks: list[int]  # which coefficients of each block are not 0
    bits: list[int]  # for each coefficient, how many low bits are missing; -1 before the first scan


class _Damage(Exception):
    """What is wrong, and after how many units."""


class _Codes:
    """The bits of a scan between two restarts."""

    def __init__(self, data: bytes) -> None:
        self.data = data.replace(b"\xff\x00", b"\xff")
        self.size = 8 * len(self.data)
        self.place = self.held = self.count = 0

    def fill(self) -> None:
        piece = self.data[self.place : self.place + _REFILL]
        self.held = (self.held & ((1 << self.count) - 1)) << 8 * _REFILL | int.from_bytes(piece.ljust(_REFILL, b"\0"), "big")
        self.place += _REFILL
        self.count += 8 * _REFILL

    def symbol(self, table: _Table) -> int:
        if self.count < 32:
            self.fill()
        found = table[self.held >> (self.count - _WINDOW) & 0xFFFF]
        if not found:
            raise _Damage("a code that does not exist")
        self.count -= found >> 8
        return found & 255

    def bits(self, count: int) -> int:
        if self.count < count:
            self.fill()
        self.count -= count
        return self.held >> self.count & ((1 << count) - 1)

    def skip(self, count: int) -> None:
        while self.count < count:
            self.fill()
        self.count -= count

    def check_end(self) -> None:
        """Raises: _Damage where more was taken than there is."""
        if 8 * self.place - self.count > self.size:
            raise _Damage("its codes end too early")

    def check_rest(self) -> None:
        """Raises: _Damage where more is left than fills up."""
        self.check_end()
        rest = self.data[-((self.size - 8 * self.place + self.count) // 8) :] if self.size - 8 * self.place + self.count >= 8 else b""
        if rest.strip(b"\0") and rest.strip(b"\xff"):
            raise _Damage(f"{len(rest)} bytes of codes are left over")


def check_scans(segments: Sequence[tuple[int, bytes, bytes]]) -> None:
    """Goes through all scans.

    Args:
        segments: (marker, contents, what follows it up to the next) of the segments of a JPEG, in order; there is one frame header.

    Raises:
        ImageError: a code does not exist, codes are missing or left over, or a scan is; the message names rows or scans.
    """
    tables: dict[int, _Table] = {}
    components: dict[int, _Component] = {}
    restart, frame, number = 0, 0, 0
    width = height = h_most = v_most = 1
    for marker, data, scan in segments:
        if marker == 0xC4:
            tables.update(_huffman(data))
        elif marker == 0xDD and len(data) >= 2:
            restart = int.from_bytes(data[:2], "big")
        elif marker in (0xC0, 0xC1, _PROGRESSIVE, *_ARITHMETIC):
            if marker in _ARITHMETIC:
                raise unsupported("JPEG", "arithmetic coding")
            frame = marker
            height, width = struct.unpack_from(">HH", data, 1)
            components = _components(data, width, height)
            h_most = max(component.h for component in components.values())
            v_most = max(component.v for component in components.values())
        elif marker == 0xDA:
            number += 1
            if not components:
                raise damaged("JPEG", "a scan before the frame header")
            mcus = (-(-width // (8 * h_most)), -(-height // (8 * v_most)))
            _check_scan(data, scan, tables, components, mcus, restart, frame == _PROGRESSIVE, number)
    missing = [1 for component in components.values() for bit in component.bits if bit]
    if missing:
        raise damaged("JPEG", f"scans are missing after {number}: some coefficients never come, or not to their last bit")


def _huffman(data: bytes) -> Iterator[tuple[int, _Table]]:
    """(class and number, table) of a segment of tables."""
    place = 0
    while place + 17 <= len(data):
        counts = data[place + 1 : place + 17]
        symbols = data[place + 17 : place + 17 + sum(counts)]
        table: _Table = []
        at = 0
        for length, count in enumerate(counts, start=1):
            for symbol in symbols[at : at + count]:
                table += [length << 8 | symbol] * (1 << (_WINDOW - length))
            at += count
        if len(symbols) < sum(counts) or len(table) > 1 << _WINDOW:
            raise damaged("JPEG", "a table of Huffman codes is not valid")
        yield data[place], table + [0] * ((1 << _WINDOW) - len(table))
        place += 17 + len(symbols)


def _components(data: bytes, width: int, height: int) -> dict[int, _Component]:
    count = data[5]
    if len(data) < 6 + 3 * count:
        raise damaged("JPEG", "its frame header is not valid")
    factors = {data[6 + 3 * i]: divmod(data[7 + 3 * i], 16) for i in range(count)}
    if len(factors) != count or not all(1 <= side <= 4 for pair in factors.values() for side in pair):
        raise damaged("JPEG", "its frame header is not valid")
    h_most, v_most = (max(pair[axis] for pair in factors.values()) for axis in (0, 1))
    found = {}
    for name, (h, v) in factors.items():
        columns, rows = -(-width * h // (8 * h_most)), -(-height * v // (8 * v_most))
        padded, lines = h * -(-width // (8 * h_most)), v * -(-height // (8 * v_most))
        found[name] = _Component(h, v, columns, rows, padded, [0] * (padded * lines), [-1] * 64)
    return found


def _check_scan(
    data: bytes,
    scan: bytes,
    tables: dict[int, _Table],
    components: dict[int, _Component],
    mcus: tuple[int, int],
    restart: int,
    progressive: bool,
    number: int,
) -> None:
    count = data[0] if data else 0
    if not 1 <= count <= 4 or len(data) < 4 + 2 * count or any(data[1 + 2 * i] not in components for i in range(count)):
        raise damaged("JPEG", f"the header of scan {number} is not valid")
    parts = [(components[data[1 + 2 * i]], *divmod(data[2 + 2 * i], 16)) for i in range(count)]
    first, last, high, low = data[1 + 2 * count], data[2 + 2 * count], *divmod(data[3 + 2 * count], 16)
    if not progressive:
        first, last, high, low = 0, 63, 0, 0
    if not (first <= last <= 63 and (first > 0) <= (count == 1) and (first or last == 0 or not progressive)):
        raise damaged("JPEG", f"the header of scan {number} is not valid")
    for component, *_ in parts:
        for k in range(first, last + 1):
            if component.bits[k] != (high if high else -1):
                raise damaged("JPEG", f"scan {number} does not follow from those before it")
            component.bits[k] = low
    # The blocks of a unit, and how many units there are: one component alone has no blocks that fill up.
    if count == 1:
        columns, rows = parts[0][0].columns, parts[0][0].rows
        shape = (1, 1)
    else:
        (columns, rows), shape = mcus, (0, 0)
    units = columns * rows
    pieces = _RESTART.split(scan)
    if restart:
        marks = [piece[0] & 7 for piece in pieces[1::2]]
        expected = -(-units // restart)
        if marks != [i % 8 for i in range(expected - 1)]:
            raise damaged("JPEG", f"scan {number} has {len(marks)} restarts in place of {expected - 1}, or not in their order")
    elif len(pieces) > 1:
        raise damaged("JPEG", f"scan {number} has restarts that nothing announces")
    done = 0
    try:
        for piece in pieces[::2]:
            codes = _Codes(piece)
            todo = min(restart or units, units - done)
            for _ in _walk(codes, parts, tables, columns, shape, range(done, done + todo), progressive, (first, last, high)):
                codes.check_end()
                done += 1
            codes.check_rest()
    except _Damage as error:
        of = f"scan {number}: " if progressive or count < len(components) else ""
        lines = 8 * (done // columns) * (1 if count == 1 else max(part[0].v for part in parts))
        raise damaged("JPEG", f"{of}{error} (after {done} of {units} units, about {lines} rows)") from None


def _walk(
    codes: _Codes,
    parts: "list[tuple[_Component, int, int]]",
    tables: dict[int, _Table],
    columns: int,
    shape: tuple[int, int],
    units: range,
    progressive: bool,
    band: tuple[int, int, int],
) -> Iterator[None]:
    """Goes through the units of a piece of a scan; stops after each."""

    def table(name: int) -> _Table:
        if name not in tables:
            raise _Damage("a table of codes is missing")
        return tables[name]

    first, last, high = band
    if not progressive:
        blocks = [
            (table(dc), table(16 + ac)) for part, dc, ac in parts for _ in range(1 if shape == (1, 1) else part.h * part.v)
        ]  # fmt: skip
        for _ in units:
            for dc, ac in blocks:
                _sequential(codes, dc, ac)
            yield
    elif first == 0:
        counts = [(name, 1 if shape == (1, 1) else part.h * part.v) for part, name, _ in parts]
        for _ in units:
            for name, count in counts:
                if high:
                    codes.skip(count)
                else:
                    for _ in range(count):
                        size = codes.symbol(table(name))
                        if size > 15:
                            raise _Damage("a difference of too many bits")
                        codes.skip(size)
            yield
    else:
        ((component, _, number),) = parts
        take = _correct if high else _begin
        chosen, run = table(16 + number), 0
        for unit in units:
            row, column = divmod(unit, columns)
            at = row * component.padded + column
            component.masks[at], run = take(codes, chosen, component.masks[at], run, first, last)
            yield
        if run:
            raise _Damage(f"a run of {run} blocks goes beyond the end")


def _sequential(codes: _Codes, dc: _Table, ac: _Table) -> None:
    """One block. The bits are held in local names, as most time goes here."""
    symbol = codes.symbol(dc)
    if symbol > 15:
        raise _Damage("a difference of too many bits")
    codes.skip(symbol)
    held, count = codes.held, codes.count
    k = 1
    while k < 64:
        if count < 32:
            codes.count = count
            codes.fill()
            held, count = codes.held, codes.count
        found = ac[held >> (count - 16) & 0xFFFF]
        if not found:
            raise _Damage("a code that does not exist")
        size = found & 15
        count -= (found >> 8) + size
        if size:
            k += (found >> 4 & 15) + 1
        elif found & 0xF0 == 0xF0:
            k += 16
        else:
            break
    codes.count = count
    if k > 64:
        raise _Damage("a run that goes beyond its block")


def _begin(codes: _Codes, table: _Table, mask: int, run: int, first: int, last: int) -> tuple[int, int]:
    """The first bits of a block's coefficients: (which are not 0, blocks that are still 0 after it)."""
    if run:
        return mask, run - 1
    k = first
    while k <= last:
        symbol = codes.symbol(table)
        zeros, size = symbol >> 4, symbol & 15
        if size:
            k += zeros
            codes.skip(size)
            mask |= 1 << k
            k += 1
        elif zeros == 15:
            k += 16
        else:
            return mask, (1 << zeros) + codes.bits(zeros) - 1
    if k > last + 1:
        raise _Damage("a run that goes beyond its block")
    return mask, 0


def _correct(codes: _Codes, table: _Table, mask: int, run: int, first: int, last: int) -> tuple[int, int]:
    """One more bit of a block's coefficients; as ``_begin``."""
    k, known = first, mask
    while k <= last and not run:
        symbol = codes.symbol(table)
        zeros, size = symbol >> 4, symbol & 15
        if size > 1:
            raise _Damage("a code that does not exist")
        if size:
            codes.skip(1)
        elif zeros != 15:
            run = (1 << zeros) + codes.bits(zeros)
            break
        corrected = 0
        while k <= last:
            if known >> k & 1:
                corrected += 1
            elif zeros:
                zeros -= 1
            else:
                break
            k += 1
        codes.skip(corrected)
        if size:
            if k > last:
                raise _Damage("a run that goes beyond its block")
            mask |= 1 << k
        k += 1
    if run:
        codes.skip((known >> k & ((1 << (last + 1 - k)) - 1)).bit_count() if k <= last else 0)
        run -= 1
    return mask, run
