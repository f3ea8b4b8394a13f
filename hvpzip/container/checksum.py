"""CRC-32 (that of zlib and PNG) of bytes, as the container uses it."""

import zlib

__all__ = ["CRC_BYTES", "crc32", "crc32_bytes"]

CRC_BYTES = 4


def crc32(*parts: bytes | memoryview) -> int:
    """CRC-32 of the parts one after the other, 0 to 2**32 - 1."""
    value = 0
    for part in parts:
        value = zlib.crc32(part, value)
    return value


def crc32_bytes(*parts: bytes | memoryview) -> bytes:
    """``crc32`` as it stands in a file: four bytes, low one first."""
    return crc32(*parts).to_bytes(CRC_BYTES, "little")
