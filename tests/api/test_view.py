"""Crops and scales: exactly those samples, from the groups that they take and no others; one line where there is no such thing."""

import io
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import hvpzip
from hvpzip import errors, image_io
from hvpzip.api import CompressOptions, encoding
from hvpzip.api.pictures import sections_of
from hvpzip.api.view import checked_scale, view_of
from hvpzip.codec import parts
from hvpzip.codec.bitsback import group_codec
from hvpzip.image_io import Form, Kind
from hvpzip.transform import tiling

Samples = npt.NDArray[np.unsignedinteger[npt.NBitBase]]

HEIGHT, WIDTH = 40, 48  # in groups of 16: three by three, the lower ones eight rows high


def picture(channels: int, depth: int) -> Samples:
    """Noise in the left half, one value in the right half, so that parts are coded in several ways."""
    samples = np.random.default_rng(channels).integers(0, 1 << depth, (HEIGHT, WIDTH, channels))
    samples[:, WIDTH // 2 :] = 1
    return samples.astype(np.uint8 if depth <= 8 else np.uint16)[:, :, 0] if channels == 1 else samples.astype(f"u{1 + depth // 9}")


@pytest.fixture(scope="module")
def files(pictures: Mapping[str, Samples]) -> Mapping[str, tuple[bytes, Samples]]:
    """Pictures of every kind of coding in groups of 16 x 16, with their samples."""
    kinds = {
        "rgb": (pictures["rgb"], 8),
        "gray": (pictures["gray"], 8),
        "palette": (picture(1, 4), 4),
        "alpha": (picture(4, 8), 8),
        "gray16": (picture(1, 16), 16),
        "rgb16": (picture(3, 16), 16),
        "flat": (np.full((HEIGHT, WIDTH, 3), 7, np.uint8), 8),
    }
    found = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(group_codec, "GROUP_SIZE", 16)
        for name, (samples, depth) in kinds.items():
            sections = sections_of(Form(Kind.PALETTE, 4, bytes(range(48)))) if name == "palette" else ()
            out = io.BytesIO()
            encoding.encode(samples, CompressOptions(effort=1), bit_depth=depth, sections=sections).write_to(out)
            found[name] = out.getvalue(), samples
    return found


NAMES = ["rgb", "gray", "palette", "alpha", "gray16", "rgb16", "flat"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("scale", [1 / 2, 1 / 8, 1 / 16])
def test_a_scale_gives_every_nth_row_and_column(files: Mapping[str, tuple[bytes, Samples]], name: str, scale: float) -> None:
    data, samples = files[name]
    step = int(1 / scale)
    np.testing.assert_array_equal(hvpzip.decompress(data, scale=scale), samples[::step, ::step], strict=True)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("crop", [(0, 0, WIDTH, HEIGHT), (15, 15, 2, 2), (20, 3, 1, 37), (47, 39, 1, 1), (3, 17, 30, 10)])
def test_a_crop_gives_its_rectangle(files: Mapping[str, tuple[bytes, Samples]], name: str, crop: tuple[int, int, int, int]) -> None:
    data, samples = files[name]
    x, y, w, h = crop
    np.testing.assert_array_equal(hvpzip.decompress(data, crop=crop), samples[y : y + h, x : x + w], strict=True)


@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_a_crop_at_a_scale_gives_what_the_scale_has_in_it(files: Mapping[str, tuple[bytes, Samples]], data: st.DataObject) -> None:
    packed, samples = files[data.draw(st.sampled_from(["flat", "palette", "gray16"]))]
    x, y = data.draw(st.integers(0, WIDTH - 1)), data.draw(st.integers(0, HEIGHT - 1))
    w, h = data.draw(st.integers(1, WIDTH - x)), data.draw(st.integers(1, HEIGHT - y))
    step = 1 << data.draw(st.integers(0, 4))
    inside = np.zeros((HEIGHT, WIDTH), bool)
    inside[y : y + h, x : x + w] = True
    inside = inside[::step, ::step]
    rows, columns = inside.any(axis=1), inside.any(axis=0)
    if not rows.any():
        with pytest.raises(errors.ImageError, match="holds no pixel"):
            hvpzip.decompress(packed, crop=(x, y, w, h), scale=1 / step)
        return
    np.testing.assert_array_equal(hvpzip.decompress(packed, crop=(x, y, w, h), scale=1 / step), samples[::step, ::step][rows][:, columns])


@given(data=st.data())
def test_the_parts_of_all_tiles_cover_a_view_once(data: st.DataObject) -> None:
    width, height, side = data.draw(st.integers(1, 100)), data.draw(st.integers(1, 100)), 16
    step = 1 << data.draw(st.integers(0, 4))
    view = view_of(width, height, side, None, 1 / step)
    seen = np.zeros((view.height, view.width), int)
    for tile in tiling.group_grid(height, width, side):
        (rows, tile_rows), (columns, tile_columns) = view.rows_of(tile), view.columns_of(tile)
        assert rows.stop - rows.start == tile_rows.stop - tile_rows.start
        assert columns.stop - columns.start == tile_columns.stop - tile_columns.start
        assert view.meets(tile) == (seen[rows, columns].size > 0)
        seen[rows, columns] += 1
    assert (seen == 1).all()


def test_only_the_groups_of_a_crop_are_decoded(files: Mapping[str, tuple[bytes, Samples]], monkeypatch: pytest.MonkeyPatch) -> None:
    data, samples = files["alpha"]
    real, count = parts.decode_parts, []
    monkeypatch.setattr(parts, "decode_parts", lambda *rest, **options: count.append(1) or real(*rest, **options))
    np.testing.assert_array_equal(hvpzip.decompress(data, crop=(17, 17, 5, 5)), samples[17:22, 17:22])
    assert len(count) == 1
    hvpzip.decompress(data, crop=(15, 17, 2, 5))
    assert len(count) == 3


@pytest.mark.parametrize("crop", [(0, 0, WIDTH + 1, 1), (0, 0, 1, HEIGHT + 1), (WIDTH, 0, 1, 1), (-1, 0, 2, 2), (0, 0, 0, 1)])
def test_a_crop_that_is_not_inside_is_refused(files: Mapping[str, tuple[bytes, Samples]], crop: tuple[int, int, int, int]) -> None:
    with pytest.raises(errors.ImageError, match="not inside the picture of 48 x 40"):
        hvpzip.decompress(files["flat"][0], crop=crop)


def test_a_scale_beyond_the_groups_is_refused(files: Mapping[str, tuple[bytes, Samples]]) -> None:
    with pytest.raises(errors.ImageError, match="groups of 16 pixels"):
        hvpzip.decompress(files["flat"][0], scale=1 / 32)


@pytest.mark.parametrize("scale", [0, -1, 2, 1 / 3, 0.3, 1 / 65536])
def test_other_scales_are_value_errors(scale: float) -> None:
    with pytest.raises(ValueError, match="1/2, 1/4"):
        checked_scale(scale)


def test_a_file_is_written_of_a_crop_at_a_scale(tmp_path: Path, files: Mapping[str, tuple[bytes, Samples]]) -> None:
    data, samples = files["palette"]
    (tmp_path / "x.hvz").write_bytes(data)
    result = hvpzip.decompress_file(tmp_path / "x.hvz", tmp_path / "x.png", crop=(8, 4, 20, 30), scale=1 / 4)
    found = image_io.read_image(tmp_path / "x.png")
    np.testing.assert_array_equal(found.samples, samples[4:34:4, 8:28:4])
    assert (found.form.palette, result.error) == (bytes(range(48)), None)
    with Image.open(tmp_path / "x.png") as image:
        assert image.size == (5, 8)


@pytest.mark.parametrize("name", ["rgb", "gray"])
@pytest.mark.parametrize("fill", ["mean", "sample"])
def test_a_filled_picture_has_its_size_and_keeps_what_is_known(files: Mapping[str, tuple[bytes, Samples]], name: str, fill: str) -> None:
    data, samples = files[name]
    whole = hvpzip.decompress(data, scale=1 / 4, fill=fill)
    assert whole.shape == samples.shape
    assert whole.dtype == np.uint8
    assert np.array_equal(whole[::4, ::4], samples[::4, ::4])
    assert not np.array_equal(whole, samples)
    assert np.array_equal(hvpzip.decompress(data, crop=(3, 5, 30, 20), scale=1 / 4, fill=fill), whole[5:25, 3:33])
    assert np.array_equal(hvpzip.decompress(data, scale=1 / 4, fill=fill), whole)


def test_what_cannot_be_filled_in_is_one_line(files: Mapping[str, tuple[bytes, Samples]], tmp_path: Path) -> None:
    for name in ("palette", "alpha", "gray16"):
        with pytest.raises(errors.ImageError, match="can be filled in"):
            hvpzip.decompress(files[name][0], scale=1 / 2, fill="mean")
    data, _ = files["rgb"]
    with pytest.raises(ValueError, match="needs a scale"):
        hvpzip.decompress(data, fill="mean")
    with pytest.raises(ValueError, match="the fill must be one of mean, sample, not 'median'"):
        hvpzip.decompress(data, scale=1 / 2, fill="median")
    (tmp_path / "a.hvz").write_bytes(data)
    result = hvpzip.decompress_file(tmp_path / "a.hvz", tmp_path / "a.png", scale=1 / 2, fill="mean")
    assert result.error is None
    with Image.open(tmp_path / "a.png") as image:
        assert np.array_equal(np.asarray(image), hvpzip.decompress(data, scale=1 / 2, fill="mean"))
