"""What a file holds besides its samples comes back as the bytes that it was, or is named: the faults of readers that were found in use."""

import io
import shutil
import struct

import numpy as np
import pytest
from PIL import Image

from hvpzip.errors import ImageError, LimitError
from hvpzip.image_io import Chunk, Form, Kind, read_image, write_image
from hvpzip.image_io.exif import Folders, joined
from hvpzip.image_io.jpeg import jpeg_segments
from hvpzip.image_io.tiff_tags import Entry, Tags, entry_of, reordered
from tests.helpers.children import ran
from tests.image_io.builders import bmp, encoded, gif, jpeg_with, photo, png, png_chunk, refusal, tiff, tiff_tags, webp_with


def read(data, **options):
    return read_image(io.BytesIO(data), **options)


def rewritten(picture, kind):
    buffer = io.BytesIO()
    write_image(picture.samples, buffer, kind, picture.form)
    return buffer.getvalue()


def jpeg(samples=None, **options):
    return encoded(Image.fromarray(photo(40, 48, 3) if samples is None else samples), format="JPEG", **options)


# ---- wrong samples ----


@pytest.mark.parametrize("compression", [1, 8, 5, 32773])
@pytest.mark.parametrize("bits", [8, 16])
def test_gray_with_alpha_in_planes_keeps_its_alpha(compression, bits):
    samples = np.random.default_rng(1).integers(0, 1 << bits, (9, 7, 2)).astype(f"u{bits // 8}")
    picture = read(tiff(samples, compression=compression, planar=True, extra=2))
    np.testing.assert_array_equal(picture.samples, samples)
    assert picture.form == Form(Kind.GRAY_ALPHA, bits)


def test_a_colour_map_of_8_bits_is_taken_as_such_and_16_bits_come_back():
    samples = np.arange(12, dtype=np.uint8).reshape(3, 4)
    small = np.arange(768, dtype=np.uint16).reshape(3, 256) % 256
    picture = read(tiff(samples, photometric=3, colour_map=small))
    assert picture.form.palette == small.T.astype(np.uint8).tobytes()
    wide = np.random.default_rng(2).integers(0, 65536, (3, 256)).astype(np.uint16)
    for table in (small, wide, wide >> 8 << 8, (wide >> 8) * 257, np.full((3, 256), 65535, np.uint16)):
        picture = read(tiff(samples, photometric=3, colour_map=table))
        again = rewritten(picture, "TIFF")
        assert tiff_tags(again)[320] == table.ravel().tolist()
        through_png = read(rewritten(picture, "PNG"))
        assert tiff_tags(rewritten(through_png, "TIFF"))[320] == table.ravel().tolist()


def test_a_png_whose_rows_end_early_is_refused_with_figures():
    raw = bytes((1 + 30) * 50)
    assert refusal(png(10, 100, raw=raw)) == "damaged PNG: 50 of 100 rows"
    assert refusal(png(10, 100, raw=raw[:-1])) == "damaged PNG: 49 of 100 rows"
    assert "unpacks to" in refusal(png(10, 10, raw=bytes(31 * 11)))


def test_an_interlaced_png_whose_rows_end_early_is_refused():
    passes = [(1, 1), (1, 1), (2, 1), (2, 2), (4, 2), (4, 4), (8, 4)]
    raw = bytes(sum((1 + columns) * rows for columns, rows in passes))
    np.testing.assert_array_equal(read(png(8, 8, colour=0, raw=raw, interlace=1)).samples, np.zeros((8, 8)))
    assert refusal(png(8, 8, colour=0, raw=raw[:-1], interlace=1)) == "damaged PNG: 14 of 15 rows of all passes"


def cut_scan(data, keep):
    """The file with only so much of its last scan, closed as if it were whole."""
    end = data.rindex(b"\xff\xd9")
    start = data.rindex(b"\xff\xda")
    return data[: start + 14 + int((end - start - 14) * keep)].rstrip(b"\xff") + b"\xff\xd9"


@pytest.mark.parametrize(
    "options", [{}, {"progressive": True}, {"subsampling": 2}, {"restart_marker_rows": 1}, {"progressive": True, "quality": 30}]
)
def test_a_jpeg_whose_scan_ends_early_or_holds_garbage_is_refused(options):
    data = jpeg(**options)
    assert read(data).samples.shape == (40, 48, 3)
    for keep in (0.1, 0.5, 0.9):
        assert refusal(cut_scan(data, keep)).startswith("damaged JPEG: ")
    start = data.rindex(b"\xff\xda") + 14
    garbage = np.random.default_rng(3).integers(0, 255, 40).astype(np.uint8).tobytes()
    assert refusal(data[: start + 20] + garbage + data[start + 60 :]).startswith("damaged JPEG: ")


def test_a_progressive_jpeg_without_its_last_scans_is_refused():
    data = jpeg(progressive=True)
    last = data.rindex(b"\xff\xda")
    assert "scans are missing" in refusal(data[:last] + b"\xff\xd9")


@pytest.mark.parametrize("shape", [(1, 1, 3), (17, 33, 3), (64, 8), (8, 65, 3), (100, 100)])
@pytest.mark.parametrize(
    "options", [{}, {"progressive": True}, {"subsampling": 0}, {"subsampling": 1}, {"subsampling": 2}, {"quality": 100}]
)
def test_whole_jpegs_of_every_shape_are_taken(shape, options):
    data = jpeg(photo(*shape), **options)
    np.testing.assert_array_equal(read(data).samples, np.asarray(Image.open(io.BytesIO(data))))


def test_jpeg_in_tiff_that_is_cut_short_is_refused():
    data = encoded(Image.fromarray(photo(32, 32, 3)), format="TIFF", compression="jpeg")
    assert read(data).samples.shape == (32, 32, 3)
    tags = tiff_tags(data)
    (begin,), (size,) = tags[273], tags[279]
    cut = data[: begin + size // 2] + b"\xff\xd9" + bytes(size - size // 2 - 2) + data[begin + size :]
    assert refusal(cut).startswith("damaged")


@pytest.mark.parametrize("compression", ["group3", "group4", "tiff_ccitt"])
def test_fax_codes_that_do_not_exist_are_refused(compression):
    samples = np.random.default_rng(4).integers(0, 6, (40, 64)).astype(np.uint8) == 0
    data = encoded(Image.fromarray(samples), format="TIFF", compression=compression)
    np.testing.assert_array_equal(read(data).samples, samples)
    (begin,) = tiff_tags(data)[273]
    (size,) = tiff_tags(data)[279]
    damaged = data[: begin + size // 2] + bytes(8) + data[begin + size // 2 + 8 :]
    assert " of 40 rows: " in refusal(damaged)


def test_a_gif_whose_codes_end_early_is_refused():
    samples = photo(20, 20)
    assert read(gif(samples)).samples.shape == (20, 20)
    assert refusal(gif(samples, rows=10)) == "damaged GIF: 10 of 20 rows"


def test_what_follows_a_gif_without_its_trailer_is_named():
    one, other = gif(photo(6, 5)), gif(photo(7, 5))
    assert read(one[:-1] + other).dropped == (f"{len(other):,} bytes after the end",)
    np.testing.assert_array_equal(read(one[:-1] + other).samples, photo(6, 5))


def test_bytes_behind_packed_samples_are_named():
    def longer(data, name, more):
        at = data.index(name) - 4
        size = int.from_bytes(data[at : at + 4], "big")
        return data[:at] + png_chunk(name, data[at + 8 : at + 8 + size] + more) + data[at + 12 + size :]

    samples = photo(6, 5, 3)
    png = encoded(Image.fromarray(samples), format="PNG")
    end = png.index(b"IEND") - 4
    for data in (longer(png, b"IDAT", b"secret"), png[:end] + png_chunk(b"IDAT", b"secret") + png[end:]):
        np.testing.assert_array_equal(read(data).samples, samples)
        assert read(data, strip=True).dropped == ("6 bytes behind the image data",)
    plain = gif(samples[:, :, 0])
    assert plain.endswith(b"\0;")
    hidden = plain[:-2] + b"\xff" + b"x" * 255 + b"\0;"
    np.testing.assert_array_equal(read(hidden).samples, samples[:, :, 0])
    [name] = read(hidden, strip=True).dropped
    assert name.endswith(" bytes behind the image data")
    assert 250 <= int(name.split()[0]) <= 255
    for compression in (8, 32773):
        data = tiff(samples, compression=compression, behind=b"secret")
        np.testing.assert_array_equal(read(data).samples, samples)
        assert read(data, strip=True).dropped == ("data behind the last rows of strips",)
        assert read(tiff(samples, compression=compression, behind=b"\0")).dropped == ()


@pytest.mark.parametrize("bits", [8, 16])
def test_alpha_that_colours_are_multiplied_with_is_taken_where_it_changes_nothing(bits):
    samples = np.random.default_rng(6).integers(0, 1 << bits, (5, 4, 4)).astype(f"u{bits // 8}")
    samples[:, :, 3] = (1 << bits) - 1
    picture = read(tiff(samples, extra=1))
    np.testing.assert_array_equal(picture.samples, samples)
    assert picture.form == Form(Kind.RGB_ALPHA, bits)
    samples[2, 2, 3] = 0
    assert "with alpha that the colours are multiplied with" in refusal(tiff(samples, extra=1))


def test_a_packed_bmp_whose_rows_end_early_is_refused():
    run = b"\x08\x01\0\0" * 4
    assert read(bmp(8, 4, 8, run[:-2] + b"\0\1", packing=1)).samples.tolist() == [[1] * 8] * 4
    assert refusal(bmp(8, 4, 8, run[:8] + b"\0\1", packing=1)) == "damaged BMP: 2 of 4 rows"


# ---- dropped without a word ----

WHOLE = {
    "PNG": encoded(Image.fromarray(photo(6, 5, 3)), format="PNG"),
    "JPEG": jpeg(),
    "WebP": encoded(Image.fromarray(photo(6, 5, 3)), format="WEBP", lossless=True),
    "GIF": gif(photo(6, 5)),
    "BMP": encoded(Image.fromarray(photo(6, 8, 3)), format="BMP"),
    "TIFF": encoded(Image.fromarray(photo(6, 5, 3)), format="TIFF"),
    "PNM": encoded(Image.fromarray(photo(6, 5, 3)), format="PPM"),
}


@pytest.mark.parametrize("kind", sorted(WHOLE))
def test_bytes_after_the_end_are_named(kind):
    assert read(WHOLE[kind]).dropped == ()
    picture = read(WHOLE[kind] + b"MotionPhoto_Data" * 100)
    assert picture.dropped == (f"1,600 bytes {'that no tag refers to' if kind == 'TIFF' else 'after the end'}",)
    assert f"not kept: {picture.dropped[0]}" in picture.notices
    assert picture.file.format == kind
    assert picture.file.byte_count == len(WHOLE[kind]) + 1600


@pytest.mark.parametrize(
    ("marker", "body", "name"),
    [
        (0xE1, b"http://ns.adobe.com/xmp/extension/\0" + bytes(40), "extended XMP (APP1)"),
        (0xE1, b"FLIR\0\1\0\0" + bytes(9), "FLIR (APP1)"),
        (0xE2, b"FPXR\0\0" + bytes(9), "FPXR (APP2)"),
        (0xE2, b"ICC_PROFILE\0\1\2profile", "incomplete colour profile"),
        (0xEB, b"JP\0\1" + bytes(20), "JUMBF (APP11)"),
        (0xED, b"Photoshop 3.0\x008BIM", "Photoshop (APP13)"),
        (0xE5, b"Samsung\0", "APP5 'Samsung'"),
        (0xEC, b"", "APP12"),
    ],
)
def test_segments_of_jpeg_that_are_not_kept_are_named(marker, body, name):
    assert read(jpeg_with(WHOLE["JPEG"], (marker, body))).dropped == (name,)


def test_every_comment_of_a_jpeg_is_kept_and_a_second_xmp_is_named():
    xmp = b"http://ns.adobe.com/xap/1.0/\0"
    data = jpeg_with(
        WHOLE["JPEG"], (0xFE, b"one"), (0xFE, "zwei µm".encode()), (0xFE, b"trois \xb5\0"), (0xE1, xmp + b"<a/>"), (0xE1, xmp + b"<b/>")
    )
    picture = read(data)
    assert picture.dropped == ("second XMP (APP1)",)
    assert [chunk for chunk in picture.form.chunks if chunk.name != b"reSo"] == [
        Chunk(b"tEXt", b"Comment\0one"),
        Chunk(b"iTXt", b"Comment\0\0\0\0\0" + "zwei µm".encode()),
        Chunk(b"tEXt", b"Comment\0trois \xb5"),
        Chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0<a/>"),
    ]


def test_a_gain_map_is_named():
    main = jpeg_with(WHOLE["JPEG"], (0xE1, b"http://ns.adobe.com/xap/1.0/\0<x hdrgm:Version='1.0'/>"))
    gain = jpeg(photo(8, 8))

    def with_map(offset):
        entries = struct.pack(">IIIHH", 0x030000, 0, 0, 0, 0) + struct.pack(">IIIHH", 0, len(gain), offset, 0, 0)
        directory = struct.pack(">HHHI4sHHII", 2, 0xB000, 7, 4, b"0100", 0xB002, 7, 32, 8 + 2 + 24 + 4) + bytes(4)
        return jpeg_with(main, (0xE2, b"MPF\0MM\0*\0\0\0\x08" + directory + entries))

    base = with_map(0).index(b"MPF\0") + 4
    picture = read(with_map(len(with_map(0)) - base) + gain)
    assert picture.dropped == ("1 picture for the main one (MPF: previews, gain maps)", f"{len(gain):,} bytes after the end", "MPF (APP2)")


def test_chunks_of_webp_that_are_not_known_are_named():
    assert read(webp_with(WHOLE["WebP"], (b"ABCD", b"12345"))).dropped == ("chunk 'ABCD'",)
    picture = read(webp_with(WHOLE["WebP"], (b"EXIF", b"II*\0\x08\0\0\0\0\0\0\0\0\0"), (b"XMP ", b"<x/>"), (b"XMP ", b"<y/>")))
    assert picture.dropped == ("second XMP",)
    assert [chunk.name for chunk in picture.form.chunks] == [b"eXIf", b"iTXt"]


def test_extensions_of_gif_are_kept_or_named():
    samples = photo(6, 5)
    tail = bytes((1, *range(255, -1, -1), 0))
    extra = (
        b"!\xfe\x03one\0!\xfe\x03two\0!\xff\x0bNETSCAPE2.0\x03\1\0\0\0!\xff\x0bXMP DataXMP<x/>"
        + tail
        + b"!\xff\x0bICCRGBG1012\x07profile\0"
    )
    picture = read(gif(samples, extra))
    assert picture.dropped == ("application extension 'NETSCAPE2.0'",)
    assert read(gif(samples, extra + b"!\x01\x01x\0"), strip=True).dropped == ("plain text",)
    assert [chunk.data.split(b"\0")[0] for chunk in picture.form.chunks] == [b"Comment", b"Comment", b"XML:com.adobe.xmp", b"ICC Profile"]
    assert picture.form.chunks[2].data.endswith(b"\0<x/>")


def test_the_profile_of_a_bmp_is_kept_and_its_gamma_named():
    picture = read(bmp(2, 1, 24, bytes(8), version=5, profile=b"a profile"))
    assert picture.dropped == ()
    assert Image.open(io.BytesIO(rewritten(picture, "PNG"))).info["icc_profile"] == b"a profile"
    assert read(rewritten(picture, "BMP")).form == picture.form
    assert read(bmp(2, 1, 24, bytes(8), version=4, gamma=0x10000)).dropped == ("gamma and primaries of the header",)
    picture = read(bmp(2, 1, 24, bytes(8), version=5, space=b"sRGB"))
    assert [chunk for chunk in picture.form.chunks if chunk.name == b"sRGB"] == [Chunk(b"sRGB", b"\0")]
    assert read(rewritten(picture, "BMP")).form == picture.form


def animated(mode="RGB", **options):
    images = [Image.fromarray(photo(5, 4 + i, 3)[:, :4]).convert(mode) for i in range(3)]
    return encoded(images[0], format="PNG", save_all=True, append_images=images[1:], **options)


def test_other_pictures_are_named():
    picture = read(animated(), frame=1)
    assert picture.dropped == ("2 other pictures",)
    assert picture.pictures == 3
    assert read(animated(), frame=0, strip=True).dropped == ("2 other pictures",)


def test_an_animation_of_one_picture_is_a_picture():
    whole = animated()
    first = whole.index(b"fcTL", whole.index(b"IDAT")) - 4
    data = whole[:first] + png_chunk(b"IEND", b"")
    picture = read(data)
    np.testing.assert_array_equal(picture.samples, photo(5, 4, 3))
    assert picture.dropped == ("what says that it is animated",)


# ---- EXIF and texts as the bytes that they are ----

MAKER = b"Apple iOS\0\0\1MM" + bytes(range(40))


def exif_with_everything(order):
    """An EXIF block with a maker note, an interoperability folder and no GPS."""
    exif = (entry_of(order, 34855, 3, 100), Entry(37500, 7, len(MAKER), MAKER))
    start = b"II*\0" if order == "<" else b"MM\0*"
    own = (Entry(271, 2, 6, b"Apple\0"), entry_of(order, 274, 3, 1))
    return start + struct.pack(order + "I", 8) + joined(order, own, Folders(exif, None, (Entry(1, 2, 4, b"R98\0"),)), 8)


@pytest.mark.parametrize("order", "<>")
def test_exif_is_carried_byte_for_byte(order):
    block = exif_with_everything(order)
    sources = (
        jpeg_with(WHOLE["JPEG"], (0xE1, b"Exif\0\0" + block)),
        webp_with(WHOLE["WebP"], (b"EXIF", block)),
        png(1, 1, extra=[png_chunk(b"eXIf", block)]),
    )
    for source in sources:
        picture = read(source)
        assert picture.dropped == ()
        assert Chunk(b"eXIf", block) in picture.form.chunks
        assert Chunk(b"eXIf", block) in read(rewritten(picture, "PNG")).form.chunks
    assert block in rewritten(read(sources[1]), "WEBP")


@pytest.mark.parametrize("order", "<>")
def test_exif_in_tiff_keeps_its_values_and_its_order(order):
    picture = read(webp_with(WHOLE["WebP"], (b"EXIF", exif_with_everything(order))))
    tags = Tags(rewritten(picture, "TIFF"))
    assert tags.order == order
    main = tags.pages()[0].entries
    assert main[271].data == b"Apple\0"
    assert 34853 not in main  # a place that nobody told of
    exif = tags.directory(main[34665].numbers(order)[0]).entries
    assert exif[37500].data == MAKER
    assert exif[34855].numbers(order) == (100,)
    assert tags.directory(exif[40965].numbers(order)[0]).entries[1].data == b"R98\0"
    again = read(rewritten(picture, "TIFF"))
    assert "places inside of the maker note (its bytes are kept, but lie elsewhere)" in again.dropped
    block = next(chunk.data for chunk in again.form.chunks if chunk.name == b"eXIf")
    folder = Tags(block).directory(Tags(block).pages()[0].entries[34665].numbers(order)[0]).entries
    assert folder[37500].data == MAKER


TEXTS = ["µm".encode(), b"\xb5m in Latin-1", b"plain", "日本".encode(), b"padded\0\0\0", b"photographer\0editor", b""]


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("order", "<>")
def test_texts_of_tiff_keep_their_bytes(text, order):
    data = tiff(photo(3, 4), order=order, tags=[Entry(270, 2, len(text) + 1, text + b"\0")])
    picture = read(data)
    assert picture.dropped == ()
    for again in (rewritten(picture, "TIFF"), rewritten(read(rewritten(picture, "PNG")), "TIFF")):
        assert Tags(again).pages()[0].entries[270].data.rstrip(b"\0") == text.rstrip(b"\0")
    exiftool = shutil.which("exiftool")
    if exiftool:
        assert exif_description(exiftool, data) == exif_description(exiftool, rewritten(picture, "TIFF"))


def exif_description(exiftool, data):
    return ran([exiftool, "-b", "-ImageDescription", "-"], feed=data, check=True, text=False).stdout


PRIVATE = [
    Entry(33550, 12, 3, struct.pack("<3d", 30, 30, 0)),
    Entry(34735, 3, 4, struct.pack("<4H", 1, 1, 0, 0)),
    Entry(42112, 2, 15, b"<GDALMetadata>\0"),
    Entry(42113, 2, 6, b"-9999\0"),
    Entry(34377, 7, 12, b"8BIM\4\4" + bytes(6)),
    Entry(33723, 4, 1, bytes(4)),
    Entry(301, 3, 4, struct.pack("<4H", 0, 9, 99, 999)),
    Entry(319, 5, 1, struct.pack("<II", 64, 100)),
    Entry(50839, 1, 9, b"IJIJ12345"),
    Entry(65000, 11, 1, struct.pack("<f", 1.5)),
]


@pytest.mark.parametrize("order", "<>")
def test_other_tags_of_tiff_are_kept_byte_for_byte_and_places_are_named(order):
    private = [reordered(entry, "<", order) for entry in PRIVATE]
    picture = read(tiff(photo(3, 4), order=order, tags=[*private, entry_of(order, 330, 4, 8)]))
    assert picture.dropped == ("TIFF tag 330 (SubIFDs)",)
    assert read(tiff(photo(3, 4), order=order, tags=[entry_of(order, 330, 4, 8)]), strip=True).dropped == picture.dropped
    for again in (rewritten(picture, "TIFF"), rewritten(read(rewritten(picture, "PNG")), "TIFF")):
        tags = Tags(again)
        assert tags.order == order
        assert {entry.tag: entry for entry in private}.items() <= tags.pages()[0].entries.items()


def test_a_resolution_that_somebody_edited_stays_edited():
    data = tiff(photo(3, 4), tags=[entry_of("<", 282, 5, 300, 1), entry_of("<", 283, 5, 150, 1), entry_of("<", 296, 3, 2)])
    written = rewritten(read(data), "PNG")
    assert [chunk.name for chunk in read(written).form.chunks] == [b"reSo"]
    at = written.index(b"pHYs") - 4
    edited = written[:at] + png_chunk(b"pHYs", struct.pack(">IIB", 2835, 2835, 1)) + written[at + 21 :]
    assert read(edited).form.chunks == (Chunk(b"pHYs", struct.pack(">IIB", 2835, 2835, 1)),)
    removed = written[:at] + written[at + 21 :]
    assert read(removed).form.chunks == ()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_an_orientation_of_tiff_is_applied_to_samples_and_resolution(orientation):
    samples = photo(3, 5, 3)
    tags = [entry_of("<", 274, 3, orientation), entry_of("<", 282, 5, 300, 1), entry_of("<", 283, 5, 150, 1)]
    picture = read(tiff(samples, tags=tags))
    turned = {
        1: samples,
        2: samples[:, ::-1],
        3: samples[::-1, ::-1],
        4: samples[::-1],
        5: samples.swapaxes(0, 1),
        6: np.rot90(samples, -1),
        7: samples[::-1, ::-1].swapaxes(0, 1),
        8: np.rot90(samples, 1),
    }
    np.testing.assert_array_equal(picture.samples, turned[orientation])
    x, y = (150, 300) if orientation > 4 else (300, 150)
    assert picture.form.chunks == (Chunk(b"reSo", struct.pack("<IIIIB", x, 1, y, 1, 2)),)


@pytest.mark.parametrize("bits", [1, 4])
def test_palettes_of_few_bits_keep_them(bits):
    table = bytes(range(3 * (1 << bits)))
    row = bytes((0b10010110,)) * 4
    picture = read(bmp(8, 2, bits, row * 2, palette=table))
    assert picture.form._replace(chunks=()) == Form(Kind.PALETTE, bits, table)
    assert read(rewritten(picture, "BMP")).form == picture.form
    images = [Image.fromarray(np.full((4, 4), value, np.uint8)) for value in (0, 1)]
    for image in images:
        image.putpalette(list(table))
    data = encoded(images[0], format="PNG", save_all=True, append_images=images[1:], bits=bits)
    assert data[24] == bits
    for frame in (0, 1):
        assert read(data, frame=frame).form.bit_depth == bits
        assert set(read(data, frame=frame).samples.ravel().tolist()) == {frame}


# ---- what is refused, and how ----


def test_a_big_tiff_with_absurd_places_is_refused():
    head = b"II+\0\x08\0\0\0" + struct.pack("<Q", 1 << 63)
    assert "go beyond the end" in refusal(head)
    entries = [struct.pack("<HHQQ", tag, 4, 1, 2) for tag in (256, 257)] + [struct.pack("<HHQQ", 273, 16, 1 << 61, 1 << 62)]
    data = b"II+\0\x08\0\0\0" + struct.pack("<QQ", 16, 3) + b"".join(entries) + bytes(8)
    assert refusal(data).count("\n") == 0


def test_tags_whose_values_lie_one_over_the_other_are_refused():
    size = 1 << 20
    entries = [struct.pack("<HHII", tag, 1, size, 8) for tag in range(1000, 1100)]
    data = b"II*\0" + struct.pack("<I", size) + bytes(size - 8) + struct.pack("<H", 100) + b"".join(entries) + bytes(4) + bytes(8)
    assert "one over the other" in refusal(data)


def test_transparency_that_is_longer_than_its_palette_is_ignored_as_libpng_does():
    data = png(1, 1, colour=3, extra=[png_chunk(b"PLTE", b"abc"), png_chunk(b"tRNS", b"\0\0")])
    picture = read(data)
    assert picture.form == Form(Kind.PALETTE, 8, b"abc")
    assert picture.dropped == ("transparency that is not valid, which other readers ignore too",)


def test_two_palettes_and_unknown_critical_chunks_are_refused():
    palette = png_chunk(b"PLTE", b"abc")
    assert "2 chunks 'PLTE'" in refusal(png(1, 1, colour=3, extra=[palette, palette]))
    assert "without which it cannot be understood" in refusal(png(1, 1, extra=[png_chunk(b"ABCD", b"")]))


def test_public_chunks_and_those_that_may_be_copied_are_kept_and_others_named():
    kept = [
        Chunk(b"oFFs", struct.pack(">iiB", 1, 2, 0)),
        Chunk(b"pCAL", b"x\0" + bytes(10)),
        Chunk(b"sCAL", b"\x011\x002"),
        Chunk(b"sTER", b"\1"),
        Chunk(b"prVt", b"private"),
    ]
    picture = read(png(1, 1, extra=[png_chunk(*chunk) for chunk in (*kept, Chunk(b"prVT", b"not to be copied"))]))
    assert picture.form.chunks == tuple(kept)
    assert picture.dropped == ("chunk 'prVT'",)
    assert read(rewritten(picture, "PNG")).form == picture.form


def test_messages_do_not_contradict_themselves():
    assert refusal(bmp(2, 1, 16, bytes(4))) == "unsupported BMP: 16 bits a pixel; docs/images.md lists what is taken"
    assert "12-bit RGB" in refusal(tiff(photo(2, 2, 3), tags=[entry_of("<", 258, 3, 12, 12, 12)]))
    assert read(b"P5 2 1 255\nab\n").dropped == ("1 byte after the end",)
    assert "more than one picture; --frame N" in refusal(b"P5 2 1 255\nab\nP5 2 1 255\ncd")
    assert read(b"P5 2 1 255\nab\nP5 2 1 255\ncd", frame=1).samples.tolist() == [[99, 100]]


def test_a_last_number_that_nothing_ends_is_refused():
    assert read(b"P2 2 1 255 12 34\n").samples.tolist() == [[12, 34]]
    assert "digits may be missing" in refusal(b"P2 2 1 255 12 3")


def test_a_bmp_of_32_bits_without_alpha_is_rgb_and_its_fourth_bytes_are_named():
    assert read(bmp(1, 1, 32, b"\1\2\3\0")).samples.tolist() == [[[3, 2, 1]]]
    assert read(bmp(1, 1, 32, b"\1\2\3\4")).dropped == ("the fourth byte of the pixels, which the header does not call alpha",)


def test_tiles_over_the_limit_are_refused_before_they_are_unpacked():
    tags = [entry_of("<", tag, 4, value) for tag, value in ((322, 1 << 20), (323, 1 << 20), (324, 8), (325, 8))]
    with pytest.raises(LimitError, match="tiles of 1048576 x 1048576"):
        read(tiff(photo(2, 2), tags=tags), max_pixels=1000)


def test_segments_of_a_jpeg_without_end_are_refused():
    data = WHOLE["JPEG"]
    with pytest.raises(ImageError, match="before the end of the picture"):
        jpeg_segments(data[:-2])
    assert jpeg_segments(data)[1] == len(data)
