"""The experiments on the coder: every order comes back, pays what it must, and the commands write what they promise."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from benchmarks import __main__ as command
from benchmarks import cifar10, experiment, orders, overhead
from benchmarks.ablation import with_ratio
from benchmarks.clock import network_clock
from benchmarks.experiment import noise_of, planes_of
from benchmarks.orders import ORDERS, OrderError, code, decode_chain, encode_chain
from benchmarks.runner import find_photos
from hvpzip.codec import registry, rewrites
from hvpzip.codec.method import Coded, Part
from hvpzip.codec.registry import ByPlain

Crop = Callable[..., np.ndarray]


@pytest.fixture(autouse=True)
def tiny_model_everywhere(tiny_model: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The commands find the tiny model as the default one, and files name it."""
    from hvpzip.api import decoding, encoding, runtime
    from hvpzip.errors import ModelError

    def by_name(name: str | None) -> Any:
        if name not in (None, "tiny"):
            raise ModelError(f"no model {name!r}")
        return tiny_model

    for module in (runtime, encoding):
        monkeypatch.setattr(module, "model_by_name", by_name)
    for module in (runtime, decoding):
        monkeypatch.setattr(module, "model_by_id", lambda found: tiny_model)


@pytest.fixture
def pictures(tmp_path: Path, crop: Crop) -> Path:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number, (left, top) in enumerate([(0, 0), (60, 30), (100, 60)]):
        Image.fromarray(crop(left, top, 40, 36).transpose(1, 2, 0)).save(folder / f"{number}.png")
    Image.fromarray(crop(20, 20, 24, 20, True)[0]).save(folder / "gray.png")
    return folder


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize(("width", "height", "gray"), [(12, 10, False), (13, 7, True), (1, 1, False)])
def test_every_order_brings_every_image_back(tiny_model: Any, crop: Crop, order: str, width: int, height: int, gray: bool) -> None:
    images = [crop(left, 20, width, height, gray) for left in (0, 90)]
    coded = code(images, tiny_model, order)
    assert len(coded.images) == 2
    for one, other in zip(coded.images, images, strict=True):
        np.testing.assert_array_equal(one, other, strict=True)
    # What is beyond the bound: the words begun with, 31 bits of the start state, the last byte's rest; and a few bits of arithmetic.
    assert -2 < coded.chain.coded_bits - coded.chain.bound_bits - coded.chain.initial_bits - 31 < 8 + 16


@pytest.mark.parametrize("order", ORDERS)
def test_a_flat_image_comes_back_in_every_order_though_it_cannot_pay_for_its_latents(tiny_model: Any, order: str) -> None:
    images = [np.full((3, 14, 14), 77, np.uint8)] * 2
    coded = code(images, tiny_model, order)
    assert all(np.array_equal(one, other) for one, other in zip(coded.images, images, strict=True))
    assert coded.chain.initial_bits > 0


def test_popping_later_borrows_less_and_a_chain_borrows_once(tiny_model: Any, crop: Crop) -> None:
    images = [crop(left, 20, 24, 24) for left in (0, 90)]
    alone = {order: encode_chain(images[:1], tiny_model, order) for order in ORDERS}
    assert alone["plain"].initial_bits > alone["bit-swap"].initial_bits > alone["self-seeded"].initial_bits == 0
    for order in ORDERS:
        assert encode_chain(images, tiny_model, order).initial_bits == alone[order].initial_bits
        assert alone[order].bound_bits == pytest.approx(alone["self-seeded"].bound_bits, rel=0.05)  # other latents are drawn
        assert -min(bits for _, bits in alone[order].curve) == pytest.approx(alone[order].initial_bits, abs=64)


def test_self_seeded_order_is_that_of_the_files(tiny_model: Any, crop: Crop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Byte for byte, once both use the same lanes and colours are not reweighted."""
    from hvpzip.codec.bitsback import group_codec

    image, real = crop(10, 10, 48, 40), group_codec.candidates
    monkeypatch.setattr(group_codec, "candidates", lambda *arguments: real(*arguments)[1:2])
    payload, report = group_codec.encode_along(image, tiny_model, 0, learn_colours=False)
    chain = encode_chain([image], tiny_model, "self-seeded")
    assert chain.data == payload[1:]
    assert chain.bound_bits == report.bound_bits
    assert [tuple(point) for point in chain.curve] == [(label, pytest.approx(bits)) for label, bits in report.stack_curve]


def test_wrong_initial_words_are_found_out(tiny_model: Any, crop: Crop) -> None:
    image = crop(0, 0, 24, 24)
    chain = encode_chain([image], tiny_model, "plain")
    with pytest.raises(OrderError, match="initial words"):
        decode_chain(replace(chain, initial=chain.initial ^ np.uint32(1)), [image.shape], tiny_model)
    with pytest.raises(ValueError, match="unknown order"):
        encode_chain([image], tiny_model, "backwards")


def test_noise_is_told_by_level(tiny_model: Any) -> None:
    assert noise_of(tiny_model, "direct") == "0"
    assert noise_of(tiny_model, "diffusion") == "1 (hh, ratio 1)"


def test_planes_are_channels_first() -> None:
    assert planes_of(np.zeros((2, 5), np.uint8)).shape == (1, 2, 5)
    assert planes_of(np.zeros((2, 5, 3), np.uint8)).shape == (3, 2, 5)


def test_clock_counts_the_network_once_and_only_while_it_runs(tiny_model: Any, crop: Crop) -> None:
    with network_clock() as clock:
        encode_chain([crop(0, 0, 17, 17)], tiny_model, "self-seeded")  # odd sides are completed by predictions
        seconds = clock.seconds
    assert seconds > 0
    encode_chain([crop(0, 0, 17, 17)], tiny_model, "self-seeded")
    assert clock.seconds == seconds


def test_ablation_command(pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("matplotlib")
    out = tmp_path / "out"
    small = ["ablation", str(pictures), "--chain", "2", "--crop", "6", "--threads", "1", "--out", str(out)]
    assert command.main([*small, "--path", "diffusion,direct", "--ratios", "1,2"]) == 0
    printed = capsys.readouterr().out
    lines = [line for line in printed.splitlines() if line.endswith("yes")]
    noisy = [[order, "2", mode] for order in ORDERS for mode in ("alone", "chain")]
    # Without latents, the orders are one and lattices do not matter.
    assert [line.split()[1:4] for line in lines] == [*noisy, *noisy, ["self-seeded", "2", "alone"], ["self-seeded", "2", "chain"]]
    assert "diffusion: 1 (hh, ratio 1)" in printed
    assert "diffusion: 1 (hh, ratio 2)" in printed
    assert "direct: 0" in printed
    document = json.loads((out / "results.json").read_text())
    assert document["machine"]["command"][3] == "ablation"
    assert [len(curves) for curves in document["curves"].values()] == [3, 3, 1]
    assert len((out / "results.csv").read_text().splitlines()) == 15
    with Image.open(out / "results.png") as image:
        assert image.format == "PNG"


def test_ablation_of_one_order_alone(pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    small = ["ablation", str(pictures), "--chain", "1", "--crop", "5", "--threads", "1", "--out", str(tmp_path), "--order", "bit-swap"]
    assert command.main(small) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines() if line.endswith("yes")]
    assert [line[1:4] for line in lines] == [["bit-swap", "1", "alone"], ["bit-swap", "1", "chain"]]


def test_another_lattice_ratio_is_another_schedule_of_the_same_weights(tiny_model: Any) -> None:
    finer = with_ratio(tiny_model, 2)
    assert noise_of(finer, "diffusion") == "1 (hh, ratio 2)"
    assert noise_of(tiny_model, "diffusion") == "1 (hh, ratio 1)"
    assert finer.levels[0].schedule is finer.schedule.levels[0]
    assert noise_of(with_ratio(tiny_model, 100), "diffusion") != noise_of(with_ratio(tiny_model, 4), "diffusion")
    for one, other in zip(finer.levels, tiny_model.levels, strict=True):
        assert one.heads is other.heads
        assert one.trunk is other.trunk


def test_ablation_that_loses_an_image_fails(pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = orders.code
    monkeypatch.setattr(experiment, "code", lambda *a: (c := real(*a))._replace(images=[image ^ np.uint8(1) for image in c.images]))
    assert command.main(["ablation", str(pictures), "--chain", "1", "--crop", "5", "--threads", "1", "--out", str(tmp_path)]) == 1


def test_cifar10_command(tmp_path: Path, crop: Crop, capsys: pytest.CaptureFixture[str]) -> None:
    images = np.stack([crop(left, 30, 16, 16).transpose(1, 2, 0) for left in (0, 30, 60)])
    np.savez(tmp_path / "few.npz", images=images, labels=np.zeros(3))
    assert command.main(["cifar10", str(tmp_path / "few.npz"), "--limit", "2", "--threads", "1", "--out", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    assert "the first 2 images of few.npz" in printed
    rows = {(row["way"], row["path"].split(":")[0]): row for row in json.loads((tmp_path / "results.json").read_text())["rows"]}
    assert set(rows) == {("files", "the smaller one"), ("payloads", "the smaller one"), ("chain", "diffusion"), ("chain", "direct")}
    assert all(row["decoded"] and row["samples"] == 2 * 16 * 16 * 3 for row in rows.values())
    assert rows["files", "the smaller one"]["coded_bits"] > rows["payloads", "the smaller one"]["coded_bits"]
    assert rows["chain", "direct"]["initial_bits"] == 0


def test_overhead_command(pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(overhead, "CROP_SIDES", (20, 8))
    monkeypatch.setattr(overhead, "contents", lambda side: [("black", np.zeros((side, side), np.uint8))])
    # Untrained, the tiny model is no match for the plain methods: they are held back, so that they get the black square only.
    encode = ByPlain.encode

    def held_back(method: ByPlain, part: Part) -> Coded | None:
        found = encode(method, part)
        return found and found._replace(data=found.data + bytes(10**6 * bool(part.samples.max())))

    monkeypatch.setattr(ByPlain, "encode", held_back)
    monkeypatch.setattr(registry, "mixing_saves", lambda part: False)
    monkeypatch.setattr(rewrites, "rewritings", lambda samples, depth: [])
    assert command.main(["overhead", str(pictures), "--limit", "1", "--crops", "2", "--threads", "1", "--out", str(tmp_path)]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in printed[3:7]] == ["photo", "20x20", "8x8", "8x8"]
    rows = json.loads((tmp_path / "results.json").read_text())["rows"]
    for row in rows:
        assert row["decoded"]
        assert 8 * row["size_bytes"] == 8 * row["header_bytes"] + row["coded_bits"]
        assert 0 < row["encode_network_s"] <= row["encode_network_s"] + row["encode_fit_s"] < row["encode_s"]
        if row["by_model"]:
            assert row["header_bytes"] < row["fixed_bytes"] < row["header_bytes"] + 9
            assert 0 < row["decode_network_s"] < row["decode_s"]
        else:
            assert row["fixed_bytes"] == row["header_bytes"]
            assert row["decode_network_s"] == 0
    assert [row["kind"] for row in rows if not row["by_model"]] == ["8x8 drawn"]


@pytest.mark.parametrize("side", [16])
def test_a_tiny_file_has_at_most_60_bytes_that_no_symbol_pays_for(side: int) -> None:
    for name, samples in overhead.contents(side):
        row = overhead.measure(samples, "drawn", name, None)
        assert row.decoded
        assert row.fixed_bytes <= 60


def test_crops_come_from_each_photo_in_turn_and_never_change(pictures: Path) -> None:
    photos, _ = find_photos(pictures)
    first, again = list(overhead.crops(photos, 24, 4)), list(overhead.crops(photos, 24, 4))
    assert [name.split()[0] for name, _ in first] == ["0.png", "1.png", "2.png", "0.png"]  # gray.png is too small
    assert all(one[0] == other[0] and np.array_equal(one[1], other[1]) for one, other in zip(first, again, strict=True))
    assert {samples.shape for _, samples in first} == {(24, 24, 3)}
    assert list(overhead.crops(photos, 1000, 4)) == []


@pytest.mark.parametrize(
    "arguments",
    [
        ["ablation", "nowhere"],
        ["ablation", ".", "--chain", "0"],
        ["ablation", ".", "--model", "tiny,no-such-model"],
        ["ablation", ".", "--path", "no-such-path"],
        ["ablation", ".", "--ratios", "1,half"],
        ["ablation", ".", "--ratios", "0"],
        ["ablation", ".", "--order", "self-seeded,other"],
        ["ablation", ".", "--model", "./no-such-folder"],
        ["cifar10", "nowhere.npz"],
        ["cifar10", "nowhere.npz", "--limit", "0"],
        ["overhead", "nowhere"],
        ["overhead", ".", "--model", "tiny,tiny"],
    ],
)
def test_wrong_usage_of_an_experiment_exits_with_two(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        command.main(arguments)
    assert caught.value.code == 2


def test_an_array_of_another_kind_is_wrong_usage(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", images=np.zeros((2, 4, 4), np.uint8))
    with pytest.raises(SystemExit) as caught:
        cifar10.main([str(tmp_path / "x.npz")])
    assert caught.value.code == 2


def test_edits_are_coded_and_compared_beside_jpeg_xl(pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("imagecodecs")
    arguments = ["edits", str(pictures), "--limit", "1", "--crop", "32", "--effort", "1", "--threads", "1", "--out", str(tmp_path / "out")]
    assert command.main([*arguments, "--edit", "none,levels-1.4"]) == 0
    rows = json.loads((tmp_path / "out" / "results.json").read_text())["rows"]
    assert [row["edit"] for row in rows] == ["none", "levels-1.4"]
    assert all(row["decoded"] and row["hvz_bytes"] <= row["open_bytes"] for row in rows)
    assert "1 of 1" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        command.main([*arguments, "--edit", "upside-down"])
