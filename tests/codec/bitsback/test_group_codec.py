"""Groups to payloads and back, with the tiny model on both of its paths."""

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hvpzip.codec.bitsback import group_codec
from hvpzip.codec.bitsback.group_codec import GroupReport, decode_group, encode_group, inspect_group
from hvpzip.codec.efforts import DEFAULT_EFFORT, EFFORTS
from hvpzip.codec.payload import NO_RAMP, Coding
from hvpzip.errors import CorruptError
from hvpzip.threads import using_threads
from tests.helpers.damage import flips, truncations

PATHS = ("diffusion", "direct")


def picture(kind: str, channels: int, height: int, width: int, seed: int) -> np.ndarray:
    """uint8 ``(channels, height, width)`` of noise, one colour, a ramp, extremes, or a ramp with noise on it."""
    rng = np.random.default_rng(seed)
    shape = (channels, height, width)
    if kind == "noise":
        return rng.integers(0, 256, shape, dtype=np.uint8)
    if kind == "flat":
        return np.broadcast_to(rng.integers(0, 256, (channels, 1, 1), dtype=np.uint8), shape).copy()
    if kind == "extremes":
        return rng.choice(np.array([0, 255], np.uint8), shape)
    y, x = np.mgrid[:height, :width]
    slope = rng.uniform(-4, 4, (2, channels, 1, 1))
    ramp = 128 + slope[0] * (y - height / 2) + slope[1] * (x - width / 2)
    return np.clip(ramp + (rng.normal(0, 6, shape) if kind == "photo" else 0), 0, 255).astype(np.uint8)


KINDS = ("noise", "flat", "extremes", "gradient", "photo")


def encode_along(samples: np.ndarray, model, path: str, learn_colours: bool = False) -> tuple[bytes, GroupReport] | None:
    return group_codec.encode_along(samples, model, PATHS.index(path), learn_colours)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    kind=st.sampled_from(KINDS),
    channels=st.sampled_from([1, 3]),
    height=st.integers(1, 40),
    width=st.integers(1, 40),
    seed=st.integers(0, 2**31),
    transform=st.sampled_from([0, 0, 1, 2]),
)
def test_every_picture_comes_back_and_the_report_agrees_with_the_payload(tiny_models, kind, channels, height, width, seed, transform):
    samples = picture(kind, channels, height, width, seed)
    model = tiny_models(transform)
    before = samples.copy()
    payload, report = encode_group(samples, model, 1)
    assert np.array_equal(samples, before)
    decoded = decode_group(payload, samples.shape, 8, model)
    assert decoded.dtype == np.uint8
    assert np.array_equal(decoded, samples)
    assert report.coded_bits == 8 * len(payload)
    assert report.path in PATHS


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    path=st.sampled_from(PATHS),
    kind=st.sampled_from(["noise", "photo", "extremes"]),
    channels=st.sampled_from([1, 3]),
    height=st.integers(1, 24),
    width=st.integers(1, 24),
    seed=st.integers(0, 2**31),
)
def test_either_path_brings_the_picture_back(tiny_model, path, kind, channels, height, width, seed):
    samples = picture(kind, channels, height, width, seed)
    found = encode_along(samples, tiny_model, path)
    if found is None:  # a stack that ran dry: only latents can do that
        assert path == "diffusion"
        return
    payload, report = found
    assert report.path == path
    assert np.array_equal(decode_group(payload, samples.shape, 8, tiny_model), samples)


@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 1, 1), (1, 1, 40), (3, 37, 1), (3, 2, 2), (1, 3, 2), (3, 5, 33)])
@pytest.mark.parametrize("transform", [0, 1, 2])
def test_thin_and_odd_pictures_come_back(tiny_models, shape, transform):
    samples = picture("photo", *shape, seed=4)
    payload, _ = encode_group(samples, tiny_models(transform), 1)
    assert np.array_equal(decode_group(payload, shape, 8, tiny_models(transform)), samples)


def test_the_report_adds_up_and_names_every_step(tiny_model, crop):
    samples = crop(20, 20, 33, 47)
    for path in PATHS:
        payload, report = encode_along(samples, tiny_model, path)
        rates = sum(term.bits for term in report.terms if term.kind == "rate")
        refunds = sum(term.bits for term in report.terms if term.kind == "refund")
        assert report.bound_bits == pytest.approx(rates - refunds, abs=1e-6)
        assert report.coded_bits == 8 * len(payload)
        assert all(term.bits >= 0 for term in report.terms)
        expected = []
        for level in range(1, 6):  # 47 rows become 2 in five levels
            for index in reversed(tiny_model.schedule.level(level).paths[path]):
                step = tiny_model.schedule.level(level).steps[index]
                expected += [] if step.given is None else [(level, step.unit, step.given, "refund")]
                expected.append((level, step.unit, index, "rate"))
        assert [term[:4] for term in report.terms] == [*expected, (0, "base", 0, "rate")]
        assert report.terms[-1].bits == 2 * 2 * (8 + 9 + 9)


@pytest.mark.parametrize("path", PATHS)
def test_the_stack_grows_by_the_terms_of_each_step(tiny_model, crop, path):
    _, report = encode_along(crop(60, 30, 64, 64), tiny_model, path)
    assert report.stack_curve[0] == ("start", 0.0)
    before = 0.0
    for term, (label, after) in zip(report.terms, report.stack_curve[1:], strict=True):
        borrowed = term.kind == "refund"
        assert label == f"{term.level}:{term.unit}:{term.step}{':borrowed' if borrowed else ''}"
        # The code of the lanes' heads fits on average only; the rest is what the term says.
        assert after - before == pytest.approx(-term.bits if borrowed else term.bits, abs=24)
        before = after


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(("width", "gray"), [(64, False), (37, True), (1, False)])
def test_the_decoder_finds_out_all_that_the_encoder_reported(tiny_model, crop, path, width, gray):
    samples = crop(60, 30, width, 40, gray)
    payload, report = encode_along(samples, tiny_model, path)
    decoded, found = inspect_group(payload, samples.shape, 8, tiny_model)
    assert np.array_equal(decoded, samples)
    assert (found.coded_bits, found.path, found.lanes) == (report.coded_bits, report.path, report.lanes)
    assert found.stack_curve == report.stack_curve
    assert [term[:4] for term in found.terms] == [term[:4] for term in report.terms]
    assert [term.bits for term in found.terms] == pytest.approx([term.bits for term in report.terms])
    assert found.bound_bits == pytest.approx(report.bound_bits)


def test_lanes_that_were_there_from_the_start_are_no_part_of_any_step(tiny_model, monkeypatch):
    monkeypatch.setattr(group_codec, "candidates", lambda path, symbols: [Coding(path, 1, NO_RAMP)])
    samples = picture("flat", 1, 12, 12, 1)
    payload, report = encode_along(samples, tiny_model, "direct")
    assert report.lanes == 2
    assert 31 < report.stack_curve[0][1] < 40
    assert inspect_group(payload, samples.shape, 8, tiny_model)[1].stack_curve == report.stack_curve


@pytest.mark.parametrize("path", PATHS)
def test_a_stack_that_began_elsewhere_is_refused_though_every_sample_is_right(tiny_model, crop, path, monkeypatch):
    """The words below the first symbol change nothing that is decoded: only the known start state finds them."""
    samples = crop(40, 40, 32, 32)
    payload, _ = encode_along(samples, tiny_model, path)
    seen = []
    check = group_codec.ans.check_base
    monkeypatch.setattr(group_codec.ans, "check_base", lambda message: (seen.append(message), check(message)))
    assert np.array_equal(decode_group(payload, samples.shape, 8, tiny_model), samples)
    for words in (b"\1\0\0\0", b"\0\0\0\0", b"\xff" * 8):
        with pytest.raises(CorruptError, match="leftover bits"):
            decode_group(payload[:1] + words + payload[1:], samples.shape, 8, tiny_model)
    assert len(seen) == 4  # so all of them were decoded to the end


def test_a_start_state_that_differs_by_one_is_refused(tiny_model, crop, monkeypatch):
    samples = crop(40, 40, 9, 9)
    real = group_codec.ans.base_message
    monkeypatch.setattr(group_codec.ans, "base_message", lambda lanes: real(lanes)._replace(head=real(lanes).head + np.uint64(1)))
    payload, _ = encode_along(samples, tiny_model, "direct")
    with pytest.raises(CorruptError, match="0 words are left or a head differs"):
        decode_group(payload, samples.shape, 8, tiny_model)


@pytest.mark.parametrize("path", PATHS)
def test_a_payload_is_as_long_as_its_bound_and_the_start(tiny_model, crop, path):
    """The start: the parameter byte, 31 bits of the start state, and the last byte's unused bits; lanes cost nothing."""
    payload, report = encode_along(crop(40, 16, 160, 160), tiny_model, path)
    assert report.lanes >= 128
    overhead = report.coded_bits - report.bound_bits
    assert overhead >= 8 + 31 - 2
    assert overhead <= 8 + 31 + 8 + 16
    assert len(payload) > 10**4


def test_a_photo_is_coded_along_the_diffusion_path_with_latents(tiny_model, crop):
    samples = crop(40, 16, 160, 160)[:1]  # gray has no colours to learn, and learnt colours do without latents
    payload, report = encode_group(samples, tiny_model, DEFAULT_EFFORT)
    assert report.path == "diffusion"
    refunds = [term for term in report.terms if term.kind == "refund"]
    assert [term.level for term in refunds] == list(range(1, 8))
    assert sum(term.bits for term in refunds) > 0.05 * report.coded_bits
    assert np.array_equal(decode_group(payload, samples.shape, 8, tiny_model), samples)


def test_a_flat_picture_cannot_pay_for_latents_and_is_small_without_them(tiny_model):
    samples = picture("flat", 3, 28, 28, 6)
    assert encode_along(samples, tiny_model, "diffusion") is None
    payload, report = encode_group(samples, tiny_model, 1)
    assert report.path == "direct"
    assert len(payload) < samples.size / 20
    assert np.array_equal(decode_group(payload, samples.shape, 8, tiny_model), samples)


def test_small_pictures_take_the_path_that_is_shorter(tiny_model, crop):
    samples = crop(0, 0, 24, 24)
    lengths = {path: len(encode_along(samples, tiny_model, path, learn_colours=True)[0]) for path in PATHS}
    payload, report = encode_group(samples, tiny_model, DEFAULT_EFFORT)
    assert len(payload) == min(lengths.values()) == lengths[report.path]


def test_a_small_picture_is_also_encoded_as_at_the_lowest_effort(tiny_model, crop, monkeypatch):
    samples = crop(0, 0, 24, 24)
    lowest, _ = encode_group(samples, tiny_model, 1)
    encoded = group_codec._encoded

    def longer(group, prepared):  # all else is larger
        found = encoded(group, prepared)
        return found if found is None or found[0] == lowest else (found[0] + bytes(len(lowest)), found[1])

    monkeypatch.setattr(group_codec, "_encoded", longer)
    for effort in EFFORTS:
        payload, report = encode_group(samples, tiny_model, effort)
        assert payload == lowest
        assert any(trial.what.endswith("as at effort 1") for trial in report.trials) == (effort > 1)


def test_the_payload_does_not_depend_on_threads_or_the_users_settings(tiny_model, crop):
    """The finest level is large enough for two bands of rows, each by a thread."""
    samples, before = crop(20, 20, 136, 128), torch.get_float32_matmul_precision()
    with using_threads(1):
        expected, _ = encode_group(samples, tiny_model, 1)
    try:
        torch.set_float32_matmul_precision("medium")
        with torch.autocast("cpu", torch.bfloat16), using_threads(2):
            found, _ = encode_group(samples, tiny_model, 1)
            decoded = decode_group(expected, samples.shape, 8, tiny_model)
    finally:
        torch.set_float32_matmul_precision(before)
    assert found == expected
    assert np.array_equal(decoded, samples)


def decode_or_refuse(payload: bytes, shape: tuple[int, int, int], model) -> np.ndarray | None:
    """Samples, or None where the payload is refused; any other error fails the test."""
    try:
        decoded = decode_group(payload, shape, 8, model)
    except CorruptError:
        return None
    assert decoded.shape == shape
    assert decoded.dtype == np.uint8
    return decoded


@pytest.mark.parametrize(("transform", "path", "shape"), [(0, "diffusion", (1, 3, 3)), (1, "direct", (1, 2, 3))])
def test_damaged_payloads_are_refused_or_give_another_picture_but_raise_nothing_else(tiny_models, transform, path, shape):
    """What decodes to another picture is caught by the container's checksum of the samples."""
    model, samples = tiny_models(transform), picture("photo", *shape, seed=9)
    payload, _ = encode_along(samples, model, path)
    refused = 0
    for bit, damaged in enumerate(flips(payload)):
        decoded = decode_or_refuse(damaged, samples.shape, model)
        refused += decoded is None
        assert decoded is None or bit < 8 or not np.array_equal(decoded, samples)
    assert refused > 4 * len(payload)  # half of the bits: the start state must come out right
    for cut in truncations(payload):
        assert decode_or_refuse(cut, samples.shape, model) is None
    for extra in (b"\0", b"\1", b"\xff" * 9):
        assert decode_or_refuse(payload + extra, samples.shape, model) is None


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(payload=st.binary(min_size=0, max_size=60), channels=st.sampled_from([1, 3]), height=st.integers(1, 9), width=st.integers(1, 9))
def test_random_bytes_are_never_more_than_corrupt(tiny_model, payload, channels, height, width):
    decode_or_refuse(payload, (channels, height, width), tiny_model)


def test_a_payload_of_another_shape_or_model_is_refused(tiny_models, crop):
    samples = crop(0, 0, 20, 20)
    payload, _ = encode_group(samples, tiny_models(0), 1)
    for shape in ((3, 20, 19), (3, 19, 20), (1, 20, 20), (3, 40, 40)):
        with pytest.raises(CorruptError):
            decode_group(payload, shape, 8, tiny_models(0))
    with pytest.raises(CorruptError):
        decode_group(payload, samples.shape, 8, tiny_models(1))


@pytest.mark.parametrize(
    "samples",
    [
        np.zeros((3, 4, 4), np.uint16),
        np.zeros((2, 4, 4), np.uint8),
        np.zeros((4, 4), np.uint8),
        np.zeros((3, 0, 4), np.uint8),
        np.zeros((3, 4, 0), np.uint8),
    ],
)
def test_other_arrays_are_a_programmers_mistake(tiny_model, samples):
    with pytest.raises(ValueError, match="a group is uint8"):
        encode_group(samples, tiny_model, 1)


@pytest.mark.parametrize(("channels", "depth"), [(3, 16), (2, 8), (4, 8)])
def test_other_depths_and_channels_are_not_decoded(tiny_model, channels, depth):
    with pytest.raises(ValueError, match="8 bits"):
        decode_group(b"\0" * 20, (channels, 4, 4), depth, tiny_model)
