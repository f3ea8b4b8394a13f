"""Damaged files: what is whole comes back at its place, the rest is 0 and named, and nothing passes for sound."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

import hvpzip
from hvpzip import container, errors
from hvpzip.api import Damage
from hvpzip.codec.bitsback import group_codec

Samples = npt.NDArray[np.uint8]

TILES = [(x, y, 16, min(16, 40 - y)) for y in (0, 16, 32) for x in (0, 16, 32)]  # the groups of a picture of 48 x 40 pixels


@pytest.fixture(scope="module")
def whole(pictures: Mapping[str, Samples]) -> bytes:
    """A photo in nine groups."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(group_codec, "GROUP_SIZE", 16)
        return hvpzip.compress(pictures["rgb"], effort=1)


def end_of(whole: bytes, group: int) -> int:
    """Where group ``group`` ends, counted from 1."""
    groups = container.read(whole).groups
    return len(whole) - sum(len(after.payload) + 8 + (1 if len(after.payload) < 128 else 2) for after in groups[group:])


def filled(picture: Samples, lost: set[int]) -> Samples:
    found = picture.copy()
    for number in lost:
        x, y, w, h = TILES[number - 1]
        found[y : y + h, x : x + w] = 0
    return found


def rectangles(damages: list[Damage]) -> list[tuple[int, ...]]:
    return [(damage.group, *damage[1:5]) for damage in damages]


@pytest.mark.parametrize("lost", [{1}, {5}, {9}, {2, 3}, {4, 9}])
def test_undamaged_groups_are_decoded_and_the_others_named(whole: bytes, pictures: Mapping[str, Samples], lost: set[int]) -> None:
    damaged = bytearray(whole)
    for group in lost:
        damaged[end_of(whole, group) - 20] ^= 16
    damages: list[Damage] = []
    np.testing.assert_array_equal(hvpzip.decompress(damaged, on_damage=damages.append), filled(pictures["rgb"], lost))
    assert rectangles(damages) == [(group, *TILES[group - 1]) for group in sorted(lost)]
    assert all("coded bytes" in damage.reason for damage in damages)
    with pytest.raises(errors.CorruptError):
        hvpzip.decompress(damaged)


def test_a_sound_file_has_no_damage(whole: bytes, pictures: Mapping[str, Samples]) -> None:
    damages: list[Damage] = []
    np.testing.assert_array_equal(hvpzip.decompress(whole, on_damage=damages.append), pictures["rgb"])
    assert not damages


def test_a_truncated_file_has_the_groups_that_are_there(whole: bytes, pictures: Mapping[str, Samples]) -> None:
    damages: list[Damage] = []
    found = hvpzip.decompress(whole[: end_of(whole, 6) + 7], on_damage=damages.append)
    np.testing.assert_array_equal(found, filled(pictures["rgb"], {7, 8, 9}))
    assert [damage.group for damage in damages] == [7, 8, 9]


def test_a_group_that_decodes_to_other_samples_is_damaged_too(whole: bytes, pictures: Mapping[str, Samples]) -> None:
    parsed = container.read(whole)
    groups = [container.Group(group.payload, group.samples_crc ^ (number == 4)) for number, group in enumerate(parsed.groups)]
    damages: list[Damage] = []
    found = hvpzip.decompress(container.write(parsed.header, groups, parsed.metadata), on_damage=damages.append)
    np.testing.assert_array_equal(found, filled(pictures["rgb"], {5}))
    assert [(damage.group, damage.reason) for damage in damages] == [(5, "the checksum of the decoded samples does not hold")]


def test_only_damage_inside_a_crop_counts_and_scales_are_salvaged_too(whole: bytes, pictures: Mapping[str, Samples]) -> None:
    damaged = bytearray(whole)
    damaged[end_of(whole, 5) - 20] ^= 1
    damages: list[Damage] = []
    np.testing.assert_array_equal(hvpzip.decompress(damaged, crop=(0, 0, 48, 16), on_damage=damages.append), pictures["rgb"][:16])
    assert not damages
    found = hvpzip.decompress(damaged, scale=1 / 8, on_damage=damages.append)
    np.testing.assert_array_equal(found, filled(pictures["rgb"], {5})[::8, ::8])
    assert rectangles(damages) == [(5, 16, 16, 16, 16)]


def test_a_damaged_header_cannot_be_salvaged(whole: bytes) -> None:
    for place in (3, 8, 12, 20, 28):
        damaged = bytearray(whole)
        damaged[place] ^= 1
        with pytest.raises(errors.FormatError):
            hvpzip.decompress(damaged, on_damage=print)


def test_a_salvaged_picture_is_written_and_its_result_is_an_error(tmp_path: Path, whole: bytes, pictures: Mapping[str, Samples]) -> None:
    damaged = bytearray(whole)
    damaged[end_of(whole, 2) - 20] ^= 1
    (tmp_path / "x.hvz").write_bytes(damaged)
    result = hvpzip.decompress_file(tmp_path / "x.hvz", tmp_path / "x.png", salvage=True)
    assert result.error == f"1 of 9 groups could not be salvaged; {tmp_path / 'x.png'} has the rest"
    assert rectangles(list(result.damaged)) == [(2, *TILES[1])]
    assert [notice.partition(",")[0] for notice in result.notices] == ["group 2"]
    with Image.open(tmp_path / "x.png") as image:
        np.testing.assert_array_equal(np.asarray(image), filled(pictures["rgb"], {2}))
    (tmp_path / "y.hvz").write_bytes(whole)
    sound = hvpzip.decompress_file(tmp_path / "y.hvz", salvage=True)
    assert (sound.error, sound.damaged, sound.notices) == (None, (), ())


def test_lost_metadata_is_an_error_too(tmp_path: Path, pictures: Mapping[str, Samples]) -> None:
    image = Image.fromarray(pictures["gray"][:8, :8])
    image.save(tmp_path / "x.png", dpi=(300, 300))
    hvpzip.compress_file(tmp_path / "x.png")
    data = bytearray((tmp_path / "x.hvz").read_bytes())
    data[40] ^= 1  # in the only section, behind the header
    (tmp_path / "x.hvz").write_bytes(data)
    result = hvpzip.decompress_file(tmp_path / "x.hvz", tmp_path / "again.png", salvage=True)
    assert (
        result.error == f"its metadata, perhaps with palette and transparency, could not be salvaged; {tmp_path / 'again.png'} has the rest"
    )
    assert not result.damaged
    with Image.open(tmp_path / "again.png") as again:
        np.testing.assert_array_equal(np.asarray(again), np.asarray(image))
