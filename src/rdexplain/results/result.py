"""`Result`: what explanations and heatmaps share, such as rows of photos and targets, provenance, a picture."""

from __future__ import annotations

import base64
import html
import io
import sys
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import torch
from PIL import Image
from torch import Tensor

from rdexplain.core.representations import Pixel, Representation, Shearlet, Wavelet
from rdexplain.errors import OptionError
from rdexplain.results import storage

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Frame = tuple[int, int, int, int]
"""Top, left, height and width of the photo in a letterboxed image."""


SHOWN = 4
"""Number of rows that a notebook shows for a result."""


@dataclass(frozen=True)
class Result(ABC):
    """Results of n rows; a row is a photo with a target. Tensors lie on the CPU.

    Attributes:
        images: (n, 3, h, w) in [0, 1], what was explained.
        picture: (n, 1, h, w) in [0, 1], for display.
        target: (n,) explained class; (n, axes) where targets are tuples.
        probability: (n,) of the target on the clean image.
        labels: the targets in words.
        photo: (n,) index of each row's photo among the photos of the call.
        photos: names or paths of the rows' photos, None where not given.
        method, model: their names.
        seed: of the method's random numbers, where it uses any.
        seconds: wall time of the call, shared equally among its rows.
        network_evaluations: (n,) images sent through the network.
        device: where the result was computed.
        options: every option of the method, with the defaults filled in.
        versions: of the packages that made the numbers.
    """

    LAYOUT: ClassVar[storage.Layout]

    images: Tensor
    picture: Tensor
    target: Tensor
    probability: Tensor
    labels: tuple[str, ...]
    photo: Tensor
    photos: tuple[str | None, ...]
    method: str
    model: str
    seed: int
    seconds: float
    network_evaluations: Tensor
    device: str
    options: dict[str, Any]
    versions: dict[str, str]

    def __len__(self) -> int:
        return len(self.picture)

    def __getitem__(self, row: int | slice | Sequence[int]) -> Self:
        """The result of one row, of the same kind and of length 1; of several rows for a slice or a list of them.

        Raises:
            IndexError: no such row.
        """
        rows = self._places(row)
        cut: dict[str, Any] = {}
        for item in fields(self):
            value = getattr(self, item.name)
            if isinstance(value, Tensor):
                cut[item.name] = value[rows]
            elif isinstance(value, tuple):
                cut[item.name] = tuple(value[place] for place in rows)
            elif isinstance(value, list):
                cut[item.name] = [band[rows] for band in value]
        return replace(self, **cut)

    def _places(self, row: int | slice | Sequence[int]) -> list[int]:
        """Row numbers for an index, a slice or a list."""
        every = range(len(self))
        if isinstance(row, slice):
            return list(every[row])
        places = []
        for one in row if isinstance(row, Sequence) else [row]:
            try:
                places.append(every[one])
            except IndexError:
                raise IndexError(f"row {one} of {len(self)}: the first is 0") from None
        return places

    @property
    def representation(self) -> Representation:
        """The representation (pixels, wavelets, shearlets) of the mask or the scores."""
        return representation_from(self.options)

    @property
    def frame(self) -> Frame | None:
        """Top, left, height and width of the photo in a letterboxed image, else None."""
        frame = self.options.get("frame")
        return None if frame is None else (frame[0], frame[1], frame[2], frame[3])

    def picture_at(self, height: int, width: int) -> Tensor:
        """The picture at another size, such as the original photo's, (n, 1, height, width), bilinear.

        The bars of a letterbox are left out.

        Raises:
            OptionError: a height or width that is no whole number above 0.
        """
        for side in (height, width):
            if not isinstance(side, int) or side < 1:
                raise OptionError(f"a picture's height and width are whole numbers above 0, not {side!r}")
        top, left, rows, columns = self.frame or (0, 0, *self.picture.shape[-2:])
        shown = self.picture[..., top : top + rows, left : left + columns]
        scaled = torch.nn.functional.interpolate(
            shown, size=(height, width), mode="bilinear", antialias=True, align_corners=False
        )
        return scaled.clamp(0, 1)

    def _subject(self, row: int, kind: str) -> dict[str, Any]:
        """What a row explains: the first part of its record."""
        target = {
            "kind": kind,
            "index": self.target[row].tolist(),
            "label": self.labels[row],
            "probability": float(self.probability[row]),
        }
        return {"photo": self.photos[row], "model": self.model, "method": self.method, "target": target}

    def _provenance(self) -> dict[str, Any]:
        """How the rows were made: the last part of a record."""
        names = ("seconds", "seed", "device", "options", "versions")
        return {name: getattr(self, name) for name in names}

    @abstractmethod
    def record(self, row: int = 0) -> dict[str, Any]:
        """One row's figures and provenance, ready for JSON."""

    def plot(self, row: int = 0, *, title: str | None = None, original: Tensor | None = None) -> Figure:
        """One row as a picture with its figures; see `render.panel` and `render.heat_panel`.

        Raises:
            OptionError: no such row, or `original` is no (3, H, W) tensor.
        """
        # Imported here, because `render` imports this module: the only import against the order of the packages.
        from rdexplain.render.files import figure_of

        return figure_of(self, row, title=title, original=original)

    def show(self, row: int = 0) -> None:
        """Show one row: inline in a notebook, elsewhere with the system's viewer of images."""
        png = self._png(row)
        if "IPython" in sys.modules and (shell := sys.modules["IPython"].get_ipython()) is not None:
            shell.display_pub.publish({"image/png": base64.b64encode(png).decode(), "text/plain": repr(self)})
        else:
            Image.open(io.BytesIO(png)).show(title=self.labels[row])

    def _png(self, row: int = 0) -> bytes:
        content = io.BytesIO()
        self.plot(row).savefig(content, format="png", dpi=110, facecolor="white")
        return content.getvalue()

    def _repr_png_(self) -> bytes | None:
        """The first row, for notebooks."""
        return self._png() if len(self) else None

    def _repr_html_(self) -> str:
        """The first rows, for notebooks."""
        pictures = [
            f'<img style="max-width: 100%" alt="{html.escape(self.labels[row])}" '
            f'src="data:image/png;base64,{base64.b64encode(self._png(row)).decode()}">'
            for row in range(min(len(self), SHOWN))
        ]
        more = len(self) - len(pictures)
        return "".join(pictures) + (f"<p>and {more} more: <code>.plot(row)</code> shows them</p>" if more else "")

    def save(self, path: str | Path, *, overwrite: bool = True) -> tuple[Path, Path]:
        """Write PATH.safetensors (tensors, and the record in its header) and PATH.json (the record, for people).

        `load_explanation` and `load_heatmap` read them.

        Args:
            path: with or without one of the two suffixes.
            overwrite: whether existing files may be replaced.

        Returns:
            the two paths. Each file appears whole or not at all.

        Raises:
            OSError: the folder is missing or full; FileExistsError without `overwrite`.
        """
        return storage.save(self, path, overwrite=overwrite)


def representation_from(options: dict[str, Any]) -> Representation:
    """The representation that a result's options name."""
    kind = options.get("representation")
    if kind == "pixel":
        return Pixel()
    if kind == "wavelet":
        return Wavelet(options["wavelet"], levels=options["levels"], padding=options["padding"])
    if kind == "shearlet":
        return Shearlet(options["scales"], sampled=options.get("sampled", False))
    raise OptionError(f"unknown representation {kind!r} in an explanation")
