"""Groups of any channels and depth come back equal, by whichever methods; payloads of no encoder are refused."""

import numpy as np
import pytest

from hvpzip import varint
from hvpzip.codec import parts, plain, registry, rewrites
from hvpzip.codec.efforts import EFFORTS
from hvpzip.codec.method import Coded, Part
from hvpzip.codec.photos import is_like_a_photo
from hvpzip.errors import CorruptError
from hvpzip.nn.bundled import load_model
from tests.helpers.damage import flips


def samples(channels: int, depth: int, seed: int = 0) -> np.ndarray:
    generator = np.random.default_rng(seed)
    slope = np.indices((7, 6, channels)).sum(axis=0) * (1 << depth) // 40
    return (np.clip(slope + generator.integers(0, 3, slope.shape), 0, (1 << depth) - 1)).astype(np.uint8 if depth <= 8 else np.uint16)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("depth", [1, 4, 8, 16])
def test_every_kind_of_group_comes_back_equal(tiny_model, channels, depth):
    group = samples(channels, depth)
    found = parts.encode_parts(Part(group, depth, tiny_model, 1))
    assert 8 * len(found.payload) == found.other_bits + sum(cost.coded_bits for cost in found.costs)
    np.testing.assert_array_equal(parts.decode_parts(found.payload, group.shape, depth, tiny_model), group, strict=True)
    assert len(found.payload) <= 1 + len(plain.encode(group, depth))


@pytest.mark.parametrize("split", range(8))
def test_every_split_comes_back_equal_or_does_not_go_with_the_samples(tiny_model, split):
    group = samples(4, 16)
    if split & 4 and not split & 2:
        with pytest.raises(CorruptError):
            parts.decode_parts(bytes((split,)), group.shape, 16, tiny_model)
        return
    found = []
    for channels, shift, depth in parts._places(4, 16, split):
        part = group[:, :, channels] >> shift
        if split & 4 and not shift:
            part = part - (group[:, :, channels] >> 8)
        found.append(plain.encode((part & 255).astype(np.uint8) if depth == 8 else part, depth))
    payload = bytes((split,)) + b"".join(varint.write(len(part)) + part for part in found[:-1]) + found[-1]
    np.testing.assert_array_equal(parts.decode_parts(payload, group.shape, 16, tiny_model), group)


def test_8_bits_in_16_cost_little_more_than_8(tiny_model):
    low = np.random.default_rng(3).integers(0, 256, (16, 16, 1)).astype(np.uint16)
    eight = parts.encode_parts(Part(low.astype(np.uint8), 8, tiny_model, 1))
    sixteen = parts.encode_parts(Part(low * 257, 16, tiny_model, 1))
    assert len(sixteen.payload) <= len(eight.payload) + 6  # the mark, and three numbers


def test_the_model_codes_a_part_where_it_is_smaller(tiny_model, monkeypatch):
    group = samples(4, 8)
    monkeypatch.setattr(registry.ByPlain, "encode", lambda method, part: Coded(b"\x02" + bytes(10_000)))
    found = parts._encode_split(Part(group, 8, tiny_model, 1), 1)
    assert len(found.costs) == 2
    np.testing.assert_array_equal(parts.decode_parts(found.payload, group.shape, 8, tiny_model), group)
    with pytest.raises(CorruptError, match="names none"):
        parts.decode_parts(found.payload, group.shape, 8, None)


@pytest.mark.parametrize("payload", [b"", b"\x00", b"\x08\x01\0", b"\x02\x01\0", b"\x01\x80\0\x01", b"\x01\xff", b"\x01\x09\x01"])
def test_payloads_of_no_encoder_are_refused(tiny_model, payload):
    with pytest.raises(CorruptError):
        parts.decode_parts(payload, (2, 2, 2), 8, tiny_model)


@pytest.mark.parametrize("depth", [8, 16])
def test_equal_channels_are_coded_once(tiny_model, depth):
    gray = samples(2, depth)
    for planes in ([0, 0, 0], [0, 0, 0, 1]):
        group = np.ascontiguousarray(gray[:, :, planes])
        (found,) = rewrites.rewritings(group, depth)
        assert found.samples.shape[2] == len(planes) - 2
        coded = parts.encode_parts(Part(group, depth, tiny_model, 1))
        np.testing.assert_array_equal(parts.decode_parts(coded.payload, group.shape, depth, tiny_model), group, strict=True)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("depth", [8, 16])
def test_few_values_and_few_colours_become_numbers(tiny_model, channels, depth):
    generator = np.random.default_rng(channels)
    values = generator.integers(0, 1 << depth, (9, channels)).astype(np.uint8 if depth == 8 else np.uint16)
    values[:2, 0] = (6, 7)  # no step but one
    group = values[generator.integers(0, 9, (8, 7))]
    for found in rewrites.rewritings(group, depth):
        assert found.bit_depth < depth or found.prefix[0] == rewrites.DENSE
        payload = found.prefix + b"\0" + plain.encode(found.samples, found.bit_depth)
        again = parts.decode_parts(payload, group.shape, depth, None)
        np.testing.assert_array_equal(again, group, strict=True)
    marks = [found.prefix[0] for found in rewrites.rewritings(group, depth)]
    dense = [rewrites.DENSE] if depth == 8 else []
    assert marks == ([rewrites.COLOURS] if channels > 1 else []) + [rewrites.VALUES] + dense


@pytest.mark.parametrize(("first", "step"), [(0, 257), (5, 16), (3, 2)])
def test_multiples_of_a_step_become_their_numbers(tiny_model, first, step):
    numbers = np.random.default_rng(step).integers(0, 200, (8, 7, 3))
    numbers[0, 0] = (0, 1, 199)
    group = (numbers * step + first).astype(np.uint16)
    (found,) = [one for one in rewrites.rewritings(group, 16) if one.prefix[0] == rewrites.STEP]
    np.testing.assert_array_equal(found.samples + 0, numbers + (first // step))
    payload = found.prefix + b"\0" + plain.encode(found.samples, found.bit_depth)
    np.testing.assert_array_equal(parts.decode_parts(payload, group.shape, 16, tiny_model), group, strict=True)


def edited(channels: int, curve: int) -> np.ndarray:
    """8 bits of a noisy slope after a curve that leaves values out, another one for each channel where ``curve`` says so."""
    generator = np.random.default_rng(channels)
    slope = np.indices((40, 40, channels)).sum(axis=0) * 2 + generator.integers(0, 25, (40, 40, channels))
    gains = 1.3 + np.arange(channels) * curve / 10
    return np.clip(np.rint((slope - 10) * gains), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("curve", [0, 1])
def test_gaps_between_values_are_closed(tiny_model, channels, curve):
    group = edited(channels, curve)
    assert rewrites.has_gaps(group)
    (found,) = [one for one in rewrites.rewritings(group, 8) if one.prefix[0] == rewrites.DENSE]
    assert found.bit_depth == 8
    assert found.prefix[1] == (channels if curve or channels in (2, 4) else 1)
    assert not rewrites.has_gaps(found.samples) or not curve
    payload = found.prefix + b"\0" + plain.encode(found.samples, 8)
    np.testing.assert_array_equal(parts.decode_parts(payload, group.shape, 8, None), group, strict=True)
    np.testing.assert_array_equal(parts.decode_parts(payload, group.shape, 8, None, step=4), group[::4, ::4], strict=True)
    for nested in sorted(rewrites.MARKS):
        with pytest.raises(CorruptError, match="not rewritten"):
            parts.decode_parts(found.prefix + bytes((nested,)) + payload, group.shape, 8, None)


def test_a_photo_with_gaps_is_coded_without_them(tiny_model):
    group = edited(3, 0)
    alone, together = parts.encode_either(Part(group, 8, tiny_model, 1))
    assert together is not None
    assert together.payload[0] == rewrites.DENSE
    assert len(together.payload) < len(alone.payload)
    np.testing.assert_array_equal(parts.decode_parts(together.payload, group.shape, 8, tiny_model), group, strict=True)


@pytest.mark.parametrize("shape", [(192, 240, 1), (192, 240, 3), (256, 256, 3)])
def test_no_model_is_asked_for_a_flat_picture(tiny_model, monkeypatch, shape):
    def by_model(*arguments):
        raise AssertionError("a model was asked")

    monkeypatch.setattr(parts, "by_model", by_model)
    monkeypatch.setattr(registry, "by_model", by_model)
    group = np.full(shape, 200, np.uint8)
    for rest in (slice(0, 0), slice(20, None)):
        group[: shape[0] // 2, rest] = 30
        alone, together = parts.encode_either(Part(group, 8, tiny_model, 2))
        assert alone is together
        assert len(alone.payload) < 80
        np.testing.assert_array_equal(parts.decode_parts(alone.payload, shape, 8, None), group, strict=True)


def test_a_photo_without_gaps_has_none():
    assert not rewrites.has_gaps(np.random.default_rng(0).integers(20, 200, (40, 40, 3)).astype(np.uint8))
    assert not rewrites.has_gaps(np.full((3, 3, 1), 7, np.uint8))


def test_damaged_tables_give_samples_of_the_shape_or_one_error(tiny_model):
    few = np.random.default_rng(0).integers(0, 5, (6, 5, 3)).astype(np.uint16)
    of_16 = (*rewrites.rewritings(few * 9000, 16), *rewrites.rewritings(few * few * few * 900 + few, 16))
    of_8 = [one for one in rewrites.rewritings(edited(3, 1)[:9, :9], 8) if one.prefix[0] == rewrites.DENSE]
    for found, depth in [*((one, 16) for one in of_16), *((one, 8) for one in of_8)]:
        shape = (*found.samples.shape[:2], 3)
        payload = found.prefix + b"\0" + plain.encode(found.samples, found.bit_depth)
        group = parts.decode_parts(payload, shape, depth, None)
        for damaged in flips(payload):
            try:
                assert parts.decode_parts(damaged, group.shape, depth, tiny_model).shape == group.shape
            except CorruptError as error:
                assert "\n" not in str(error)  # noqa: PT017
        for size in range(len(found.prefix)):
            with pytest.raises(CorruptError):
                parts.decode_parts(payload[:size], group.shape, depth, tiny_model)


@pytest.mark.parametrize("side", [8, 17, 33])
@pytest.mark.parametrize("kind", ["photo", "noise", "few values"])
def test_more_effort_never_makes_a_part_larger(tiny_model, crop, kind, side):
    group = np.random.default_rng(side).integers(0, 256, (side, side + 3, 3), dtype=np.uint8)
    if kind == "photo":
        group = np.ascontiguousarray(crop(30, 40, side + 3, side).transpose(1, 2, 0))
    elif kind == "few values":
        group &= 0x81
    sizes = [len(parts.encode_parts(Part(group, 8, tiny_model, effort)).payload) for effort in EFFORTS]
    assert sizes == sorted(sizes, reverse=True)


@pytest.mark.parametrize("effort", EFFORTS)
def test_noise_is_never_larger_than_by_a_plain_method(effort):
    samples = np.random.default_rng(5).integers(0, 256, (130, 130, 1), np.uint8)
    part = Part(samples, 8, load_model(), effort)
    assert is_like_a_photo(part)
    alone, together = parts.encode_either(part)
    assert len((together or alone).payload) <= 1 + len(plain.encode(samples, 8))
