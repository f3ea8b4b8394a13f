"""Decoding that stops early gives exactly every second, fourth ... row and column, on every map and with every method."""

import numpy as np
import pytest

from hvpzip import varint
from hvpzip.codec import parts, plain
from hvpzip.codec.bitsback import group_codec
from hvpzip.codec.bitsback.decoder import Decoder
from hvpzip.codec.method import Part
from hvpzip.codec.payload import Header
from hvpzip.errors import CorruptError


@pytest.mark.parametrize("step", [1, 2, 8, 1024])
@pytest.mark.parametrize("transform", [0, 1, 2])
@pytest.mark.parametrize("gray", [False, True])
def test_a_preview_is_every_nth_row_and_column(tiny_models, crop, step, transform, gray):
    model, group = tiny_models(transform), crop(20, 10, 45, 38, gray)
    payload, _ = group_codec.encode_group(group, model, 1)
    found = group_codec.decode_group(payload, group.shape, 8, model, step=step)
    np.testing.assert_array_equal(found, group[:, ::step, ::step], strict=True)


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1), (2, 2), (3, 5)])
def test_small_groups_have_previews_too(tiny_model, crop, shape):
    group = crop(20, 10, shape[1], shape[0])
    payload, _ = group_codec.encode_group(group, tiny_model, 1)
    for step in (2, 4, 16):
        np.testing.assert_array_equal(group_codec.decode_group(payload, group.shape, 8, tiny_model, step=step), group[:, ::step, ::step])


def test_finer_levels_are_not_decoded(tiny_model, crop, monkeypatch):
    group = crop(20, 10, 45, 38)
    payload, _ = group_codec.encode_group(group, tiny_model, 1)
    decoded, level = [], Decoder.level
    monkeypatch.setattr(Decoder, "level", lambda self, which, *rest: decoded.append(which.number) or level(self, which, *rest))
    group_codec.decode_group(payload, group.shape, 8, tiny_model, step=8)
    assert decoded == [5, 4]
    group_codec.decode_group(payload, group.shape, 8, tiny_model)
    assert decoded == [5, 4, 5, 4, 3, 2, 1]


def test_the_end_of_the_message_is_checked_only_where_it_is_reached(tiny_model, crop):
    group = crop(20, 10, 45, 38)
    payload, _ = group_codec.encode_group(group, tiny_model, 1)
    # One word more below all others: what the decoder reads last is then not where the encoder began.
    start = Header.size_of(payload)
    longer = payload[:start] + bytes(4) + payload[start:]
    with pytest.raises(CorruptError):
        group_codec.decode_group(longer, group.shape, 8, tiny_model)
    np.testing.assert_array_equal(group_codec.decode_group(longer, group.shape, 8, tiny_model, step=4), group[:, ::4, ::4])


def split_payload(group, depth, split):
    """The group in parts by plain methods, divided as the split says."""
    payload, places = bytes((split,)), list(parts._places(group.shape[2], depth, split))
    for number, (channels, shift, part_depth) in enumerate(places):
        part = group[:, :, channels] >> shift
        if split & 4 and not shift:
            part = part - (group[:, :, channels] >> 8)
        data = plain.encode((part & 255).astype(np.uint8) if split & 2 else part, part_depth)
        payload += (varint.write(len(data)) if number + 1 < len(places) else b"") + data
    return payload


@pytest.mark.parametrize("step", [2, 8])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("depth", [2, 8, 16])
def test_parts_by_whichever_method_have_previews(tiny_model, crop, step, channels, depth):
    planes = np.concatenate([crop(20, 10, 37, 26), crop(40, 10, 37, 26, True)])[:channels].transpose(1, 2, 0)
    group = planes >> (8 - depth) if depth <= 8 else planes.astype(np.uint16) * 255 + planes[::-1]
    splits = [split for split in range(8) if not split & ~parts._allowed(channels, depth) and split & 6 != 4]
    payloads = [split_payload(group, depth, split) for split in splits]
    for payload in (*payloads, parts.encode_parts(Part(group, depth, tiny_model, 1)).payload):
        found = parts.decode_parts(payload, group.shape, depth, tiny_model, step=step)
        np.testing.assert_array_equal(found, group[::step, ::step], strict=True)
