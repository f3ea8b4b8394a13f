"""What two ``.hvz`` files must have in common that hold the same picture, coded in the same way."""

from dataclasses import asdict

from hvpzip import container

__all__ = ["coded"]


def coded(data: bytes) -> tuple[object, ...]:
    """Header and groups: all but metadata, and the word on the file that the picture was read from, which arrays do not have."""
    found = container.read(data)
    return asdict(found.header), found.groups
