"""Where neighbours of a sample of a unit are, written from docs/format.md alone: section 13.2."""

from tests.helpers.by_document.engine import clip, l16

Place = tuple[int, int]
FIRST = {"hh": (1, 1), "hl": (0, 1), "lh": (1, 0)}
HH: dict[str, Place] = {
    "A1": (-1, -1), "A2": (1, 1), "B1": (-1, 1), "B2": (1, -1), "A3": (-3, -3), "A4": (3, 3), "B3": (-3, 3), "B4": (3, -3),
    "M0": (-1, -3), "M1": (-1, 3), "M2": (1, -3), "M3": (1, 3), "M4": (-3, -1), "M5": (-3, 1), "M6": (3, -1), "M7": (3, 1),
}  # fmt: skip
HL: dict[str, Place] = {
    "A1": (0, -1), "A2": (0, 1), "B1": (-1, 0), "B2": (1, 0), "A3": (0, -3), "A4": (0, 3), "B3": (-3, 0), "B4": (3, 0),
    "M0": (-1, -2), "M1": (-1, 2), "M2": (1, -2), "M3": (1, 2), "M4": (-2, -1), "M5": (-2, 1), "M6": (2, -1), "M7": (2, 1),
}  # fmt: skip
LH = HL | {"M0": (-1, -1), "M1": (-1, 1), "M2": (1, -1), "M3": (1, 1)}
OWN = {"here": (0, 0), "W": (0, -2), "N": (-2, 0), "NW": (-2, -2), "NE": (-2, 2), "WW": (0, -4), "NN": (-4, 0), "E": (0, 2), "S": (2, 0)}
NEAR = {"hh": HH | OWN, "hl": HL | OWN, "lh": LH | OWN}


def l32(e: int) -> int:
    return clip((l16(e + 3) - 26) // 5, 0, 31)


def bound(mu: int) -> int:
    return clip(mu, 0, 255 * 64)
