"""The curve of a run."""

import json

import pytest
from PIL import Image

from hvpzip.training.plot import plot_log, read_log


def entry(kind, step, bits):
    return json.dumps({"kind": kind, "step": step, "bits_per_dim": bits})


def test_a_line_cut_short_is_left_out(tmp_path):
    log = tmp_path / "log.jsonl"
    log.write_text(entry("train", 1, {}) + "\n" + entry("train", 2, {})[:-3])
    assert [found["step"] for found in read_log(log)] == [1]


def test_a_picture_is_drawn_of_paths_alone_and_none_of_an_empty_log(tmp_path, monkeypatch):
    pyplot = pytest.importorskip("matplotlib.pyplot")
    log = tmp_path / "run" / "log.jsonl"
    log.parent.mkdir()
    log.write_text("")
    with pytest.raises(ValueError, match="no entries"):
        plot_log(log, tmp_path / "curve.png")
    log.write_text(
        entry("train", 100, {"direct": 3.0, "level1/hh/step0/rate": 1.0})
        + "\n"
        + entry("validation", 200, {"kodak/direct": 2.9})
        + "\n"
        + entry("train", 200, {"path/direct": 2.8})
    )
    drawn = []
    close = pyplot.close
    monkeypatch.setattr(pyplot, "close", lambda figure: (drawn.extend(figure.axes[0].get_lines()), close(figure)))
    plot_log(log, tmp_path / "curve.png")
    assert {line.get_label(): list(line.get_xdata()) for line in drawn} == {
        "training, direct": [100, 200],
        "validation, kodak/direct": [200],
    }
    with Image.open(tmp_path / "curve.png") as image:
        assert image.format == "PNG"
