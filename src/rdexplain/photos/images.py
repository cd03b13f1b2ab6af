"""Reads photos as float tensors in [0, 1]."""

from __future__ import annotations

import difflib
import glob
import io
import logging
import operator
import os
import stat
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import IO, Any

import numpy as np
import torch
from PIL import ExifTags, Image, UnidentifiedImageError
from PIL.TiffImagePlugin import TiffImageFile
from torch import Tensor

from rdexplain.errors import OptionError, PhotoError, unknown
from rdexplain.photos.sample_files import SAMPLE, sample_file, sample_names
from rdexplain.text.names import NOT_UNICODE, is_unicode, printable
from rdexplain.text.quiet import quietly

MAX_SIZE = 8192
# Without a handler Pillow's messages about odd files would be lines of their own on stderr.
logging.getLogger("PIL").addHandler(logging.NullHandler())
# What counts as a photo in a folder. A file that is named outright may have any suffix.
SUFFIXES = (
    *(".avif", ".bmp", ".gif", ".heic", ".heif", ".jfif", ".jp2", ".jpe", ".jpeg", ".jpg", ".pbm"),
    *(".pgm", ".png", ".pnm", ".ppm", ".tga", ".tif", ".tiff", ".webp"),
)


@dataclass(frozen=True, eq=False)
class Photo:
    """A photo, ready for a model's normalisation.

    - ``name``: the stem for output files (`cat` for `sample:cat`)
    - ``source``: the path as it was given, or `sample:cat`
    - ``pixels``: (3, h, w) float32 RGB in [0, 1]
    - ``original_size``: (height, width) of the upright photo before it was resized
    - ``fit``: `squash`, `crop` or `letterbox`, how it was brought to its size
    - ``frame``: (top, left, height, width) of the photo within the grey bars of a letterbox, else None
    """

    name: str
    source: str
    pixels: Tensor = field(repr=False)
    original_size: tuple[int, int]
    fit: str
    frame: tuple[int, int, int, int] | None = None


def find_photos(patterns: Sequence[str | Path]) -> list[str]:
    """The sources that files, folders, glob patterns and `sample:NAME`s stand for, without duplicates.

    A folder stands for its photos, in alphabetical order: files with an image suffix that are not hidden;
    folders inside it are left out. A glob pattern (`**` crosses folders) stands for the photos that match it,
    in alphabetical order, or for every file that matches if none has an image suffix. What exists under a name
    with glob characters is taken literally.

    Raises `PhotoError` if a pattern stands for nothing.
    """
    found: dict[str, str] = {}
    for pattern in [patterns] if isinstance(patterns, str | Path) else patterns:
        for source in _expand(os.fspath(pattern)):
            found.setdefault(_identity(source), source)
    return list(found.values())


def load_photo(
    source: str | Path, size: int | tuple[int, int] | None = 256, fit: str = "squash", *, content: bytes | None = None
) -> Photo:
    """Read a photo from a file or `sample:NAME`, upright, in RGB, alpha composited on white.

    ``size`` is (height, width), one number for a square, or None for the size the photo has. ``fit`` says
    what happens to the aspect ratio: `squash` resizes to ``size``, `crop` resizes until ``size`` is covered
    and cuts out the centre, `letterbox` resizes until it fits into ``size`` and puts grey bars (114 of 255) around
    it, as detectors are trained. For 8-bit photos the first two are, bit for bit, torchvision's `Resize` (bilinear,
    antialiased; with `CenterCrop`) and `ToTensor` on a PIL image. 16-bit and float grey is resized in float32;
    16-bit colour is read as 8-bit. Colour profiles are ignored. Of several frames the first is read. ``content``
    is the file's content, where that comes out of an archive; ``source`` is its name then.

    Raises `PhotoError` if the photo cannot be read or has a name that is not UTF-8, `OptionError` for an impossible
    ``size`` or ``fit``.
    """
    if fit not in _FITS:
        raise OptionError(unknown("fit", str(fit), _FITS))
    wanted = _checked_size(size)
    source = os.fspath(source)
    _check_name(source)
    image = _read(source, content)
    original_size = (image.height, image.width)
    if wanted is not None:
        try:
            image = _FITS[fit](image, wanted)
        except PhotoError as error:
            raise PhotoError(f"cannot crop {_shown(source)}: {error}") from None
    name = source.removeprefix(SAMPLE) if source.startswith(SAMPLE) else Path(source).stem
    frame = _frame(original_size, wanted) if wanted is not None and fit == "letterbox" else None
    return Photo(name, source, to_tensor(image), original_size, fit, frame)


def _expand(pattern: str) -> list[str]:
    if pattern.startswith(SAMPLE):
        _check_sample(pattern)
        return [pattern]
    if os.path.isdir(pattern):
        try:
            names = sorted(name for name in os.listdir(pattern) if not name.startswith("."))
        except OSError as error:
            raise PhotoError(f"cannot read folder {_shown(pattern)}: {_reason(error)}") from error
        photos = _photos(os.path.join(pattern, name) for name in names)
        if not photos:
            raise PhotoError(f"no photos in folder {_shown(pattern)} (folders inside it are not searched)")
        return photos
    if os.path.exists(pattern):
        return [pattern]
    if any(character in pattern for character in "*?["):
        files = sorted(path for path in glob.glob(pattern, recursive=True) if os.path.isfile(path))
        if not files:
            raise PhotoError(f"no file matches {_shown(pattern)}")
        return _photos(files) or files
    raise PhotoError(_missing(pattern))


def _photos(paths: Iterable[str]) -> list[str]:
    return [path for path in paths if path.lower().endswith(SUFFIXES) and os.path.isfile(path)]


def _identity(source: str) -> str:
    """A key that is equal for two spellings of one path. A link to a photo counts as another photo."""
    if source.startswith(SAMPLE):
        return source
    folder, name = os.path.split(source)
    return os.path.join(os.path.realpath(folder), name)


def _check_sample(source: str) -> None:
    name, known = source.removeprefix(SAMPLE), sample_names()
    if not name:
        raise PhotoError(f"{SAMPLE} needs a name: choose from {', '.join(known)}")
    if name not in known:
        raise PhotoError(unknown("sample", name, known))


def _shown(path: str) -> str:
    """A path as an error may show it: in one line, and printable in every terminal."""
    return path if path and path.isprintable() else repr(path)


def _check_name(source: str) -> None:
    if not is_unicode(source):
        raise PhotoError(f"{printable(source)}: {NOT_UNICODE}")


def _missing(path: str) -> str:
    folder, name = os.path.split(path.rstrip(os.sep))
    try:
        with os.scandir(folder or os.curdir) as entries:
            # A folder may hold a million photos, and comparing names is slow.
            names = {entry.name.lower(): entry.name for entry in islice(entries, 10_000)}
    except (OSError, ValueError):
        names = {}  # no such folder either
    near = [names[match] for match in difflib.get_close_matches(name.lower(), names, n=1)]
    # A broken link is listed although it does not exist.
    hint = f" (did you mean {_shown(os.path.join(folder, near[0]))}?)" if near and near != [name] else ""
    return f"no such file or folder: {_shown(path)}{hint}"


def _reason(error: Exception) -> str:
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return " ".join(text.split()).rstrip(".") or type(error).__name__


def _open(source: str, content: bytes | None) -> IO[bytes]:
    if content is not None:
        return io.BytesIO(content)
    if source.startswith(SAMPLE):
        _check_sample(source)
        return sample_file(source.removeprefix(SAMPLE)).open("rb")
    try:
        mode = os.stat(source).st_mode
        if stat.S_ISREG(mode):
            return open(source, "rb")
    except (FileNotFoundError, NotADirectoryError, ValueError):  # ValueError: a null character
        raise PhotoError(_missing(source)) from None
    except OSError as error:
        raise PhotoError(f"cannot read {_shown(source)}: {_reason(error)}") from error
    # Opening a pipe would wait for ever.
    what = "a folder, not a photo" if stat.S_ISDIR(mode) else "not a plain file"
    raise PhotoError(f"{_shown(source)} is {what}")


def _read(source: str, content: bytes | None = None) -> Image.Image:
    """The upright photo, in mode RGB (8 bit) or F (grey, in [0, 1])."""
    shown = _shown(source)
    with _open(source, content) as stream:
        try:
            with quietly():
                return upright(Image.open(stream))
        except PhotoError as error:
            raise PhotoError(f"cannot read {shown}: {error}") from None
        except UnidentifiedImageError:
            stream.seek(0)
            start = stream.read(4)
            if start in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
                raise PhotoError(f"cannot read {shown}: {_CONVERT_TIFF}") from None
            raise PhotoError(f"{shown} {_unidentified(start + stream.read(60))}") from None
        except Image.DecompressionBombError:
            raise PhotoError(f"cannot read {shown}: it has too many pixels; scale it down first") from None
        except Exception as error:
            # Pillow's plugins raise nearly anything on bytes they did not expect.
            raise PhotoError(f"cannot read {shown}: damaged or cut off ({_reason(error)})") from error


def _unidentified(start: bytes) -> str:
    """What is wrong with a file that Pillow does not know, by how it begins."""
    if not start:
        return "is empty (0 bytes)"
    if start[4:8] == b"ftyp" and start[8:12] in (b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1"):
        return "is a HEIC photo, which cannot be read: convert it to JPEG first"
    if start.startswith(b"version https://git-lfs"):
        return "is a pointer of Git LFS, not the photo itself: git lfs pull fetches it"
    if start.lstrip().lower().startswith((b"<!doctype html", b"<html")):
        return "is a web page, not a photo: the download has failed"
    return "is not an image that can be read"


def upright(image: Image.Image) -> Image.Image:
    """An image turned by its EXIF orientation, on white if transparent, in mode RGB (8 bit) or F (grey, in [0, 1])."""
    tags = _checked_tags(image)
    image.load()
    # load() turns a TIFF upright and forgets its orientation, so the orientation is read after it.
    turn = _UPRIGHT.get(_orientation(image))
    if image.mode == "F" or image.mode.startswith("I"):
        image = _deep_grey(image, tags)
    elif image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    if image.mode != "F":
        image = image.convert("RGB")
    return image if turn is None else image.transpose(turn)


_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def _orientation(image: Image.Image) -> int:
    try:
        return int(image.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # broken EXIF does not spoil the pixels
        return 1


_CONVERT_TIFF = "this kind of TIFF is not supported; convert it to 8-bit RGB first"


def _checked_tags(image: Image.Image) -> dict[int, Any]:
    """The tags of a TIFF; refuses the kinds that Pillow reads without an error, but wrongly (up to 13.0)."""
    if not isinstance(image, TiffImageFile):
        return {}
    tags = dict(image.tag_v2)
    packed = tags.get(ExifTags.Base.Compression, 1) != 1
    planes = tags.get(ExifTags.Base.PlanarConfiguration, 1) == 2 and len(image.getbands()) > 1
    deep = max(tags.get(ExifTags.Base.BitsPerSample, (1,))) > 8
    # Pillow reads planes of 16 bits as planes of 8, and swaps back bytes that libtiff has swapped.
    if (planes and deep and not packed) or (packed and image.mode in "IF" and image.tag_v2.prefix == b"MM"):
        raise PhotoError(_CONVERT_TIFF)
    return tags


def _deep_grey(image: Image.Image, tags: dict[int, Any]) -> Image.Image:
    """Grey of more than 8 bits, as mode F in [0, 1]: a conversion to RGB would not scale it."""
    grey = np.asarray(image).astype(np.float32)
    low, high = grey.min(), grey.max()
    if image.mode == "F":
        full, allowed = (1 if high <= 1 else 255), "[0, 1] or [0, 255]"
    else:
        full = 4095 if tags.get(ExifTags.Base.BitsPerSample) == (12,) else 65535
        allowed = f"[0, {full}]"
        if image.mode != "I" and tags.get(ExifTags.Base.PhotometricInterpretation) == 0:
            grey = full - grey  # 0 is white here; Pillow inverts 8-bit images only
        if isinstance(clear := image.info.get("transparency"), int):
            grey[grey == clear] = full
    if not (low >= 0 and high <= full):  # NaN fails too
        raise PhotoError(f"its values must be in {allowed}, they are in [{low:g}, {high:g}]")
    return Image.fromarray(grey / full)


def _checked_size(size: int | tuple[int, int] | None) -> tuple[int, int] | None:
    if size is None:
        return None
    sides = size if isinstance(size, tuple | list) else (size, size)
    try:
        height, width = (operator.index(side) for side in sides)
    except (TypeError, ValueError):
        raise OptionError(f"size must be a whole number or (height, width), not {size!r}") from None
    if not (1 <= height <= MAX_SIZE and 1 <= width <= MAX_SIZE):
        raise OptionError(f"size must be from 1 to {MAX_SIZE} pixels, not {size!r}")
    return height, width


def _squash(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    return image.resize(size[::-1], Image.Resampling.BILINEAR)


def _crop(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    (height, width), (h, w) = size, (image.height, image.width)
    # torchvision's arithmetic: the side that binds is exact, the other one is rounded down.
    tall = height * w >= width * h
    covering = (height, int(height * w / h)) if tall else (int(width * h / w), width)
    if covering[0] * covering[1] > 2 * MAX_SIZE**2:
        raise PhotoError(f"at {h} x {w} pixels it is too elongated; use fit 'squash'")
    image = _squash(image, covering)
    top, left = round((covering[0] - height) / 2), round((covering[1] - width) / 2)
    return image.crop((left, top, left + width, top + height))


def _frame(original: tuple[int, int], size: tuple[int, int]) -> tuple[int, int, int, int]:
    """Top, left, height and width of a photo that fits into a size, in its middle."""
    scale = min(size[0] / original[0], size[1] / original[1])
    height, width = (max(1, round(side * scale)) for side in original)
    return (size[0] - height) // 2, (size[1] - width) // 2, height, width


def _letterbox(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    top, left, height, width = _frame((image.height, image.width), size)
    grey: float | tuple[int, ...] = _BARS / 255 if image.mode == "F" else (_BARS,) * 3
    boxed = Image.new(image.mode, size[::-1], grey)
    boxed.paste(_squash(image, (height, width)), (left, top))
    return boxed


_BARS = 114
_FITS: dict[str, Callable[[Image.Image, tuple[int, int]], Image.Image]] = {
    "squash": _squash,
    "crop": _crop,
    "letterbox": _letterbox,
}


def to_tensor(image: Image.Image) -> Tensor:
    """Pixels (3, h, w) float32 in [0, 1] of an image from `upright`."""
    pixels = torch.from_numpy(np.array(image))
    if image.mode == "F":
        return pixels.expand(3, -1, -1).contiguous()
    return pixels.permute(2, 0, 1).contiguous().to(torch.float32).div(255)
