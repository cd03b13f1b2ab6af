"""What the options and presets resolve to."""

from __future__ import annotations

import re

import pytest
import torch

from rdexplain import CartoonX, PixelRDE
from rdexplain.errors import ModelError, OptionError
from rdexplain.methods.presets import PAPER, Preset, find_preset
from rdexplain.models import as_model

METHODS = [CartoonX, PixelRDE]


def model(images):
    return images.mean((2, 3))


@pytest.mark.parametrize(
    ("method", "sparsity", "clamp", "representation"),
    [
        (CartoonX, 20, True, {"representation": "wavelet", "wavelet": "db3", "levels": 5, "padding": "zero"}),
        (PixelRDE, 4, False, {"representation": "pixel"}),
    ],
)
def test_the_paper_s_table(method, sparsity, clamp, representation):
    found = method(model, preset="paper").record()
    expected = {
        "preset": "paper",
        "steps": 2000,
        "draws": 64,
        "step_size": 0.001,
        "schedule": "constant",
        "betas": [0.9, 0.999],
        "antithetic": False,
        "init": "ones",
        "sparsity": sparsity,
        "noise": "gaussian",
        "noise_scaling": "original",
        "distortion": "label",
        "clamp": clamp,
        **representation,
    }
    assert {name: found[name] for name in expected} == expected


def test_paper_is_one_preset_for_both():
    assert CartoonX.presets["paper"] == PixelRDE.presets["paper"] == PAPER
    assert Preset(2000, 64, 0.001, "constant", (0.9, 0.999), "ones") == PAPER


@pytest.mark.parametrize("method", METHODS)
def test_fast_is_the_default_and_cheaper(method):
    found, paper = method(model).record(), method(model, preset="paper").record()
    assert found["preset"] == "fast"
    assert found["steps"] * found["draws"] < paper["steps"] * paper["draws"] / 10
    assert found["sparsity"] == paper["sparsity"]
    assert found["distortion"] == paper["distortion"] == "label"


@pytest.mark.parametrize(("preset", "evaluations"), [("draft", 300), ("fast", 781)])
def test_a_preset_costs_what_the_documentation_says(preset, evaluations, smooth_network, make_photos):
    explained = CartoonX(smooth_network(), preset=preset, wavelet="haar", levels=2).explain(make_photos(1, 16))
    assert int(explained.network_evaluations) in (evaluations, 2 * evaluations)  # twice with a second try


@pytest.mark.parametrize("method", METHODS)
def test_options_replace_what_a_preset_sets(method):
    options = {"steps": 7, "draws": 3, "step_size": 0.25, "sparsity": 5, "init": "random"}
    found = method(model, preset="paper", **options).record()
    assert {name: found[name] for name in options} == options
    unset = method(model, preset="paper", **dict.fromkeys(options)).record()
    assert unset == method(model, preset="paper").record()


def test_names_may_be_written_with_hyphens_and_blanks():
    found = CartoonX(model, distortion="weighted-l2 root", noise_scaling="inverse linear").record()
    assert found["distortion"] == "weighted_l2_root"
    assert found["noise_scaling"] == "inverse_linear"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"preset": "papr"}, "unknown preset 'papr': did you mean paper"),
        ({"steps": -1}, "steps must be a whole number of at least 0, got -1"),
        ({"steps": 1.5}, "steps must be a whole number"),
        ({"steps": True}, "steps must be a whole number"),
        ({"draws": 0}, "draws must be a whole number of at least 1"),
        ({"step_size": 0}, "step size must be a positive number"),
        ({"step_size": "fast"}, "step_size must be a number, got 'fast'"),
        ({"sparsity": -2}, "sparsity must be a number of at least 0"),
        ({"sparsity": float("nan")}, "sparsity"),
        ({"noise": "gauss"}, "unknown noise 'gauss'"),
        ({"noise_scaling": "quadratic"}, "unknown noise scaling"),
        ({"distortion": "lable"}, "did you mean label"),
        ({"seed": -1}, "seed must be a whole number of at least 0"),
        ({"seed": 0.5}, "seed"),
        ({"internal_batch_size": 0}, "internal_batch_size must be a whole number of at least 1"),
        ({"device": "gpu"}, "no device 'gpu'"),
    ],
)
@pytest.mark.parametrize("method", METHODS)
def test_options_that_cannot_be(method, options, message):
    with pytest.raises(OptionError, match=re.escape(message)):
        method(model, **options)


def test_options_of_the_wavelet():
    assert CartoonX(model, wavelet="haar", levels=2, padding="symmetric").record()["wavelet"] == "haar"
    with pytest.raises(OptionError, match="unknown wavelet"):
        CartoonX(model, wavelet="daubechies")
    with pytest.raises(OptionError, match="levels"):
        CartoonX(model, levels=0)


@pytest.mark.parametrize("method", METHODS)
def test_options_that_there_are_not(method):
    with pytest.raises(TypeError, match="has no option 'learning_rate'"):
        method(model, learning_rate=0.1)
    with pytest.raises(TypeError):
        PixelRDE(model, wavelet="haar")


@pytest.mark.parametrize("method", METHODS)
def test_what_is_no_model(method):
    with pytest.raises(ModelError, match="is a name"):
        method("resnet18")
    with pytest.raises(ModelError, match="callable"):
        method(torch.zeros(3))


def test_find_preset():
    assert find_preset("paper", CartoonX.presets, "CartoonX") is PAPER
    with pytest.raises(OptionError, match="unknown preset 'None': CartoonX has paper, fast, best, draft, instant"):
        find_preset(None, CartoonX.presets, "CartoonX")


def test_repr_and_name():
    assert CartoonX(model).get_name() == "CartoonX"
    assert PixelRDE(model).get_name() == "PixelRDE"
    assert repr(CartoonX(model, preset="paper", levels=3)).startswith("CartoonX(model, Wavelet('db3', levels=3")


def regions(images):
    return torch.cat((images[:, :2], images.mean(1, keepdim=True)), dim=1) * 9


def test_the_study_s_options_for_each_task():
    """Taslimi et al., ReScience C 2023: what is said differently from the paper's table for figures 8 and 9."""
    expected = {"segmentation": (1000, 4, 0.01, 2), "detection": (200, 32, 0.01, 20)}
    for task, values in expected.items():
        of_task = as_model(regions, task=task)
        found = PixelRDE(of_task, preset="paper").record()
        assert tuple(found[name] for name in ("steps", "draws", "step_size", "sparsity")) == values
        given = PixelRDE(of_task, preset="paper", steps=7, sparsity=3).record()
        assert (given["steps"], given["draws"], given["sparsity"]) == (7, values[1], 3)
        assert PixelRDE(of_task, preset="paper", max_distortion=0.1).record()["max_distortion"] == 0.1


def test_the_task_s_sparsity_is_the_explanation_s():
    images = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    found = PixelRDE(as_model(regions, task="segmentation"), preset="paper", steps=1).explain(images)
    assert found.target_kind == "region"
    assert found.sparsity.tolist() == [2, 2]
    torch.testing.assert_close(found.objective, found.distortion + 2 * found.non_sparsity)
