"""``--rm`` deletes a source only where nothing of it is lost: each way in which it would be."""

import contextlib
import json
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

import hvpzip
from hvpzip.api import outputs

from .conftest import Run

posix = pytest.mark.skipif(os.name != "posix", reason="links and devices of POSIX")


def pages(name: str, count: int) -> None:
    frames = [Image.new("L", (6, 5), 40 * number) for number in range(count)]
    frames[0].save(name, save_all=True, append_images=frames[1:])


@posix
@pytest.mark.parametrize("device", ["/dev/null", "/dev/stdout", "pipe"])
def test_an_output_that_cannot_be_read_back_keeps_the_source(run: Run, device: str) -> None:
    if device == "pipe":
        os.mkfifo("pipe")
    elif not os.path.exists(device):
        pytest.skip(f"a system without {device}")
    status, _, err = run("compress", "--rm", "-f", "rgb.png", "-o", device)
    assert status == 1
    assert "--rm needs a regular file as output" in err
    assert Path("rgb.png").exists()


@posix
def test_a_link_to_a_device_keeps_the_source(run: Run) -> None:
    os.symlink("/dev/null", "out.hvz")
    assert run("compress", "--rm", "-f", "rgb.png", "-o", "out.hvz").status == 1
    assert Path("rgb.png").exists()


def test_other_pictures_of_the_file_keep_the_source_even_with_strip(run: Run) -> None:
    for options in ([], ["--strip"]):
        pages("three.tif", 3)
        status, _, err = run("compress", "-f", "--rm", "--frame", "1", *options, "three.tif")
        assert status == 1
        assert "not deleted, as this of it is not kept" in err
        assert "2 other pictures" in err
        assert Path("three.tif").exists()
    pages("one.tif", 1)
    assert run("compress", "--rm", "--frame", "0", "one.tif").status == 0
    assert not Path("one.tif").exists()


def test_a_jpeg_of_which_the_pixels_are_kept_and_bytes_behind_a_picture_keep_the_source(run: Run) -> None:
    Image.open("rgb.png").save("photo.jpg")
    for options in ([], ["--strip"]):
        status, _, err = run("compress", "-f", "--rm", "--pixels", *options, "photo.jpg")
        assert status == 1
        assert "photo.hvz was written, but the source is not deleted" in err
        assert "the JPEG file itself" in err
        assert Path("photo.jpg").exists()
    Path("secret.png").write_bytes(Path("rgb.png").read_bytes() + b"secret")
    status, _, err = run("compress", "--rm", "--strip", "--frame", "0", "secret.png")
    assert status == 1
    assert "6 bytes after the end" in err
    assert Path("secret.png").exists()


def test_a_kept_jpeg_file_is_not_deleted_for_its_pixels(run: Run) -> None:
    Path("jpegs").mkdir()
    Image.open("rgb.png").save("jpegs/photo.jpg")
    assert run("compress", "-r", "jpegs", "-o", "packed").status == 0
    kept = Path("packed/photo.jpg.hvz")
    status, _, err = run("decompress", "--rm", str(kept), "-o", "photo.png")
    assert status == 1
    assert "not deleted, as this of it is not kept: the JPEG file itself" in err
    status, _, err = run("decompress", "-r", "--rm", "--strip", "packed", "-o", "back")
    assert status == 1
    assert "not deleted, as this of it is not kept: the JPEG file itself" in err
    assert kept.exists()
    assert json.loads(run("decompress", "--json", str(kept), "-o", "again.png").out)["dropped"] == ["the JPEG file itself"]
    assert run("decompress", "--rm", str(kept), "-o", "photo.jpg").status == 0
    assert Path("photo.jpg").read_bytes() == Path("jpegs/photo.jpg").read_bytes()


@posix
@pytest.mark.parametrize("links", ["folder", "outputs"])
def test_outputs_of_two_names_that_are_one_file_keep_the_later_source(run: Run, links: str) -> None:
    Path("r").mkdir()
    Image.new("L", (6, 5), 9).save("r/a.png")
    Image.new("L", (6, 5), 8).save("r/b.png")
    os.symlink("r", "s")
    inputs = ["r/a.png", "r/b.png"]
    if links == "folder":
        os.rename("r/b.png", "r/a.webp")
        inputs = ["s/a.png", "r/a.webp"]
    else:
        Path("r/c.hvz").touch()
        for name in "ab":
            os.symlink("c.hvz", f"r/{name}.hvz")
    status, _, err = run("compress", "--rm", "-f", *inputs)
    assert status == 1
    assert "r/a" in err
    assert [os.path.exists(path) for path in inputs] == [False, True]


def test_an_output_that_another_process_replaced_keeps_the_source(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.new("L", (6, 5), 9).save("a.png")
    Image.new("L", (6, 5), 8).save("b.png")
    assert run("compress", "b.png").status == 0
    write = outputs.atomic_write

    @contextlib.contextmanager
    def and_then_another(*values, **options):
        with write(*values, **options) as out:
            yield out
        os.replace("b.hvz", "a.hvz")

    monkeypatch.setattr(outputs, "atomic_write", and_then_another)
    status, _, err = run("compress", "--rm", "a.png")
    assert status == 1
    assert "the output has changed since it was compared" in err
    assert Path("a.png").exists()


@pytest.mark.parametrize("ways", [["-j", "1"], ["-r"]])
def test_what_is_not_kept_is_named_and_keeps_the_source_unless_stripped(run: Run, ways: list[str]) -> None:
    extra = PngImagePlugin.PngInfo()
    extra.add(b"prVT", b"private")
    Path("in").mkdir()
    Image.new("L", (6, 5), 9).save("in/private.png", pnginfo=extra)
    inputs = ["in"] if ways == ["-r"] else ["in/private.png"]
    for _ in range(2 if ways == ["-r"] else 1):  # the second time the output is there already
        status, _, err = run("compress", "--rm", *ways, *inputs)
        assert status == 1
        assert "not deleted, as this of it is not kept: chunk 'prVT'" in err
        assert Path("in/private.png").exists()
    assert run("compress", "--rm", "--strip", "-f", *ways, *inputs).status == 0
    assert not Path("in/private.png").exists()


def test_what_is_not_kept_is_in_the_record(run: Run) -> None:
    pages("three.tif", 3)
    record = json.loads(run("compress", "--json", "--frame", "0", "three.tif").out)
    assert record["dropped"] == ["2 other pictures"]
    assert json.loads(run("compress", "--json", "rgb.png").out)["dropped"] == []


@posix
@pytest.mark.parametrize("command", ["compress", "decompress"])
def test_a_symbolic_link_as_source_is_refused_by_name_and_stays(run: Run, command: str) -> None:
    name, real = ("link.png", "rgb.png") if command == "compress" else ("link.hvz", "packed/rgb.hvz")
    os.symlink(real, name)
    status, _, err = run(command, "--rm", name, "-o", "out.hvz" if command == "compress" else "out.png")
    assert status == 1
    assert "it is a symbolic link" in err
    assert Path(name).is_symlink()
    assert Path(real).exists()
    assert run(command, name, "-o", "out.hvz" if command == "compress" else "out.png").status == 0


@posix
def test_batches_of_the_library_keep_to_the_same_rules(folder: Path) -> None:
    from concurrent.futures import ThreadPoolExecutor

    os.symlink("rgb.png", "link.png")
    pages("three.tif", 3)
    with ThreadPoolExecutor(1) as executor:
        linked, paged, plain = hvpzip.compress_files(
            ["link.png", "three.tif", "gray.png"], remove=True, executor=executor, frame=0, force=True
        )
    assert "symbolic link" in str(linked.error)
    assert "2 other pictures" in str(paged.error)
    assert plain.error is None
    assert [Path(name).exists() for name in ("link.png", "rgb.png", "three.tif", "gray.png")] == [True, True, True, False]


def test_a_jpeg_that_is_kept_is_deleted_and_comes_back(run: Run) -> None:
    Image.fromarray(np.random.default_rng(1).integers(0, 256, (20, 30, 3), np.uint8)).save("photo.jpeg", comment=b"kept")
    before = Path("photo.jpeg").read_bytes() + b"a trailer"
    Path("photo.jpeg").write_bytes(before)
    assert run("compress", "--rm", "photo.jpeg").status == 0
    assert not Path("photo.jpeg").exists()
    status, out, _ = run("info", "photo.jpeg.hvz")
    assert status == 0
    assert b"holds     JPEG file" in out
    assert f"source    JPEG, {len(before):,} bytes, SHA-256 ".encode() in out
    assert run("test", "photo.jpeg.hvz").status == 0
    assert run("decompress", "--rm", "photo.jpeg.hvz").status == 0
    assert Path("photo.jpeg").read_bytes() == before
    assert not Path("photo.jpeg.hvz").exists()


def test_the_file_that_was_compressed_is_told_of(run: Run) -> None:
    import hashlib

    assert run("compress", "gray.png").status == 0
    out = run("info", "gray.hvz").out.decode()
    source = Path("gray.png").read_bytes()
    assert f"source    PNG, {len(source):,} bytes, SHA-256 {hashlib.sha256(source).hexdigest()}\n" in out
    assert run("compress", "-f", "--strip", "gray.png").status == 0
    assert "source" not in run("info", "gray.hvz").out.decode()
