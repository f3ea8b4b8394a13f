"""Damaged bytes: every flipped bit, every truncation, or what hypothesis thinks of."""

from collections.abc import Iterator

from hypothesis import strategies as st

__all__ = ["flipped", "flips", "patched", "truncations"]


def flipped(data: bytes, bit: int) -> bytes:
    """The data with one bit changed; bit 0 is the lowest one of the first byte."""
    found = bytearray(data)
    found[bit // 8] ^= 1 << bit % 8
    return bytes(found)


def flips(data: bytes, every: int = 1) -> Iterator[bytes]:
    """The data with one bit changed, for every bit, or every so many-th one."""
    return (flipped(data, bit) for bit in range(0, 8 * len(data), every))


def truncations(data: bytes, every: int = 1) -> Iterator[bytes]:
    """The data without its end, by all lengths from 0, or every so many-th one."""
    return (data[:size] for size in range(0, len(data), every))


@st.composite
def patched(draw: st.DrawFn, data: bytes, most: int = 6, within: int | None = None) -> bytes:
    """The data with up to ``most`` of its places overwritten, cut or grown by up to 3 bytes; all in its first ``within`` bytes."""
    found = bytearray(data)
    for _ in range(draw(st.integers(1, most))):
        place = draw(st.integers(0, min(len(found), within or len(found)) - 1)) if found else 0
        found[place : place + draw(st.integers(0, 3))] = draw(st.binary(max_size=3))
    return bytes(found)
