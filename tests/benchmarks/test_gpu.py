"""Devices beside each other: the CPU twice here, and a device that no machine has."""

import numpy as np
import pytest
from PIL import Image

from benchmarks import __main__ as command
from benchmarks import gpu


@pytest.fixture
def folder(tmp_path, crop):
    Image.fromarray(crop(0, 0, 41, 36).transpose(1, 2, 0)).save(tmp_path / "colour.png")
    Image.fromarray(crop(20, 20, 24, 20, True)[0]).save(tmp_path / "gray.png")
    return tmp_path


def test_a_row_a_device_with_speeds_and_equal_bytes(folder, tmp_path, capsys):
    assert command.main(["gpu", str(folder), "--devices", "cpu,cpu", "--out", str(tmp_path / "out")]) == 0
    lines = capsys.readouterr().out.strip().splitlines()
    assert [line.split(" | ")[0] for line in lines] == ["| device", "| ---", "| cpu", "| cpu"]
    assert all(line.endswith("| yes | yes |") for line in lines[2:])
    assert (tmp_path / "out" / "results.json").exists()


def test_bytes_that_differ_from_the_first_devices_are_told(crop, monkeypatch):
    import hvpzip

    compress, pictures = hvpzip.compress, [np.ascontiguousarray(crop(0, 0, 41, 36).transpose(1, 2, 0))]
    files = iter([b"", compress(pictures[0]), b"", compress(pictures[0], effort=1)])
    monkeypatch.setattr(hvpzip, "compress", lambda *_, **__: next(files))
    monkeypatch.setattr(hvpzip, "decompress", lambda *_, **__: pictures[0])
    rows = gpu.measured(pictures, ["cpu", "cpu"], None)
    assert [(row.same, row.decoded) for row in rows] == [(True, True), (False, True)]


def test_a_device_that_is_missing_is_one_line(folder, capsys):
    assert command.main(["gpu", str(folder), "--devices", "cuda:99"]) == 1
    assert len(capsys.readouterr().err.strip().splitlines()) == 1
