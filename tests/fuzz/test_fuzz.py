"""Every layer that reads a stranger's bytes, fed by hypothesis, and by the corpus with every crash that was ever found.

HVPZIP_FUZZ_EXAMPLES=100000 makes it a long run; ``python -m tests.fuzz`` is for runs by the clock.
"""

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hvpzip import container
from tests.fuzz import __main__ as command
from tests.fuzz import targets
from tests.fuzz.targets import FOLDER, GOOD, TARGETS

EXAMPLES = int(os.environ.get("HVPZIP_FUZZ_EXAMPLES", "100"))
CORPUS = sorted((FOLDER / "corpus").rglob("*"))

bounded = settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def tagged(head: "st.SearchStrategy[bytes]", rest: "st.SearchStrategy[bytes]") -> "st.SearchStrategy[bytes]":
    return st.builds(bytes.__add__, head, rest)


chunk_names = st.sampled_from([b"tEXt", b"iTXt", b"zTXt", b"iCCP", b"eXIf", b"pHYs", b"reSo", b"gAMA", b"PLTE", b"tIME", b"none"])
texts = st.sampled_from([b"", b"Author\0", b"XML:com.adobe.xmp\0\0\0\0\0", b"MM\0*\0\0\0\x08", b"II*\0\x08\0\0\0", b"ICC Profile\0\0"])
records = st.lists(
    st.builds(lambda name, start, rest: name + bytes([len(start + rest)]) + start + rest, chunk_names, texts, st.binary(max_size=60)),
    max_size=4,
).map(b"".join)
forms = st.builds(
    lambda kind, palette, rest: bytes([kind, len(palette)]) + palette + rest,
    st.integers(0, 7),
    st.binary(max_size=24),
    st.binary(max_size=6),
)

INPUTS: dict[str, "st.SearchStrategy[bytes]"] = {
    # A sound beginning, then anything.
    "container": tagged(st.sampled_from([container.MAGIC, container.MAGIC + b"\x01\0\0", b""]), st.binary(max_size=80)),
    "message": tagged(st.binary(min_size=5, max_size=5), st.binary(max_size=600)),
    "metadata": st.one_of(
        tagged(st.binary(min_size=1, max_size=1), forms.map(lambda data: b"\0" + data)),
        tagged(st.sampled_from([b"\x0c", b"\x0d", b"\x0e", b"\x0f", b"\x12"]), records.map(lambda data: b"\1\0" + data)),
    ),
    "picture": tagged(
        st.sampled_from([path.read_bytes()[:40] for path in CORPUS if path.parent.name == "picture"]), st.binary(max_size=80)
    ),
    "file": tagged(
        st.builds(lambda *numbers: bytes(numbers), st.integers(0, len(GOOD) - 1), *[st.integers(0, 255)] * 3), st.binary(max_size=12)
    ),
    "mixing": tagged(st.binary(min_size=6, max_size=6), st.binary(max_size=120)),
    "units": tagged(st.binary(min_size=5, max_size=5), st.binary(max_size=120)),
}


def test_every_target_has_inputs_and_a_corpus() -> None:
    assert set(INPUTS) == set(TARGETS) == {path.name for path in (FOLDER / "corpus").iterdir()}


@pytest.mark.parametrize("path", [path for path in CORPUS if path.is_file()], ids=lambda path: f"{path.parent.name}-{path.name}")
def test_what_was_found_before_is_taken_or_refused(path: Path) -> None:
    TARGETS[path.parent.name](path.read_bytes())


@pytest.mark.parametrize("name", TARGETS)
def test_bytes_of_the_layers_own_make_are_taken_or_refused(name: str) -> None:
    @bounded
    @given(INPUTS[name])
    def run(data: bytes) -> None:
        TARGETS[name](data)

    run()


@pytest.mark.parametrize("name", TARGETS)
def test_any_bytes_are_taken_or_refused(name: str) -> None:
    @bounded
    @given(st.binary(max_size=300))
    def run(data: bytes) -> None:
        TARGETS[name](data)

    run()


def test_the_command_keeps_what_it_finds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(targets, "FOLDER", tmp_path)
    assert command.main(["container", "--seconds", "0.3"]) == 0
    assert "0 defects" in capsys.readouterr().out
    assert list((tmp_path / "corpus" / "container").iterdir()) == []

    def broken(data: bytes) -> None:
        raise IndexError("not refused")

    monkeypatch.setitem(TARGETS, "container", broken)
    assert command.main(["container", "--seconds", "0.1"]) == 1
    assert "1 defects" in capsys.readouterr().out
    assert all(path.name.startswith("crash-") for path in (tmp_path / "corpus" / "container").iterdir())
