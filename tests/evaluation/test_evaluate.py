"""What can be evaluated."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from rdexplain import Contrast, PixelRDE
from rdexplain.core.representations import Wavelet
from rdexplain.errors import ModelError, OptionError, SolverError
from rdexplain.evaluation import Candidate, Settings, evaluate, merge, subject
from rdexplain.evaluation.perturbation import max_sensitivity
from rdexplain.models import as_model


def test_labels_alone(make_photos):
    model = as_model(lambda images: images.mean((2, 3)), activation="softmax")
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


@pytest.mark.parametrize("what", ["curves", "insertion", "deletion"])
def test_values_that_are_not_finite_name_the_photo(what, make_photos, make_result):
    """A network that gives NaN for what is obfuscated of one photo, and for nothing else."""
    photos = make_photos(3, (8, 8))
    photos[1] = 0.8 + photos[1] / 5

    def network(images):  # without the mean of the normalisation, which deletion puts in
        means = images.mean((2, 3))
        changed = (means.mean(1) > 0.2) & ~(images == photos[1] - 0.5).flatten(1).all(1)
        return torch.where(changed[:, None], torch.nan, means)

    settings = Settings(
        percentages=(0, 50, 100),
        draws=1,
        domains=("own",) if what == "curves" else (),
        scores=() if what == "curves" else (what,),
    )
    result = make_result(photos, torch.rand(3, 64, generator=torch.Generator().manual_seed(0)))
    with (
        subject(as_model(network, mean=0.5), photos, [0, 0, 0]) as rows,
        pytest.raises(SolverError, match=r"image 1 of the batch: .* not finite") as caught,
    ):
        evaluate(rows, Candidate(result), settings)
    assert caught.value.photos == (1,)


def test_a_perturbed_photo_that_cannot_be_explained_blames_its_photo(make_photos):
    """The method sees ten perturbations of one photo, and names one of them."""
    photos = make_photos(3, (8, 8))
    photos[1] = 0.8 + photos[1] / 5

    def attribute(images, target):
        if images.mean() > 0.8 and len(images) > 1:
            raise SolverError.of([7], SolverError("not finite at step 2"))
        return images

    with (
        subject(as_model(lambda images: images.mean((2, 3)), activation="softmax"), photos) as rows,
        pytest.raises(SolverError, match=r"^image 1 of the batch: not finite at step 2$") as caught,
    ):
        max_sensitivity(rows, attribute)
    assert caught.value.photos == (1,)
    assert str(caught.value.__cause__) == "not finite at step 2"


def test_photos_evaluated_in_two_parts_are_what_they_are_together(smooth_network, make_photos):
    """In batches of other sizes, and with other photos beside them: a photo's noise is its own."""
    photos, names = make_photos(3), ["a.png", "b.png", "c.png"]
    model = as_model(smooth_network())
    method = PixelRDE(model, steps=2, draws=2)
    settings = Settings(
        percentages=(0, 20, 60, 100),
        draws=3,
        scores=("insertion", "deletion", "infidelity", "max_sensitivity"),
        wavelet=Wavelet("haar", levels=2),
        seed=4,
    )
    result = method.explain(photos, [1, 2, 3], photos=names)

    def part(rows, batch):
        with subject(model, photos[rows], [rows + 1 for rows in rows], internal_batch_size=batch) as some:
            return evaluate(some, Candidate(result[rows], method), settings)

    whole, joined = part([0, 1, 2], None), merge(part([2], 5), part([0, 1], 2))
    assert joined.curves.keys() == whole.curves.keys()
    assert {entry.photo for entry in joined.entries} == set(names)
    assert {entry.domain for entry in joined.entries} == {"pixel", "wavelet"}
    for key, curve in whole.curves.items():
        assert np.array_equal(joined.curves[key].share, curve.share)
        for name, values in curve.measures.items():
            np.testing.assert_allclose(joined.curves[key].measures[name], values, rtol=1e-3, atol=1e-5)
    assert {key.score for key in whole.scores} == set(settings.scores)
    assert joined.scores.keys() == whole.scores.keys()
    for key, value in whole.scores.items():
        assert joined.scores[key] == pytest.approx(value, rel=1e-2, abs=0), key
    # Numbers that were the same for all photos would be so in any part.
    for score in settings.scores:
        assert len({f"{value:.2g}" for key, value in whole.scores.items() if key.score == score}) == 3


def test_some_rows_of_a_subject(make_photos):
    photos = make_photos(3, (8, 8))
    with subject(as_model(lambda images: images.mean((2, 3)), activation="softmax"), photos, [2, 0, 1]) as rows:
        some = rows.of([2, 0])
        assert (len(some), some.target, some.keys) == (2, [1, 2], (rows.keys[2], rows.keys[0]))
        assert torch.equal(some.images, photos[[2, 0]])
        assert torch.equal(some.clean, rows.clean[[2, 0]])


@pytest.mark.parametrize("draws", [0, -1, 1.5])
def test_a_curve_needs_a_draw(draws):
    with pytest.raises(OptionError, match="draws must be a whole number of at least 1"):
        Settings(draws=draws)
