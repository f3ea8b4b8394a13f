"""Damaged files give the exact picture or one clear error; and the harness that says so sees what must not be."""

import csv
import itertools
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import hvpzip
from benchmarks import __main__ as command
from benchmarks import damage, specimens
from benchmarks.damage import Case, Outcome, cut, every_flip, every_sealed_flip, every_truncation, mutations, seal, try_case
from hvpzip import api, errors

GOLDEN = Path(__file__).parents[1] / "golden" / "pictures"
GOOD = sorted(path.name for path in GOLDEN.glob("good-*.hvz"))
LIMIT_S = 60.0


def check(cases: Iterator[Case], data: bytes, folder: Path) -> dict[str, int]:
    """Try each case; how many there were of each kind."""
    expected = hvpzip.decompress(data)
    counts: dict[str, int] = {}
    for case in cases:
        outcome = try_case(case, expected, folder, LIMIT_S)
        assert outcome.allowed(case.kind), f"{case.kind}, {case.place}: {outcome.word} ({outcome.message})"
        counts[case.kind] = counts.get(case.kind, 0) + 1
    return counts


@pytest.fixture(scope="module")
def photo() -> bytes:
    """A picture that the shipped model codes."""
    return specimens.make("photo-12")


@pytest.mark.parametrize("name", GOOD)
def test_pieces_are_sealed_to_the_same_file_and_changed_ones_to_a_sound_container(name: str) -> None:
    data = (GOLDEN / name).read_bytes()
    pieces = cut(data)
    assert seal(pieces) == data
    crc, payload = pieces.groups[0]
    from hvpzip import container

    changed = pieces._replace(groups=((crc, payload + b"x"), *pieces.groups[1:]))
    assert container.read(seal(changed)).groups[0].payload == payload + b"x"


@pytest.mark.parametrize("name", [name for name in GOOD if "transparent" in name or "16" in name or "method" in name or "split" in name])
def test_small_files_survive_every_truncation_and_many_flips_and_mutations(tmp_path: Path, name: str) -> None:
    data = (GOLDEN / name).read_bytes()
    assert check(every_truncation(data), data, tmp_path) == {"truncated": len(data)}
    stride = min(7 * (1 + len(data) // 100), 31)  # less than the bits of a checksum
    check(itertools.islice(every_flip(data), 0, None, 17), data, tmp_path)
    sealed = check(itertools.islice(every_sealed_flip(data), 0, None, stride), data, tmp_path)
    assert {damage.HEADER, damage.SAMPLES, damage.PAYLOAD} <= set(sealed)
    assert sum(check(mutations(data, 60, seed=3), data, tmp_path).values()) == 60


def test_a_file_of_the_model_survives_every_truncation_and_flip_and_some_sealed_ones(tmp_path: Path, photo: bytes) -> None:
    check(every_truncation(photo), photo, tmp_path)
    check(every_flip(photo), photo, tmp_path)
    check(itertools.islice(every_sealed_flip(photo), 5, None, 101), photo, tmp_path)
    check(mutations(photo, 60, seed=4), photo, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name, specimen in specimens.SPECIMENS.items() if not specimen.share])
def test_the_three_small_files_survive_all_truncations_and_flips(tmp_path: Path, name: str) -> None:
    data = specimens.make(name)
    counts = check(itertools.chain(every_truncation(data), every_flip(data), every_sealed_flip(data)), data, tmp_path)
    assert counts["truncated"] == len(data)
    assert counts["flipped"] == 8 * len(data)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name, specimen in specimens.SPECIMENS.items() if specimen.share])
def test_larger_files_survive_random_mutations(tmp_path: Path, name: str) -> None:
    data = specimens.make(name)
    check(mutations(data, 100, seed=5), data, tmp_path)


def test_mutations_are_the_same_for_the_same_seed(photo: bytes) -> None:
    assert list(mutations(photo, 50, 1)) == list(mutations(photo, 50, 1)) != list(mutations(photo, 50, 2))


def test_specimens_are_of_the_kinds_that_they_name() -> None:
    facts = {name: hvpzip.info(specimens.make(name)) for name in ("photo-12", "palette-12", "wide-5")}
    assert {name: (found.channels, found.bit_depth) for name, found in facts.items()} == {
        "photo-12": (3, 8),
        "palette-12": (1, 4),
        "wide-5": (3, 16),
    }
    assert set(facts["photo-12"].model) != {"0"}
    assert set(facts["palette-12"].model) == {"0"}
    assert sum(specimen.share for specimen in specimens.SPECIMENS.values()) == 100


# ---- the harness sees what must not be ----


@pytest.fixture
def sound() -> tuple[Case, Any]:
    data = (GOLDEN / "good-gray2.hvz").read_bytes()
    return Case("flipped", "nowhere", data), hvpzip.decompress(data)


def test_an_undamaged_file_is_exact(tmp_path: Path, sound: tuple[Case, Any]) -> None:
    outcome = try_case(*sound, tmp_path, LIMIT_S)
    assert outcome.word == "exact"
    assert list(tmp_path.iterdir()) == []


def test_another_picture_is_seen_and_allowed_only_of_another_header(tmp_path: Path, sound: tuple[Case, Any]) -> None:
    case, samples = sound
    assert try_case(case, samples ^ 1, tmp_path, LIMIT_S).word == "differs"
    assert try_case(case, samples.astype(np.uint16), tmp_path, LIMIT_S).word == "differs"
    assert {kind for kind in damage.KINDS if Outcome("differs", 0.0).allowed(kind)} == {damage.HEADER}


def raiser(error: BaseException) -> Any:
    def fail(source: object, target: Path) -> None:
        raise error

    return fail


def leaver(source: object, target: Path) -> None:
    target.with_name("forgotten").write_bytes(b"x")
    raise errors.CorruptError("damaged")


@pytest.mark.parametrize(
    ("decompress", "word"),
    [
        (raiser(errors.CorruptError("one line")), "refused"),
        (raiser(errors.CorruptError("two\nlines")), "crash: an error that is not one line"),
        (raiser(errors.CorruptError("")), "crash: an error that is not one line"),
        (raiser(ValueError("internal")), "crash: ValueError"),
        (raiser(MemoryError()), "crash: MemoryError"),
        (leaver, "left forgotten"),
        (lambda source, target: time.sleep(5), "too slow"),
    ],
)
def test_what_must_not_be_is_seen(
    tmp_path: Path, sound: tuple[Case, Any], monkeypatch: pytest.MonkeyPatch, decompress: Any, word: str
) -> None:
    monkeypatch.setattr(api, "decompress_file", decompress)
    outcome = try_case(*sound, tmp_path, 0.2)
    assert outcome.word == word
    assert outcome.allowed("flipped") == (word == "refused")
    assert list(tmp_path.iterdir()) == []


def test_the_command_writes_its_table_and_keeps_what_must_not_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    names = [str(GOLDEN / name) for name in ("good-gray1.hvz", "good-palette1.hvz")]
    assert command.main(["damage", *names, "--mutations", "41", "--out", str(tmp_path)]) == 0
    rows = list(csv.DictReader((tmp_path / "results.csv").read_text().splitlines()))
    assert sum(int(row["cases"]) for row in rows) == 41
    assert sum(int(row["bad"]) for row in rows) == 0
    assert "0 cases that must not be" in capsys.readouterr().out
    assert sorted(path.name for path in tmp_path.iterdir()) == ["results.csv"]

    real = api.decompress_file
    monkeypatch.setattr(api, "decompress_file", lambda source, target: real(source, target) if len(source.getvalue()) % 2 else 1 / 0)
    assert command.main(["damage", names[0], "--mutations", "10", "--out", str(tmp_path)]) == 1
    assert (tmp_path / "bad-1.hvz").exists()
    assert "crash: ZeroDivisionError" in capsys.readouterr().err


def test_the_command_fails_over_its_memory(tmp_path: Path) -> None:
    arguments = ["damage", str(GOLDEN / "good-gray1.hvz"), "--mutations", "2", "--out", str(tmp_path)]
    assert command.main([*arguments, "--memory", "1"]) == 1
