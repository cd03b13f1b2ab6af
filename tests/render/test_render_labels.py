"""Labels of detected objects: within the photo, and clear of each other."""

from __future__ import annotations

import itertools

import pytest
import torch

from rdexplain.render import boxes_panel
from rdexplain.render.labels import places

SIZE = (1.5, 0.25)
WITHIN = (8.0, 6.0)
WHOLE = (0.0, 0.0, *WITHIN)
CORNERS = [(0.0, 0.0, 0.5, 0.3), (7.8, 0.0, 8.0, 0.1), (0.0, 5.9, 0.2, 6.0), (7.5, 5.5, 8.0, 6.0)]


@pytest.mark.parametrize("boxes", [CORNERS * 5, [WHOLE] * 20, [(4.0, 3.0, 4.2, 3.1)] * 40])
def test_labels_are_clear_of_each_other(boxes):
    found = places(boxes, [SIZE] * len(boxes), WITHIN)
    for left, top, right, bottom in found:
        assert (right - left, bottom - top) == pytest.approx(SIZE)
        assert min(left, top) >= 0
        assert right <= WITHIN[0] + 1e-9
        assert bottom <= WITHIN[1] + 1e-9
    assert not any(covers(one, other) for one, other in itertools.combinations(found, 2))


def test_a_label_stands_at_its_box():
    """On it; in it at the upper edge; at its right side where it would leave the picture."""
    for box, corner in (
        ((2.0, 2.0, 4.0, 4.0), (2.0, 1.75)),
        ((2.0, 0.1, 4.0, 4.0), (2.0, 0.1)),
        ((7.0, 2.0, 8.0, 4.0), (6.5, 1.75)),
        ((0.0, 0.0, 0.1, 0.1), (0.0, 0.0)),
    ):
        ((left, top, _, _),) = places([box], [SIZE], WITHIN)
        assert (left, top) == pytest.approx(corner)


def test_without_room_a_label_covers_the_least():
    """Three labels where there is room for two."""
    found = places([(0.0, 0.0, 1.5, 0.5)] * 3, [SIZE] * 3, (1.5, 0.5))
    assert [top for _, top, _, _ in found] == pytest.approx([0.0, 0.25, 0.0])


@pytest.mark.parametrize("shape", [(3, 60, 80), (3, 80, 8), (3, 8, 80)])
def test_all_that_is_written_can_be_read(shape):
    boxes = [(0.0, 0.0, 0.3, 0.3), (0.01, 0.0, 0.3, 0.3), (0.9, 0.9, 1.0, 1.0), (0.95, 0.0, 1.0, 0.02)]
    labels = [f"{number} traffic light 9{number}%" for number in range(4)]
    figure = boxes_panel(torch.full(shape, 0.5), boxes, labels, title="4 objects", note="a detector")
    renderer = figure.canvas.get_renderer()
    (photo,) = (axes.bbox for axes in figure.axes)
    written = [
        text.get_window_extent(renderer) for text in figure.texts if text.get_text()[:2] in ("0 ", "1 ", "2 ", "3 ")
    ]
    assert len(written) == 4
    for box in written:
        assert photo.x0 <= box.x0
        assert box.x1 <= photo.x1
        core = box.shrunk(1.0, 0.7)
        assert photo.y0 <= core.y0
        assert core.y1 <= photo.y1
    assert not any(
        one.shrunk(1.0, 0.7).overlaps(two.shrunk(1.0, 0.7)) for one, two in itertools.combinations(written, 2)
    )


def covers(one, other):
    across = min(one[2], other[2]) - max(one[0], other[0])
    return across > 1e-6 and min(one[3], other[3]) - max(one[1], other[1]) > 1e-6
