"""The scores of what a mask keeps, against sums by hand, drawn lines and distances of another package."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import pywt
import torch
from scipy import ndimage
from skimage.feature import canny

from rdexplain import CartoonX, PixelRDE, load_explanation
from rdexplain.core.representations import Wavelet
from rdexplain.errors import SolverError
from rdexplain.evaluation import Candidate, Settings, evaluate, subject
from rdexplain.evaluation.conciseness import LEAST_PROBABILITY, conciseness, entropy, l1, retained_probability
from rdexplain.evaluation.hallucination import edges, hallucination
from rdexplain.evaluation.masked import masked
from rdexplain.methods.baselines import RandomPixel
from rdexplain.models import as_model

SCORES = ("conciseness", "hallucination")
SETTINGS = Settings(percentages=(0, 100), draws=1, domains=(), modes=(), scores=SCORES)
HALVES = (0.25, 0.5)
"""The probabilities of `lights`, for each unit of the mean of the image."""


def lights(images):
    """Probabilities that are shares of the brightness: 1/4 and 1/2 of the mean."""
    mean = images.mean((1, 2, 3))
    return torch.stack([share * mean for share in HALVES], dim=1)


@pytest.fixture
def light():
    return as_model(lights, activation="none")


@pytest.fixture
def explained(make_result):
    """Rows with masks as bands, for flat masks (n, k)."""

    def make(images, flat, representation=None, **options):
        result = make_result(images, flat, representation, **options)
        result.mask = result.scores
        return result

    return make


def values_of(subject_rows, result):
    """The scores by column, in the order of the rows; a row that has none is missing."""
    found = {}
    for key, value in evaluate(subject_rows, Candidate(result), SETTINGS).scores.items():
        found.setdefault((key.score, key.entry.domain, key.entry.own), {})[key.entry.photo] = value
    return found


def test_information_by_hand():
    values = torch.tensor([[[1.0, -1], [1, 1]], [[0, -3], [4, 0]], [[0, 7], [0, 0]], [[0, 0], [0, 0]]])
    assert l1(values).tolist() == [4, 7, 7, 0]
    # q = 1/4 four times; 9/25 and 16/25; 1.
    expected = [math.log(4), -(0.36 * math.log(0.36) + 0.64 * math.log(0.64)), 0]
    assert entropy(values)[:3].tolist() == pytest.approx(expected)
    assert entropy(values)[3].isnan()
    # H is of shares: no scale, however small or large.
    assert entropy(1e-25 * values)[:3].tolist() == pytest.approx(expected)


def test_conciseness_by_hand():
    retained = torch.tensor([0.9, 0.5, 0, 0.9, 0.9, 0, math.nan])
    kept, whole = torch.tensor([1.0, 2, 1, 0, math.nan, 0, 1]), torch.tensor([10.0, 2, 2, 5, 5, 0, 2])
    found = conciseness(retained, kept, whole)
    # 0.9 / 0.1, 0.5 / 1, 0 / 0.5; nothing kept, an entropy of nothing, nothing there, nothing to retain.
    assert found[:3].tolist() == pytest.approx([9, 0.5, 0])
    assert found[3:].isnan().all()


def test_conciseness_of_pixels_by_hand(light, explained):
    """A photo of 2 x 2 pixels and three equal channels."""
    photo = torch.tensor([[0.2, 0.4], [0.6, 0.8]]).expand(1, 3, 2, 2)
    mask = torch.tensor([[0.0, 0.5, 0, 1]])  # keeps 0.2 + 0.8 of 2.0
    with subject(light, photo, [1]) as rows:
        found = values_of(rows, explained(photo, mask, target=[1], photos=["a"]))
    # q of 0.2, 0.8 is 1/17 and 16/17, over three channels; of the photo 1, 4, 9 and 16 of 30.
    kept = -sum(part / 17 * math.log(part / 51) for part in (1, 16))
    whole = -sum(part / 30 * math.log(part / 90) for part in (1, 4, 9, 16))
    assert found["cp_l1_pixel", "pixel", True]["a"] == pytest.approx(0.5 / 0.5, rel=1e-6)
    assert found["cp_l1", "pixel", True]["a"] == pytest.approx(0.5 / 0.5, rel=1e-6)
    assert found["cp_entropy", "pixel", True]["a"] == pytest.approx(0.5 / (kept / whole), rel=1e-6)


def test_conciseness_of_wavelets_is_pywavelets(explained, make_photos, smooth_network):
    """In the method's own representation, over all channels, and of the image that the synthesis is clamped to."""
    photos, haar = make_photos(2, 16), Wavelet("haar", levels=2, padding="periodization")
    count = haar.transform((16, 16), torch.float32).count
    mask = torch.rand(2, count, generator=torch.Generator().manual_seed(2)) ** 3
    model = as_model(smooth_network())
    result = explained(photos, mask, haar, target=[1, 3], photos=["a", "b"])
    with subject(model, photos, [1, 3]) as rows:
        found = values_of(rows, result)
        image = masked(rows, result).image
    for row, name, target in ((0, "a", 1), (1, "b", 3)):
        coefficients = pywt.wavedec2(photos[row].double().numpy(), "haar", "periodization", level=2, axes=(1, 2))
        bands = [band[row].numpy() for band in result.mask]
        low, *details = coefficients
        kept = [low * bands[0]] + [
            tuple(part * band[place] for place, part in enumerate(parts))
            for parts, band in zip(details, bands[1:], strict=True)
        ]
        expected = np.clip(pywt.waverec2(kept, "haar", "periodization", axes=(1, 2)), 0, 1)
        np.testing.assert_allclose(image[row].numpy(), expected, atol=1e-5)
        h, z = (np.concatenate([np.ravel(x) for x in [c[0], *sum(c[1:], ())]]) for c in (coefficients, kept))
        with torch.no_grad():
            p, q = model(torch.stack([photos[row], torch.from_numpy(expected).float()])).softmax(1)[:, target].tolist()
        shares = [x**2 / (x**2).sum() for x in (z, h)]
        information = {
            "cp_l1_pixel": expected.sum() / photos[row].sum().item(),
            "cp_l1": np.abs(z).sum() / np.abs(h).sum(),
            "cp_entropy": np.divide(*(-(x[x > 0] * np.log(x[x > 0])).sum() for x in shares)),
        }
        for column, part in information.items():
            where = ("pixel", False) if column == "cp_l1_pixel" else ("wavelet", True)
            assert found[(column, *where)][name] == pytest.approx(q / p / part, rel=1e-4), column


def test_masks_that_keep_all_or_nothing(light, explained, make_photos):
    photos = make_photos(4, (8, 8))
    mask = torch.zeros(4, 64)
    mask[0], mask[2, 9], mask[3] = 1, 1, 1e-12
    photos[2] = torch.where(photos[2] == 0, torch.tensor(0.5), photos[2])
    result = explained(photos, mask, target=[0] * 4, photos=["all", "nothing", "one pixel", "hardly"])
    with subject(light, photos, [0] * 4) as rows:
        found = values_of(rows, result)
    for column in ("cp_entropy", "cp_l1", "cp_l1_pixel"):
        values = found[column, "pixel", True]
        assert values["all"] == pytest.approx(1)
        assert "nothing" not in values
        # Of a network that sees the brightness alone, whatever is kept retains its own share.
        assert "hardly" in values
        assert column == "cp_entropy" or values["one pixel"] == pytest.approx(1, rel=1e-5)
    one = found["hallucination", "pixel", True]
    assert (one["all"], one["nothing"], one["hardly"]) == (0, 0, 0)


def test_one_coefficient_has_no_entropy(light, explained):
    """Of a red photo a pixel is one coefficient, of a grey one three."""
    photos = torch.full((2, 3, 4, 4), 0.5)
    photos[0, 1:] = 0
    mask = torch.zeros(2, 16)
    mask[:, 5] = 0.7
    with subject(light, photos, [0, 0]) as rows:
        found = values_of(rows, explained(photos, mask, photos=["red", "grey"]))
    assert found["cp_l1", "pixel", True] == pytest.approx({"red": 1, "grey": 1})
    # The share of the brightness over log 3 / log 48.
    assert found["cp_entropy", "pixel", True] == pytest.approx({"grey": 0.7 / 16 / (math.log(3) / math.log(48))})


@pytest.mark.parametrize(
    ("before", "defined"), [(1.1 * LEAST_PROBABILITY, True), (0.9 * LEAST_PROBABILITY, False), (0, False)]
)
def test_a_probability_that_nothing_can_be_retained_of(before, defined, explained, make_photos):
    photos = make_photos(1, (8, 8))

    def network(images):
        clean = (images == photos).flatten(1).all(1)
        return torch.stack([torch.where(clean, before, 0.5), torch.ones(len(images))], dim=1).double()

    model = as_model(network, activation="none")
    with subject(model, photos, [0]) as rows:
        retained = retained_probability(rows, photos / 2)
        found = values_of(rows, explained(photos, torch.full((1, 64), 0.5), photos=["a"]))
    assert not retained.isinf().any()
    assert bool(retained.isfinite()) is defined
    assert ("cp_l1", "pixel", True) in found if defined else not any(column.startswith("cp") for column, *_ in found)
    if defined:
        assert float(retained) == pytest.approx(0.5 / before, rel=1e-6)


@pytest.mark.parametrize("batch", [1, 2, None])
def test_retained_probability_is_of_the_class_in_batches(batch, smooth_network, make_photos):
    photos, model = make_photos(3, 16), as_model(smooth_network())
    explanations = photos.flip(3) / 2
    with subject(model, photos, [1, 3, 0], internal_batch_size=batch) as rows:
        found = retained_probability(rows, explanations)
    with torch.no_grad():
        p, q = model(photos).softmax(1), model(explanations).softmax(1)
    expected = [float(q[row, target] / p[row, target]) for row, target in enumerate((1, 3, 0))]
    assert found.tolist() == pytest.approx(expected, rel=1e-4)


def test_a_network_that_is_not_finite_on_an_explanation_names_the_photo(explained, make_photos):
    photos = make_photos(3, (8, 8))

    def network(images):
        dark = images.mean((1, 2, 3)) < 0.05
        return torch.where(dark[:, None], torch.nan, images.mean((2, 3)))

    mask = torch.ones(3, 64)
    mask[1] = 0.01
    with (
        subject(as_model(network, activation="softmax"), photos, [0] * 3) as rows,
        pytest.raises(SolverError, match=r"image 1 of the batch: of its explanation, .* not finite") as caught,
    ):
        evaluate(rows, Candidate(explained(photos, mask, target=[0] * 3)), SETTINGS)
    assert caught.value.photos == (1,)


def drawn(column, kind, size=40):
    """A bright line, or the step to a bright half, at a column: (1, 3, size, size)."""
    image = torch.full((1, 3, size, size), 0.1)
    if kind == "line":
        image[..., column] = 0.9
    else:
        image[..., column:] = 0.9
    return image


@pytest.mark.parametrize("kind", ["line", "step"])
def test_hallucination_of_drawn_edges(kind):
    photo = drawn(18, kind)
    for moved, expected in ((0, 0), (1, 0), (-1, 0), (5, 1), (-5, 1)):
        assert float(hallucination(drawn(18 + moved, kind), photo)) == expected
    # What is there, and as much beside it; what is there, but turned; nothing.
    both = drawn(18, "line").maximum(drawn(28, "line"))
    assert float(hallucination(both, drawn(18, "line"))) == 1
    assert float(hallucination(drawn(18, "line"), both)) == 0
    assert float(hallucination(torch.zeros_like(photo), photo)) == 0
    assert hallucination(photo, torch.full_like(photo, 0.3)).isnan().all()
    assert hallucination(torch.zeros_like(photo), torch.zeros_like(photo)).isnan().all()


def test_hallucination_can_be_of_more_than_there_is():
    photo = drawn(4, "line")
    explanation = torch.cat([drawn(12, "line")[..., :16], drawn(8, "line")[..., :24]], dim=3)  # lines at 12 and 24
    assert float(hallucination(explanation, photo)) == 2
    rows = hallucination(torch.cat([explanation, photo]), torch.cat([photo, explanation]))
    assert rows.tolist() == [2, 0.5]


def test_hallucination_is_a_distance(make_photos):
    """With scikit-image's edges, and SciPy's distances to them along rows, columns and diagonals."""
    photos, explanations = make_photos(3, (40, 31)), make_photos(3, (40, 31), seed=1) * 0.8
    expected = []
    for photo, explanation in zip(photos, explanations, strict=True):
        there, found = (
            canny(one.mean(dim=0).double().numpy(), 1.0, 0.1, 0.2, mode="nearest") for one in (photo, explanation)
        )
        distance = ndimage.distance_transform_cdt(~there, metric="chessboard")
        expected.append((found & (distance > 1)).sum() / there.sum())
    found = hallucination(explanations, photos)
    assert found.tolist() == pytest.approx(expected)
    assert 0 < found.min() < found.max()


def test_edges():
    # The edge of a step is at one of its sides, or both, but not at the border of the image; a border is no edge.
    rows, columns = edges(drawn(18, "step"))[0].nonzero().T.tolist()
    assert set(columns) <= {17, 18}
    assert set(rows) == set(range(1, 39))
    assert not edges(torch.ones(2, 3, 9, 9)).any()
    assert edges(torch.rand(1, 3, 1, 2)).shape == (1, 1, 2)
    # Grey is the mean: colours that are equally bright have no edge between them.
    image = torch.zeros(1, 3, 20, 20)
    image[:, 0, :, :10] = image[:, 2, :, 10:] = 1
    assert not edges(image).any()


def test_heatmaps_have_no_such_scores(smooth_network, make_photos):
    photos, model = make_photos(2, 32), as_model(smooth_network())
    with subject(model, photos, [1, 2]) as rows:
        result = RandomPixel(model).explain(photos, [1, 2])
        assert masked(rows, result) is None
        assert not evaluate(rows, Candidate(result), SETTINGS).scores


@pytest.mark.parametrize("kind", ["cartoonx", "pixel_rde"])
def test_stored_explanations_have_the_scores_of_fresh_ones(kind, tmp_path, smooth_network, make_photos):
    photos, model = make_photos(2, 32), as_model(smooth_network())
    method = {
        "cartoonx": CartoonX(model, steps=4, draws=2, levels=2),
        "pixel_rde": PixelRDE(model, steps=4, draws=2),
    }[kind]
    result = method.explain(photos, [1, 2], photos=["a", "b"])
    loaded = [load_explanation(result[row].save(tmp_path / str(row))[0]) for row in range(2)]
    with subject(model, photos, [1, 2]) as rows:
        fresh = values_of(rows, result)
        torch.testing.assert_close(masked(rows, result).image, result.picture_colour, atol=1e-6, rtol=0)
    assert {column for column, *_ in fresh} == {"cp_entropy", "cp_l1", "cp_l1_pixel", "hallucination"}
    for row, name in enumerate("ab"):
        with subject(model, loaded[row].images, [row + 1]) as rows:
            stored = values_of(rows, loaded[row])
        assert stored.keys() == fresh.keys()
        for key, values in stored.items():
            assert values[name] == pytest.approx(fresh[key][name], rel=1e-5)
    # The mask counts, not its order.
    with subject(model, photos, [1, 2]) as rows:
        half = values_of(rows, replace(result, mask=[band / 2 for band in result.mask]))
    assert half["cp_l1_pixel", "pixel", kind == "pixel_rde"] != fresh["cp_l1_pixel", "pixel", kind == "pixel_rde"]
