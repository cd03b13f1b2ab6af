"""Writes small JPEG files of photos and explanations, named by a hash of their content: equal pictures are one file."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path
from typing import Any

from PIL import Image
from torch import Tensor

from rdexplain.render.layout import as_image

THUMBNAIL, LARGE = 160, 512
"""Greatest length of a picture's longer side in the gallery and in the larger view, in pixels."""
FOLDER = "images"
_QUALITY = {THUMBNAIL: 80, LARGE: 88}


def write_pictures(picture: Tensor, shape: tuple[int, int] | None, report: Path) -> dict[str, Any]:
    """Write a picture (1 or 3, h, w) in [0, 1] in two sizes, or in the small one alone if it has no more pixels.

    Args:
        shape: height and width of the original photo, if the picture was squashed.

    Returns:
        ``small`` and ``large``, files relative to the report, and the ``width`` and ``height`` of the small one.
    """
    image = as_image(picture)
    small = sized(image, shape, THUMBNAIL)
    found = {"small": _written(small, THUMBNAIL, report), "width": small.width, "height": small.height}
    found["large"] = found["small"]
    if max(image.size) > THUMBNAIL:
        found["large"] = _written(sized(image, shape, LARGE), LARGE, report)
    return found


def sized(image: Image.Image, shape: tuple[int, int] | None, most: int) -> Image.Image:
    """The image in the proportions of `shape` (height, width), its longer side as long as before or `most` pixels."""
    height, width = shape or (image.height, image.width)
    scale = min(most, max(image.size)) / max(height, width)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return image if size == image.size else image.resize(size, Image.Resampling.LANCZOS)


def _written(image: Image.Image, kind: int, report: Path) -> str:
    content = io.BytesIO()
    image.save(content, "JPEG", quality=_QUALITY[kind], optimize=True)
    data = content.getvalue()
    name = f"{FOLDER}/{hashlib.sha256(data).hexdigest()[:20]}.jpg"
    if not (report / name).exists():
        (report / name).write_bytes(data)
    return name
