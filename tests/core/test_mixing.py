"""The compiled mixing coder and the plain one write the same bytes and read each other's; no probability depends on what comes later."""

import numpy as np
import pytest

from hvpzip.codec.cascade.starts import starts
from hvpzip.codec.colours.matrices import MATRICES
from hvpzip.core import reference
from hvpzip.core.reference import mixing

NOTHING = np.empty(0, np.int64)
CASES = {
    "rgb": ((3, 3, 4), 8, MATRICES[5].numbers()),
    "gray": ((1, 9, 6), 8, NOTHING),
    "wide": ((2, 4, 6), 16, NOTHING),
    "four": ((4, 3, 3), 3, NOTHING),
}


def planes(shape: tuple[int, int, int], depth: int) -> np.ndarray:
    generator = np.random.default_rng(11)
    slope = np.indices(shape).sum(axis=0) * (1 << depth) // (2 * sum(shape))
    return np.clip(slope + generator.integers(0, 5, shape), 0, (1 << depth) - 1).astype(np.uint16)


@pytest.mark.parametrize("profile", [1, 2, 4, 5])
@pytest.mark.parametrize("name", CASES)
def test_the_plain_coder_and_the_compiled_one_agree(name, profile):
    core = pytest.importorskip("hvpzip.core._core")
    shape, depth, matrix = CASES[name]
    samples = planes(shape, depth)
    low, high = samples.min((1, 2)), samples.max((1, 2))
    data = core.mixing_encode(samples, low, high, matrix, profile)
    assert reference.mixing_encode(samples.copy(), low, high, matrix, profile) == data
    again = np.zeros_like(samples)
    assert reference.mixing_decode(np.frombuffer(data, np.uint8), low, high, matrix, profile, again) == ""
    np.testing.assert_array_equal(again, samples)
    damaged = np.frombuffer(data, np.uint8)[:-5]
    faults = [kernel.mixing_decode(damaged, low, high, matrix, profile, np.zeros_like(samples)) for kernel in (core, reference)]
    assert faults[0] == faults[1] != ""


@pytest.mark.parametrize("profile", [1, 2])
@pytest.mark.parametrize("name", ["rgb", "wide"])
def test_no_probability_moves_when_a_later_sample_changes(name, profile):
    shape, depth, matrix = CASES[name]
    before = planes(shape, depth)
    low, high = np.zeros(shape[0], np.uint16), np.full(shape[0], (1 << depth) - 1, np.uint16)

    def decisions(samples: np.ndarray) -> list[tuple[bool, int]]:
        found: list[tuple[bool, int]] = []

        def record(bit: bool, chance: int) -> bool:
            found.append((bit, chance))
            return bit

        mixing._code(samples.copy(), low, high, matrix, profile, [record], is_known=True)
        return found

    wanted = decisions(before)
    generator = np.random.default_rng(5)
    for _ in range(2):
        place = tuple(int(generator.integers(0, n)) for n in shape)
        after = before.copy()
        after[place] = (int(after[place]) + 97) % (1 << depth)
        found = decisions(after)
        # Equal until the decision in which the changed sample itself differs: it comes with the same chance.
        differs = next(i for i, (one, other) in enumerate(zip(wanted, found, strict=False)) if one != other)
        assert wanted[differs][1] == found[differs][1]
        assert wanted[differs][0] != found[differs][0]


def units(
    kernel, samples: np.ndarray, matrix: np.ndarray, data: bytes | None, profile: int, threads: int = 1
) -> tuple[list[np.ndarray], bytes]:
    """The units of a picture (P, h, w) by the cascade geometry, with a network that guesses, and the message."""
    planes, height, width = samples.shape
    generator = np.random.default_rng(3)
    coder = kernel.CascadeCoder(height, width, planes, matrix, data, profile=profile, starts=starts() if profile > 3 else None)
    coder.coarse(np.ascontiguousarray(samples[:, ::2, ::2]))
    found = []
    for row, column in ((1, 1), (0, 1), (1, 0)):
        unit = np.ascontiguousarray(samples[:, row::2, column::2])
        values = unit if data is None else np.zeros_like(unit)
        mean, slope = np.clip(unit + generator.normal(0, 4, unit.shape), 0, 255), generator.uniform(-1, 1, (3, *unit.shape[1:]))
        coder.unit(values, mean, slope, np.full(unit.shape, 4.0), threads)
        found.append(values)
    return found, coder.finish()


@pytest.mark.parametrize("profile", [1, 2, 3, 4, 5])
@pytest.mark.parametrize(("shape", "matrix"), [((1, 12, 15), 0), ((3, 11, 14), 5), ((3, 9, 8), 0), ((3, 7, 1), 0), ((3, 1, 1), 0)])
def test_the_plain_cascade_and_the_compiled_one_agree(shape, matrix, profile):
    core = pytest.importorskip("hvpzip.core._core")
    samples = planes(shape, 8).astype(np.uint8)
    numbers = MATRICES[matrix].numbers() if matrix else NOTHING
    _, data = units(core, samples, numbers, None, profile)
    assert units(reference, samples, numbers, None, profile)[1] == data
    for kernel in (core, reference):
        for values, (row, column) in zip(units(kernel, samples, numbers, data, profile)[0], ((1, 1), (0, 1), (1, 0)), strict=True):
            np.testing.assert_array_equal(values, samples[:, row::2, column::2])
    faults = []
    for kernel in (core, reference):
        with pytest.raises(kernel.CorruptMessage) as fault:
            units(kernel, samples, numbers, data[:-3], profile)
        faults.append(str(fault.value))
    assert faults[0] == faults[1]


@pytest.mark.parametrize("profile", [1, 4, 5, 8])
@pytest.mark.parametrize("threads", [2, 3, 9])
def test_planes_side_by_side_give_the_same_bytes(profile, threads):
    core = pytest.importorskip("hvpzip.core._core")
    samples = planes((4, 21, 40), 8)
    samples[1] = 7  # a plane without decisions
    low, high = samples.min((1, 2)), samples.max((1, 2))
    data = core.mixing_encode(samples, low, high, NOTHING, profile)
    assert core.mixing_encode(samples, low, high, NOTHING, profile, threads) == data
    again = np.zeros_like(samples)
    assert core.mixing_decode(np.frombuffer(data, np.uint8), low, high, NOTHING, profile, again, threads) == ""
    np.testing.assert_array_equal(again, samples)


@pytest.mark.parametrize("profile", [1, 2, 3])
@pytest.mark.parametrize("shape", [(3, 41, 52), (3, 5, 3), (3, 1, 9)])
def test_planes_of_units_side_by_side_give_the_same_bytes(profile, shape):
    core = pytest.importorskip("hvpzip.core._core")
    samples, matrix = planes(shape, 8).astype(np.uint8), MATRICES[5].numbers()
    found, data = units(core, samples, matrix, None, profile)
    for threads in (2, 3):
        assert units(core, samples, matrix, None, profile, threads)[1] == data
        for one, other in zip(units(core, samples, matrix, data, profile, threads)[0], found, strict=True):
            np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("threads", [1, 2])
def test_a_flaw_in_a_message_of_one_plane_is_told(threads):
    core = pytest.importorskip("hvpzip.core._core")
    samples = planes((3, 40, 40), 8)
    low, high = samples.min((1, 2)), samples.max((1, 2))
    data = core.mixing_encode(samples, low, high, NOTHING, 5)
    first = int.from_bytes(data[:4], "little")
    shorter = (first - 8).to_bytes(4, "little") + data[4:8] + data[16:]  # the first message without what it gives back last
    for flawed in (shorter, data[:5], b"\xff\xff\xff\x7f" + data[4:], b""):
        again = np.zeros_like(samples)
        assert core.mixing_decode(np.frombuffer(flawed, np.uint8), low, high, NOTHING, 5, again, threads) != ""
