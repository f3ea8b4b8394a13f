"""The commands' logic, run in this process; pipes, signals and terminals are in test_black_box.py."""

import io
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image, PngImagePlugin

from hvpzip import __version__, api
from hvpzip.codec.bitsback import group_codec
from hvpzip.codec.efforts import EFFORTS
from tests.helpers.coded import coded

Samples = npt.NDArray[np.uint8]
Run = Callable[..., tuple[int, bytes, str]]


def samples(path: Path) -> Samples:
    with Image.open(path) as image:
        return np.asarray(image)


def listing(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def no_work(*arguments: object, **options: object) -> None:
    raise AssertionError("there should have been no work")


def test_files_go_and_come_back_beside_their_inputs(run: Run, folder: Path, pictures: Mapping[str, Samples]) -> None:
    status, out, err = run("compress", "rgb.png", "gray.png")
    assert (status, out) == (0, b"")
    assert [line.split(": ")[0] for line in err.splitlines()] == ["rgb.png -> rgb.hvz", "gray.png -> gray.hvz"]
    os.remove("rgb.png")
    os.remove("gray.png")
    status, out, err = run("decompress", "rgb.hvz", "gray.hvz")
    assert (status, out) == (0, b"")
    assert [line.split(": ")[0] for line in err.splitlines()] == ["rgb.hvz -> rgb.png", "gray.hvz -> gray.png"]
    for name in ("rgb", "gray"):
        np.testing.assert_array_equal(samples(folder / f"{name}.png"), pictures[name], strict=True)


def test_output_option_names_a_file_or_a_folder(run: Run, folder: Path, packed: Mapping[str, bytes]) -> None:
    assert run("compress", "gray.png", "-o", "x.hvz")[0] == 0
    assert run("compress", "-f", "gray.png", "-o", "packed")[0] == 0
    assert run("compress", "gray.png", "rgb.png", "-o", "new/deep/")[0] == 0
    for path in ("x.hvz", "packed/gray.hvz", "new/deep/gray.hvz"):
        assert coded((folder / path).read_bytes()) == coded(packed["gray"])
    assert run("decompress", "x.hvz", "-o", "y.tif")[0] == 0
    with Image.open("y.tif") as image:
        assert image.format == "TIFF"
    assert run("decompress", "packed/rgb.hvz", "packed/gray.hvz", "-o", "new")[0] == 0
    assert {"new/rgb.png", "new/gray.png"} < set(listing(folder))


def test_standard_streams_are_the_default_and_the_dash(run: Run, pictures: Mapping[str, Samples], packed: Mapping[str, bytes]) -> None:
    picture = Path("gray.png").read_bytes()
    for arguments in ([], ["-"], ["-o", "-"], ["gray.png", "-o", "-"]):
        status, out, err = run("compress", *arguments, stdin=picture)
        assert (status, coded(out), err) == (0, coded(packed["gray"]), "")
    status, out, err = run("decompress", stdin=packed["gray"])
    assert (status, err) == (0, "")
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(out))), pictures["gray"], strict=True)
    assert run("compress", "-o", "x.hvz", stdin=picture)[0] == 0
    assert coded(Path("x.hvz").read_bytes()) == coded(packed["gray"])
    assert run("test", stdin=packed["gray"])[0] == 0
    assert json.loads(run("info", "--json", stdin=packed["gray"])[1])["path"] == "-"


def test_others_go_on_after_one_fails(run: Run, folder: Path) -> None:
    status, _, err = run("compress", "missing.png", "gray.png")
    assert status == 1
    first, second = err.splitlines()
    assert first == "hvpzip: missing.png: No such file or directory"
    assert second.startswith("gray.png -> gray.hvz: ")
    status, _, err = run("decompress", "gray.png", "gray.hvz", "-o", "packed")
    assert status == 1
    assert "packed/gray.png" in listing(folder)
    assert err.splitlines()[0].startswith("hvpzip: gray.png: unknown suffix")
    status, out, err = run("info", "gray.png", "missing", "gray.hvz")
    assert status == 1
    assert [line.split(": ")[1] for line in err.splitlines()] == ["gray.png", "missing"]
    assert out.startswith(b"gray.hvz\n")
    status, _, err = run("test", "gray.png", "gray.hvz")
    assert status == 1
    assert err.splitlines()[1] == "gray.hvz: ok, 48 x 40, 1 channel of 8 bits"


def test_existing_output_needs_force(run: Run, folder: Path, packed: Mapping[str, bytes]) -> None:
    (folder / "gray.hvz").write_bytes(b"precious")
    status, _, err = run("compress", "gray.png")
    assert status == 1
    assert err.startswith("hvpzip: gray.png: gray.hvz: the output exists already")
    assert err.count("\n") == 1
    assert (folder / "gray.hvz").read_bytes() == b"precious"
    assert run("compress", "-f", "gray.png")[0] == 0
    assert coded((folder / "gray.hvz").read_bytes()) == coded(packed["gray"])


def test_output_that_is_the_input_is_refused(run: Run, folder: Path) -> None:
    before = (folder / "gray.png").read_bytes()
    status, _, err = run("compress", "-f", "gray.png", "-o", "gray.png")
    assert status == 1
    assert "same file" in err
    assert (folder / "gray.png").read_bytes() == before


def test_inputs_that_would_share_an_output_are_refused_even_with_force(run: Run, folder: Path) -> None:
    (folder / "other").mkdir()
    (folder / "other" / "gray.png").write_bytes((folder / "gray.png").read_bytes())
    status, _, err = run("compress", "-f", "gray.png", "other/gray.png", "-o", "packed")
    assert status == 1
    assert "already that of gray.png" in err.splitlines()[1]


@pytest.mark.parametrize("jobs", [["-j", "1"], ["-j", "2"]])
def test_rm_deletes_only_inputs_that_were_written_and_verified(run: Run, folder: Path, jobs: list[str]) -> None:
    (folder / "broken.png").write_bytes(b"no picture")
    (folder / "rgb.hvz").write_bytes(b"precious")
    status, _, _ = run("compress", "--rm", *jobs, "gray.png", "broken.png", "rgb.png")
    assert status == 1
    assert listing(folder) == ["broken.png", "gray.hvz", "packed/gray.hvz", "packed/rgb.hvz", "rgb.hvz", "rgb.png"]
    assert run("decompress", "--rm", "gray.hvz", "packed/gray.hvz", *jobs)[0] == 0
    assert listing(folder) == ["broken.png", "gray.png", "packed/gray.png", "packed/rgb.hvz", "rgb.hvz", "rgb.png"]


def test_rm_keeps_an_input_whose_output_does_not_decode(run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = group_codec.decode_group
    monkeypatch.setattr(group_codec, "decode_group", lambda *arguments, **options: real(*arguments, **options) ^ np.uint8(1))
    before = listing(folder)
    status, _, err = run("compress", "--rm", "gray.png")
    assert status == 1
    assert err.startswith("hvpzip: gray.png: ")
    assert listing(folder) == before


def test_jobs_give_the_same_files_and_the_same_messages_per_file(run: Run, folder: Path, packed: Mapping[str, bytes]) -> None:
    status, out, err = run("compress", "-j", "2", "--json", "rgb.png", "missing.png", "gray.png")
    assert status == 1
    records = {record["path"]: record for record in map(json.loads, out.splitlines())}
    assert set(records) == {"rgb.png", "missing.png", "gray.png"}
    assert records["missing.png"]["error"] == "No such file or directory"
    assert sorted(line.split(": ")[0] for line in err.splitlines()) == ["gray.png -> gray.hvz", "hvpzip", "rgb.png -> rgb.hvz"]
    for name in ("rgb", "gray"):
        assert coded((folder / f"{name}.hvz").read_bytes()) == coded(packed[name])


def test_compress_json_is_one_object_a_file_with_stable_keys(run: Run, folder: Path, packed: Mapping[str, bytes]) -> None:
    status, out, err = run("compress", "--json", "-q", "rgb.png", "missing.png")
    assert status == 1
    assert err == "hvpzip: missing.png: No such file or directory\n"
    good, bad = map(json.loads, out.splitlines())
    assert tuple(good) == tuple(bad) == api.JSON_KEYS
    assert good["output_bytes"] == Path("rgb.hvz").stat().st_size
    assert good["coded_bits"] == api.info(packed["rgb"]).coded_bits
    assert 8 * good["output_bytes"] == 8 * good["header_bytes"] + good["coded_bits"]
    assert good["bits_per_dim"] == 8 * good["output_bytes"] / (48 * 40 * 3)
    assert [key for key, value in good.items() if value is None] == ["error"]
    assert {key for key, value in bad.items() if value is not None} == {"path", "error", "skipped"}


def test_info_json_is_one_object_a_file(run: Run, packed: Mapping[str, bytes]) -> None:
    status, out, err = run("info", "--json", "packed/rgb.hvz", "packed/gray.hvz")
    assert (status, err) == (0, "")
    rgb, gray = map(json.loads, out.splitlines())
    assert tuple(rgb) == api.JSON_KEYS
    assert (rgb["width"], rgb["height"], rgb["channels"], rgb["bit_depth"], rgb["groups"]) == (48, 40, 3, 8, 1)
    assert (rgb["output_bytes"], gray["channels"]) == (len(packed["rgb"]), 1)
    of_the_source = {"source_format", "source_bytes", "source_sha256"}  # an array had none
    unknown = {"output", "input_bytes", "bound_bits", "seconds", "error", "skipped", "dropped"}
    assert {key for key, value in rgb.items() if value is None} == unknown | of_the_source


def test_info_verbose_shows_where_every_byte_goes(run: Run, packed: Mapping[str, bytes]) -> None:
    plain = run("info", "packed/rgb.hvz")[1].decode()
    assert "48 x 40, 3 channels of 8 bits" in plain
    assert "checksum  " not in plain
    shown = run("info", "-v", "packed/rgb.hvz")[1].decode().removeprefix(plain.rstrip())
    purposes, sections = shown.partition("  group 1: ")[0].split("  sections  ")
    sums = {line.split(maxsplit=2)[2]: int(line.split()[0].replace(",", "")) for line in purposes.splitlines()[2:]}
    assert list(sums) == ["header", "model id", "checksum", "length", "parameters", "message"]
    assert (sums["model id"], sums["checksum"], sums["parameters"]) == (8, 4 + 4 + 4, 3)
    sizes = [int(line.split()[1].replace(",", "")) for line in sections.splitlines()[1:]]
    assert sum(sizes) == sum(sums.values()) == len(packed["rgb"])


def test_test_writes_nothing(run: Run, folder: Path) -> None:
    before = listing(folder)
    assert run("test", "packed/rgb.hvz") == (0, b"", "packed/rgb.hvz: ok, 48 x 40, 3 channels of 8 bits\n")
    assert listing(folder) == before


def test_quiet_drops_notices_then_errors_and_never_the_status(run: Run) -> None:
    assert run("compress", "-q", "gray.png") == (0, b"", "")
    assert run("compress", "-q", "missing.png") == (1, b"", "hvpzip: missing.png: No such file or directory\n")
    assert run("compress", "-qq", "missing.png") == (1, b"", "")
    assert run("test", "-q", "packed/gray.hvz") == (0, b"", "")


def test_verbose_shows_the_three_figures_and_tracebacks_only_twice(run: Run) -> None:
    err = run("compress", "-v", "gray.png")[2]
    assert "bound " in err
    assert ", coded " in err
    assert ", file " in err
    assert "Traceback" not in run("compress", "-v", "missing.png")[2]
    err = run("compress", "-vv", "missing.png")[2]
    assert err.startswith("hvpzip: missing.png: No such file or directory\nTraceback")
    assert err.rstrip().splitlines()[-1].startswith("FileNotFoundError")


def test_bug_is_one_line_unless_tracebacks_are_wanted(run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(group_codec, "encode_group", lambda *arguments: 1 // 0)
    before = listing(folder)
    assert run("compress", "gray.png") == (
        1,
        b"",
        "hvpzip: gray.png: internal error: ZeroDivisionError: integer division or modulo by zero\n",
    )
    assert "Traceback" in run("compress", "-vv", "gray.png")[2]
    assert listing(folder) == before


def test_no_verify_leaves_the_decoding_out(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(group_codec, "decode_group", no_work)
    assert run("compress", "--no-verify", "gray.png")[0] == 0
    assert run("compress", "-f", "gray.png")[0] == 1


def test_metadata_that_is_not_kept_is_told_in_one_line(run: Run, pictures: Mapping[str, Samples]) -> None:
    extra = PngImagePlugin.PngInfo()
    extra.add(b"prVT", b"private")
    Image.fromarray(pictures["gray"]).save("private.png", pnginfo=extra)
    assert run("compress", "private.png")[2].splitlines()[0] == "hvpzip: private.png: not kept: chunk 'prVT'"
    assert run("compress", "-qf", "private.png")[2] == ""
    assert "not kept" not in run("compress", "-f", "--strip", "private.png")[2]


def test_one_frame_is_taken_and_metadata_left_out_on_request(run: Run, pictures: Mapping[str, Samples]) -> None:
    gray = Image.fromarray(pictures["gray"])
    gray.save("two.tif", save_all=True, append_images=[Image.new("L", gray.size, 9)], description="a caption")
    status, _, err = run("compress", "two.tif")
    assert status == 1
    assert "--frame N" in err
    assert run("compress", "--frame", "1", "--strip", "two.tif", "-o", "one.hvz").status == 0
    assert run("decompress", "one.hvz", "-o", "one.pgm").status == 0
    with Image.open("one.pgm") as one:
        assert set(np.asarray(one).ravel()) == {9}
    assert run("compress", "--frame", "0", "two.tif", "-j", "2", "gray.png", "-o", "out/").status == 0
    status, _, err = run("decompress", "out/two.hvz", "-o", "one.ppm")
    assert status == 1
    assert "PPM cannot hold this metadata: text" in err
    assert run("decompress", "--strip", "out/two.hvz", "-o", "one.ppm").status == 0


def test_limit_comes_from_option_or_environment(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    for command, path in (("compress", "gray.png"), ("decompress", "packed/gray.hvz"), ("test", "packed/gray.hvz")):
        status, _, err = run(command, "--max-pixels", "1919", path)
        assert status == 1
        assert "1920 pixels, over the limit of 1919" in err
    monkeypatch.setenv("HVPZIP_MAX_PIXELS", "1919")
    assert run("compress", "gray.png")[0] == 1
    assert run("compress", "gray.png", "--max-pixels", "1920")[0] == 0


@pytest.mark.parametrize(
    "arguments",
    [
        ["compress", "gray.png", "rgb.png", "-o", "gray.png"],
        ["compress", "gray.png", "rgb.png", "-o", "nowhere"],
        ["compress", "gray.png", "rgb.png", "-o", "-"],
        ["compress", "gray.png", "-"],
        ["compress", "--rm", "--no-verify", "gray.png"],
        ["compress", "--rm", "-o", "-", "gray.png"],
        ["compress", "--rm"],
        ["compress", "--json", "-o", "-", "gray.png"],
        ["compress", "--json"],
        ["compress", "-o", "packed"],
        ["compress", "--effort", str(min(EFFORTS) - 1), "gray.png"],
        ["compress", "--effort", str(max(EFFORTS) + 1), "gray.png"],
        ["compress", "-T", "-1", "gray.png"],
        ["compress", "--max-pixels", "0", "gray.png"],
        ["compress", "-o", "gray.png/", "rgb.png"],
        ["decompress", "-j", "0", "packed/gray.hvz"],
        ["decompress", "-", "packed/gray.hvz"],
        ["test", "-", "-"],
        ["info", "--nonsense"],
        ["no-such-command"],
        [],
    ],
)
def test_wrong_usage_is_status_2_and_does_nothing(run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str]) -> None:
    monkeypatch.setattr(group_codec, "encode_group", no_work)
    monkeypatch.setattr(group_codec, "decode_group", no_work)
    before = listing(folder)
    status, out, err = run(*arguments)
    assert (status, out) == (2, b"")
    assert err.startswith("Usage: hvpzip")
    assert listing(folder) == before


def test_an_unknown_model_is_one_line(run: Run) -> None:
    status, _, err = run("compress", "--model", "no-such-model", "gray.png")
    assert status == 1
    assert err.startswith("hvpzip: gray.png: ")
    assert "no-such-model" in err
    assert err.count("\n") == 1


def test_strange_names_stay_on_one_printable_line(run: Run) -> None:
    for path in ("a\nb\x1b[31m.png", os.fsdecode(b"caf\xe9.png")):
        status, _, err = run("compress", path)
        assert status == 1
        assert err.count("\n") == 1
        assert err.rstrip("\n").isprintable()


def test_file_with_a_strange_name_can_be_compressed(run: Run, folder: Path) -> None:
    path = os.fsdecode(b"caf\xe9 \n.png")
    try:
        (folder / path).write_bytes((folder / "gray.png").read_bytes())
    except OSError:
        pytest.skip("this file system has no such names")
    status, out, err = run("compress", "--json", path)
    assert status == 0
    assert err.count("\n") == 1
    assert json.loads(out)["path"] == path
    assert (folder / path.replace(".png", ".hvz")).exists()


def test_version_names_package_container_and_models(run: Run) -> None:
    status, out, err = run("--version")
    assert (status, err) == (0, "")
    first, second, *models = out.decode().splitlines()
    assert (first, second) == (f"hvpzip {__version__}", "container version 1")
    assert models == [f"model {name} {model_id}" for name, model_id in api.versions().models]
    assert models


@pytest.mark.parametrize("command", [[], ["compress"], ["decompress"], ["test"], ["info"]])
def test_help_has_examples_and_both_spellings(run: Run, command: list[str]) -> None:
    long = run(*command, "--help")
    assert long == run(*command, "-h")
    status, out, err = long
    assert (status, err) == (0, "")
    assert b"Examples:\n" in out


def test_info_says_what_the_coder_borrowed_only_when_asked(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    status, out, err = run("info", "-v", "packed/rgb.hvz")
    assert (status, err) == (0, "")
    lines = out.decode().splitlines()
    assert any(line.endswith("group 1, message") for line in lines)
    assert sum(line.startswith("    push base") for line in lines) == 1
    assert any("over it" in line and "group 1: path" in line for line in lines)
    with monkeypatch.context() as patch:
        patch.setattr(group_codec, "inspect_group", no_work)
        assert run("info", "packed/rgb.hvz")[0] == 0
        assert run("info", "-v", "--json", "packed/rgb.hvz")[0] == 0


def test_info_shows_what_the_file_says_even_if_its_model_is_gone(run: Run, folder: Path, packed: Mapping[str, bytes]) -> None:
    from hvpzip import container

    parsed = container.read(packed["gray"])
    other = container.write(replace(parsed.header, model_id=b"whatever"), parsed.groups)
    (folder / "other.hvz").write_bytes(other)
    status, out, err = run("info", "-v", "other.hvz")
    assert status == 1
    assert b"group 1, message" in out
    assert err.startswith("hvpzip: other.hvz: the file was made by model 7768617465766572, which is not installed")


def test_fill_writes_the_whole_size(run: Run, folder: Path, pictures: Mapping[str, Samples]) -> None:
    assert run("decompress", "packed/rgb.hvz", "-o", "y.png", "--scale", "1/4", "--fill", "sample")[0] == 0
    assert samples(folder / "y.png").shape == pictures["rgb"].shape
    np.testing.assert_array_equal(samples(folder / "y.png")[::4, ::4], pictures["rgb"][::4, ::4])


def test_crop_and_scale_write_a_part(run: Run, folder: Path, pictures: Mapping[str, Samples]) -> None:
    assert run("decompress", "packed/rgb.hvz", "-o", "x.png", "--crop", "3,5,20,10")[0] == 0
    np.testing.assert_array_equal(samples(folder / "x.png"), pictures["rgb"][5:15, 3:23])
    assert run("decompress", "packed/rgb.hvz", "-o", "y.png", "--scale", "1/8")[0] == 0
    np.testing.assert_array_equal(samples(folder / "y.png"), pictures["rgb"][::8, ::8])
    assert run("decompress", "packed/rgb.hvz", "-o", "z.png", "--scale", "1/2", "--crop", "4,6,20,10")[0] == 0
    np.testing.assert_array_equal(samples(folder / "z.png"), pictures["rgb"][6:16:2, 4:24:2])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--crop", "1,2,3"), "is not X,Y,W,H"),
        (("--crop", "1,2,0,4"), "is not X,Y,W,H"),
        (("--crop", "-1,2,3,4"), "is not X,Y,W,H"),
        (("--scale", "1/3"), "is not 1/2, 1/4, 1/8"),
        (("--scale", "2"), "is not 1/2, 1/4, 1/8"),
        (("--scale", "0.5"), "is not 1/2, 1/4, 1/8"),
        (("--rm", "--scale", "1/2"), "--rm needs the whole picture"),
        (("--fill", "mean"), "fill needs a scale of 1/2"),
        (("--fill", "median", "--scale", "1/2"), "'median' is not one of 'mean', 'sample'"),
        (("--rm", "--salvage"), "--rm needs the whole picture"),
    ],
)
def test_crops_and_scales_that_make_no_sense_are_wrong_usage(run: Run, folder: Path, options: tuple[str, ...], message: str) -> None:
    status, _, err = run("decompress", "packed/rgb.hvz", *options)
    assert status == 2
    assert message in err
    assert (folder / "packed" / "rgb.hvz").exists()


def test_a_crop_outside_is_one_line_and_no_file(run: Run, folder: Path) -> None:
    status, _, err = run("decompress", "packed/rgb.hvz", "-o", "x.png", "--crop", "40,0,9,1")
    assert (status, err) == (1, "hvpzip: packed/rgb.hvz: the crop 40,0,9,1 is not inside the picture of 48 x 40 pixels\n")
    assert not (folder / "x.png").exists()


def test_salvage_writes_what_is_whole_and_fails(run: Run, folder: Path, pictures: Mapping[str, Samples]) -> None:
    data = bytearray((folder / "packed" / "rgb.hvz").read_bytes())
    data[-30] ^= 1
    (folder / "broken.hvz").write_bytes(data)
    status, _, err = run("decompress", "broken.hvz")
    assert status == 1
    assert not (folder / "broken.png").exists()
    status, out, err = run("decompress", "--salvage", "broken.hvz")
    assert (status, out) == (1, b"")
    assert err.splitlines() == [
        "hvpzip: broken.hvz: 1 of 1 groups could not be salvaged; broken.png has the rest",
        "hvpzip: broken.hvz: group 1, 48 x 40 pixels at 0,0, is filled with 0: its coded bytes are damaged or missing",
    ]
    np.testing.assert_array_equal(samples(folder / "broken.png"), np.zeros_like(pictures["rgb"]))
    assert run("decompress", "--salvage", "packed/gray.hvz", "-o", "gray2.png")[0] == 0
    data[20] ^= 1
    (folder / "broken.hvz").write_bytes(data)
    status, _, err = run("decompress", "--salvage", "-f", "broken.hvz")
    assert (status, len(err.splitlines())) == (1, 1)
    assert "header" in err


def test_info_draws_where_the_bits_went(run: Run, pictures: Mapping[str, Samples]) -> None:
    assert run("info", "--map", "bits.png", "packed/rgb.hvz")[0] == 0
    with Image.open("bits.png") as drawn:
        assert (drawn.mode, drawn.size) == ("L", pictures["rgb"].shape[1::-1])
        assert np.asarray(drawn)[20:, 24:].std() > 5  # the finest diagonal band
    before = Path("bits.png").read_bytes()
    status, _, err = run("info", "--map", "bits.png", "packed/gray.hvz")
    assert (status, err.count("\n")) == (1, 1)
    assert Path("bits.png").read_bytes() == before
    assert run("info", "--map", "more.png", "packed/rgb.hvz", "packed/gray.hvz")[0] == 2
    assert not Path("more.png").exists()


def test_very_verbose_says_what_was_tried_and_info_what_was_taken(run: Run) -> None:
    _, _, err = run("compress", "-vv", "rgb.png", "--effort", "1")
    lines = [line.split() for line in err.splitlines()]
    assert ["group", "1"] in lines
    taken = [line for line in lines if "taken" in line or "taken;" in line]
    skipped = [line for line in err.splitlines() if "this effort takes no latents" in line]
    assert taken
    assert skipped
    _, out, _ = run("info", "-v", "rgb.hvz")
    assert "  group 1: " in out.decode()
    assert "group 1" not in run("compress", "-v", "-f", "rgb.png", "--effort", "1")[2]
