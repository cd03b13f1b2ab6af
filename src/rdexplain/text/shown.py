"""The size of a photo where it is shown beside its explanation."""

from __future__ import annotations

SHOWN_SIZE = 1024
"""The longer side of a photo in a panel, in pixels, at most."""


def shown_size(height: int, width: int) -> tuple[int, int]:
    """Height and width of a photo of this many pixels in a panel: its own shape, and at most `SHOWN_SIZE`."""
    scale = min(1.0, SHOWN_SIZE / max(height, width))
    return max(1, round(height * scale)), max(1, round(width * scale))
