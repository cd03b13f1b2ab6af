"""Places labels in a picture: near their boxes, inside the picture, without overlaps."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

Box = tuple[float, float, float, float]


def places(boxes: Sequence[Box], sizes: Sequence[tuple[float, float]], within: tuple[float, float]) -> list[Box]:
    """The left, top, right and bottom of each label, in the unit of the arguments.

    A label is placed above, in or below its box, flush with its left or right side. Where that leaves the picture or
    overlaps another label, it moves to the nearest free place; if there is none, to the one with the least overlap.

    Args:
        boxes: left, top, right and bottom of what each label names.
        sizes: width and height of each label, not more than the picture's.
        within: width and height of the picture.
    """
    placed: list[Box] = []
    for box, (wide, tall) in zip(boxes, sizes, strict=True):
        corners = _corners(box, wide, tall, within)
        left, top = corners[np.argmin(_covered(corners, wide, tall, placed))].tolist()
        placed.append((left, top, left + wide, top + tall))
    return placed


def _corners(box: Box, wide: float, tall: float, within: tuple[float, float]) -> np.ndarray:
    """Candidates for a label's upper left corner, (m, 2), the best first."""
    left, top, right, bottom = box
    most = np.maximum(np.subtract(within, (wide, tall)), 0)
    beside = np.array([(x, y) for x in (left, right - wide) for y in (top - tall, top, bottom)])
    beside = beside[((beside >= 0) & (beside <= most)).all(axis=1)]
    axes = [np.linspace(0, end, int(end / (tall / 2)) + 1) for end in most]
    anywhere = np.stack(np.meshgrid(*axes), axis=-1).reshape(-1, 2)
    far = np.hypot(*(anywhere - np.clip((left, top - tall), 0, most)).T)
    return np.concatenate((beside, anywhere[np.argsort(far, kind="stable")]))


def _covered(corners: np.ndarray, wide: float, tall: float, placed: Sequence[Box]) -> np.ndarray:
    """The area of already placed labels that a label would cover at each corner, (m,)."""
    covered = np.zeros(len(corners))
    for left, top, right, bottom in placed:
        across = np.minimum(corners[:, 0] + wide, right) - np.maximum(corners[:, 0], left)
        down = np.minimum(corners[:, 1] + tall, bottom) - np.maximum(corners[:, 1], top)
        covered += np.maximum(across, 0) * np.maximum(down, 0)
    return covered.round(6)  # labels that touch do not cover each other
