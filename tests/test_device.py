"""The device that is asked for reaches the model, and one that is missing is one clear line."""

import os
import sys

import numpy as np
import pytest

import hvpzip
from hvpzip.device import VARIABLE, current_device, using_device
from tests.helpers.children import ran

GRADIENT = np.add.outer(np.arange(24, dtype=np.uint8), np.arange(32, dtype=np.uint8))


def test_the_context_comes_before_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    assert current_device() == "cpu"
    monkeypatch.setenv(VARIABLE, "cuda:1")
    assert current_device() == "cuda:1"
    with using_device("cuda"):
        assert current_device() == "cuda"
        with using_device(None):
            assert current_device() == "cuda"
        with pytest.raises(KeyError), using_device("cpu"):
            raise KeyError
        assert current_device() == "cuda"
    assert current_device() == "cuda:1"


def test_a_device_that_is_not_there_is_refused_in_both_directions() -> None:
    data = hvpzip.compress(np.stack([GRADIENT] * 3, axis=2), device="cpu")
    with pytest.raises(hvpzip.errors.ModelError, match="there is no device 'nonsense'"):
        hvpzip.compress(GRADIENT, device="nonsense")
    assert hvpzip.decompress(data, device="cpu").shape == (24, 32, 3)


def test_without_torch_the_command_says_what_to_install(tmp_path) -> None:
    code = "import sys, importlib.util; find = importlib.util.find_spec"
    code += "; importlib.util.find_spec = lambda name, *rest: None if name == 'torch' else find(name, *rest)"
    code += "; from hvpzip.cli import main; sys.exit(main(sys.argv[1:]))"
    source = tmp_path / "gradient.pgm"
    source.write_bytes(b"P5 32 24 255\n" + GRADIENT.tobytes())
    command = [sys.executable, "-c", code, "--device", "cuda", "compress", str(source)]
    done = ran(command, env={k: v for k, v in os.environ.items() if k != VARIABLE})
    assert done.returncode == 1
    assert "device 'cuda' needs torch, which is not installed: pip install 'hvpzip[torch]'" in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "gradient.hvz").exists()
