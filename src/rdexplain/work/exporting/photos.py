"""Writes the photos of an exported data set, each once, however many explanations it has."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image
from torch import Tensor

from rdexplain.render.layout import as_image
from rdexplain.work.reporting.items import Item
from rdexplain.work.reporting.pictures import LARGE, sized

DATA = "data"


@dataclass
class Shown:
    """A photo of a data set.

    Attributes:
        number: from 0, in the order in which they were added.
        stem: name of its files, without suffixes.
        file: relative to the data set.
        width, height: of the file, in pixels.
        targets: its explained targets, each once, in the order in which they were added.
    """

    number: int
    stem: str
    file: str
    width: int
    height: int
    targets: list[str] = field(default_factory=list)

    def place(self, item: Item) -> int:
        """The index of an explanation's target in `targets`, to which it is added if it is new."""
        target = f"{item.target} {item.label}"
        if target not in self.targets:
            self.targets.append(target)
        return self.targets.index(target)


class Album:
    """Writes the photos that were explained to a data set's folder, in their own shape, without a letterbox's bars."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._photos: dict[str, Shown] = {}
        self._stems: set[str] = set()
        (folder / DATA).mkdir()

    def of(self, item: Item) -> Shown | None:
        """The photo of an item, which is written if it is new; None if it is missing."""
        key = f"\0{len(self._photos)}" if item.photo is None else item.photo
        if key in self._photos or item.image is None:
            return self._photos.get(key)
        image = sized(as_image(item.image), item.shape, LARGE)
        stem = self._stem(item.photo)
        found = Shown(len(self._photos), stem, f"{DATA}/{stem}.png", image.width, image.height)
        image.save(self._folder / found.file)
        self._photos[key] = found
        return found

    def _stem(self, photo: str | None) -> str:
        """A name that no other photo has, even where capitals count as small letters."""
        name = re.sub(r"\.\w{1,5}$", "", (photo or "photo").replace("\\", "/").strip("/"))
        slug = re.sub(r"[^\w.-]+", "-", name).strip("-.")[-80:] or "photo"
        stem, count = slug, 1
        while stem.casefold() in self._stems:
            count += 1
            stem = f"{slug}-{count}"
        self._stems.add(stem.casefold())
        return stem


def at_size(picture: Tensor, width: int, height: int) -> Image.Image:
    """A picture (c, h, w) in [0, 1], resized to the pixels of its photo."""
    image = as_image(picture)
    return image if image.size == (width, height) else image.resize((width, height), Image.Resampling.BILINEAR)


def mask_at(region: Tensor, width: int, height: int) -> np.ndarray:
    """A region (h, w) bool, resized to the pixels of its photo: (height, width) bool."""
    image = Image.fromarray(region.numpy().astype(np.uint8) * 255)
    return np.asarray(image.resize((width, height), Image.Resampling.NEAREST)) > 127
