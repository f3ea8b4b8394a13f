"""JPEG files in payloads: the identical file comes back, or one error."""

import builtins
import hashlib
from collections.abc import Mapping

import pytest

from hvpzip import jpeg
from hvpzip.errors import CorruptError, ImageError, LibraryError, LimitError, UnsupportedVersionError
from hvpzip.jpeg import transcoding
from tests.helpers.damage import flipped


@pytest.fixture
def without_library(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where imagecodecs is not installed."""
    found = builtins.__import__

    def refusing(name: str, *rest: object, **named: object) -> object:
        if name == "imagecodecs":
            raise ImportError(name)
        return found(name, *rest, **named)

    monkeypatch.setattr(builtins, "__import__", refusing)


def payload(file: bytes) -> bytes:
    return jpeg.pack(file, jpeg.jpeg_facts(file))


def test_every_kind_comes_back_as_the_identical_file(jpegs: Mapping[str, bytes]) -> None:
    for name, file in jpegs.items():
        packed = payload(file)
        assert jpeg.unpack(packed, jpeg.jpeg_facts(file)) == file, name
        assert len(packed) <= len(file) + 40, name
        assert jpeg.kept(packed)[1:3] == (len(file), hashlib.sha256(file).digest())


def test_without_the_library_files_are_stored_and_what_it_made_names_the_package(jpegs: Mapping[str, bytes], without_library: None) -> None:
    for file in jpegs.values():
        packed = payload(file)
        assert jpeg.kept(packed).packing == 0
        assert jpeg.unpack(packed, jpeg.jpeg_facts(file)) == file
    codestream = b"\xff\x0a" + (0b1 | 0 << 1 | 1 << 6).to_bytes(8, "little")  # 8 x 8
    data = b"\0\0\0\x0cJXL \r\n\x87\n" + (len(codestream) + 8).to_bytes(4, "big") + b"jxlc" + codestream
    with pytest.raises(LibraryError, match=r"pip install imagecodecs"):
        jpeg.unpack(b"\1\5" + bytes(32) + data, jpeg.JpegFacts(8, 8, 3, 8))


def test_photos_become_smaller_with_the_library(jpegs: Mapping[str, bytes]) -> None:
    pytest.importorskip("imagecodecs")
    for name in ("420", "444", "progressive", "gray", "restarts", "exif", "trailer", "rgb"):
        packed = payload(jpegs[name])
        assert jpeg.kept(packed).packing == 1, name
        assert len(packed) < len(jpegs[name]), name
    for name in ("cmyk", "cut", "one pixel"):
        assert jpeg.kept(payload(jpegs[name])).packing == 0, name


def test_a_transcoder_that_gives_another_file_back_is_not_used(jpegs: Mapping[str, bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    file = jpegs["420"]
    monkeypatch.setattr(transcoding, "transcoded", lambda file: file[:-200])
    monkeypatch.setattr(transcoding, "rebuilt", lambda data, size, facts: file[:-1] + b"\0")
    assert jpeg.kept(payload(file)) == (0, len(file), hashlib.sha256(file).digest(), file)


@pytest.mark.parametrize("name", ["plain", "cmyk"])
def test_damage_and_truncation_give_the_file_or_one_error(name: str, jpegs: Mapping[str, bytes]) -> None:
    file = jpegs[name]
    facts, packed = jpeg.jpeg_facts(file), payload(file)
    damaged = []
    for place in [*range(60), *range(60, len(packed), max(1, len(packed) // 60))]:
        damaged.append(packed[:place])
        damaged += [flipped(packed, 8 * place + bit) for bit in (0, 7)]
    for data in damaged:
        try:
            found = jpeg.unpack(data, facts)
        except (CorruptError, UnsupportedVersionError, LimitError) as error:
            found = str(error)
        assert found == file or (isinstance(found, str) and "\n" not in found)


def test_no_memory_is_asked_for_on_the_word_of_a_stranger(jpegs: Mapping[str, bytes]) -> None:
    pytest.importorskip("imagecodecs")
    file = jpegs["420"]
    packed = payload(file)
    other = jpeg.jpeg_facts(file)._replace(width=8)
    with pytest.raises(CorruptError, match=r"not that of a picture of 8 x 151 pixels"):
        jpeg.unpack(packed, other)
    with pytest.raises(LimitError, match=r"has at most 67110464"):
        jpeg.unpack(b"\1" + b"\xff\xff\xff\xff\x7f" + packed[3:], jpeg.JpegFacts(10, 10, 3, 8))


def test_a_header_that_tells_of_another_picture_is_refused(jpegs: Mapping[str, bytes]) -> None:
    packed = payload(jpegs["cmyk"])
    for change in ({"width": 231}, {"height": 150}, {"channels": 3}, {"bit_depth": 12}):
        with pytest.raises(CorruptError, match="sides, components and bits"):
            jpeg.unpack(packed, jpeg.jpeg_facts(jpegs["cmyk"])._replace(**change))


def test_sides_are_found_in_every_form_of_the_header_of_jpeg_xl(jpegs: Mapping[str, bytes]) -> None:
    pytest.importorskip("imagecodecs")
    for name in ("plain", "one pixel", "row", "gray"):
        facts = jpeg.jpeg_facts(jpegs[name])
        data = transcoding.transcoded(jpegs[name])
        assert data is not None
        assert transcoding._sides(data) == (facts.width, facts.height)
    assert transcoding._sides(b"") is None
    assert transcoding._sides(jpegs["plain"]) is None


def test_facts_are_those_of_the_first_frame_header(jpegs: Mapping[str, bytes]) -> None:
    assert jpeg.jpeg_facts(jpegs["plain"]) == (230, 151, 3, 8)
    assert jpeg.jpeg_facts(jpegs["gray"]) == (230, 151, 1, 8)
    assert jpeg.jpeg_facts(jpegs["cmyk"]) == (230, 151, 4, 8)
    assert jpeg.jpeg_facts(jpegs["cut"]) == (230, 151, 3, 8)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"\xff\xd8\xff", "no frame header up to byte 2 of 3"),
        (b"\xff\xd8\xff\xd9", "no frame header"),
        (b"\xff\xd8\xff\xe0\0\x10" + bytes(14) + b"\xff\xda\0\x02", "no frame header"),
        (b"\xff\xd8\xff\xe0\xff\xff", "no frame header up to byte 6 of 6"),
        (b"\xff\xd8\xff\xc0\0\x11\x08\0\0\0\x10\x03", "0 components|16 x 0"),
        (b"\xff\xd8\xff\xc0\0\x11\x08\0\x10\0\x10\x05", "5 components"),
    ],
)
def test_what_has_no_frame_header_of_a_known_kind_is_refused(data: bytes, words: str) -> None:
    with pytest.raises(ImageError, match=words):
        jpeg.jpeg_facts(data)
