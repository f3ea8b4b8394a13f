"""The bench trains what the settings say, and says what came of it, per scale."""

import json

import numpy as np
import pytest
from PIL import Image

from hvpzip.training import __main__ as command
from hvpzip.training import loop
from hvpzip.training.config import TrainConfig
from hvpzip.training.experiments.bench import HEADINGS, Bench, overridden

NETWORK = {"channels": 4, "components": 2, "networks": 1, "trunk_blocks": 1, "carry_blocks": 1}
NOISE = {"sigma": [[80, 64, 64]], "log2_delta": [[2, 1, 1]]}


@pytest.fixture(scope="module")
def bench_file(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bench")
    rng = np.random.default_rng(0)
    for name in ("train", "kept"):
        (folder / name).mkdir()
        waves = np.add.outer(np.arange(256), np.arange(260))[..., None] // 2 + rng.integers(0, 4, (256, 260, 3))
        Image.fromarray((waves % 256).astype(np.uint8)).save(folder / name / "one.png")
    base = {"sources": [str(folder / "train")], "weights": [1.0], "validation": [str(folder / "kept")], "network": NETWORK, "noise": NOISE}
    variants = {
        "base": {"expected": "the yardstick"},
        "wide": {"expected": "better", "settings": {"network.channels": 6}},
        "muon": {"settings": {"optimizer": "muon"}},
    }
    small = {"batch": 2, "crop": 16, "calibration": 1, "warmup": 2}
    (folder / "bench.json").write_text(json.dumps({"base": base | small, "steps": 4, "cooldown": 2, "variants": variants}))
    return folder / "bench.json"


@pytest.fixture(autouse=True)
def short_start(monkeypatch):
    monkeypatch.setattr(loop, "CLOSED_FORM_BATCHES", 4)


def test_one_command_prints_a_row_for_each_variant(bench_file, capsys):
    assert command.main(["variant", "base", "wide", "--bench", str(bench_file), "--device", "cpu"]) == 0
    heading, rule, *rows = capsys.readouterr().out.splitlines()
    assert heading == f"| {' | '.join(HEADINGS)} |"
    assert rule == "|" + " --- |" * len(HEADINGS)
    cells = [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]
    assert [row[:2] for row in cells] == [["base", "the yardstick"], ["wide", "better"]]
    for row in cells:
        assert sum(float(level) for level in row[3].split(",")) == pytest.approx(
            float(row[2].split(",")[0].removeprefix("kept ")), abs=2e-4
        )
    assert int(cells[0][4].replace(",", "")) < int(cells[1][4].replace(",", ""))
    assert cells[0][2] != cells[1][2]


def test_the_same_seed_gives_the_same_bound_and_settings_change_it(bench_file):
    bench = Bench.read(bench_file)
    first, again, seeded, muon = (
        next(bench.run([name], changes)) for name, changes in (("base", {}), ("base", {}), ("base", {"seed": 1}), ("muon", {}))
    )
    assert first.bits_per_dim == again.bits_per_dim
    assert first.levels == again.levels
    assert len({outcome.bits_per_dim["kept"] for outcome in (first, seeded, muon)}) == 3
    assert first.weights == seeded.weights == muon.weights


def test_a_bench_of_another_length_cools_down_in_proportion(bench_file):
    bench = Bench.read(bench_file).of_length(10)
    assert (bench.steps, bench.cooldown) == (10, 5)


def test_variants_may_go_on_from_a_checkpoint_of_the_same_network_alone(bench_file, tmp_path):
    bench = Bench.read(bench_file)
    loop.Run(bench.base, tmp_path, "cpu").train(max_steps=1, report=lambda line: None)
    checkpoint = tmp_path / "last.safetensors"
    [fresh], [further] = (list(bench.run(["base"], {}, initial=initial)) for initial in (None, checkpoint))
    assert further.bits_per_dim != fresh.bits_per_dim
    with pytest.raises(ValueError, match="variant wide has another network than"):
        list(bench.run(["wide"], {}, initial=checkpoint))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"network.chanels": 3}, "'chanels' of NetworkConfig; did you mean 'channels'"),
        ({"batch.size": 3}, "unknown setting 'batch.size': 'batch' holds no settings"),
        ({"optimizer": "sgd"}, "must be 'adam' or 'muon', not 'sgd'"),
    ],
)
def test_mistakes_in_settings_are_named(settings, message):
    with pytest.raises(ValueError, match=message):
        overridden(TrainConfig(sources=("a",), weights=(1.0,)), settings)


def test_unknown_variants_and_settings_without_a_value_are_refused(bench_file, capsys):
    with pytest.raises(ValueError, match="no variant odd; there are base, wide, muon"):
        list(Bench.read(bench_file).run(["odd"], {}))
    with pytest.raises(SystemExit):
        command.main(["variant", "base", "--set", "network.channels"])
    assert "expected SETTING=VALUE, not 'network.channels'" in capsys.readouterr().err


def test_the_shipped_bench_names_settings_that_exist():
    bench = Bench.read("models/configs/variants.json")
    assert all(variant.expected for variant in bench.variants.values())
