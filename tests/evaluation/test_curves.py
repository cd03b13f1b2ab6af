"""Curves against closed forms on linear models, and against loops over photos, draws and percentages."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from rdexplain.core import philox
from rdexplain.core.representations import Pixel, Wavelet
from rdexplain.errors import OptionError
from rdexplain.evaluation import in_own, rate_distortion, subject
from rdexplain.evaluation.domains import Importance
from rdexplain.models import as_model
from rdexplain.models.decisions.distortions import DISTORTIONS

SIZE = (8, 10)
DOMAINS = {"pixel": Pixel(), "wavelet": Wavelet("haar", levels=2)}
PERCENTAGES = (0, 10, 35, 60, 100)
MEASURES = (*DISTORTIONS, "agreement", "probability")


def faint(count: int) -> torch.Tensor:
    """Images so faint that noise of their spread never reaches 0 or 1: the clamp does nothing."""
    generator = torch.Generator().manual_seed(5)
    return 0.5 + 0.01 * torch.randn(count, 3, *SIZE, generator=generator)


def importance(representation, count: int) -> Importance:
    entries = representation.transform(SIZE, torch.float32).count
    scores = torch.randn(count, entries, generator=torch.Generator().manual_seed(6))
    return Importance(scores, representation, True)


@pytest.mark.parametrize("domain", DOMAINS)
@pytest.mark.parametrize("mode", ["keep", "randomise"])
def test_a_linear_model_has_the_distortion_of_the_closed_form(domain, mode, linear):
    """Φ(x) = 1/2 + W x, y = f(c): with a = h − mean and u = Wf the removed entries R give, for each class,

    E[(Σ_R u (a − std·e))²] = (Σ_R u a)² + Σ_R (u std)²
    """
    images, representation = faint(2), DOMAINS[domain]
    weights = 0.01 * torch.randn(4, images[0].numel(), generator=torch.Generator().manual_seed(7)).double()
    ranking = importance(representation, 2)
    draws = 1500
    with subject(linear(weights.float()), images, [1, 2]) as rows:
        found = rate_distortion(rows, ranking, mode, percentages=PERCENTAGES, draws=draws)

    transform = representation.transform(SIZE, torch.float64)
    entries = transform.count
    channelwise = torch.eye(3 * entries, dtype=torch.float64).view(-1, 3, entries)
    u = (transform.synthesis(channelwise).flatten(1) @ weights.T).view(3, entries, 4)
    coefficients = transform.analysis(images.double())
    for row in range(2):
        mean, std = torch.empty(entries).double(), torch.empty(entries).double()
        start = 0
        for band in transform.bands:
            part = slice(start, start + band.count)
            mean[part], std[part] = coefficients[row, :, part].mean(), coefficients[row, :, part].std()
            start += band.count
        order = ranking.scores[row].argsort(descending=True)
        for place, percentage in enumerate(PERCENTAGES):
            top = order[: round(percentage * entries / 100)]
            removed = torch.zeros(entries, dtype=torch.bool)
            removed[top] = True
            removed = removed if mode == "randomise" else ~removed
            shift = ((coefficients[row] - mean)[:, removed, None] * u[:, removed]).sum(dim=(0, 1))
            spread = ((std[removed, None] * u[:, removed]) ** 2).sum(dim=(0, 1))
            expected = shift**2 + spread
            # Four squares of nearly normal numbers: their mean over 1500 draws is known to some 4 %.
            assert found.measures["l2"][row, place] == pytest.approx(float(expected.sum()), rel=0.12, abs=1e-9)
            assert found.measures["label"][row, place] == pytest.approx(float(expected[row + 1]), rel=0.2, abs=1e-9)


@pytest.mark.parametrize("domain", DOMAINS)
def test_nothing_taken_away_distorts_nothing(domain, smooth_network, make_photos):
    images = make_photos(2, SIZE)
    with subject(as_model(smooth_network()), images) as rows:
        ranking = importance(DOMAINS[domain], 2)
        kept = rate_distortion(rows, ranking, "keep", percentages=(0, 100), draws=2, distortions=("l2", "label"))
        away = rate_distortion(rows, ranking, "randomise", percentages=(0, 100), draws=2, distortions=("l2", "label"))
        clean = rows.label().read(rows.clean, torch.arange(2)).squeeze(1)
    for whole in (kept.measures, {name: values.flip(1) for name, values in away.measures.items()}):
        assert whole["l2"][:, 1].abs().max() < 1e-9
        assert whole["label"][:, 1].abs().max() < 1e-9
        assert whole["l2"][:, 0].min() > 1e-4
        assert whole["agreement"][:, 1].tolist() == [1, 1]
        assert torch.allclose(whole["probability"][:, 1], clean.double(), atol=1e-5)
    # Keeping nothing and randomising everything is the same image, with the same noise.
    assert torch.allclose(kept.measures["l2"][:, 0], away.measures["l2"][:, 1], atol=1e-6)


def test_published_ties_come_in_together_in_wavelets_alone(smooth_network, make_photos):
    """SPEC's defect 7: pixels take exact counts."""
    images = make_photos(1, SIZE)
    for domain, representation in DOMAINS.items():
        count = representation.transform(SIZE, torch.float32).count
        tied = Importance(torch.ones(1, count), representation, True)
        with subject(as_model(smooth_network()), images, [1]) as rows:
            options = {"percentages": (0, 10, 100), "draws": 1, "protocol": "published"}
            share = rate_distortion(rows, tied, "keep", **options).share[0].tolist()
        middle = round(0.1 * count) / count if domain == "pixel" else 1
        assert share == pytest.approx([0, middle, 1]), domain


@pytest.mark.parametrize("protocol", ["corrected", "published"])
@pytest.mark.parametrize("domain", DOMAINS)
@pytest.mark.parametrize("mode", ["keep", "randomise"])
def test_every_measure_against_loops(domain, mode, protocol, smooth_network, make_photos):
    """The loops of SPEC, section 4: for each photo, percentage and draw one image, and all measures of it."""
    # Of 2 photos and 3 draws, photos and draws that are counted together would still meet in every pair; of 4 not.
    images, draws, seed = make_photos(2, SIZE), 4, 11
    network, representation = smooth_network(), DOMAINS[domain]
    ranking = importance(representation, 2)
    scores = ranking.scores.clamp(-0.5, 0.5)  # with many ties, like masks
    if protocol == "corrected" or domain == "pixel":
        scores = ranking.scores  # ties would come in random order
    ranking = Importance(scores, representation, True)
    with subject(as_model(network), images, [3, 0], ids=[21, 22], accelerate=False) as rows:
        found = rate_distortion(
            rows,
            ranking,
            mode,
            percentages=PERCENTAGES,
            draws=draws,
            distortions=tuple(DISTORTIONS),
            protocol=protocol,
            seed=seed,
        )
    transform = representation.transform(SIZE, torch.float32)
    for row, target in enumerate([3, 0]):
        h = transform.analysis(images[row : row + 1])[0]
        clean = network(images[row : row + 1]).softmax(1).detach()
        for place, percentage in enumerate(PERCENTAGES):
            count = round(percentage * transform.count / 100)
            largest = sorted(scores[row].tolist(), reverse=True)
            top = scores[row] >= largest[count - 1] if count else torch.zeros(transform.count, dtype=torch.bool)
            assert found.share[row, place] == pytest.approx(float(top.float().mean()))
            values = {name: [] for name in MEASURES}
            for draw in range(draws):
                stream = philox.Stream(seed, 21 + row, 0, draw, philox.EVALUATE)
                noise = philox.normal([stream], h.numel(), torch.float32).view_as(h)
                if domain == "pixel" and protocol == "published":
                    noise = noise.clamp(0, 1)
                else:
                    parts = list(zip(transform.split(h), transform.split(noise), strict=True))
                    noise = transform.join([part.mean() + part.std() * some for part, some in parts])
                mixed = torch.where(top if mode == "keep" else ~top, h, noise)
                y = transform.synthesis(mixed[None]).clamp(0, 1)
                with torch.no_grad():
                    p = network(y).softmax(1)
                for name, distance in DISTORTIONS.items():
                    one = distance.reads == "label"
                    pair = (clean[:, [target]], p[:, [target]]) if one else (clean, p)
                    values[name].append(float(distance.compare(*pair)))
                values["agreement"].append(float(p.argmax() == clean.argmax()))
                values["probability"].append(float(p[0, target]))
            for name in MEASURES:
                assert found.measures[name][row, place] == pytest.approx(np.mean(values[name]), abs=2e-5), name


def test_batches_do_not_matter(smooth_network, make_photos, make_result):
    images = make_photos(3, SIZE)
    scores = torch.randn(3, SIZE[0] * SIZE[1], generator=torch.Generator().manual_seed(1))

    def measured(photos: slice, batch: int):
        model = as_model(smooth_network())
        with subject(model, images[photos], [0, 1, 2][photos], internal_batch_size=batch) as rows:
            ranking = in_own(make_result(images[photos], scores[photos]))
            return rate_distortion(rows, ranking, "keep", percentages=PERCENTAGES, draws=4).measures["l2"]

    together = measured(slice(0, 3), 100)
    for batch in (1, 3, 7):
        assert torch.allclose(measured(slice(0, 3), batch), together, atol=1e-6)
    assert torch.allclose(measured(slice(2, 3), 5), together[2:], atol=1e-6)


def test_methods_see_the_same_noise(recorder, smooth_network, make_photos, make_result):
    """With nothing kept, whatever the order, the images are the same."""
    images = make_photos(1, SIZE)
    seen = recorder(smooth_network())
    with subject(as_model(seen), images) as rows:
        for seed in (1, 2):
            scores = torch.randn(1, SIZE[0] * SIZE[1], generator=torch.Generator().manual_seed(seed))
            ranking = in_own(make_result(images, scores))
            rate_distortion(rows, ranking, "keep", percentages=(0, 50), draws=2, seed=9)
    first, second = seen.seen[-2:]
    assert torch.equal(first[[0, 2]], second[[0, 2]])
    assert not torch.equal(first[[1, 3]], second[[1, 3]])
    assert not torch.equal(first[0], first[2])


def test_options_that_cannot_be(smooth_network, make_photos):
    with subject(as_model(smooth_network()), make_photos(1, SIZE)) as rows:
        ranking = importance(Pixel(), 1)
        for options, message in (
            ({"mode": "kept"}, "unknown mode 'kept': did you mean keep?"),
            ({"draws": 0}, "draws must be"),
            ({"distortions": ["l3"]}, "unknown distortion 'l3'"),
            ({"protocol": "publish"}, "unknown protocol 'publish': did you mean published"),
        ):
            with pytest.raises(OptionError, match=message):
                rate_distortion(rows, ranking, **({"mode": "keep", "percentages": (0, 100)} | options))
