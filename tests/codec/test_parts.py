"""Groups of any channels and depth come back equal, by whichever methods; payloads of no encoder are refused."""

import numpy as np
import pytest

from hvpzip import fallback
from hvpzip.codec import parts
from hvpzip.errors import CorruptError


def samples(channels: int, depth: int, seed: int = 0) -> np.ndarray:
    generator = np.random.default_rng(seed)
    slope = np.indices((7, 6, channels)).sum(axis=0) * (1 << depth) // 40
    return (np.clip(slope + generator.integers(0, 3, slope.shape), 0, (1 << depth) - 1)).astype(np.uint8 if depth <= 8 else np.uint16)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("depth", [1, 4, 8, 16])
def test_every_kind_of_group_comes_back_equal(tiny_model, channels, depth):
    group = samples(channels, depth)
    found = parts.encode_parts(group, depth, tiny_model, 1)
    assert 8 * len(found.payload) == found.other_bits + sum(report.coded_bits for report in found.reports)
    np.testing.assert_array_equal(parts.decode_parts(found.payload, group.shape, depth, tiny_model), group, strict=True)
    assert len(found.payload) <= 1 + len(fallback.encode(group, depth))


@pytest.mark.parametrize("split", range(8))
def test_every_split_comes_back_equal_or_does_not_go_with_the_samples(tiny_model, split):
    group = samples(4, 16)
    if split & 4 and not split & 2:
        with pytest.raises(CorruptError):
            parts.decode_parts(bytes((split,)), group.shape, 16, tiny_model)
        return
    found = parts._encode_split(group, 16, split, tiny_model, 1)
    assert found.payload[0] == split
    np.testing.assert_array_equal(parts.decode_parts(found.payload, group.shape, 16, tiny_model), group)


def test_8_bits_in_16_cost_little_more_than_8(tiny_model):
    low = np.random.default_rng(3).integers(0, 256, (16, 16, 1)).astype(np.uint16)
    eight = parts.encode_parts(low.astype(np.uint8), 8, tiny_model, 1)
    sixteen = parts.encode_parts(low * 257, 16, tiny_model, 1)
    assert len(sixteen.payload) <= len(eight.payload) + 5


def test_the_model_codes_a_part_where_it_is_smaller(tiny_model, monkeypatch):
    group = samples(4, 8)
    monkeypatch.setattr(fallback, "encode", lambda part, depth: b"\x02" + bytes(10_000))
    found = parts._encode_split(group, 8, 1, tiny_model, 1)
    assert len(found.reports) == 2
    np.testing.assert_array_equal(parts.decode_parts(found.payload, group.shape, 8, tiny_model), group)
    with pytest.raises(CorruptError, match="names none"):
        parts.decode_parts(found.payload, group.shape, 8, None)


@pytest.mark.parametrize("payload", [b"", b"\x00", b"\x08\x01\0", b"\x02\x01\0", b"\x01\x80\0\x01", b"\x01\xff", b"\x01\x09\x01"])
def test_payloads_of_no_encoder_are_refused(tiny_model, payload):
    with pytest.raises(CorruptError):
        parts.decode_parts(payload, (2, 2, 2), 8, tiny_model)
