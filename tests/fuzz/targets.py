"""One function a layer, from any bytes to nothing: what it raises is a defect. ``python -m tests.fuzz`` and test_fuzz.py feed them."""

import io
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np

import hvpzip
from benchmarks.damage import Cut, cut, seal
from hvpzip import ans, api, container
from hvpzip.api.pictures import form_of, sections_of
from hvpzip.codec.cascade.starts import starts
from hvpzip.codec.colours.matrices import MATRICES
from hvpzip.core import compiled
from hvpzip.errors import CorruptError, FormatError, HvpzipError, ImageError, LimitError
from hvpzip.image_io import read_image, write_image

__all__ = ["GOOD", "TARGETS"]

FOLDER = Path(__file__).parent
GOOD = sorted((FOLDER.parent / "golden" / "pictures").glob("good-*.hvz"))


def take_container(data: bytes) -> None:
    """Any bytes are a container that is written to the same bytes again, or a FormatError or LimitError."""
    try:
        found = container.read(data)
    except (FormatError, LimitError) as error:
        _check_line(error)
        return
    assert found.header == container.read_header(data[:64])
    assert found.header_bytes + sum(len(group.payload) for group in found.groups) == len(data)
    api.info(data)


def take_message(data: bytes) -> None:
    """Any bytes are a message of which symbols pop and push back to the same bytes, or a CorruptError.

    The first five bytes choose the number of lanes, how many symbols, and of which mixtures.
    """
    if len(data) < 5:
        return
    lanes, n = 1 << data[0] % 7, 1 + data[1] % 100
    rng = np.random.default_rng(data[2])
    components = 1 + data[3] % 4
    mixture = ans.Mixture(
        rng.integers(-64 * 300, 64 * 300, (components, n)),
        rng.integers(0, 320, (components, n)),
        ans.softmax_weights(rng.integers(-2000, 2000, (components, n))),
    )
    lo, hi, delta = -255, 255, 1 << data[4] % 3
    plan = ans.ramp_plan(n, lanes, 1 + data[2] % 5, lanes=1)
    try:
        message = ans.resize(ans.from_bytes(data[5:]), plan[0].lanes)
        popped, symbols, freqs = ans.pop_mixture(message, mixture, lo, hi, delta, plan=plan)
    except CorruptError as error:
        _check_line(error)
        return
    assert symbols.min() >= lo
    assert symbols.max() <= hi
    pushed, freqs_again = ans.push_mixture(popped, mixture, symbols, lo, hi, delta, plan=plan)
    assert np.array_equal(freqs, freqs_again)
    assert ans.message_equal(pushed, message)
    assert ans.to_bytes(ans.resize(pushed, 1)) == data[5:]


def take_metadata(data: bytes) -> None:
    """Any form and metadata are refused, or written to every kind of picture file that takes them, from which PNG gives them back.

    The first byte is the number of channels and the depth, the second which section it is.
    """
    if len(data) < 2:
        return
    channels, depth = 1 + data[0] % 4, (1, 2, 4, 8, 16, 10)[data[0] // 4 % 6]
    kind = (container.FORM_SECTION, container.METADATA_SECTION)[data[1] % 2]
    header = container.Header(
        width=3, height=2, channels=channels, bit_depth=depth, colour_lift=0, map=0, levels=0, model_id=bytes(8), effort=1, parts=True
    )
    parsed = container.Container(header=header, metadata=(container.Section(kind, data[2:]),), groups=(), header_bytes=0)
    try:
        form = form_of(parsed)
    except (FormatError, LimitError) as error:
        _check_line(error)
        return
    sections = sections_of(form)
    assert form_of(container.Container(header=header, metadata=sections, groups=(), header_bytes=0)) == form
    samples = np.zeros((2, 3, channels) if channels > 1 else (2, 3), np.uint16 if depth == 16 else np.uint8)
    for name in ("PNG", "TIFF", "WEBP", "BMP", "PPM"):
        out = io.BytesIO()
        try:
            write_image(samples, out, name, form)
            again = read_image(io.BytesIO(out.getvalue()))
        except (ImageError, LimitError) as error:
            _check_line(error)
            continue
        assert np.array_equal(again.samples, samples)


def take_picture(data: bytes) -> None:
    """Any bytes are a picture, or an ImageError or LimitError."""
    try:
        picture = read_image(io.BytesIO(data), 1 << 16)
    except (ImageError, LimitError) as error:
        _check_line(error)
        return
    assert picture.samples.shape[0] * picture.samples.shape[1] <= 1 << 16


def take_file(data: bytes) -> None:
    """A golden file in which a piece is overwritten, its checksums made right, is decoded to what its checksums say, or refused.

    The bytes: which file, which piece (bit 7: and cut it off after the new bytes), where in it (two bytes, low one first), the new bytes.
    """
    if len(data) < 4:
        return
    path = GOOD[data[0] % len(GOOD)]
    original = path.read_bytes()
    pieces = cut(original)
    which, (at,), new = data[1] & 127, struct.unpack_from("<H", data, 2), data[4:]

    def changed(piece: bytes) -> bytes:
        start = at % (len(piece) + 1)
        return piece[:start] + new + (b"" if data[1] & 128 else piece[start + len(new) :])

    places = 2 + len(pieces.sections)
    if which % places == 0:
        made = seal(pieces._replace(header=changed(pieces.header)))
    elif which % places == 1:
        crc, payload = pieces.groups[0]
        made = seal(pieces._replace(groups=((crc, changed(payload)), *pieces.groups[1:])))
    else:
        number = which % places - 2
        kind, content = pieces.sections[number]
        made = seal(
            Cut(pieces.header, (*pieces.sections[:number], (kind, changed(content)), *pieces.sections[number + 1 :]), pieces.groups)
        )
    try:
        samples = hvpzip.decompress(made, max_pixels=1 << 16)
        api.decompress_file(io.BytesIO(made), io.BytesIO(), max_pixels=1 << 16)
    except HvpzipError as error:
        _check_line(error)
        return
    if which % places != 0:
        assert np.array_equal(samples, hvpzip.decompress(original))


def take_mixing(data: bytes) -> None:
    """Any bytes are a message of the mixing coder, or a fault that it tells: the same whatever the processor has.

    The first six bytes choose the number of planes, their sides, profile, bounds and matrix.
    """
    core = compiled()
    if core is None or len(data) < 6:
        return
    planes, shape = 1 + data[0] % 4, (1 + data[1] % 12, 1 + data[2] % 12)
    low = np.arange(planes, dtype=np.uint16) * (data[4] % 3)
    high = low + np.uint16((255, 65535, 1, 0)[data[4] % 4] - int(low.max()) if data[4] % 4 < 2 else data[4] % 4 == 2)
    known = MATRICES[data[5] % len(MATRICES)]
    matrix = known.numbers() if known is not None and planes > 2 and high.max() < 256 else np.empty(0, np.int64)
    found = []
    for portable in (False, True):
        samples = np.zeros((planes, *shape), np.uint16)
        fault = core.mixing_decode(np.frombuffer(data, np.uint8, offset=6), low, high, matrix, 1 + data[3] % 8, samples, 1, portable)
        found.append((fault, samples.tobytes()))
        assert fault or ((samples >= low[:, None, None]) & (samples <= high[:, None, None])).all()
    assert found[0] == found[1]


def take_units(data: bytes) -> None:
    """The same of the units of a cascade. The first five bytes choose planes and profile, sides, matrix, and what comes from outside."""
    core = compiled()
    if core is None or len(data) < 5:
        return
    planes, height, width, profile = 1 + 2 * (data[0] & 1), 1 + data[1] % 14, 1 + data[2] % 14, 1 + (data[0] >> 1) % 5
    known = MATRICES[data[3] % len(MATRICES)]
    matrix = known.numbers() if known is not None and planes > 2 else np.empty(0, np.int64)
    found = []
    for portable in (False, True):
        rng = np.random.default_rng(data[4])
        units = []
        try:
            coder = core.CascadeCoder(height, width, planes, matrix, data[5:], portable, profile, starts() if profile > 3 else None)
            coder.coarse(rng.integers(0, 256, (planes, (height + 1) // 2, (width + 1) // 2)).astype(np.uint8))
            for row, column in ((1, 1), (0, 1), (1, 0)):
                shape = (height - row + 1) // 2, (width - column + 1) // 2
                units.append(np.zeros((planes, *shape), np.uint8))
                mean, slope = rng.normal(128, 300, units[-1].shape), rng.normal(0, 2, (3, *shape))
                coder.unit(units[-1], mean, slope, rng.uniform(0.125, 100, units[-1].shape))
            coder.finish()
            fault = ""
        except core.CorruptMessage as error:
            fault = str(error)
            _check_line(error)
        found.append((fault, [unit.tobytes() for unit in units]))
    assert found[0] == found[1]


def _check_line(error: Exception) -> None:
    assert str(error)
    assert "\n" not in str(error)


TARGETS: dict[str, Callable[[bytes], None]] = {
    "container": take_container,
    "message": take_message,
    "metadata": take_metadata,
    "picture": take_picture,
    "file": take_file,
    "mixing": take_mixing,
    "units": take_units,
}
