"""Photos, archives of them, and augmented crops."""

import numpy as np
import pytest
import torch
from PIL import Image

from hvpzip.training import data
from hvpzip.training.data import Augmentation, Crops, load_photos, pack

NOTHING = {"resample": 0.0, "noise": 0.0, "soft_chroma": 0.0, "swap": 0.0, "gray": 0.0}


@pytest.fixture
def photos(tmp_path):
    """A folder of five photos, one of them gray, and a file that is none."""
    rng = np.random.default_rng(1)
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(5):
        shape = (20 + number, 30) if number == 3 else (20 + number, 30, 3)
        Image.fromarray(rng.integers(0, 256, shape, dtype=np.uint8)).save(folder / f"{number}.{('png', 'bmp')[number % 2]}")
    (folder / "notes.txt").write_text("no photo")
    return folder


def crops_of(photos, size=16, seed=0, **options):
    generator = torch.Generator().manual_seed(seed)
    return Crops(photos, [1.0] * len(photos), size, Augmentation(**options), torch.device("cpu"), generator)


def test_a_folder_is_read_in_order_as_rgb(photos):
    [found] = load_photos([photos])
    assert [tuple(photo.shape) for photo in found] == [(3, 20 + number, 30) for number in range(5)]
    assert all(photo.dtype == torch.uint8 for photo in found)
    assert np.array_equal(found[0].permute(1, 2, 0).numpy(), np.asarray(Image.open(photos / "0.png")))
    assert torch.equal(found[3][0], found[3][1])


def test_an_archive_loads_as_its_folder_does(photos, tmp_path):
    archive = tmp_path / "photos.zip"
    assert pack(photos, archive, 10**6) == 5
    folder, packed = load_photos([photos, archive])
    assert len(packed) == 5
    assert all(torch.equal(a, b) for a, b in zip(folder, packed, strict=True))


def test_an_archive_stays_below_its_limit(photos, tmp_path):
    archive = tmp_path / "photos.zip"
    count = pack(photos, archive, 6000)
    assert 0 < count < 5
    assert archive.stat().st_size <= 6000
    assert len(load_photos([archive])[0]) == count


def test_a_source_without_photos_is_refused(tmp_path):
    with pytest.raises(ValueError, match="holds no photos"):
        load_photos([tmp_path])


def test_crops_keep_their_shape_type_and_range_whatever_is_done_to_them(photos):
    crops = crops_of(load_photos([photos]), resample=0.7, noise=0.7, soft_chroma=0.5, swap=0.5, gray=0.3, scales=(0.3, 3.0))
    batch = crops.batch(60)
    assert batch.shape == (60, 3, 16, 16)
    assert batch.dtype == torch.int32
    assert batch.min() >= 0
    assert batch.max() <= 255


def test_without_augmentation_crops_are_flipped_or_turned_pieces_of_photos(photos):
    [source] = load_photos([photos])
    source = source[:1]
    crop = crops_of([source], **NOTHING).batch(1)[0].to(torch.uint8)
    variants = [crop.transpose(1, 2) if turn else crop for turn in (False, True)]
    variants = [v.flip(axes) if axes else v for v in variants for axes in ((), (1,), (2,), (1, 2))]
    windows = source[0].unfold(1, 16, 1).unfold(2, 16, 1).permute(1, 2, 0, 3, 4).flatten(0, 1)
    assert any(bool((windows == v).flatten(1).all(1).any()) for v in variants)


def test_gray_and_swapped_crops_are_what_they_say(photos):
    source = load_photos([photos])
    gray = crops_of(source, **{**NOTHING, "gray": 1.0}).batch(4)
    assert torch.equal(gray[:, 0], gray[:, 1])
    assert torch.equal(gray[:, 0], gray[:, 2])
    plain, swapped = torch.zeros(1, 3, 20, 20, dtype=torch.uint8), crops_of(source, **NOTHING)
    plain[0, 1], plain[0, 2] = 100, 200
    swapped = crops_of([plain], **{**NOTHING, "swap": 1.0}).batch(30)
    assert {tuple(sorted(crop[:, 0, 0].tolist())) for crop in swapped} == {(0, 100, 200)}
    assert len({tuple(crop[:, 0, 0].tolist()) for crop in swapped}) > 2


def test_a_mosaic_keeps_a_colour_a_pixel_and_averages_its_neighbours_for_the_others(photos):
    [source] = load_photos([photos])
    photo = source[0][:, :16, :16].float()
    found = data._demosaiced(photo)
    assert torch.equal(found[0, ::2, ::2], photo[0, ::2, ::2])
    assert torch.equal(found[1, ::2, 1::2], photo[1, ::2, 1::2])
    assert torch.equal(found[2, 1::2, 1::2], photo[2, 1::2, 1::2])
    torch.testing.assert_close(found[0, 2, 3], photo[0, 2, [2, 4]].mean())
    torch.testing.assert_close(found[0, 3, 3], photo[0, [2, 2, 4, 4], [2, 4, 2, 4]].mean())
    torch.testing.assert_close(found[1, 2, 2], photo[1, [1, 3, 2, 2], [2, 2, 1, 3]].mean())


def test_grain_is_louder_where_there_is_light_and_saturation_keeps_luma(photos):
    dark, bright = (torch.full((3, 64, 64), level, dtype=torch.uint8) for level in (20, 200))
    loudness = [crops_of([[flat]], size=64, **{**NOTHING, "grain": 1.0}).batch(8).float().std() for flat in (dark, bright)]
    assert loudness[0] < 0.8 * loudness[1]
    colour = torch.tensor([90, 110, 130], dtype=torch.uint8)[:, None, None].expand(3, 20, 20)
    found = crops_of([[colour]], **{**NOTHING, "saturate": 1.0}).batch(8).float()
    assert len({tuple(crop[:, 0, 0].tolist()) for crop in found}) > 4
    torch.testing.assert_close(data._luma(found[0]), data._luma(colour.float())[:, :16, :16], atol=1.0, rtol=0)


def test_batches_follow_from_the_generators_state(photos):
    source = load_photos([photos])
    first, second = crops_of(source, noise=0.5), crops_of(source, noise=0.5)
    assert torch.equal(first.batch(5), second.batch(5))
    state = first.generator.get_state()
    ahead = first.batch(5)
    assert not torch.equal(ahead, second.batch(5)[[1, 0, 2, 3, 4]])
    first.generator.set_state(state)
    assert torch.equal(first.batch(5), ahead)


def test_as_many_weights_as_sources_are_wanted(photos):
    source = load_photos([photos])
    with pytest.raises(ValueError, match="1 sources but 2 weights"):
        Crops(source, [0.5, 0.5], 16, Augmentation(), torch.device("cpu"), torch.Generator())
