"""Units by the mixing engine come back equal, learn from nothing that is yet to come, and answer damage with one kind of error."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hvpzip import varint
from hvpzip.codec import cascade
from hvpzip.codec.colours.matrices import MATRICES
from hvpzip.codec.method import Part, Wanted
from hvpzip.codec.registry import BY_NUMBER, CASCADE
from hvpzip.core import _core
from hvpzip.errors import CorruptError, UnsupportedVersionError
from tests.helpers.pictures import photo_crop
from tests.helpers.tiny import mixed

GOLDEN = Path(__file__).resolve().parents[2] / "golden"
LAST = 71  # of the sides
NO_MATRIX = np.empty(0, np.int64)
UNITS = ((1, 1), (0, 1), (1, 0))  # first row and column of each, in order


def picture(seed: int, channels: int, height: int, width: int, kind: str) -> np.ndarray:
    """uint8 ``(C, h, w)``."""
    generator = np.random.default_rng(seed)
    if kind == "noise":
        return generator.integers(0, 256, (channels, height, width)).astype(np.uint8)
    slope = np.indices((height, width)).sum(axis=0) * 2 + generator.integers(0, 3, (channels, height, width))
    if kind == "edges":
        slope[:, height // 3 :, width // 2 :] += 100
    return np.clip(slope, 0, 255).astype(np.uint8)


def coarse_of(samples: np.ndarray) -> np.ndarray:
    return samples[:, ::2, ::2]


@settings(deadline=None, max_examples=8)
@given(
    st.integers(0, 1 << 30),
    st.sampled_from((1, 3)),
    st.integers(cascade.LEAST_SIDE, LAST),
    st.integers(cascade.LEAST_SIDE, LAST),
    st.sampled_from(("noise", "slope", "edges")),
)
def test_samples_come_back_equal(tiny_model, seed, channels, height, width, kind):
    samples = picture(seed, channels, height, width, kind)
    units = cascade.encode_units(samples, tiny_model)
    again = cascade.decode_units(units.data, coarse_of(samples), samples.shape, tiny_model)
    np.testing.assert_array_equal(again.samples, samples, strict=True)
    assert [term.bits for term in again.terms] == [term.bits for term in units.terms]
    # What the engine's probabilities say is what is in the file: a message has at most 8 bytes of its own, and a word that is not full.
    assert -1 < 8 * len(units.data) - sum(term.bits for term in units.terms) < 8 * (1 + 8 + 4)


def session(
    samples: np.ndarray, seed: int, data: bytes | None = None, portable: bool = False, matrix: np.ndarray | None = None
) -> tuple[list[float], list[np.ndarray], bytes]:
    """A picture by the engine itself, with Gaussians that know nothing: bits of each unit's planes, the units, and the message."""
    planes, height, width = samples.shape
    coder = _core.CascadeCoder(height, width, planes, NO_MATRIX if matrix is None else matrix, data, portable)
    coder.coarse(np.ascontiguousarray(coarse_of(samples)))
    bits, found = [], []
    for number, (row, column) in enumerate(UNITS):
        unit = np.ascontiguousarray(samples[:, row::2, column::2])
        values = np.zeros_like(unit) if data is not None else unit.copy()
        bits += coder.unit(values, *network_of(unit.shape, seed + number))
        found.append(values)
    return bits, found, coder.finish()


def network_of(shape: tuple[int, ...], seed: int) -> tuple[np.ndarray, ...]:
    generator = np.random.default_rng(seed)
    return generator.uniform(0, 255, shape), generator.uniform(-1, 1, (3, *shape[1:])), np.full(shape, 20.0)


@pytest.mark.parametrize(("channels", "height", "width"), [(3, 40, 53), (1, 1, 9), (3, 7, 1), (1, 2, 2), (3, 1, 1)])
def test_the_engine_takes_any_size(channels, height, width):
    samples = picture(3, channels, height, width, "noise")
    bits, _, message = session(samples, 5)
    again, found, _ = session(samples, 5, message)
    assert again == bits
    for (row, column), values in zip(UNITS, found, strict=True):
        np.testing.assert_array_equal(values, samples[:, row::2, column::2])


def test_every_processor_writes_the_same_bytes():
    samples = photo_crop(60, 40, 75, 58)
    assert session(samples, 1)[2] == session(samples, 1, portable=True)[2]
    photo_cd = MATRICES[5].numbers()
    found = session(samples, 1, matrix=photo_cd)[2]
    assert found == session(samples, 1, portable=True, matrix=photo_cd)[2]
    assert found != session(samples, 1)[2]
    np.testing.assert_array_equal(session(samples, 1, found, matrix=photo_cd)[1][2], samples[:, 1::2, ::2])


def test_what_comes_later_changes_no_earlier_probability():
    samples = photo_crop(100, 60, 48, 40)
    before = session(samples, 2)[0]
    # Order: hh, hl, lh; in each green, red, blue; in each row by row.
    for plane, row, column in ((2, 39, 46), (2, 1, 0), (0, 39, 0), (2, 38, 47), (1, 0, 1), (2, 39, 47), (0, 1, 1)):
        other = samples.copy()
        other[plane, row, column] ^= 64
        after = session(other, 2)[0]
        place = 3 * UNITS.index((row % 2, column % 2)) + plane
        assert after[:place] == before[:place]
        assert after[place] != before[place]


def test_samples_before_a_flaw_are_sound():
    samples = photo_crop(100, 60, 64, 64)
    _, units, message = session(samples, 2)
    flawed = bytearray(message)
    flawed[0] ^= 1  # of the word that is read last
    with pytest.raises(_core.CorruptMessage):
        session(samples, 2, bytes(flawed))
    planes, height, width = samples.shape
    coder = _core.CascadeCoder(height, width, planes, NO_MATRIX, bytes(flawed))
    coder.coarse(np.ascontiguousarray(coarse_of(samples)))
    values = np.zeros_like(units[0])
    coder.unit(values, *network_of(values.shape, 2))
    np.testing.assert_array_equal(values, units[0])


def test_calls_out_of_order_and_wrong_shapes_are_refused():
    coder = _core.CascadeCoder(40, 50, 3, NO_MATRIX)
    unit = np.zeros((3, 20, 25), np.uint8)
    network = np.zeros((3, 20, 25))
    with pytest.raises(ValueError, match="three units follow"):
        coder.unit(unit, network, network, network)
    with pytest.raises(ValueError, match="another shape"):
        coder.coarse(np.zeros((3, 20, 24), np.uint8))
    coder.coarse(unit)
    with pytest.raises(ValueError, match="once"):
        coder.coarse(unit)
    with pytest.raises(ValueError, match="another shape"):
        coder.unit(unit[:, 1:].copy(), network, network, network)
    with pytest.raises(ValueError, match="after three units"):
        coder.finish()
    with pytest.raises(ValueError, match="planes"):
        _core.CascadeCoder(40, 50, 2, NO_MATRIX)


def part_of(samples: np.ndarray, model) -> bytes:
    coded = BY_NUMBER[CASCADE].encode(Part(np.ascontiguousarray(samples.transpose(1, 2, 0)), 8, model, 3))
    assert coded is not None
    assert coded.report is not None
    assert coded.data[0] == CASCADE
    assert abs(coded.report.bound_bits - coded.report.coded_bits) < 8 * (3 + 1 + 8 + 4)
    return coded.data[1:]


@pytest.mark.parametrize("step", [1, 2, 4, 64])
@pytest.mark.parametrize("channels", [1, 3])
def test_a_smaller_picture_is_part_of_the_whole(tiny_model, step, channels):
    samples = photo_crop(10, 20, 47, 38, gray=channels == 1)
    reports = []
    wanted = Wanted((38, 47, channels), 8, tiny_model, step, reports.append)
    found = BY_NUMBER[CASCADE].decode(part_of(samples, tiny_model), wanted)
    np.testing.assert_array_equal(found, samples.transpose(1, 2, 0)[::step, ::step])
    if step == 1:
        assert [term.unit for term in reports[0].terms] == ["lh", "hl", "hh", "base"]
        assert reports[0].stack_curve[-1][1] == pytest.approx(reports[0].bound_bits)


@pytest.mark.parametrize("step", [1, 2, 4, 8])
def test_a_coarse_image_may_have_one_of_its_own(tiny_model, step):
    samples = photo_crop(10, 20, 83, 74)
    coarse = bytes((CASCADE,)) + part_of(coarse_of(samples), tiny_model)
    data = varint.write(len(coarse)) + coarse + cascade.encode_units(samples, tiny_model).data
    found = BY_NUMBER[CASCADE].decode(data, Wanted((74, 83, 3), 8, tiny_model, step))
    np.testing.assert_array_equal(found, samples.transpose(1, 2, 0)[::step, ::step])


def test_coarse_images_within_coarse_images_come_to_an_end(tiny_model):
    data = b""
    for _ in range(2000):
        data = varint.write(1 + len(data)) + bytes((CASCADE,)) + data
    with pytest.raises(CorruptError, match="does not go with"):
        BY_NUMBER[CASCADE].decode(data, Wanted((36, 40, 3), 8, tiny_model))


def test_damage_is_one_kind_of_error(tiny_model):
    samples = photo_crop(10, 20, 40, 36)
    data = part_of(samples, tiny_model)
    method, wanted, refused = BY_NUMBER[CASCADE], Wanted((36, 40, 3), 8, tiny_model), 0
    numbers = mixed(7)
    places = [next(numbers) % len(data) for _ in range(8)]
    for flawed in (*(data[:length] for length in places), *(bytes((*data[:p], data[p] ^ 1 << p % 8, *data[p + 1 :])) for p in places)):
        try:
            found = method.decode(flawed, wanted)
        except (CorruptError, UnsupportedVersionError):
            refused += 1
        else:
            assert found.shape == (36, 40, 3)
    assert refused > 12  # a flaw that nothing notices is left to the samples' checksum


def test_bad_headers_are_named(tiny_model):
    samples = photo_crop(10, 20, 40, 36)
    units = cascade.encode_units(samples, tiny_model)
    method = BY_NUMBER[CASCADE]
    shape = (3, 36, 40)
    with pytest.raises(UnsupportedVersionError, match="profile 9"):
        cascade.decode_units(b"\x09" + units.data[1:], coarse_of(samples), shape, tiny_model)
    with pytest.raises(CorruptError, match="before their message"):
        cascade.decode_units(b"", coarse_of(samples), shape, tiny_model)
    for channels, matrix in ((3, len(MATRICES)), (3, 255)):
        with pytest.raises(CorruptError, match="is unknown"):
            cascade.decode_units(bytes((1, matrix)) + units.data[2:], coarse_of(samples), (channels, 36, 40), tiny_model)
    with pytest.raises(CorruptError, match="does not go with"):
        cascade.decode_units(units.data, coarse_of(samples)[:, :2, :2], (3, 4, 4), tiny_model)
    bad = {b"": "ends inside the length", b"\x02\x00": "beyond the end", b"\x00": "of no method", b"\x01\x00": "of no method"}
    for data, message in bad.items():
        with pytest.raises(CorruptError, match=message):
            method.decode(data, Wanted((36, 40, 3), 8, tiny_model))
    with pytest.raises(CorruptError, match="names none"):
        method.decode(b"\x00", Wanted((36, 40, 3), 8, None))


@pytest.mark.parametrize(
    ("name", "profile"), [("rgb", 1), ("gray", 1), ("rgb-2", 2), ("rgb-3", 3), ("gray-4", 4), ("rgb-4", 4), ("rgb-5", 5)]
)
def test_golden_units(tiny_model, name, profile):
    """Files are for ever: what once was written decodes, and is still written."""
    samples = photo_crop(33, 21, 45, 38, gray=name.startswith("gray"))
    data = (GOLDEN / f"tiny-{name}-cascade.units").read_bytes()
    again = cascade.decode_units(data, coarse_of(samples), samples.shape, tiny_model)
    np.testing.assert_array_equal(again.samples, samples)
    assert hashlib.sha256(cascade.encode_units(samples, tiny_model, profile).data).digest() == hashlib.sha256(data).digest()
