"""Outputs that are there already, and sources that are deleted."""

import itertools
import os
import shutil
import zlib
from collections.abc import Iterator, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import hvpzip
from hvpzip import api, container
from hvpzip.api.batch import existing
from hvpzip.codec.bitsback import group_codec
from tests.helpers.coded import coded

Samples = npt.NDArray[np.uint8]


@pytest.fixture
def tree(tmp_path: Path, pictures: Mapping[str, Samples]) -> Path:
    """``in/`` with the smallest picture as dot.png and, with metadata, as sub/dot.tif."""
    (tmp_path / "in" / "sub").mkdir(parents=True)
    dot = Image.fromarray(pictures["dot"])
    dot.save(tmp_path / "in" / "dot.png")
    dot.save(tmp_path / "in" / "sub" / "dot.tif", dpi=(300, 300))
    os.utime(tmp_path / "in" / "dot.png", ns=(10**18, 10**18 + 123_456_789))
    return tmp_path


@pytest.fixture
def here() -> Iterator[Executor]:
    """An executor in this process, where the model is loaded already."""
    with ThreadPoolExecutor(1) as executor:
        yield executor


def job(tree: Path, *, remove: bool = False, **options: bool) -> list[hvpzip.FileResult]:
    """The folder ``in`` compressed into ``out``, by this process."""
    outcome = []
    work = api.Job(options=api.CompressOptions(**options), mirror=True, remove=remove)
    for plan in api.plan_tree(tree / "in", tree / "out", api.CompressOptions()).plans:
        try:
            outcome.append(work.resume(plan.path, plan.output or ""))
        except (hvpzip.HvpzipError, OSError) as error:
            outcome.append(api.failed(plan.path, error))
    return outcome


def state(folder: Path) -> dict[str, tuple[bytes, int]]:
    return {
        path.relative_to(folder).as_posix(): (path.read_bytes(), path.stat().st_mtime_ns)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_folder_goes_and_comes_back_with_names_times_and_metadata(tree: Path, here: Executor) -> None:
    results = job(tree)
    assert [(result.error, result.skipped) for result in results] == [(None, False)] * 2
    assert list(state(tree / "out")) == ["dot.png.hvz", "sub/dot.tif.hvz"]
    assert (tree / "out" / "dot.png.hvz").stat().st_mtime_ns == 10**18 + 123_456_789
    back = hvpzip.decompress_files([tree / "out"], tree / "again", recursive=True, executor=here)
    assert [result.error for result in back] == [None, None]
    for name in ("dot.png", "sub/dot.tif"):
        with Image.open(tree / "in" / name) as before, Image.open(tree / "again" / name) as after:
            np.testing.assert_array_equal(np.asarray(before), np.asarray(after), strict=True)
            assert before.info.get("dpi") == after.info.get("dpi")
        assert (tree / "again" / name).stat().st_mtime_ns == (tree / "in" / name).stat().st_mtime_ns


def test_outputs_that_hold_their_pictures_are_left_without_decoding(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = job(tree)
    before = state(tree)
    monkeypatch.setattr(group_codec, "encode_group", None)
    monkeypatch.setattr(group_codec, "decode_group", None)
    again = job(tree)
    assert [(result.error, result.skipped) for result in again] == [(None, True)] * 2
    assert state(tree) == before
    for one, other in zip(first, again, strict=True):
        assert api.as_record(one) | {"skipped": True, "bound_bits": None, "seconds": other.seconds} == api.as_record(other)


@pytest.mark.parametrize("damage", ["cut", "empty", "flipped"])
def test_damaged_output_is_replaced(tree: Path, damage: str) -> None:
    job(tree)
    whole = (tree / "out" / "dot.png.hvz").read_bytes()
    flipped = bytearray(whole)
    flipped[-5] ^= 4
    (tree / "out" / "dot.png.hvz").write_bytes({"cut": whole[:-1], "empty": b"", "flipped": bytes(flipped)}[damage])
    dot, tif = job(tree)
    assert (dot.error, dot.skipped, tif.error, tif.skipped) == (None, False, None, True)
    assert (tree / "out" / "dot.png.hvz").read_bytes() == whole


@pytest.mark.parametrize("change", ["samples", "sides", "metadata", "foreign"])
def test_output_that_holds_something_else_is_an_error_unless_forced(tree: Path, change: str) -> None:
    job(tree)
    source, output = tree / "in" / "dot.png", tree / "out" / "dot.png.hvz"
    with Image.open(source) as image:
        picture = image.copy()
    if change == "samples":
        picture.putpixel((0, 0), (10, 200, 31))
    if change == "sides":
        picture = picture.resize((1, 2))
    picture.save(source, dpi=(72, 72) if change == "metadata" else None)
    if change == "foreign":
        output.write_bytes(b"somebody's notes")
    before = state(tree)
    dot, tif = job(tree)
    assert "exists already and holds something else" in (dot.error or "")
    assert tif.skipped
    assert state(tree) == before
    forced = job(tree, force=True)
    assert [(result.error, result.skipped) for result in forced] == [(None, False)] * 2
    assert job(tree)[0].skipped


def test_output_of_a_newer_version_is_an_error_that_names_it_and_stays(tree: Path) -> None:
    job(tree)
    output = tree / "out" / "dot.png.hvz"
    data = output.read_bytes()
    output.write_bytes(data[:8] + b"\x7f" + data[9:])
    before = state(tree)
    dot, _ = job(tree)
    assert (dot.error or "").startswith(f"{output} is there already: the file is of format version 127")
    assert state(tree) == before


def test_output_whose_model_is_not_installed_is_an_error_and_stays(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    work = api.Job(options=api.CompressOptions(), mirror=True)
    source, output = str(folder / "rgb.png"), str(folder / "packed" / "rgb.hvz")
    assert work.resume(source, output).skipped
    monkeypatch.setattr("hvpzip.nn.bundled.list_models", lambda: [])
    with pytest.raises(hvpzip.errors.ModelError, match="not installed"):
        work.resume(source, output)


def test_existing_picture_is_compared_when_it_is_decompressed_again(tree: Path) -> None:
    job(tree)
    shutil.copytree(tree / "in", tree / "again")
    work = api.Job(options=api.DecompressOptions(), mirror=True)
    source, output = str(tree / "out" / "dot.png.hvz"), str(tree / "again" / "dot.png")
    assert work.resume(source, output).skipped
    (tree / "again" / "dot.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    with pytest.raises(FileExistsError, match="something else"):
        work.resume(source, output)


def test_picture_that_its_own_kind_of_file_cannot_hold_comes_back_as_png(tree: Path) -> None:
    Image.new("RGBA", (2, 2), (1, 2, 3, 4)).save(tree / "in" / "alpha.ppm", format="PNG")  # kinds are told by contents
    assert [result.error for result in job(tree)] == [None] * 3
    work = api.Job(options=api.DecompressOptions(), mirror=True)
    source, output = str(tree / "out" / "alpha.ppm.hvz"), str(tree / "again" / "alpha.ppm")
    assert work.resume(source, output).output == output + ".png"
    assert work.resume(source, output).skipped
    assert list(state(tree / "again")) == ["alpha.ppm.png"]


@pytest.mark.parametrize("name", ["rgb", "gray"])
def test_output_that_another_process_makes_meanwhile_is_no_failure_if_it_is_the_same(
    folder: Path, packed: Mapping[str, bytes], name: str
) -> None:
    output = folder / "rgb.hvz"

    def other(done: int, groups: int) -> None:
        output.write_bytes(packed[name])

    work = api.Job(options=api.CompressOptions())
    if name == "rgb":
        assert work.resume(str(folder / "rgb.png"), str(output), other).skipped
    else:
        with pytest.raises(FileExistsError, match="something else"):
            work.resume(str(folder / "rgb.png"), str(output), other)
    assert coded(output.read_bytes()) == coded(packed[name])


# ---- deletion ----


def test_output_that_is_there_is_decoded_before_its_source_is_deleted(tree: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    work = api.Job(options=api.CompressOptions(), remove=True)
    source, output = folder / "rgb.png", folder / "packed" / "rgb.hvz"
    assert work.resume(str(source), str(output)).skipped
    real = group_codec.decode_group
    monkeypatch.setattr(group_codec, "decode_group", lambda *arguments, **options: real(*arguments, **options) ^ np.uint8(1))
    # What is there does not decode to the picture, and nothing that is written now does: the source stays.
    with pytest.raises(hvpzip.errors.CorruptError):
        work.resume(str(source), str(output))
    assert source.exists()


def test_sources_are_deleted_after_their_outputs_are_in_place(tree: Path, here: Executor) -> None:
    (tree / "in" / "broken.png").write_bytes(b"no picture")
    (tree / "in" / "notes.txt").write_bytes(b"")
    results = hvpzip.compress_files([tree / "in"], tree / "out", recursive=True, remove=True, executor=here)
    assert [(Path(result.path).name, result.error is None) for result in results] == [
        ("broken.png", False),
        ("dot.png", True),
        ("dot.tif", True),
    ]
    assert list(state(tree / "in")) == ["broken.png", "notes.txt"]
    for result in results[1:]:
        hvpzip.verify(str(result.output))


def test_source_that_has_changed_since_it_was_read_is_not_deleted(tree: Path) -> None:
    source, output = str(tree / "in" / "dot.png"), str(tree / "dot.hvz")
    before = api.source_state(source)
    result = hvpzip.compress_file(source, output)
    (tree / "in" / "dot.png").write_bytes(b"new")
    with pytest.raises(OSError, match="not deleted"):
        api.delete_source(source, before, result)
    assert (tree / "in" / "dot.png").read_bytes() == b"new"


@given(data=st.data(), height=st.integers(1, 60), width=st.integers(1, 40), channels=st.integers(1, 4), wide=st.booleans())
def test_traits_of_a_picture_do_not_depend_on_how_many_rows_come_at_a_time(
    data: st.DataObject, height: int, width: int, channels: int, wide: bool
) -> None:
    shape = (height, width) if channels == 1 else (height, width, channels)
    samples = np.random.default_rng(0).integers(0, 256, shape, np.uint16 if wide else np.uint8)
    header = container.Header(
        width=width,
        height=height,
        channels=channels,
        bit_depth=16 if wide else 8,
        colour_lift=0,
        map=0,
        levels=0,
        model_id=bytes(8),
        effort=0,
        group_size_log2=4,
        parts=True,
    )
    cuts = [0, *sorted(data.draw(st.sets(st.integers(1, max(1, height - 1))))), height]
    strips = [samples[begin:end] for begin, end in itertools.pairwise(cuts) if end > begin]
    found = existing._traits(strips, header)
    assert found == existing._traits([samples], header)
    assert found is not None
    little = samples.astype(samples.dtype.newbyteorder("<"))
    assert found.checksums == [
        zlib.crc32(little[y : y + 16, x : x + 16].tobytes()) for y in range(0, height, 16) for x in range(0, width, 16)
    ]
    other = samples.copy()
    other.flat[-1] ^= 1
    changed = existing._traits([other], header)
    assert changed is not None
    assert changed.digest != found.digest
    assert existing._traits(strips[:-1], header) is None
    assert existing._traits([samples, samples[:1]], header) is None
    assert existing._traits([np.concatenate([samples, samples[:, :1]], axis=1)], header) is None


def test_output_that_is_no_file_is_an_error(tree: Path) -> None:
    (tree / "out" / "dot.png.hvz").mkdir(parents=True)
    (tree / "out" / "sub").mkdir()
    (tree / "out" / "sub" / "dot.tif.hvz").symlink_to("nowhere")
    results = job(tree)
    assert [result.error is not None and "holds something else" in result.error for result in results] == [True, True]


def test_deletion_needs_verification() -> None:
    with pytest.raises(ValueError, match="verify"):
        hvpzip.compress_files([], remove=True, verify=False)
    with pytest.raises(ValueError, match="one folder"):
        hvpzip.compress_files(["a", "b"], recursive=True)


def test_a_picture_that_needs_another_suffix_leaves_the_name_to_the_one_that_had_it(tmp_path: Path) -> None:
    (tmp_path / "packed").mkdir()
    alpha = np.arange(4 * 6 * 6, dtype=np.uint8).reshape(6, 6, 4)
    gray = np.arange(36, dtype=np.uint8).reshape(6, 6)
    (tmp_path / "packed" / "a.ppm.hvz").write_bytes(hvpzip.compress(alpha))
    (tmp_path / "packed" / "a.ppm.png.hvz").write_bytes(hvpzip.compress(gray))
    job = api.Job(options=api.DecompressOptions(), mirror=True)
    for skipped in (False, True):
        plans = api.plan_tree(tmp_path / "packed", tmp_path / "back", api.DecompressOptions()).plans
        results = [job.resume(plan.path, str(plan.output)) for plan in plans]
        assert [Path(str(result.output)).name for result in results] == ["a.ppm.png.png", "a.ppm.png"]
        assert [result.skipped for result in results] == [skipped, skipped]
    with Image.open(tmp_path / "back" / "a.ppm.png") as image:
        assert np.array_equal(np.asarray(image), gray)
    with Image.open(tmp_path / "back" / "a.ppm.png.png") as image:
        assert np.array_equal(np.asarray(image), alpha)
