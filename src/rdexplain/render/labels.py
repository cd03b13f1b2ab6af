"""Where labels stand in a picture: near what they name, within the picture, clear of each other."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

Box = tuple[float, float, float, float]


def places(boxes: Sequence[Box], sizes: Sequence[tuple[float, float]], within: tuple[float, float]) -> list[Box]:
    """The place of each label, in the unit of what is given.

    A label stands on its box, in it or below it, at its left or its right. Where others are there already, or the
    picture ends, it stands at the nearest place that is free; where none is, where it covers the least of the others.

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
    """Where a label's left upper corner may be, (m, 2), the best first."""
    left, top, right, bottom = box
    most = np.maximum(np.subtract(within, (wide, tall)), 0)
    beside = np.array([(x, y) for x in (left, right - wide) for y in (top - tall, top, bottom)])
    beside = beside[((beside >= 0) & (beside <= most)).all(axis=1)]
    axes = [np.linspace(0, end, int(end / (tall / 2)) + 1) for end in most]
    anywhere = np.stack(np.meshgrid(*axes), axis=-1).reshape(-1, 2)
    far = np.hypot(*(anywhere - np.clip((left, top - tall), 0, most)).T)
    return np.concatenate((beside, anywhere[np.argsort(far, kind="stable")]))


def _covered(corners: np.ndarray, wide: float, tall: float, placed: Sequence[Box]) -> np.ndarray:
    """How much of the labels that are there a label would cover at each corner, (m,)."""
    covered = np.zeros(len(corners))
    for left, top, right, bottom in placed:
        across = np.minimum(corners[:, 0] + wide, right) - np.maximum(corners[:, 0], left)
        down = np.minimum(corners[:, 1] + tall, bottom) - np.maximum(corners[:, 1], top)
        covered += np.maximum(across, 0) * np.maximum(down, 0)
    return covered.round(6)  # labels that touch do not cover each other
