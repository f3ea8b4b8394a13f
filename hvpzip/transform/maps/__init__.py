"""The integer maps by the number that files give them. Each says itself what others need to know of it (``map.IntegerMap``)."""

from typing import Final

from hvpzip.transform.maps import haar, legall53, subsampling
from hvpzip.transform.maps.map import IntegerMap, Range, Stage

__all__ = ["MAPS", "IntegerMap", "Range", "Stage", "map_of"]

MAPS: Final = {found.id: found for found in (subsampling.MAP, haar.MAP, legall53.MAP)}


def map_of(map_id: int) -> IntegerMap:
    """The map of that number. Raises ValueError where there is none."""
    if map_id not in MAPS:
        raise ValueError(f"unknown map {map_id}; known are {tuple(MAPS)}")
    return MAPS[map_id]
