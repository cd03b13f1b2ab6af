"""Labels of detected objects: on the photo, and none on another."""

from __future__ import annotations

import itertools

import pytest
import torch
from matplotlib.patches import Rectangle

from rdexplain.render import boxes_panel

CROWDED = [(0, 0, 0.3, 0.3), (0.01, 0.02, 0.5, 0.5), (0.02, 0, 0.55, 0.6), (0.7, 0, 1, 1), (0.72, 0, 1, 0.9)]
CROWDED += [(0.9, 0.9, 1, 1), (0, 0.95, 0.1, 1), (0.4, 0.4, 0.6, 0.7), (0.41, 0.4, 0.6, 0.7)]


@pytest.mark.parametrize("shape", [(200, 200), (120, 240)])
def test_labels_are_on_the_photo_and_apart(shape):
    labels = [f"{number} label" for number in range(len(CROWDED))]
    figure = boxes_panel(torch.rand(3, *shape), CROWDED, labels, title="crowded")
    (axes,) = (one for one in figure.axes if one.patches)
    plates = [one.get_bbox() for one in axes.patches if isinstance(one, Rectangle) and one.get_fill()]
    assert len(plates) == len(CROWDED)
    for one in plates:
        assert one.x0 >= -1e-6
        assert one.x1 <= shape[1] + 1e-6
        assert one.y0 >= -1e-6
        assert one.y1 <= shape[0] + 1e-6
    for one, other in itertools.combinations(plates, 2):
        across = min(one.x1, other.x1) - max(one.x0, other.x0)
        down = min(one.y1, other.y1) - max(one.y0, other.y0)
        assert min(across, down) < 1e-6
