"""Paths beside each other: every payload comes back, and a path that loses says so."""

import numpy as np
from PIL import Image

from benchmarks import __main__ as command
from benchmarks import paths
from benchmarks.experiment import planes_of
from hvpzip.codec.bitsback import group_codec


def test_a_line_a_folder_and_path_and_every_payload_came_back(crop, tmp_path, capsys):
    folder = tmp_path / "photos"
    folder.mkdir()
    Image.fromarray(crop(0, 0, 96, 80).transpose(1, 2, 0)).save(folder / "one.png")
    Image.fromarray(crop(30, 20, 70, 90).transpose(1, 2, 0)).save(folder / "other.png")
    assert command.main(["paths", str(folder), "--crop", "64", "--out", str(tmp_path / "out")]) == 0
    heading, *lines = capsys.readouterr().out.strip().splitlines()
    assert heading.split()[:3] == ["photos", "of", "path"]
    assert [line.split()[:5] for line in lines] == [["photos", name, "2", "of", "2"] for name in ("diffusion", "direct")]
    assert all(line.endswith("yes") for line in lines)
    assert float(lines[0].split()[-4]) > 0  # borrowed
    assert (tmp_path / "out" / "results.csv").exists()


def test_a_payload_that_does_not_come_back_and_one_that_the_stack_cannot_carry_are_told(crop, tiny_model, monkeypatch):
    planes = planes_of(crop(0, 0, 40, 30).transpose(1, 2, 0))
    rows = paths.measured(planes, "a", "one", tiny_model, fit=False)
    assert [row.decoded for row in rows] == [True, True]
    monkeypatch.setattr(group_codec, "decode_group", lambda *_: np.zeros_like(planes))
    assert [row.decoded for row in paths.measured(planes, "a", "two", tiny_model, fit=False)] == [False, False]
    monkeypatch.setattr(group_codec, "encode_along", lambda *_, **__: None)
    dry = paths.measured(planes, "a", "three", tiny_model, fit=False)
    assert [row.payload_bytes for row in dry] == [None, None]
    assert "1 of 2" in paths.table(rows + dry)
    assert "NO" not in paths.table(rows + dry)
