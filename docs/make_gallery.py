"""Makes the pictures of `docs/gallery.md` and `docs/tutorial.md`, by the commands that those pages show.

Run with ``python docs/make_gallery.py``; it takes some ten minutes on two cores. The pictures are JPEG, together less
than 1.5 MB.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from PIL import Image

import rdexplain as rx

IMAGES = Path(__file__).parent / "images"
SAMPLES = ("astronaut", "cat", "coffee", "rocket")
GALLERY = ("cartoonx", "pixel_rde", "grad_cam")
SIZE = 128
SPARSITY = {"astronaut": 2, "coffee": 2}
"""Less than the methods' own where no class is likely: a sparser mask would lose it."""
WIDTH = 1400
"""The most pixels of a picture's width."""


def keep(picture: Path, name: str) -> None:
    """A picture as a small JPEG in `docs/images`."""
    image = Image.open(picture).convert("RGB")
    if image.width > WIDTH:
        image = image.resize((WIDTH, round(image.height * WIDTH / image.width)), Image.Resampling.LANCZOS)
    image.save(IMAGES / f"{name}.jpg", quality=85, optimize=True, progressive=True)


def tutorial(folder: Path) -> None:
    """The pictures of the tutorial: why this class, why not that one, how sure, which method."""
    photo, one, other = "sample:rocket", "space shuttle", "drilling platform"
    both = rx.explain(photo, size=160, target=[one, other], out=folder / "both")
    keep(both.pictures[0], "tutorial.shuttle")
    keep(both.pictures[1], "tutorial.platform")
    contrast = rx.explain("sample:cat", size=160, target="Egyptian cat", against="tiger cat", out=folder / "contrast")
    keep(contrast.pictures[0], "tutorial.against")
    sure = rx.explain(photo, size=160, repeats=3, out=folder / "sure")
    keep(sure.pictures[0].with_suffix(".repeats.png"), "tutorial.repeats")
    rx.compare(photo, size=160, methods=["cartoonx", "pixel_rde", "grad_cam", "lrp"], out=folder / "methods")
    keep(folder / "methods" / "comparison.png", "tutorial.methods")


def gallery(folder: Path) -> None:
    """The four samples, by three methods each."""
    for name in SAMPLES:
        rx.compare(f"sample:{name}", size=SIZE, methods=GALLERY, sparsity=SPARSITY.get(name), out=folder / name)
        keep(folder / name / "comparison.png", f"gallery.{name}")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as made:
        tutorial(Path(made))
        gallery(Path(made))
