"""Photos: every kind of file against an oracle that is not images.py, every error, every way to name photos."""

from __future__ import annotations

import contextlib
import io
import os
import struct
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import ExifTags, Image, ImageFile
from torch.nn.functional import interpolate
from torchvision import transforms

from rdexplain.errors import OptionError, PhotoError
from rdexplain.photos.images import Photo, find_photos, load_photo, sample_names
from rdexplain.text.names import printable

H, W = 12, 17
RNG = np.random.default_rng(0)
RGB = RNG.integers(0, 256, (H, W, 3), dtype=np.uint8)
RGBA = RNG.integers(0, 256, (H, W, 4), dtype=np.uint8)
DEEP = RNG.integers(0, 65536, (H, W), dtype=np.uint16)


def pixels(path: Path, **options: object) -> np.ndarray:
    """(h, w, 3), in the range of load_photo, at the photo's own size unless told otherwise."""
    options.setdefault("size", None)
    found = load_photo(path, **options).pixels
    assert found.dtype == torch.float32
    assert found.is_contiguous()
    return found.permute(1, 2, 0).numpy()


def same(found: np.ndarray, expected: np.ndarray, levels: float = 0) -> None:
    """`expected` is in 0..255; they differ by at most `levels` of these 255."""
    if expected.ndim == 2:
        expected = np.repeat(expected[..., None], 3, -1)
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected.astype(np.float64) / 255, rtol=0, atol=levels / 255 + 1e-7)


def on_white(rgba: np.ndarray) -> np.ndarray:
    alpha = rgba[..., 3:] / 255
    return rgba[..., :3] * alpha + 255 * (1 - alpha)


def write_png(path: Path, array: np.ndarray, colour: int, extra: bytes = b"") -> Path:
    """A PNG of 16 bits a channel, which Pillow cannot write in colour."""

    height, width = array.shape[:2]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in array)
    header = struct.pack(">IIBBBBB", width, height, 16, colour, 0, 0, 0)
    body = png_chunk(b"IHDR", header) + extra + png_chunk(b"IDAT", zlib.compress(rows)) + png_chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + body)
    return path


def png_chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def write_tiff(path: Path, data: bytes, bits: list[int], photometric: int, order: str = "<", **tags: int) -> Path:
    """A TIFF of one strip, H x W, little or big endian, by hand: Pillow and tifffile are not asked."""
    if tags.get("compression", 1) != 1:
        data = zlib.compress(data)
    entries = {256: W, 257: H, 258: bits, 259: tags.get("compression", 1), 262: photometric, 273: 8}
    entries |= {277: len(bits), 278: H, 279: len(data), 284: tags.get("planar", 1)}
    entries |= {339: [tags.get("format", 1)] * len(bits)}
    if tags.get("planar", 1) == 2:
        plane = len(data) // len(bits)
        entries |= {273: [8 + i * plane for i in range(len(bits))], 279: [plane] * len(bits)}
    directory = 8 + len(data) + len(data) % 2
    beyond = directory + 2 + 12 * len(entries) + 4
    table, overflow = struct.pack(order + "H", len(entries)), b""
    for tag, value in sorted(entries.items()):
        values = value if isinstance(value, list) else [value]
        kind, letter = (4, "I") if tag in (273, 279) else (3, "H")
        packed = struct.pack(order + letter * len(values), *values)
        table += struct.pack(order + "HHI", tag, kind, len(values))
        if len(packed) > 4:
            table += struct.pack(order + "I", beyond + len(overflow))
            overflow += packed
        else:
            table += packed.ljust(4, b"\0")
    header = (b"II" if order == "<" else b"MM") + struct.pack(order + "HI", 42, directory)
    path.write_bytes(header + data + b"\0" * (len(data) % 2) + table + b"\0" * 4 + overflow)
    return path


# formats and modes


@pytest.mark.parametrize(
    ("suffix", "options"),
    [
        ("png", {}),
        ("bmp", {}),
        ("webp", {"lossless": True}),
        ("tif", {}),
        ("tif", {"compression": "tiff_lzw"}),
        ("tif", {"compression": "tiff_adobe_deflate"}),
        ("ppm", {}),
        ("tga", {}),
        ("jp2", {}),
    ],
)
def test_lossless_formats_give_their_values(tmp_path: Path, suffix: str, options: dict) -> None:
    Image.fromarray(RGB).save(path := tmp_path / f"a.{suffix}", **options)
    same(pixels(path), RGB)


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"subsampling": 0, "quality": 95}])
def test_jpeg_is_what_pillow_decodes(tmp_path: Path, options: dict) -> None:
    Image.fromarray(RGB).save(path := tmp_path / "a.jpg", **options)
    with Image.open(path) as image:
        same(pixels(path), np.asarray(image))


def test_the_suffix_does_not_matter(tmp_path: Path) -> None:
    Image.fromarray(RGB).save(path := tmp_path / "a.jpg", "PNG")
    same(pixels(path), RGB)


def test_grey_bilevel_and_palette(tmp_path: Path) -> None:
    grey = RGB[..., 0]
    Image.fromarray(grey).save(tmp_path / "grey.png")
    same(pixels(tmp_path / "grey.png"), grey)

    bits = grey > 100
    for suffix in ("png", "tif", "bmp"):
        Image.fromarray(bits).save(path := tmp_path / f"bits.{suffix}")
        same(pixels(path), bits * 255)

    table = RNG.integers(0, 256, (256, 3), dtype=np.uint8)
    palette = Image.fromarray(grey)
    palette.putpalette(table.tobytes())
    for suffix in ("png", "tif", "bmp", "gif"):
        palette.save(path := tmp_path / f"palette.{suffix}")
        same(pixels(path), table[grey])


def test_the_first_frame_is_read(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (W, H), colour) for colour in ("red", "blue")]
    for suffix in ("gif", "tif", "png", "webp"):
        more = {"lossless": True} if suffix == "webp" else {}
        frames[0].save(path := tmp_path / f"a.{suffix}", save_all=True, append_images=frames[1:], **more)
        same(pixels(path), np.tile(np.uint8([255, 0, 0]), (H, W, 1)))


@pytest.mark.parametrize("suffix", ["png", "tif", "webp", "tga"])
def test_alpha_is_composited_on_white(tmp_path: Path, suffix: str) -> None:
    options = {"lossless": True, "exact": True} if suffix == "webp" else {}
    Image.fromarray(RGBA).save(path := tmp_path / f"a.{suffix}", **options)
    same(pixels(path), on_white(RGBA), levels=1)


def test_alpha_is_composited_before_resizing(tmp_path: Path) -> None:
    # Black that cannot be seen next to white: no grey may bleed in.
    hidden = np.zeros((8, 8, 4), np.uint8)
    hidden[:, ::2] = 255
    Image.fromarray(hidden).save(path := tmp_path / "a.png")
    assert (pixels(path, size=4) == 1).all()


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_grey_with_alpha(tmp_path: Path, suffix: str) -> None:
    Image.fromarray(RGBA[..., :2], "LA").save(path := tmp_path / f"a.{suffix}")
    same(pixels(path), on_white(RGBA[..., [0, 0, 0, 1]]), levels=1)


def test_palettes_with_transparency(tmp_path: Path) -> None:
    index = RNG.integers(0, 4, (H, W), dtype=np.uint8)
    table = RNG.integers(0, 256, (4, 4), dtype=np.uint8)
    image = Image.fromarray(index)
    image.putpalette(table[:, :3].tobytes())

    image.save(tmp_path / "many.png", transparency=table[:, 3].tobytes())
    same(pixels(tmp_path / "many.png"), on_white(table[index]), levels=1)

    table[:, 3] = [255, 255, 0, 255]
    for suffix in ("png", "gif"):
        image.save(path := tmp_path / f"one.{suffix}", transparency=2)
        same(pixels(path), on_white(table[index]))

    alpha = RNG.integers(0, 256, (H, W), dtype=np.uint8)
    image = Image.frombytes("PA", (W, H), np.stack([index, alpha], -1).tobytes())
    image.putpalette(table[:, :3].tobytes())
    image.save(tmp_path / "pa.tif")
    with Image.open(tmp_path / "pa.tif") as check:
        assert check.mode == "PA"
    same(pixels(tmp_path / "pa.tif"), on_white(np.dstack([table[index][..., :3], alpha])), levels=1)


def test_one_colour_that_is_transparent(tmp_path: Path) -> None:
    Image.fromarray(RGB).save(tmp_path / "rgb.png", transparency=tuple(map(int, RGB[3, 5])))
    expected = RGB.copy()
    expected[3, 5] = 255
    same(pixels(tmp_path / "rgb.png"), expected)

    write_png(tmp_path / "deep.png", DEEP, 0, png_chunk(b"tRNS", struct.pack(">H", DEEP[3, 5])))
    deep = DEEP.astype(float)
    deep[DEEP[3, 5] == DEEP] = 65535
    same(pixels(tmp_path / "deep.png"), deep / 257)


def test_cmyk(tmp_path: Path) -> None:
    cmyk = RNG.integers(0, 256, (H, W, 4), dtype=np.uint8)
    expected = (255.0 - cmyk[..., :3]) * (255.0 - cmyk[..., 3:]) / 255
    Image.fromarray(cmyk, "CMYK").save(tmp_path / "a.tif")
    same(pixels(tmp_path / "a.tif"), expected, levels=1)

    # In a JPEG, Adobe's way, the inks are inverted; a flat picture survives the compression.
    ink = (200, 30, 90, 40)
    Image.new("CMYK", (W, H), ink).save(path := tmp_path / "a.jpg", quality=100)
    data = path.read_bytes()
    at = data.index(b"Adobe\0")
    expected = np.tile([(255 - level) * (255 - ink[3]) / 255 for level in ink[:3]], (H, W, 1))
    same(pixels(path), expected, levels=3)

    # The same bytes read as YCCK: what was stored, 255 - ink, is Y, Cb, Cr and the inverted K.
    path.write_bytes(data[: at + 11] + b"\2" + data[at + 12 :])
    y, cb, cr, k = (255 - level for level in ink)
    rgb = [y + 1.402 * (cr - 128), y - 0.344136 * (cb - 128) - 0.714136 * (cr - 128), y + 1.772 * (cb - 128)]
    inks = 255 - np.clip(rgb, 0, 255)  # inverted by YCCK, and back by Adobe's convention
    expected = np.tile(inks * k / 255, (H, W, 1))
    same(pixels(path), expected, levels=3)


def test_ycbcr(tmp_path: Path) -> None:
    ycc = RNG.integers(100, 156, (H, W, 3), dtype=np.uint8)
    Image.fromarray(ycc, "YCbCr").save(path := tmp_path / "a.tif")
    y, cb, cr = np.moveaxis(ycc.astype(float), -1, 0)
    expected = [y + 1.402 * (cr - 128), y - 0.344136 * (cb - 128) - 0.714136 * (cr - 128), y + 1.772 * (cb - 128)]
    same(pixels(path), np.clip(np.stack(expected, -1), 0, 255), levels=1)


@pytest.mark.parametrize(
    ("lab", "rgb"),  # CIE L*a*b* under D50, and sRGB
    [
        ((53.59, 0, 0), (128, 128, 128)),
        ((47.34, 55.62, 39.33), (200, 60, 50)),
        ((58.82, 0, -30), (116, 143, 194)),
    ],
)
def test_lab(tmp_path: Path, lab: tuple, rgb: tuple) -> None:
    value = struct.pack("Bbb", round(lab[0] * 2.55), round(lab[1]), round(lab[2]))
    path = write_tiff(tmp_path / "a.tif", value * (H * W), [8, 8, 8], photometric=8)
    same(pixels(path), np.tile(rgb, (H, W, 1)), levels=3)


# more than 8 bits


def test_deep_grey_png(tmp_path: Path) -> None:
    same(pixels(write_png(tmp_path / "a.png", DEEP, 0)), DEEP / 257)


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("compression", [1, 8])
def test_deep_grey_tiff(tmp_path: Path, order: str, compression: int) -> None:
    data = DEEP.astype(order + "u2").tobytes()
    path = write_tiff(tmp_path / "a.tif", data, [16], 1, order, compression=compression)
    same(pixels(path), DEEP / 257)


def test_deep_grey_where_white_is_zero(tmp_path: Path) -> None:
    same(pixels(write_tiff(tmp_path / "a.tif", DEEP.tobytes(), [16], photometric=0)), (65535.0 - DEEP) / 257)
    grey = RGB[..., 0]
    same(pixels(write_tiff(tmp_path / "b.tif", grey.tobytes(), [8], photometric=0)), 255 - grey)


def test_whole_numbers_of_32_bits(tmp_path: Path) -> None:
    data = DEEP.astype("<i4").tobytes()
    same(pixels(write_tiff(tmp_path / "a.tif", data, [32], 1, format=2)), DEEP / 257)
    for wrong in (-1, 65536):
        bad = DEEP.astype("<i4")
        bad[0, 0] = wrong
        path = write_tiff(tmp_path / "b.tif", bad.tobytes(), [32], 1, format=2)
        with pytest.raises(PhotoError, match=r"b\.tif: its values must be in \[0, 65535\]"):
            load_photo(path)


def test_grey_of_12_bits(tmp_path: Path) -> None:
    values = (DEEP[:, :W] >> 4).astype(int)
    rows = []
    for row in values:
        bits = "".join(f"{value:012b}" for value in row)
        bits += "0" * (-len(bits) % 8)
        rows.append(int(bits, 2).to_bytes(len(bits) // 8, "big"))
    path = write_tiff(tmp_path / "a.tif", b"".join(rows), [12], 1)
    same(pixels(path), values * 255 / 4095)


@pytest.mark.parametrize("order", "<>")
def test_float_grey(tmp_path: Path, order: str) -> None:
    unit = RNG.random((H, W)).astype(order + "f4")
    write_tiff(tmp_path / "unit.tif", unit.tobytes(), [32], 1, order, format=3)
    same(pixels(tmp_path / "unit.tif"), unit.astype(float) * 255)

    byte = (unit * 255).astype(order + "f4")
    write_tiff(tmp_path / "byte.tif", byte.tobytes(), [32], 1, order, format=3)
    same(pixels(tmp_path / "byte.tif"), byte)


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf, -0.01, 255.5])
def test_float_grey_outside_its_range(tmp_path: Path, wrong: float) -> None:
    values = RNG.random((H, W)).astype("<f4")
    values[2, 3] = wrong
    path = write_tiff(tmp_path / "a.tif", values.tobytes(), [32], 1, format=3)
    with pytest.raises(PhotoError, match=r"a\.tif: its values must be in \[0, 1\] or \[0, 255\]"):
        load_photo(path)


def test_deep_colour_is_read_as_8_bits(tmp_path: Path) -> None:
    for channels, colour in ((2, 4), (3, 2), (4, 6)):
        deep = RNG.integers(0, 65536, (H, W, channels), dtype=np.uint16)
        path = write_png(tmp_path / f"{channels}.png", deep, colour)
        eight = deep / 257
        if channels == 2:
            eight = eight[..., [0, 0, 0, 1]]
        same(pixels(path), on_white(eight) if channels != 3 else eight, levels=2)

    deep = RNG.integers(0, 65536, (H, W, 3), dtype=np.uint16)
    for compression in (1, 8):
        path = write_tiff(tmp_path / "a.tif", deep.tobytes(), [16] * 3, 2, compression=compression)
        same(pixels(path), deep / 257, levels=1)


def test_kinds_of_tiff_that_pillow_garbles_or_refuses(tmp_path: Path) -> None:
    planes = RNG.integers(0, 65536, (3, H, W), dtype=np.uint16).tobytes()
    floats = RNG.random((H, W)).astype(">f4").tobytes()
    colour = RNG.random((H, W, 3)).astype("<f4").tobytes()
    paths = [
        write_tiff(tmp_path / "planes.tif", planes, [16] * 3, 2, planar=2),
        write_tiff(tmp_path / "swapped.tif", floats, [32], 1, ">", format=3, compression=8),
        write_tiff(tmp_path / "colour.tif", colour, [32] * 3, 2, format=3),
    ]
    for path in paths:
        with pytest.raises(PhotoError, match=f"{path.name}: .*convert it to 8-bit RGB"):
            load_photo(path)
    # 8-bit planes are fine.
    write_tiff(tmp_path / "fine.tif", np.moveaxis(RGB, -1, 0).tobytes(), [8] * 3, 2, planar=2)
    same(pixels(tmp_path / "fine.tif"), RGB)


@pytest.mark.parametrize(("fit", "size"), [("squash", (7, 9)), ("squash", (30, 40)), ("crop", (9, 9))])
def test_deep_grey_is_resized_without_rounding(tmp_path: Path, fit: str, size: tuple) -> None:
    write_png(path := tmp_path / "a.png", DEEP, 0)
    grey = torch.from_numpy(DEEP / 65535)[None, None]
    if fit == "squash":
        expected = interpolate(grey, size, mode="bilinear", antialias=True)
    else:  # 12 x 17 to 9 x 12, and 9 of the 12 from round(1.5) = 2 on
        expected = interpolate(grey, (9, 12), mode="bilinear", antialias=True)[..., 2:11]
    found = load_photo(path, size=size, fit=fit).pixels
    torch.testing.assert_close(found.double(), expected[0].expand(3, -1, -1), rtol=0, atol=1e-6)


def test_resized_floats_stay_in_range(tmp_path: Path) -> None:
    path = write_tiff(tmp_path / "a.tif", np.ones((H, W), "<f4").tobytes(), [32], 1, format=3)
    for size in range(1, 40):
        assert load_photo(path, size=size).pixels.max() <= 1


# orientation


UPRIGHT = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: a[::-1, ::-1].swapaxes(0, 1),
    8: lambda a: np.rot90(a),
}


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["jpg", "png", "webp", "tif", "packed.tif", "deep.png", "alpha.png"])
def test_orientation(tmp_path: Path, kind: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    options = {"webp": {"lossless": True}, "packed.tif": {"compression": "tiff_lzw"}}.get(kind, {})
    image = Image.fromarray({"deep.png": DEEP, "alpha.png": RGBA}.get(kind, RGB))
    stored = np.asarray(image)
    image.save(path := tmp_path / f"a.{kind}", exif=exif, **options)
    if kind == "jpg":
        image.save(tmp_path / "plain.jpg")
        stored = np.asarray(Image.open(tmp_path / "plain.jpg"))
    if kind == "deep.png":
        stored = stored / 257
    if kind == "alpha.png":
        stored = on_white(stored)
    expected = UPRIGHT[orientation](stored)
    same(pixels(path), expected, levels=1 if kind == "alpha.png" else 0)
    assert load_photo(path, size=5).original_size == expected.shape[:2]


@pytest.mark.parametrize(
    "exif",
    [
        b"Exif\0\0",
        b"Exif\0\0garbage",
        b"Exif\0\0MM\0*\0\0\0\x08\xff\xff",  # more tags than there are
        b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x02\0\0\0\x04top\0\0\0\0\0",  # an orientation in words
    ],
)
def test_broken_exif_does_not_spoil_a_photo(tmp_path: Path, exif: bytes) -> None:
    Image.fromarray(RGB).save(path := tmp_path / "a.jpg", exif=exif)
    Image.fromarray(RGB).save(plain := tmp_path / "plain.jpg")
    assert torch.equal(load_photo(path).pixels, load_photo(plain).pixels)


def test_an_orientation_that_does_not_exist(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 9
    Image.fromarray(RGB).save(path := tmp_path / "a.png", exif=exif)
    same(pixels(path), RGB)


# size


SHAPES = [(37, 53), (53, 37), (40, 40), (10, 64), (301, 20)]


@pytest.mark.parametrize("size", [1, 16, 33, 64])
@pytest.mark.parametrize("shape", SHAPES)
def test_sizes_are_those_of_torchvision(tmp_path: Path, shape: tuple, size: int) -> None:
    image = Image.fromarray(RNG.integers(0, 256, (*shape, 3), dtype=np.uint8))
    image.save(path := tmp_path / "a.png")
    squash = transforms.Compose([transforms.Resize((size, size)), transforms.ToTensor()])
    crop = transforms.Compose([transforms.Resize(size), transforms.CenterCrop(size), transforms.ToTensor()])
    assert torch.equal(load_photo(path, size).pixels, squash(image))
    assert torch.equal(load_photo(path, size, fit="crop").pixels, crop(image))


@pytest.mark.parametrize("shape", SHAPES)
def test_size_of_two_numbers(tmp_path: Path, shape: tuple) -> None:
    image = Image.fromarray(RNG.integers(0, 256, (*shape, 3), dtype=np.uint8))
    image.save(path := tmp_path / "a.png")
    to_tensor = transforms.ToTensor()
    assert torch.equal(load_photo(path, (12, 20)).pixels, to_tensor(transforms.Resize((12, 20))(image)))
    scale = max(12 / shape[0], 20 / shape[1])
    covering = transforms.Resize((int(shape[0] * scale + 1e-9), int(shape[1] * scale + 1e-9)))
    expected = to_tensor(transforms.CenterCrop((12, 20))(covering(image)))
    assert torch.equal(load_photo(path, (12, 20), fit="crop").pixels, expected)


def test_grey_and_alpha_are_sized_as_rgb(tmp_path: Path) -> None:
    Image.fromarray(RGB[..., 0]).save(path := tmp_path / "a.png")
    expected = transforms.ToTensor()(transforms.Resize((9, 9))(Image.fromarray(RGB[..., 0]).convert("RGB")))
    assert torch.equal(load_photo(path, 9).pixels, expected)


def test_default_size_and_fields(tmp_path: Path) -> None:
    Image.fromarray(RGB).save(path := tmp_path / "my.photo.png")
    photo = load_photo(path)
    assert photo.pixels.shape == (3, 256, 256)
    assert (photo.name, photo.source) == ("my.photo", str(path))
    assert (photo.original_size, photo.fit) == ((H, W), "squash")
    assert load_photo(str(path), np.int64(4), "crop").fit == "crop"
    assert "tensor" not in repr(photo)
    with pytest.raises(AttributeError):
        photo.name = "other"
    assert photo == photo
    assert photo != load_photo(path)  # no comparison of tensors behind ==


@pytest.mark.parametrize("size", [0, -1, 8193, (4, 0), (8193, 4), 2.5, "big", (1, 2, 3), (4,), (4.0, 4)])
def test_sizes_that_are_refused(size: object) -> None:
    with pytest.raises(OptionError, match="size must be"):
        load_photo("not even looked at", size)


def test_fit_that_does_not_exist() -> None:
    with pytest.raises(OptionError, match="unknown fit 'squish': did you mean squash"):
        load_photo("not even looked at", fit="squish")


def test_too_elongated_to_crop(tmp_path: Path) -> None:
    Image.new("L", (30_000, 1)).save(path := tmp_path / "line.png")
    with pytest.raises(PhotoError, match=r"line\.png: .*too elongated; use fit 'squash'"):
        load_photo(path, 256, fit="crop")
    assert load_photo(path, 4).pixels.shape == (3, 4, 4)


# samples


def test_samples() -> None:
    assert sample_names() == ("astronaut", "cat", "coffee", "rocket")
    sizes = {"astronaut": (512, 512), "cat": (300, 451), "coffee": (400, 600), "rocket": (427, 640)}
    for name in sample_names():
        photo = load_photo(f"sample:{name}", size=None)
        assert isinstance(photo, Photo)
        assert (photo.name, photo.source, photo.original_size) == (name, f"sample:{name}", sizes[name])
        assert photo.pixels.std() > 0.1


def test_the_cat_is_scikit_images() -> None:
    data = pytest.importorskip("skimage.data")
    assert np.abs(pixels("sample:cat") - data.chelsea() / 255).mean() < 0.02


@pytest.mark.parametrize("function", [load_photo, lambda source: find_photos([source])])
def test_samples_that_do_not_exist(function: object) -> None:
    with pytest.raises(PhotoError, match="unknown sample 'cta': did you mean cat"):
        function("sample:cta")
    with pytest.raises(PhotoError, match="sample: needs a name: choose from astronaut, cat, coffee, rocket"):
        function("sample:")


# files that cannot be read


def refused(source: object, *words: str) -> None:
    with pytest.raises(PhotoError) as caught:
        load_photo(source)
    text = str(caught.value)
    assert "\n" not in text
    for word in words:
        assert word in text


def test_files_that_are_no_photos(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("hello")
    (tmp_path / "empty.png").touch()
    refused(tmp_path / "notes.txt", "notes.txt is not an image")
    refused(tmp_path / "empty.png", "empty.png is empty (0 bytes)")
    refused(tmp_path, f"{tmp_path} is a folder")
    refused(tmp_path / "notes.txt" / "a.png", "no such file or folder", "a.png")
    refused(tmp_path / "notes.tx", "no such file or folder", f"did you mean {tmp_path}/notes.txt?")
    refused(tmp_path / "zebra.jpg", "no such file or folder: ", "zebra.jpg")
    refused("", "no such file or folder: ''")
    refused("a\0b", "no such file or folder: 'a\\x00b'")
    refused("a\0/b", "no such file or folder: 'a\\x00/b'")
    refused(str(tmp_path / "two\nlines.png"), "no such file", "two\\nlines.png")
    refused("a" * 5000, "cannot read", "name too long")
    os.mkfifo(tmp_path / "pipe.png")
    refused(tmp_path / "pipe.png", "pipe.png is not a plain file")


def test_no_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.fromarray(RGB).save(path := tmp_path / "a.png")

    def denied(*_: object) -> None:
        raise PermissionError(13, "Permission denied", str(path))  # root may read anything, so it is acted

    monkeypatch.setattr("builtins.open", denied)
    refused(path, "cannot read", "a.png: Permission denied")
    monkeypatch.setattr("os.listdir", denied)
    with pytest.raises(PhotoError, match=f"cannot read folder {tmp_path}: Permission denied"):
        find_photos([tmp_path])


@pytest.mark.parametrize(
    ("format", "options"),
    [
        ("JPEG", {}),
        ("JPEG", {"progressive": True}),
        ("PNG", {}),
        ("WEBP", {}),
        ("TIFF", {}),
        ("BMP", {}),
        ("GIF", {}),
        ("JPEG2000", {}),
    ],
)
def test_a_photo_that_is_cut_off_is_never_half_read(tmp_path: Path, format: str, options: dict) -> None:
    stream = io.BytesIO()
    Image.fromarray(RGB).save(stream, format, **options)
    data = stream.getvalue()
    path = tmp_path / "cut.img"
    path.write_bytes(data)
    whole = load_photo(path, size=None).pixels
    messages = []
    for length in [*range(1, len(data) - 24, 7), *range(len(data) - 24, len(data))]:
        path.write_bytes(data[:length])
        try:
            # What follows the last pixel (PNG's IEND, say) may be missing.
            assert torch.equal(load_photo(path, size=None).pixels, whole), length
        except PhotoError as error:
            messages.append(str(error))
    assert len(messages) >= len(data) // 7 - 6
    assert all(text.count(str(path)) == 1 and "\n" not in text for text in messages)


def test_a_jpeg_without_its_second_half(tmp_path: Path) -> None:
    Image.fromarray(np.tile(RGB, (10, 10, 1))).save(path := tmp_path / "half.jpg")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    refused(path, "cannot read", "half.jpg: damaged or cut off")


def test_damaged_bytes_are_a_photo_error_or_a_photo(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    path = tmp_path / "damaged"
    for format in ("PNG", "GIF", "BMP", "WEBP", "JPEG"):
        stream = io.BytesIO()
        Image.fromarray(RGB).save(stream, format)
        for _ in range(60):
            data = np.frombuffer(stream.getvalue(), np.uint8).copy()
            data[rng.integers(0, min(len(data), 80), 3)] = rng.integers(0, 256, 3)
            path.write_bytes(data.tobytes())
            with contextlib.suppress(PhotoError):
                assert load_photo(path, 8).pixels.shape == (3, 8, 8)


def test_decompression_bombs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", H * W - 1)
    Image.fromarray(RGB).save(large := tmp_path / "large.png")
    Image.new("RGB", (2 * W, 2 * H)).save(bomb := tmp_path / "bomb.png")
    before = list(warnings.filters)
    with pytest.warns(Image.DecompressionBombWarning):
        Image.open(large).close()
    same(pixels(large), RGB)  # the warning, an error in these tests, is silenced
    refused(bomb, "bomb.png: it has too many pixels")
    assert warnings.filters == before


def test_threads_leave_the_warning_filters_alone(tmp_path: Path) -> None:
    Image.fromarray(np.tile(RGB, (8, 8, 1))).save(path := tmp_path / "a.png")
    before = list(warnings.filters)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: load_photo(path, 16), range(64)))
    assert warnings.filters == before
    assert not ImageFile.LOAD_TRUNCATED_IMAGES


# finding


@pytest.fixture
def album(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    names = ["b.png", "a.JPG", "c[1].png", "c1.png", ".hidden.png", "notes.txt", "sub/d.webp", "sub/deep/e.tiff"]
    for name in names:
        path = tmp_path / "album" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    (tmp_path / "album" / "folder.png").mkdir()
    (tmp_path / "bare").mkdir()
    return tmp_path / "album"


@pytest.mark.parametrize(
    ("patterns", "expected"),
    [
        ([], []),
        (["album/b.png"], ["album/b.png"]),
        ([Path("album/b.png"), "sample:cat"], ["album/b.png", "sample:cat"]),
        ("album/b.png", ["album/b.png"]),
        (["album/notes.txt"], ["album/notes.txt"]),
        (["album/.hidden.png"], ["album/.hidden.png"]),
        (["album"], ["album/a.JPG", "album/b.png", "album/c1.png", "album/c[1].png"]),
        (["album/"], ["album/a.JPG", "album/b.png", "album/c1.png", "album/c[1].png"]),
        (["./album/sub"], ["./album/sub/d.webp"]),
        (["album/*.png"], ["album/b.png", "album/c1.png", "album/c[1].png"]),
        (["album/*"], ["album/a.JPG", "album/b.png", "album/c1.png", "album/c[1].png"]),
        (["album/*.txt"], ["album/notes.txt"]),
        (["album/?.*"], ["album/a.JPG", "album/b.png"]),
        (["album/**/*.[tw]*"], ["album/sub/d.webp", "album/sub/deep/e.tiff"]),
        (["album/sub/**"], ["album/sub/d.webp", "album/sub/deep/e.tiff"]),
        (["album/c[1].png"], ["album/c[1].png"]),
        (["album/c[12].png"], ["album/c1.png"]),
        (["album/b.png", "album/*.png"], ["album/b.png", "album/c1.png", "album/c[1].png"]),
        (["album/b.png", "./album/b.png", "album/sub/../b.png"], ["album/b.png"]),
        (["sample:cat", "sample:rocket", "sample:cat"], ["sample:cat", "sample:rocket"]),
    ],
)
def test_found(album: Path, patterns: list, expected: list[str]) -> None:
    assert find_photos(patterns) == expected


def test_a_link_is_another_photo(album: Path) -> None:
    (album / "link.png").symlink_to(album / "b.png")
    assert find_photos(["album/b.png", "album/link.png"]) == ["album/b.png", "album/link.png"]
    (album / "lost.png").symlink_to(album / "gone.png")
    assert "album/lost.png" not in find_photos(["album"])
    with pytest.raises(PhotoError, match=r"^no such file or folder: album/lost\.png$"):
        find_photos(["album/lost.png"])


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("albun", "no such file or folder: albun (did you mean album?)"),
        ("albun/", "no such file or folder: albun/ (did you mean album?)"),
        ("album/B.pmg", "no such file or folder: album/B.pmg (did you mean album/b.png?)"),
        ("album/zzzzzz", "no such file or folder: album/zzzzzz"),
        ("nowhere/b.png", "no such file or folder: nowhere/b.png"),
        ("", "no such file or folder: ''"),
        ("bare", "no photos in folder bare (folders inside it are not searched)"),
        ("album/*.xyz", "no file matches album/*.xyz"),
        ("album/[z]*.png", "no file matches album/[z]*.png"),
        ("sample:", "sample: needs a name: choose from astronaut, cat, coffee, rocket"),
        ("sample:Cats", "unknown sample 'Cats': did you mean cat?"),
    ],
)
def test_not_found(album: Path, pattern: str, message: str) -> None:
    with pytest.raises(PhotoError) as caught:
        find_photos(["album/b.png", pattern])
    assert str(caught.value) == message


def test_a_name_that_is_no_text(tmp_path):
    bad = os.path.join(tmp_path, os.fsdecode(b"bad\xff.png"))
    Image.new("RGB", (4, 4)).save(bad)
    with pytest.raises(PhotoError) as caught:
        load_photo(bad)
    assert str(caught.value) == f"{tmp_path}/bad\\udcff.png: its name is not valid UTF-8: rename it"
    assert printable("a\nb\u2028c 猫\u3000'd'.png") == "a\\nb\\u2028c 猫\u3000'd'.png"
