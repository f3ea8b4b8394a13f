"""Where decisions go to and come from: mirrors ``src/mixing/message.h``. Integer arithmetic only: this file reaches the bit stream."""

from __future__ import annotations

__all__ = ["CorruptMessage", "Reader", "Writer", "joined", "parted"]

_START = 1 << 31


class CorruptMessage(ValueError):
    """The bytes are none that a writer gives."""


def joined(messages: list[bytes]) -> bytes:
    """Messages as one piece: the lengths of all but the last, 4 bytes each, the lowest first; then the messages."""
    return b"".join(len(message).to_bytes(4, "little") for message in messages[:-1]) + b"".join(messages)


def parted(raw: bytes, count: int) -> list[bytes]:
    """The inverse, of so many. Raises CorruptMessage where they are not there."""
    offset = 4 * (count - 1)
    if len(raw) < offset:
        raise CorruptMessage("the lengths of the messages are missing")
    lengths = [int.from_bytes(raw[4 * m : 4 * m + 4], "little") for m in range(count - 1)]
    found = []
    for length in lengths:
        if length > len(raw) - offset:
            raise CorruptMessage("a message goes beyond the end")
        found.append(raw[offset : offset + length])
        offset += length
    return [*found, raw[offset:]]


class Writer:
    """Keeps decisions, and pushes them from the last to the first at the end."""

    def __init__(self) -> None:
        self.decisions: list[tuple[bool, int]] = []

    def code(self, bit: bool, chance: int) -> bool:
        self.decisions.append((bit, chance))
        return bit

    def finish(self) -> bytes:
        state, words = _START, bytearray()
        for bit, chance in reversed(self.decisions):
            freq, start = (chance, 0) if bit else (65536 - chance, chance)
            if state >= freq << 47:
                words += (state & 0xFFFFFFFF).to_bytes(4, "little")
                state >>= 32
            state = (state // freq << 16) + state % freq + start
        return bytes(words) + state.to_bytes((state.bit_length() + 7) // 8, "little")


class Reader:
    """Pops the decisions of a writer's bytes. Raises CorruptMessage where they are none, or too few."""

    def __init__(self, raw: bytes) -> None:
        if len(raw) < 4 or raw[-1] == 0 or (len(raw) == 4 and raw[3] < 0x80):
            raise CorruptMessage("not the bytes of a message")
        self.raw = raw
        self.words = (8 * (len(raw) - 1) + raw[-1].bit_length()) // 32 - 1
        self.state = int.from_bytes(raw[4 * self.words :], "little")

    def code(self, _: bool, chance: int) -> bool:
        place = self.state & 65535
        bit = place < chance
        self.state = (self.state >> 16) * (chance if bit else 65536 - chance) + (place if bit else place - chance)
        if self.state < _START:
            if not self.words:
                raise CorruptMessage("the message ends too early")
            self.words -= 1
            self.state = self.state << 32 | int.from_bytes(self.raw[4 * self.words : 4 * self.words + 4], "little")
        return bit

    def finish(self) -> bytes:
        if self.words or self.state != _START:
            raise CorruptMessage("the message does not end where its samples do")
        return b""
