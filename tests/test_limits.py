"""Every cap is checked before memory is taken: crafted files are refused by name in a process that may take little more than it has.

The process decodes a sound file first, so that all libraries are loaded; then its address space is limited to 96 MiB more.
"""

import functools
import io
import json
import lzma
import os
import struct
import sys
import zlib
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from benchmarks.damage import Cut, cut, seal
from hvpzip import container, errors, varint
from hvpzip.image_io import Chunk
from tests.helpers.children import ran

ROOT = Path(__file__).resolve().parents[1]
GOLDEN = ROOT / "tests" / "golden" / "pictures"
MORE_BYTES = 96 << 20
BOMB = bytes(128 << 20)

SOUND = (GOLDEN / "good-rgb8-metadata.hvz").read_bytes()  # 11 x 13, RGB, in parts
HEADER = container.read_header(SOUND)
# Form and metadata of the sound file are not needed here; its group is.
GROUP = cut(SOUND).groups[0]


def header_of(**changes: int) -> bytes:
    """A header with these fields, and none of the sections and groups that belong to it."""
    header = replace(HEADER, **changes)
    places = container.Header(
        width=1, height=1, channels=3, bit_depth=8, colour_lift=0, map=0, levels=0, model_id=bytes(8), effort=1, parts=True
    )
    start = cut(container.write(places, [container.Group(b"\0\1\0\0\0", 0)])).header
    sides = varint.write(header.width) + varint.write(header.height)
    coding = bytes((header.effort | header.group_size_log2 << 4,))
    return start[:11] + sides + start[13:16] + coding + start[17:]


def with_section(kind: int, data: bytes) -> bytes:
    """The sound file with this section in place of its own."""
    header = cut(SOUND).header
    return seal(Cut(header[:-1] + b"\1", ((kind, data),), (GROUP,)))


def with_payload(payload: bytes) -> bytes:
    return seal(cut(SOUND)._replace(groups=((GROUP[0], payload),)))


def deflated(data: bytes) -> bytes:
    deflate = zlib.compressobj(9, wbits=-15)
    return deflate.compress(data) + deflate.flush()


def record(chunk: Chunk) -> bytes:
    return chunk.name + varint.write(len(chunk.data)) + chunk.data


@functools.cache
def crafted_files() -> dict[str, tuple[bytes, str, str]]:
    """name: the file, the error, words of its message."""
    metadata, form = container.METADATA_SECTION, container.FORM_SECTION
    lzma_filter = [{"id": lzma.FILTER_LZMA2, "preset": 6, "dict_size": 1 << 22, "lc": 3, "lp": 0, "pb": 0}]
    bomb = deflated(BOMB)
    wide_webp = b"\x2f" + (16382 | 16382 << 14).to_bytes(4, "little") + bytes(50)
    icc = Chunk(b"iCCP", b"x\0\0" + zlib.compress(BOMB, 9))
    huge = varint.write((1 << 42) - 1)
    found = {
        "sides": (seal(Cut(header_of(width=1 << 30, height=1 << 30), (), ())), "LimitError", "pixels, over the limit of 268435456"),
        "side": (seal(Cut(header_of()[:11] + varint.write((1 << 30) + 1) + header_of()[12:], (), ())), "CorruptError", "above its limit"),
        "pixels": (seal(Cut(header_of(width=(1 << 14) + 1, height=1 << 14), (), ())), "LimitError", "pixels, over the limit"),
        "groups": (
            seal(Cut(header_of(width=1 << 13, height=1 << 12, group_size_log2=4), (), ())),
            "LimitError",
            "131072 groups, over the limit of 65536",
        ),
        "group-pixels": (
            seal(Cut(header_of(width=4096, height=2048, group_size_log2=15), (), (GROUP,))),
            "LimitError",
            "groups of 4096 x 2048 pixels, over the limit of 4194304",
        ),
        "groups-that-are-not-there": (seal(Cut(header_of(width=8192, height=8192), (), ())), "TruncatedError", "the groups"),
        "metadata-length": (
            seal(Cut(cut(SOUND).header, (), ())) + b"\2" + huge + bytes(20),
            "LimitError",
            "over the limit of 16777216 bytes",
        ),
        "metadata-bomb": (with_section(metadata, b"\1" + bomb), "LimitError", "the metadata unpacks to more than"),
        "metadata-record": (with_section(metadata, b"\0tEXt" + varint.write(1 << 25)), "CorruptError", "above its limit"),
        "form-bomb": (with_section(form, b"\x84" + bomb), "LimitError", "unpacks to more than 1026 bytes"),
        "palette-length": (with_section(form, b"\4" + varint.write(769)), "CorruptError", "above its limit of 768"),
        "payload-length": (seal(Cut(header_of(), (), ())) + huge + bytes(9), "TruncatedError", "group 1 of 1"),
        "deflate-bomb": (with_payload(b"\0\2\0" + bomb), "CorruptError", "rows of another filter or length"),
        "lzma-bomb": (
            with_payload(b"\0\3\0" + lzma.compress(BOMB, lzma.FORMAT_RAW, filters=lzma_filter)),
            "CorruptError",
            "rows of another filter or length",
        ),
        "png-bomb": (with_payload(b"\0\5" + zlib.compress(BOMB, 9)), "CorruptError", "checksum of the decoded samples"),
        "webp-sides": (with_payload(b"\0\4" + wide_webp), "CorruptError", "a WebP picture of other sides"),
        "unknown-model": (with_model(bytes(range(1, 9))), "ModelError", "0102030405060708, which is not installed"),
        "profile-bomb.tif": (with_section(metadata, b"\0" + record(icc)), "ImageError", "TIFF cannot hold this metadata: icc_profile"),
    }
    return found


def with_model(model_id: bytes) -> bytes:
    parsed = container.read(SOUND)
    return container.write(replace(parsed.header, model_id=model_id), parsed.groups)


@functools.cache
def crafted_pictures() -> dict[str, tuple[bytes, str, str]]:
    """Pictures of very many pixels in few bytes."""

    def saved(kind: str, **options: object) -> bytearray:
        out = io.BytesIO()
        Image.new("RGB", (8, 8)).save(out, kind, **options)
        return bytearray(out.getvalue())

    png = saved("PNG")
    png[16:24] = struct.pack(">II", 1 << 30, 1 << 30)
    png[29:33] = zlib.crc32(png[12:29]).to_bytes(4, "big")
    bmp = saved("BMP")
    bmp[18:26] = struct.pack("<ii", 1 << 15, 1 << 15)
    gif = saved("GIF")
    gif[6:10] = struct.pack("<HH", 65535, 65535)
    jpeg = saved("JPEG")
    at = jpeg.index(b"\xff\xc0") + 5
    jpeg[at : at + 4] = struct.pack(">HH", 65500, 65500)
    tiff = saved("TIFF")
    for tag in (256, 257):
        at = tiff.index(struct.pack("<H", tag), int.from_bytes(tiff[4:8], "little"))
        tiff[at : at + 12] = struct.pack("<HHII", tag, 4, 1, 1 << 20)
    ppm = b"P6 99999 99999 255\n" + bytes(9)
    found = {"png": png, "bmp": bmp, "gif": gif, "jpg": jpeg, "tif": tiff, "ppm": ppm}
    return {f"wide.{suffix}": (bytes(data), "LimitError", "pixels, over the limit") for suffix, data in found.items()}


CHILD = """
import json, resource, sys
from pathlib import Path
import hvpzip
from hvpzip.image_io import read_image

folder, sound, more = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
hvpzip.decompress_file(sound, folder / "sound.tif", strip=True)
hvpzip.compress(hvpzip.decompress(sound.read_bytes()))
now = next(int(line.split()[1]) << 10 for line in open("/proc/self/status") if line.startswith("VmSize"))
resource.setrlimit(resource.RLIMIT_AS, (now + more, now + more))
found = {}
for path in sorted(folder.glob("crafted-*")):
    try:
        if path.suffix in (".hvz", ".hvz-tif"):
            hvpzip.decompress_file(path, folder / ("out.tif" if path.suffix == ".hvz-tif" else "out.png"))
        else:
            read_image(path)
        found[path.name] = ["nothing", ""]
    except BaseException as error:
        found[path.name] = [type(error).__name__, str(error)]
try:
    bytearray(2 * more)
    found["limit"] = ["nothing", ""]
except MemoryError:
    found["limit"] = ["MemoryError", ""]
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[str, str]]:
    """What became of each crafted file in the process of little memory: class and message of the error."""
    if not sys.platform.startswith("linux"):
        pytest.skip("needs Linux: /proc, and a limit of the address space that is kept")
    folder = tmp_path_factory.mktemp("crafted")
    for name, (data, _, _) in {**crafted_files(), **crafted_pictures()}.items():
        suffix = "" if name.startswith("wide.") else ".hvz-tif" if name.endswith(".tif") else ".hvz"
        (folder / f"crafted-{name}{suffix}").write_bytes(data)
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", CHILD, str(folder), str(GOLDEN / "good-rgb8-metadata.hvz"), str(MORE_BYTES)]
    done = ran(command, env=environment)
    assert done.returncode == 0, done.stderr
    left = [path.name for path in folder.iterdir() if not path.name.startswith(("crafted-", "sound"))]
    assert not left
    return {name.removeprefix("crafted-").partition(".hvz")[0]: tuple(found) for name, found in json.loads(done.stdout).items()}


def test_the_process_has_little_memory(outcomes: dict[str, tuple[str, str]]) -> None:
    assert outcomes["limit"][0] == "MemoryError"


def test_every_cap_is_checked_before_memory_is_taken(outcomes: dict[str, tuple[str, str]]) -> None:
    for name, (_, error, words) in crafted_files().items():
        assert outcomes[name][0] == error, (name, outcomes[name])
        assert words in outcomes[name][1], (name, outcomes[name])


def test_pictures_of_too_many_pixels_are_refused_before_memory_is_taken(outcomes: dict[str, tuple[str, str]]) -> None:
    for name, (_, error, words) in crafted_pictures().items():
        assert outcomes[name][0] == error, (name, outcomes[name])
        assert words in outcomes[name][1], (name, outcomes[name])


def test_the_limit_of_pixels_can_be_raised() -> None:
    data = seal(Cut(header_of(width=(1 << 14) + 1, height=1 << 14), (), ()))
    with pytest.raises(errors.LimitError):
        container.read(data)
    with pytest.raises(errors.TruncatedError):  # on to the groups, which are not there
        container.read(data, container.Limits(max_pixels=1 << 29))
