"""Arrays to bytes and back with the shipped model."""

import io
import zlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

import hvpzip
from hvpzip import api, container, errors
from hvpzip.codec.bitsback import group_codec
from tests.helpers.pictures import PHOTO

Samples = npt.NDArray[np.uint8]


@pytest.mark.parametrize("name", ["rgb", "gray", "dot"])
def test_decompress_gives_the_array_back(pictures: Mapping[str, Samples], packed: Mapping[str, bytes], name: str) -> None:
    again = hvpzip.decompress(packed[name])
    assert again.dtype == np.uint8
    np.testing.assert_array_equal(again, pictures[name], strict=True)


def test_decompress_takes_any_kind_of_bytes(pictures: Mapping[str, Samples], packed: Mapping[str, bytes]) -> None:
    for data in (bytearray(packed["gray"]), memoryview(packed["gray"])):
        np.testing.assert_array_equal(hvpzip.decompress(data), pictures["gray"])


@pytest.mark.parametrize(
    ("keywords", "words"),
    [({"effort": 2.0}, "effort must be an integer, not 2.0"), ({"effort": "2"}, "effort must be"), ({"threads": "1"}, "threads must be")],
)
def test_compress_names_an_argument_of_the_wrong_type(keywords: Mapping[str, Any], words: str) -> None:
    with pytest.raises(TypeError, match=words):
        hvpzip.compress(np.zeros((4, 4), np.uint8), **keywords)


@pytest.mark.parametrize(
    ("keywords", "kind", "words"),
    [
        ({"crop": (0, 0, 4)}, ValueError, "x, y, width and height"),
        ({"crop": (0, 0, 4.0, 4.0)}, TypeError, "an integer, not 4.0"),
        ({"scale": "1/2"}, TypeError, "scale must be a number"),
        ({"scale": float("inf")}, ValueError, "the scale must be 1, 1/2"),
        ({"threads": 1.0}, TypeError, "threads must be an integer"),
    ],
)
def test_decompress_names_an_argument_of_the_wrong_type(
    packed: Mapping[str, bytes], keywords: Mapping[str, Any], kind: type[Exception], words: str
) -> None:
    with pytest.raises(kind, match=words):
        hvpzip.decompress(packed["gray"], **keywords)


def test_a_place_that_is_none_is_named(tmp_path: Path) -> None:
    place: Any = 3
    with pytest.raises(TypeError, match="the source must be a path or a binary stream, not int"):
        hvpzip.compress_file(place, tmp_path / "a.hvz")
    with pytest.raises(TypeError, match="dst must be a path or a binary stream, not int"):
        hvpzip.compress_file(PHOTO, place)


def test_bytes_depend_on_neither_threads_nor_strides(pictures: Mapping[str, Samples], packed: Mapping[str, bytes]) -> None:
    rgb = pictures["rgb"]
    backwards = np.ascontiguousarray(rgb[::-1, ::-1])[::-1, ::-1]
    before = backwards.copy()
    assert not backwards.flags.c_contiguous
    assert hvpzip.compress(backwards, threads=1) == packed["rgb"]
    assert hvpzip.compress(rgb, threads=2) == packed["rgb"]
    np.testing.assert_array_equal(backwards, before)


def test_report_accounts_for_every_byte_and_its_terms_for_the_bound(pictures: Mapping[str, Samples], packed: Mapping[str, bytes]) -> None:
    data, report = api.compress_with_report(pictures["rgb"])
    assert data == packed["rgb"]
    assert 8 * len(data) == 8 * report.header_bytes + report.coded_bits
    total = sum(term.bits if term.kind == "rate" else -term.bits for term in report.terms)
    assert {term.kind for term in report.terms} <= {"rate", "refund"}
    assert total == pytest.approx(report.bound_bits, rel=1e-9)
    assert report.bound_bits > 0
    names = [term[:4] for term in report.terms]
    assert len(names) == len(set(names))


@pytest.fixture
def small_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tiles of 16 pixels, so that a small picture has several."""
    monkeypatch.setattr(group_codec, "GROUP_SIZE", 16)


@pytest.mark.usefixtures("small_groups")
def test_picture_of_several_groups_comes_back_and_its_reports_add_up(pictures: Mapping[str, Samples]) -> None:
    picture = pictures["rgb"][:24, :20]
    seen: list[tuple[int, int]] = []
    data, report = api.compress_with_report(picture, on_group=lambda done, groups: seen.append((done, groups)))
    assert seen == [(1, 4), (2, 4), (3, 4), (4, 4)]
    np.testing.assert_array_equal(hvpzip.decompress(data), picture)
    assert report.groups == 4
    assert 8 * len(data) == 8 * report.header_bytes + report.coded_bits
    total = sum(term.bits if term.kind == "rate" else -term.bits for term in report.terms)
    assert total == pytest.approx(report.bound_bits, rel=1e-9)


@pytest.mark.usefixtures("small_groups")
def test_swapped_groups_are_refused(pictures: Mapping[str, Samples]) -> None:
    parsed = container.read(hvpzip.compress(pictures["gray"][:16, :32]))
    first, second = parsed.groups
    with pytest.raises(errors.CorruptError, match="group 1 of 2"):
        hvpzip.decompress(container.write(parsed.header, (container.Group(first.payload, second.samples_crc), second)))


@pytest.mark.parametrize(
    ("array", "error"),
    [
        ([[1, 2], [3, 4]], TypeError),
        (np.ma.MaskedArray(np.zeros((4, 4), np.uint8), mask=np.eye(4, dtype=bool)), TypeError),
        (np.zeros((4, 4), np.uint32), TypeError),
        (np.zeros((4, 4), np.int8), TypeError),
        (np.zeros((4, 4, 5), np.uint8), ValueError),
        (np.zeros((4, 4, 1), np.uint8), ValueError),
        (np.zeros((2, 4, 4, 3), np.uint8), ValueError),
        (np.zeros(4, np.uint8), ValueError),
        (np.zeros((), np.uint8), ValueError),
        (np.zeros((0, 4), np.uint8), ValueError),
        (np.zeros((4, 0, 3), np.uint8), ValueError),
    ],
)
def test_other_arrays_are_the_callers_mistake(array: object, error: type[Exception]) -> None:
    with pytest.raises(error, match="a picture"):
        hvpzip.compress(array)  # type: ignore[arg-type]


def test_negative_thread_count_is_a_value_error(pictures: Mapping[str, Samples], packed: Mapping[str, bytes]) -> None:
    with pytest.raises(ValueError, match="threads"):
        hvpzip.compress(pictures["dot"], threads=-1)
    with pytest.raises(ValueError, match="threads"):
        hvpzip.decompress(packed["dot"], threads=-1)


def test_unknown_model_or_effort_is_a_model_error(pictures: Mapping[str, Samples], packed: Mapping[str, bytes]) -> None:
    with pytest.raises(errors.ModelError, match="no-such-model"):
        hvpzip.compress(pictures["dot"], model="no-such-model")
    with pytest.raises(errors.ModelError, match="effort 7"):
        hvpzip.compress(pictures["dot"], effort=7)
    assert hvpzip.compress(pictures["dot"], effort=2) == packed["dot"]
    assert hvpzip.info(hvpzip.compress(pictures["dot"], effort=1)).effort == 1


def test_levels_grow_by_what_was_coded_for_them(pictures: Mapping[str, Samples]) -> None:
    _, report = api.compress_with_report(pictures["rgb"])
    bound = dict.fromkeys([level for level, _ in report.level_bits], 0.0)
    assert list(bound) == [0, *range(len(bound) - 1, 0, -1)]
    for term in report.terms:
        bound[term.level] += term.bits if term.kind == "rate" else -term.bits
    coded = dict(report.level_bits)
    # To within a few words of 32 bits. On the finest level the message also grows its lanes, which it gets back at the end.
    assert all(abs(coded[level] - bound[level]) < 64 for level in bound if level != 1)
    assert sum(coded.values()) <= report.coded_bits
    assert abs(report.coded_bits - report.bound_bits) < 64


def test_max_pixels_is_checked_before_decoding(packed: Mapping[str, bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(group_codec, "decode_group", None)
    with pytest.raises(errors.LimitError, match="1920"):
        hvpzip.decompress(packed["rgb"], max_pixels=48 * 40 - 1)


def rewritten(data: bytes, **changes: object) -> bytes:
    """The file with another header and checksums that hold."""
    parsed = container.read(data)
    return container.write(replace(parsed.header, **changes), parsed.groups)  # type: ignore[arg-type]


def test_unknown_model_id_is_a_model_error_that_names_it(packed: Mapping[str, bytes]) -> None:
    with pytest.raises(errors.ModelError, match="00112233aabbccdd"):
        hvpzip.decompress(rewritten(packed["rgb"], model_id=bytes.fromhex("00112233aabbccdd")))


@pytest.mark.parametrize("changes", [{"map": 1}, {"map": 2}, {"colour_lift": 0}, {"levels": 1}])
def test_header_that_is_not_the_models_is_corrupt(packed: Mapping[str, bytes], changes: dict[str, int]) -> None:
    parsed = container.read(packed["rgb"])
    ((name, value),) = changes.items()
    if getattr(parsed.header, name) == value:
        changes = {name: value - 1}
    with pytest.raises(errors.CorruptError, match=name):
        hvpzip.decompress(rewritten(packed["rgb"], **changes))


@pytest.mark.parametrize("changes", [{"bit_depth": 9}, {"channels": 2, "colour_lift": 0}, {"channels": 4, "colour_lift": 0}])
def test_formats_modes_that_this_version_lacks_are_named(packed: Mapping[str, bytes], changes: dict[str, int]) -> None:
    with pytest.raises(errors.UnsupportedVersionError, match="channels of"):
        hvpzip.decompress(rewritten(packed["rgb"], **changes))


@pytest.mark.parametrize("changes", [{"width": 47}, {"height": 41}, {"width": 40, "height": 48}])
def test_other_sides_are_corrupt(packed: Mapping[str, bytes], changes: dict[str, int]) -> None:
    with pytest.raises(errors.CorruptError):
        hvpzip.decompress(rewritten(packed["rgb"], **changes))


def test_wrong_checksum_of_the_samples_is_corrupt(packed: Mapping[str, bytes]) -> None:
    parsed = container.read(packed["gray"])
    (group,) = parsed.groups
    with pytest.raises(errors.CorruptError, match="checksum of the decoded samples"):
        hvpzip.decompress(container.write(parsed.header, (container.Group(group.payload, group.samples_crc ^ 1),)))


def test_stored_checksum_is_that_of_the_samples_in_reading_order(pictures: Mapping[str, Samples], packed: Mapping[str, bytes]) -> None:
    (group,) = container.read(packed["rgb"]).groups
    assert group.samples_crc == zlib.crc32(pictures["rgb"].tobytes())


def test_any_damaged_payload_is_a_format_error(packed: Mapping[str, bytes]) -> None:
    parsed = container.read(packed["gray"])
    (group,) = parsed.groups
    payload = group.payload
    damaged = [b"", payload[:1], payload[:-1], payload[: len(payload) // 2], payload + b"\0", b"\xff" * len(payload)]
    damaged += [payload[:at] + bytes((payload[at] ^ 1 << at % 8,)) + payload[at + 1 :] for at in range(0, len(payload), len(payload) // 6)]
    for bad in damaged:
        with pytest.raises(errors.FormatError):
            hvpzip.decompress(container.write(parsed.header, (container.Group(bad, group.samples_crc),)))


def test_a_row_of_pixels_has_few_groups_and_is_smaller_than_its_png() -> None:
    with Image.open(PHOTO) as photo:
        row = np.asarray(photo.convert("L")).reshape(1, -1)[:, :12_000]
    data = hvpzip.compress(row, effort=1)
    assert hvpzip.info(data).groups == 2
    assert np.array_equal(hvpzip.decompress(data), row)
    png = io.BytesIO()
    Image.fromarray(row).save(png, "PNG", optimize=True)
    assert len(data) < len(png.getvalue())
