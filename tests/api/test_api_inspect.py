"""What files say about themselves."""

from collections.abc import Mapping
from pathlib import Path

import pytest

import hvpzip
from hvpzip import api, container, errors
from hvpzip.codec import image_codec


def test_info_knows_the_file_without_decoding(folder: Path, packed: Mapping[str, bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_codec, "decode_group", None)
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
    coded = [section for section in facts.sections if section.name.endswith("payload")]
    assert [section.size_bytes for section in coded] == [len(payload) for payload in payloads]
    for section, payload in zip(coded, payloads, strict=True):
        assert data[section.offset : section.offset + section.size_bytes] == payload
    assert 8 * sum(section.size_bytes for section in coded) == facts.coded_bits
    assert [section.name for section in facts.sections[:3]] == ["header", "metadata 1, type 2", "metadata 2, type 300"]


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
