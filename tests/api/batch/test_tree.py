"""Which files of a folder are taken, and what each becomes; nothing is coded here."""

import os
from pathlib import Path

import pytest

from hvpzip.api import CompressOptions, DecompressOptions, plan_tree

posix = pytest.mark.skipif(os.name != "posix", reason="needs links and permissions of POSIX")


def fill(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"")


def planned(folder: Path, out: Path | None, options: CompressOptions | DecompressOptions | None = None) -> dict[str, str | None]:
    """Paths below the folder, and outputs below where they go."""
    tree = plan_tree(folder, out, options or CompressOptions())
    return {
        Path(plan.path).relative_to(folder).as_posix(): plan.output and Path(plan.output).relative_to(out or folder).as_posix()
        for plan in tree.plans
    }


def test_tree_is_mirrored_with_whole_names_in_the_order_of_the_paths(tmp_path: Path) -> None:
    fill(tmp_path / "in", "b/z.jpg", "b/a.png", "a.TIFF", "B.PnG", "b/c/d/e.webp")
    found = planned(tmp_path / "in", tmp_path / "out")
    assert found == {name: f"{name}.hvz" for name in ("B.PnG", "a.TIFF", "b/a.png", "b/c/d/e.webp", "b/z.jpg")}
    assert list(found) == sorted(found)
    assert planned(tmp_path / "in", None) == found


def test_pictures_that_differ_in_suffix_alone_do_not_clash(tmp_path: Path) -> None:
    fill(tmp_path / "in", "a.png", "a.jpg", "a.PNG")
    assert planned(tmp_path / "in", tmp_path / "out") == {"a.PNG": "a.PNG.hvz", "a.jpg": "a.jpg.hvz", "a.png": "a.png.hvz"}


def test_names_come_back_and_of_two_for_one_name_the_one_that_had_it_gets_it(tmp_path: Path) -> None:
    fill(tmp_path / "in", "x/a.png.hvz", "x/b.jpg.HVZ", "x/c.hvz", "c.png.hvz", "c.hvz", "d.png")
    found = planned(tmp_path / "in", tmp_path / "out", DecompressOptions())
    assert found == {
        "c.hvz": "c.png.png",
        "c.png.hvz": "c.png",
        "x/a.png.hvz": "x/a.png",
        "x/b.jpg.HVZ": "x/b.jpg.png",
        "x/c.hvz": "x/c.png",
    }
    fill(tmp_path / "jpegs", "a.jpg.hvz", "a.jpg.png.hvz", "a.jpg.png.png.hvz", "b.png.hvz", "b.png.HVZ")
    assert planned(tmp_path / "jpegs", tmp_path / "out", DecompressOptions()) == {
        "a.jpg.hvz": "a.jpg.png.png.png",
        "a.jpg.png.hvz": "a.jpg.png",
        "a.jpg.png.png.hvz": "a.jpg.png.png",
        "b.png.HVZ": "b.png",
        "b.png.hvz": "b.png.png",
    }


def test_hidden_pictures_are_taken_and_what_is_no_picture_is_counted_by_suffix(tmp_path: Path) -> None:
    fill(tmp_path, ".hidden.png", ".dir/a.png", "._a.png", ".png", "notes.txt", "more.TXT", "README", "raw.dng")
    tree = plan_tree(tmp_path, None, CompressOptions())
    assert [Path(plan.path).relative_to(tmp_path).as_posix() for plan in tree.plans] == [".dir/a.png", ".hidden.png"]
    assert tree.others == {".txt": 2, "": 2, ".png": 1, ".dng": 1}


def test_outputs_beside_their_pictures_are_not_counted_as_others(tmp_path: Path) -> None:
    fill(tmp_path, "a.png", "a.png.hvz", "b.hvz")
    assert plan_tree(tmp_path, None, CompressOptions()).others == {".hvz": 1}


@pytest.mark.parametrize("relative", [False, True])
def test_folder_of_the_outputs_is_no_part_of_the_tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, relative: bool) -> None:
    fill(tmp_path, "a.png", "out/b.png", "out/deep/c.hvz", "other/out/d.png")
    monkeypatch.chdir(tmp_path)
    folder, out = (Path(), Path("out")) if relative else (tmp_path, tmp_path / "other" / ".." / "out")
    tree = plan_tree(folder, out, CompressOptions())
    assert [os.path.relpath(plan.path, folder) for plan in tree.plans] == ["a.png", os.path.join("other", "out", "d.png")]
    assert not tree.others


@posix
def test_symbolic_links_are_counted_and_not_followed(tmp_path: Path) -> None:
    fill(tmp_path / "in", "a.png", "sub/b.png")
    fill(tmp_path / "elsewhere", "c.png")
    (tmp_path / "in" / "circle").symlink_to(tmp_path / "in")
    (tmp_path / "in" / "c.png").symlink_to(tmp_path / "elsewhere" / "c.png")
    (tmp_path / "in" / "broken.png").symlink_to("nowhere")
    tree = plan_tree(tmp_path / "in", tmp_path / "out", CompressOptions())
    assert [os.path.basename(plan.path) for plan in tree.plans] == ["a.png", "b.png"]
    assert (tree.links, tree.others.total()) == (3, 0)
    (tmp_path / "link").symlink_to(tmp_path / "in")
    assert len(plan_tree(tmp_path / "link", tmp_path / "out", CompressOptions()).plans) == 2  # the one that is named is meant


@posix
def test_pipes_are_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    tree = plan_tree(tmp_path, None, CompressOptions())
    assert (tree.plans, tree.others) == ((), {".png": 1})


def test_unreadable_folder_fails_alone_and_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(tmp_path, "a.png", "locked/b.png", "z/c.png")
    real = os.scandir

    def scandir(place: str) -> object:  # permissions do not bind the superuser, as whom tests may run
        if os.path.basename(place) == "locked":
            raise PermissionError(13, "Permission denied", place)
        return real(place)

    monkeypatch.setattr(os, "scandir", scandir)
    tree = plan_tree(tmp_path, None, CompressOptions())
    assert [(os.path.relpath(plan.path, tmp_path), type(plan.error)) for plan in tree.plans] == [
        ("a.png", type(None)),
        ("locked", PermissionError),
        (os.path.join("z", "c.png"), type(None)),
    ]


def test_missing_folder_and_a_file_are_errors(tmp_path: Path) -> None:
    fill(tmp_path, "a.png")
    with pytest.raises(FileNotFoundError):
        plan_tree(tmp_path / "none", None, CompressOptions())
    with pytest.raises(NotADirectoryError):
        plan_tree(tmp_path / "a.png", None, CompressOptions())


@posix
def test_folder_too_deep_to_be_named_fails_alone(tmp_path: Path) -> None:
    fill(tmp_path, "a.png")
    name = "d" * 250
    place = os.open(tmp_path, os.O_RDONLY)
    for _ in range(17):  # paths have at most 4096 bytes
        os.mkdir(name, dir_fd=place)
        inner = os.open(name, os.O_RDONLY, dir_fd=place)
        os.close(place)
        place = inner
    os.close(place)
    good, deep = plan_tree(tmp_path, None, CompressOptions()).plans
    assert os.path.basename(good.path) == "a.png"
    assert isinstance(deep.error, OSError)
    assert deep.error.strerror == "File name too long"
