"""Parameters drawn anew: of the whole network, and layer by layer from the output."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from scipy import stats
from torch import nn

from rdexplain import PixelRDE
from rdexplain.core import philox
from rdexplain.errors import ModelError
from rdexplain.evaluation import (
    Candidate,
    Cascade,
    Curve,
    CurveKey,
    Entry,
    Evaluation,
    Settings,
    evaluate,
    load_evaluation,
    merge,
    save_evaluation,
    subject,
    summary,
)
from rdexplain.evaluation.cascade import cascade
from rdexplain.evaluation.cascade_plot import cascade_figure
from rdexplain.evaluation.randomisation import randomised
from rdexplain.methods.baselines import Occlusion
from rdexplain.models import as_model, load_model


class WithOwnParameter(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.token = nn.Parameter(torch.randn(4, 3))
        self.layers = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return images.mean(dim=(2, 3)) @ self.token.T + self.layers(images.mean(dim=(2, 3)))


def test_randomised_parameters_are_on_a_copy_and_a_function_of_the_seed():
    network = WithOwnParameter().eval()
    kept = {name: value.clone() for name, value in network.state_dict().items()}
    state = torch.random.get_rng_state()
    model = as_model(network, mean=0.5, std=0.2)
    first, again, other = (randomised(model, (16, 16), seed) for seed in (1, 1, 2))
    assert torch.equal(torch.random.get_rng_state(), state)
    assert all(torch.equal(value, kept[name]) for name, value in network.state_dict().items())
    for name in ("token", "layers.0.weight", "layers.0.bias"):
        ours = first.network.get_parameter(name)
        assert torch.equal(ours, again.network.get_parameter(name))
        assert not torch.equal(ours, other.network.get_parameter(name))
        assert not torch.equal(ours, kept[name])
    assert first.mean == model.mean
    assert not first.network.training
    with pytest.raises(ModelError, match="no parameters that could be randomised"):
        randomised(as_model(lambda images: images), (8, 8))


def test_randomised_parameters_are_drawn_on_the_cpu_alone(monkeypatch):
    """As each module draws them from the CPU's generator; those of the GPUs, which nobody puts back, stay untouched."""
    network = WithOwnParameter().eval()
    expected = copy.deepcopy(network)
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        for name, draw in (
            ("", lambda: expected.token.copy_(expected.token.mean() + expected.token.std() * torch.randn(4, 3))),
            ("layers.0", expected.layers[0].reset_parameters),
        ):
            stream = philox.Stream(5, philox.name_key(name), 0, 0, philox.RANDOMISE)
            torch.manual_seed(int(philox.random_bits([stream], 1)))
            draw()

    def fail(seed):
        raise AssertionError("a GPU's generator was seeded")

    monkeypatch.setattr(torch.cuda, "manual_seed_all", fail)
    found = randomised(as_model(network), (16, 16), 5).network
    for name in ("token", "layers.0.weight", "layers.0.bias"):
        assert torch.equal(found.get_parameter(name), expected.get_parameter(name))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_randomised_on_a_gpu_is_what_it_is_on_the_cpu():
    network = WithOwnParameter().eval()
    here = randomised(as_model(network), (16, 16), 5)
    state = torch.cuda.get_rng_state()
    there = randomised(as_model(network).on("cuda"), (16, 16), 5)
    assert torch.equal(torch.cuda.get_rng_state(), state)
    assert there.device.type == "cuda"
    for name, parameter in here.network.named_parameters():
        assert torch.equal(parameter, there.network.get_parameter(name).cpu())
    for name, buffer in here.network.named_buffers():
        torch.testing.assert_close(buffer, there.network.get_buffer(name).cpu())


def test_a_randomised_network_still_decides_something(make_photos):
    """A deep network with the statistics that its normalisations are born with gives every image the same output."""
    model = load_model("efficientnet_lite0")
    images, other = make_photos(4, 64), randomised(model, (64, 64))
    with torch.no_grad():
        probabilities = other(images).softmax(1)
    assert probabilities.isfinite().all()
    assert probabilities.std(dim=0).max() > 1e-3
    norms = [module for module in other.network.modules() if isinstance(module, nn.BatchNorm2d)]
    assert norms
    assert all(not norm.training and norm.momentum is not None for norm in norms)


def parameters(model):
    return {name: value.clone() for name, value in model.network.state_dict().items()}


def test_stages_go_from_the_output_to_the_input_and_keep_what_was_drawn(smooth_network):
    network = smooth_network()
    before = copy.deepcopy(network.state_dict())
    model = as_model(network)
    networks = Cascade(model, (32, 32), seed=3)
    assert networks.layers == ["0", "2", "6"]
    assert networks.counts == [0, 1, 2, 3]
    assert networks.at(0) is model
    everything = parameters(randomised(model, (32, 32), 3))
    for count in networks.counts:
        for place, layer in enumerate(networks.layers):
            drawn = place >= 3 - count
            for name in ("weight", "bias"):
                found = networks.at(count).network.get_parameter(f"{layer}.{name}")
                assert torch.equal(found, (everything if drawn else before)[f"{layer}.{name}"])
                assert not torch.equal(everything[f"{layer}.{name}"], before[f"{layer}.{name}"])
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert not network.training


def test_a_deep_network_has_six_stages_after_the_trained_one():
    model = load_model("efficientnet_lite0")
    before = parameters(model)
    networks = Cascade(model, (64, 64))
    every = len(networks.layers)
    assert networks.counts == [0, 1, *(-(-every * stage // 5) for stage in range(1, 6))]
    half = networks.at(networks.counts[3]).network
    norms = {name: module for name, module in half.named_modules() if isinstance(module, nn.BatchNorm2d)}
    first, *_, last = norms
    # What the trained layers have measured stays; what was drawn anew has statistics of its own.
    assert torch.equal(norms[first].running_mean, before[f"{first}.running_mean"])
    assert not torch.equal(norms[last].running_mean, before[f"{last}.running_mean"])
    assert norms[last].running_var.min() > 0
    after = parameters(model)
    assert all(torch.equal(value, after[name]) for name, value in before.items())


def test_the_curve_by_loop(smooth_network, make_photos):
    photos = make_photos(2, 32)
    model = as_model(smooth_network())
    networks, method = Cascade(model, (32, 32), 1), Occlusion(model, window=8)
    result = method.explain(photos, [1, 2])
    with subject(model, photos, [1, 2]) as rows:
        curves = cascade(rows, method, result, networks)
    assert curves.percentages == pytest.approx([0, 100 / 3, 200 / 3, 100])
    assert method.model is model
    for place, count in enumerate(networks.counts):
        other = Occlusion(networks.at(count), window=8).explain(photos, [1, 2])
        for row in range(2):
            flat = [one.scores[0][row].flatten().numpy() for one in (result, other)]
            found = float(curves.measures["rank_correlation"][row, place])
            assert found == pytest.approx(stats.spearmanr(*flat).statistic, abs=1e-9)
    assert curves.measures["rank_correlation"][:, 0].tolist() == pytest.approx([1, 1])
    assert curves.measures["ssim"][:, 0].tolist() == pytest.approx([1, 1])
    assert curves.measures["ssim"][:, 1:].max() < 0.99


def test_a_constant_map_correlates_with_nothing(smooth_network, make_photos):
    photos = make_photos(1, 32)
    model = as_model(smooth_network())

    class Blank(Occlusion):
        def explain(self, images, **options):
            found = super().explain(images, **options)
            found.scores[0][:] = 0 if self.model is not model else found.scores[0]
            return found

    method = Blank(model, window=8)
    with subject(model, photos, [1]) as rows:
        curves = cascade(rows, method, Occlusion(model, window=8).explain(photos, [1]), Cascade(model, (32, 32)))
    assert curves.measures["rank_correlation"].tolist() == [[pytest.approx(1), 0, 0, 0]]


def test_the_curve_and_its_area_are_kept(tmp_path, smooth_network, make_photos):
    photos = make_photos(2, 32)
    model = as_model(smooth_network())
    method = PixelRDE(model, steps=2, draws=2)
    result = method.explain(photos, [1, 2], photos=["a", "b"])
    settings = Settings(percentages=(0, 100), draws=1, domains=("own",), scores=("cascade", "randomisation"))
    with subject(model, photos, [1, 2]) as rows:
        candidate = Candidate(result, method, Cascade(model, (32, 32)))
        found = evaluate(rows, candidate, settings)
        parts = [
            evaluate(rows.of([row]), Candidate(result[row], method, Cascade(model, (32, 32))), settings)
            for row in (0, 1)
        ]
    assert merge(*parts).curves.keys() == found.curves.keys()
    save_evaluation(found, tmp_path / "out")
    assert load_evaluation(tmp_path / "out") == found
    curves = {key.entry.photo: curve for key, curve in found.curves.items() if key.mode == "cascade"}
    assert set(curves) == {"a", "b"}
    scores = {(key.entry.photo, key.score): value for key, value in found.scores.items()}
    for photo, curve in curves.items():
        for name, score in (("rank_correlation", "rank"), ("ssim", "ssim")):
            expected = np.trapezoid(curve.measures[name], curve.share)
            assert scores[photo, f"cascade_{score}"] == pytest.approx(expected)
            # The last stage is the network that `randomisation` looks at.
            assert curve.measures[name][-1] == pytest.approx(scores.get((photo, f"randomisation_{score}"), 0))
    lines = {line.figure.score: line for line in summary(found)}
    assert "ssim" not in lines  # a curve's area is there once, as a score
    assert lines["cascade_ssim"].figure.better == "zero"


def test_the_random_network_is_explained_once_for_both_scores(smooth_network, make_photos):
    photos, explained = make_photos(1, 32), []

    class Counted(Occlusion):
        def explain(self, *arguments, **options):
            explained.append(self.model)
            return super().explain(*arguments, **options)

    model = as_model(smooth_network())
    method, networks = Counted(model, window=8), Cascade(model, (32, 32))
    result = method.explain(photos, [1])
    explained.clear()
    settings = Settings(percentages=(0, 100), draws=1, domains=("own",), scores=("randomisation", "cascade"))
    with subject(model, photos, [1]) as rows:
        evaluate(rows, Candidate(result, method, networks), settings)
    assert explained.count(networks.at(networks.counts[-1])) == 1
    assert len(explained) == len(networks.counts) - 1  # the trained network's is given


def test_the_figure_shows_means_over_photos():
    key = CurveKey(Entry("a", "1", "1", "", "lrp", "pixel", True), "cascade")
    curves = {
        key._replace(entry=key.entry._replace(photo=photo, key=photo)): Curve(
            np.array([0.0, 50, 100]),
            np.array([0, 0.5, 1]),
            {"rank_correlation": np.array([1, 0.4, low]), "ssim": np.array([1, 0.2, 0.1])},
            1,
        )
        for photo, low in (("a", 0.2), ("b", -0.6))
    }
    figure = cascade_figure(Evaluation(curves), note="a network")
    rank, ssim = figure.axes
    assert rank.lines[0].get_xdata().tolist() == [0, 50, 100]
    assert rank.lines[0].get_ydata().tolist() == pytest.approx([1, 0.4, -0.2])
    assert ssim.lines[0].get_ydata().tolist() == pytest.approx([1, 0.2, 0.1])
    assert rank.get_ylim()[0] < -0.6
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["LRP"]
    assert not cascade_figure(Evaluation()).legends
