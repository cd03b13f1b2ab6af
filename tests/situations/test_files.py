"""Photos as files: what they hold, what they are called, where they lie."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
from PIL import Image
from tests.situations.marks import situation

import rdexplain as rx
from rdexplain import render
from rdexplain.cli import main
from rdexplain.errors import PhotoError

RGB = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
GREY = RGB[..., 0]
NETWORK = """
from torch import nn

def network():
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 4))
"""


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def pixels(path, **options):
    """(h, w, 3) in 0..255, at the photo's own size."""
    return 255 * rx.load_photo(path, None, **options).pixels.permute(1, 2, 0).numpy()


@situation(
    "A file of one pixel",
    source="pytorch-grad-cam#452",
    right="its colour at every size and fit",
)
@pytest.mark.parametrize("fit", ["squash", "crop", "letterbox"])
def test_one_pixel(fit):
    Image.new("RGB", (1, 1), (255, 0, 51)).save("one.png")
    photo = rx.load_photo("one.png", 8, fit)
    assert photo.original_size == (1, 1)
    assert torch.allclose(photo.pixels, torch.tensor([1, 0, 0.2]).view(3, 1, 1).expand(3, 8, 8))


@situation(
    "A photo of 8000 x 8000 pixels",
    source="captum#538",
    right="it is read at the size that is asked for; one with more pixels than Pillow allows is refused in one line",
)
def test_large_photos():
    Image.new("L", (8000, 8000), 128).save("large.png", compress_level=1)
    photo = rx.load_photo("large.png", 16)
    assert photo.original_size == (8000, 8000)
    assert torch.allclose(photo.pixels, torch.full((3, 16, 16), 128 / 255))
    Image.new("1", (14000, 14000)).save("huge.png", compress_level=1)
    with pytest.raises(PhotoError, match=r"huge\.png: it has too many pixels; scale it down first"):
        rx.load_photo("huge.png", 16)


@situation(
    "16-bit TIFF and PNG, which a conversion to RGB makes white",
    source="python-pillow/Pillow#5248",
    right="values over 65535, grey and in colour; 8-bit values in 16 bits stay dark",
)
def test_sixteen_bits():
    tifffile.imwrite("grey.tif", GREY.astype(np.uint16) * 257)
    Image.fromarray(GREY.astype(np.uint16) * 257).save("grey.png")
    tifffile.imwrite("colour.tif", RGB.astype(np.uint16) * 257, photometric="rgb")
    tifffile.imwrite("dark.tif", GREY.astype(np.uint16))
    for name, expected in (("grey.tif", GREY), ("grey.png", GREY), ("dark.tif", GREY / 257)):
        np.testing.assert_allclose(pixels(name), np.repeat(expected[..., None], 3, 2), atol=1e-3)
    np.testing.assert_allclose(pixels("colour.tif"), RGB, atol=1)


@situation(
    "TIFF of floating-point numbers",
    source="python-pillow/Pillow#2556",
    right="float32 grey in [0, 1] as it is; what Pillow cannot read is one line that says to convert it",
)
def test_float_tiff(caplog, capfd):
    tifffile.imwrite("float.tif", (GREY / 255).astype(np.float32))
    np.testing.assert_allclose(pixels("float.tif"), np.repeat(GREY[..., None], 3, 2), atol=1e-3)
    tifffile.imwrite("colour.tif", (RGB / 255).astype(np.float32), photometric="rgb")
    tifffile.imwrite("half.tif", (GREY / 255).astype(np.float16))
    tifffile.imwrite("bands.tif", np.zeros((20, 30, 8), np.uint8), photometric="minisblack", planarconfig="contig")
    for name in ("colour.tif", "half.tif", "bands.tif"):
        with pytest.raises(PhotoError, match="this kind of TIFF is not supported; convert it to 8-bit RGB first"):
            rx.load_photo(name)
    assert capfd.readouterr().err == ""  # Pillow's own messages about such files


@situation(
    "TIFF of several pages and animated GIF, which other readers stack into another shape",
    source="SandoghdarLab/PiSCAT#3",
    right="the first page or frame",
)
def test_several_frames():
    tifffile.imwrite("pages.tif", np.stack([GREY, 255 - GREY]), photometric="minisblack")
    np.testing.assert_allclose(pixels("pages.tif"), np.repeat(GREY[..., None], 3, 2), atol=1e-3)
    frames = [Image.new("RGB", (30, 20), colour) for colour in ("red", "blue")]
    frames[0].save("animated.gif", save_all=True, append_images=frames[1:])
    np.testing.assert_allclose(pixels("animated.gif"), np.tile([255, 0, 0], (20, 30, 1)))


@situation(
    "CMYK photos",
    source="-",
    right="RGB, (1 - ink) (1 - black) of each",
)
def test_cmyk():
    ink = np.random.default_rng(1).integers(0, 256, (20, 30, 4), dtype=np.uint8)
    Image.fromarray(ink, "CMYK").save("ink.tif")
    np.testing.assert_allclose(pixels("ink.tif"), (255.0 - ink[..., :3]) * (255.0 - ink[..., 3:]) / 255, atol=1)


@situation(
    "A photo that the camera has stored on its side (EXIF orientation)",
    source="MikeGawi/ePiframe#62",
    right="upright; a senseless orientation or broken EXIF leaves it as it is stored",
)
def test_orientation():
    photo = Image.fromarray(RGB)
    exif = Image.Exif()
    exif[274] = 6
    photo.save("side.png", exif=exif)
    np.testing.assert_allclose(pixels("side.png"), np.rot90(RGB, -1), atol=1e-3)
    assert rx.load_photo("side.png").original_size == (30, 20)
    exif[274] = 99
    photo.save("senseless.png", exif=exif)
    photo.save("broken.png", exif=b"Exif\0\0nonsense")
    for name in ("senseless.png", "broken.png"):
        np.testing.assert_allclose(pixels(name), RGB, atol=1e-3)


@situation(
    "AVIF",
    source="-",
    right="it is read where Pillow reads it, else one line says that it cannot be",
)
def test_avif():
    if "AVIF" in Image.registered_extensions().values() and ".avif" in Image.registered_extensions():
        Image.new("RGB", (30, 20), (200, 40, 90)).save("flat.avif", quality=95)
        np.testing.assert_allclose(pixels("flat.avif"), np.tile([200, 40, 90], (20, 30, 1)), atol=4)
    Path("broken.avif").write_bytes(b"\0\0\0\x1cftypavif" + bytes(50))
    with pytest.raises(PhotoError, match=r"broken\.avif"):
        rx.load_photo("broken.avif")


@situation(
    "Files that are no photos: HEIC of a phone, a pointer of Git LFS, an error page, nothing, half a JPEG",
    source="-",
    right="one line that says which it is, and what helps; HEIC in a folder is not passed over in silence",
)
def test_files_that_are_no_photos():
    Image.fromarray(RGB).save("whole.jpg")
    contents = {
        "phone.heic": (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(50), "is a HEIC photo, .*convert it to JPEG"),
        "phone.jpg": (b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic" + bytes(50), "is a HEIC photo"),
        "lfs.jpg": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "git lfs pull"),
        "page.jpg": (b"\n<!DOCTYPE html><html>404</html>", "is a web page"),
        "nothing.jpg": (b"", "is empty"),
        "half.jpg": (Path("whole.jpg").read_bytes()[:300], "damaged or cut off"),
        "text.jpg": (b"hello", "is not an image that can be read"),
    }
    for name, (content, message) in contents.items():
        Path(name).write_bytes(content)
        with pytest.raises(PhotoError, match=f"{re.escape(name)}.*{message}") as caught:
            rx.load_photo(name)
        assert "\n" not in str(caught.value)
    assert "./phone.heic" in rx.find_photos(".")


@situation(
    "Names with line breaks, spaces, other scripts, percent signs, or a dash in front",
    source="-",
    right="the photo is read and its results carry its name; what is printed of it stays on one line",
)
def test_odd_names(capsys, monkeypatch):
    Path("odd_net.py").write_text(NETWORK)
    monkeypatch.setattr(render, "save_panel", lambda one, path, **_: render.save_picture(path, one.picture[0]))
    names = ["two\nlines", "a b", "übung 图片", "100%{0}", "-dash", "dots.v1.2"]
    Path("photos").mkdir()
    for name in names:
        Image.fromarray(RGB).save(f"photos/{name}.png")
    command = "explain photos --model odd_net:network --method pixel_rde --size 8 --steps 1 --out results"
    assert main(command.split()) == 0
    captured = capsys.readouterr()
    assert not any(line.startswith("lines") for line in (captured.out + captured.err).splitlines())
    for name in names:
        assert Path(f"results/{name}.pixel_rde.json").exists(), name


@situation(
    "Links to photos, links that lead nowhere or in a circle, folders called .jpg",
    source="-",
    right="in a folder links to photos are photos and the rest is left out; by name each says what it is",
)
def test_links_and_folders():
    Path("photos").mkdir()
    Image.fromarray(RGB).save("photos/real.png")
    for name, target in (("link", "real"), ("nowhere", "gone"), ("circle", "circle")):
        os.symlink(f"{target}.png", f"photos/{name}.png")
    os.symlink(".", "photos/self.png")
    Path("photos/folder.jpg").mkdir()
    shutil.copy("photos/real.png", "photos/folder.jpg/inside.png")
    assert rx.find_photos("photos") == ["photos/link.png", "photos/real.png"]
    np.testing.assert_allclose(pixels("photos/link.png"), RGB, atol=1e-3)
    assert rx.find_photos("photos/folder.jpg") == ["photos/folder.jpg/inside.png"]
    for name, message in (
        ("nowhere.png", "no such file or folder"),
        ("circle.png", "Too many levels of symbolic links"),
        ("folder.jpg", "is a folder, not a photo"),
    ):
        with pytest.raises(PhotoError, match=message):
            rx.load_photo(f"photos/{name}")
