"""What files say about themselves."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

import hvpzip
from hvpzip import api, container, errors
from hvpzip.codec.bitsback import group_codec


def test_info_knows_the_file_without_decoding(folder: Path, packed: Mapping[str, bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(group_codec, "decode_group", None)
    path = folder / "packed" / "rgb.hvz"
    facts = hvpzip.info(path)
    assert facts.path == str(path)
    assert (facts.width, facts.height, facts.channels, facts.bit_depth, facts.groups) == (48, 40, 3, 8, 1)
    assert facts.output_bytes == len(packed["rgb"])
    assert 8 * facts.output_bytes == 8 * facts.header_bytes + facts.coded_bits
    assert facts.bits_per_dim == 8 * facts.output_bytes / (48 * 40 * 3)
    assert hvpzip.info(packed["rgb"]).path == "-"


def test_sections_cover_the_file_without_gaps() -> None:
    header = container.Header(
        width=100, height=20, channels=1, bit_depth=8, colour_lift=0, map=0, levels=4, model_id=bytes(8), effort=0, group_size_log2=4
    )
    payloads = [bytes(length) for length in (0, 1, 127, 128, 16383, 16384, 5)] * 2
    metadata = (container.Section(2, b"abc"), container.Section(300, bytes(200)))
    data = container.write(header, [container.Group(payload, 7) for payload in payloads], metadata)
    facts = hvpzip.info(data)
    end = 0
    for section in facts.sections:
        assert section.offset == end
        end += section.size_bytes
    assert end == len(data)
    parts = [section for section in facts.sections if section.purpose == "parameters"]
    coded = [section for section in facts.sections if section.purpose == "message"]
    for parameters, section, payload in zip(parts, coded, payloads, strict=True):
        assert parameters.size_bytes == min(1, len(payload))
        assert data[parameters.offset : section.offset + section.size_bytes] == payload
    assert 8 * sum(section.size_bytes for section in [*parts, *coded]) == facts.coded_bits
    assert [section.name for section in facts.sections[4:8:2]] == ["metadata 1, type 2", "metadata 2, type 300"]


def test_every_section_is_where_its_name_says() -> None:
    header = container.Header(
        width=300, height=2, channels=1, bit_depth=8, colour_lift=0, map=0, levels=4, model_id=b"modelid!", effort=0, group_size_log2=15
    )
    data = container.write(header, [container.Group(b"payload", 0x04030201)], (container.Section(2, b"abc"),))
    found = {section.name: data[section.offset : section.offset + section.size_bytes] for section in hvpzip.info(data).sections}
    assert found["header, model id"] == b"modelid!"
    assert found["header, number of sections"] == b"\1"
    assert found["header, checksum"] == container.crc32(data[:27]).to_bytes(4, "little")
    assert found["metadata 1, type 2"] == b"\2\3abc"
    assert found["group 1, length"] == b"\7"
    assert found["group 1, checksum of the samples"] == b"\1\2\3\4"
    assert found["group 1, coding parameters"] == b"p"
    assert found["group 1, message"] == b"ayload"


def test_account_follows_the_stack_and_adds_up(packed: Mapping[str, bytes], pictures: Mapping[str, object]) -> None:
    (group,) = api.account(packed["rgb"])
    _, report = api.compress_with_report(pictures["rgb"])
    assert group.coded_bits == report.coded_bits
    assert group.bound_bits == pytest.approx(report.bound_bits)
    assert [(p.level, p.unit, p.step, p.kind) for p in group.stack] == [term[:4] for term in report.terms]
    assert [scale.level for scale in group.scales] == [*range(1, len(group.scales)), 0]
    net = sum(scale.exact_bits + scale.returned_bits - scale.borrowed_bits for scale in group.scales)
    assert net == pytest.approx(group.bound_bits)
    assert min(scale.lowest_bits for scale in group.scales) > 0
    (parameters,) = (section for section in hvpzip.info(packed["rgb"]).sections if section.purpose == "parameters")
    assert parameters.size_bytes == 3  # the colours of this photo have a lattice
    assert 31 - 2 <= group.coded_bits - 8 * parameters.size_bytes - group.stack[-1].stack_bits < 31 + 8


def test_the_map_adds_up_to_the_bound_and_every_scale_has_its_place(
    packed: Mapping[str, bytes], pictures: Mapping[str, np.ndarray]
) -> None:
    found = api.bit_map(packed["rgb"])
    assert found.shape == pictures["rgb"].shape[:2]
    (group,) = api.account(packed["rgb"])
    assert found.sum(dtype=float) == pytest.approx(group.bound_bits, rel=1e-5)  # of float32
    rows, columns = (-(-side // 2) for side in found.shape)
    finest = group.scales[0]
    below = found.sum(dtype=float) - found[:rows, :columns].sum(dtype=float)
    assert below == pytest.approx(finest.exact_bits + finest.returned_bits - finest.borrowed_bits, rel=1e-5)


def test_files_in_parts_have_no_map(packed: Mapping[str, bytes]) -> None:
    with pytest.raises(errors.ImageError, match="no map"):
        api.bit_map(packed["dot"])


def test_account_has_a_curve_for_every_group_and_refuses_damage(packed: Mapping[str, bytes], folder: Path) -> None:
    (gray,) = api.account(folder / "packed" / "gray.hvz")
    assert gray.group == 1
    assert [(point.level, point.kind) for point in gray.stack][-1] == (0, "rate")
    assert gray.scales[-1].exact_bits == 2 * 2 * 8
    with pytest.raises(errors.CorruptError):
        api.account(packed["rgb"][:-1] + b"\0")


def test_parts_that_the_model_coded_have_an_account_and_others_none(
    packed: Mapping[str, bytes], pictures: Mapping[str, np.ndarray]
) -> None:
    assert api.account(packed["dot"]) == ()  # three bytes are shorter as they are
    corner = pictures["rgb"][:24, :20]
    data, report = api.compress_with_report(np.dstack([corner, np.full((24, 20), 9, np.uint8)]))
    (colours,) = api.account(data)
    assert colours.group == 1
    assert colours.bound_bits < report.bound_bits
    assert [(p.level, p.unit, p.step, p.kind) for p in colours.stack] == [term[:4] for term in report.terms]
    facts = hvpzip.info(data)
    assert {section.purpose for section in facts.sections} == {"header", "model id", "checksum", "length", "parts"}
    assert sum(section.size_bytes for section in facts.sections) == len(data)


def test_info_refuses_what_is_no_whole_file(packed: Mapping[str, bytes]) -> None:
    data = packed["gray"]
    with pytest.raises(errors.TruncatedError):
        hvpzip.info(data[:-1])
    with pytest.raises(errors.CorruptError):
        hvpzip.info(data + b"\0")
    with pytest.raises(errors.NotHvpzipError):
        hvpzip.info(b"P6 1 1 255\nabc")
    with pytest.raises(errors.LimitError):
        hvpzip.info(data, max_pixels=48 * 40 - 1)


def test_versions_name_the_models_that_files_name(packed: Mapping[str, bytes]) -> None:
    found = api.versions()
    assert found.container == container.VERSION
    assert hvpzip.info(packed["rgb"]).model in {model_id for _, model_id in found.models}


def test_a_photo_is_like_what_its_model_knows_and_noise_is_not(crop) -> None:
    photo = np.ascontiguousarray(crop(0, 0, 128, 96).transpose(1, 2, 0))
    noise = np.random.default_rng(0).integers(0, 256, (40, 40, 3)).astype(np.uint8)
    usual = hvpzip.api.likeness(hvpzip.compress(photo, effort=1))
    odd = hvpzip.api.likeness(hvpzip.compress(noise, effort=1))
    assert usual.usual is not None
    assert usual.share < usual.usual == odd.usual < odd.share
    assert (usual.unlike, odd.unlike) == (False, True)


def test_likeness_is_of_pictures_that_a_model_codes(packed: Mapping[str, bytes]) -> None:
    with pytest.raises(errors.ImageError, match="8 bits"):
        api.likeness(hvpzip.compress(np.zeros((4, 4, 4), np.uint8)))
    with pytest.raises(errors.ImageError, match="flat"):
        api.likeness(hvpzip.compress(np.zeros((90, 90, 3), np.uint8)))
    assert api.Likeness(0.9, None).unlike is None
