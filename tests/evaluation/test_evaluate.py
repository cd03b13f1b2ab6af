"""What can be evaluated."""

from __future__ import annotations

import pytest
import torch

from rdexplain import Contrast, PixelRDE
from rdexplain.errors import ModelError, OptionError
from rdexplain.evaluation import Candidate, Settings, evaluate, subject
from rdexplain.models import as_model


def test_labels_alone(make_photos):
    model = as_model(lambda images: images.mean((2, 3)))
    photos = make_photos(1, (8, 8))
    regions = as_model(lambda images: 9 * images, task="segmentation")
    with pytest.raises(ModelError, match="measures class labels only, not a region"), subject(regions, photos):
        pass
    with subject(model, photos, 0) as rows:
        settings = Settings(percentages=(0, 100), draws=1, domains=("own",), scores=())
        label = PixelRDE(model, steps=1, draws=1).explain(photos, 0)
        assert evaluate(rows, Candidate(label), settings).curves
        contrast = PixelRDE(model, steps=1, draws=1).explain(photos, Contrast(0, 1))
        with pytest.raises(ModelError, match="one class rather than another"):
            evaluate(rows, Candidate(contrast), settings)
        assert torch.equal(rows.images, photos)


@pytest.mark.parametrize("draws", [0, -1, 1.5])
def test_a_curve_needs_a_draw(draws):
    with pytest.raises(OptionError, match="draws must be a whole number of at least 1"):
        Settings(draws=draws)
