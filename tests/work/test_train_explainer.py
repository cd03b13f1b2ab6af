"""Explainers: training, its resumption, their files, and what they are used for."""

from __future__ import annotations

import json
import warnings
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import nn

import rdexplain as rx
from rdexplain.errors import OptionError, OutputError, RDExplainError
from rdexplain.methods import outcome
from rdexplain.methods.explainer import described
from rdexplain.work.explainers.training import Course, Training, varied

WAVELETS = {"wavelet": "db2", "levels": 2}
SMALL = WAVELETS | {"size": 16, "rounds": 3}


@pytest.fixture(autouse=True)
def _few_fresh_draws(monkeypatch):
    monkeypatch.setattr(outcome, "FRESH_DRAWS", 8)
    monkeypatch.setattr(outcome, "EMPTY_DRAWS", 4)


@pytest.fixture
def model(smooth_network):
    return rx.as_model(smooth_network(), name="tiny")


@pytest.fixture
def photos(tmp_path, make_photos):
    folder = tmp_path / "photos"
    folder.mkdir()
    for number, image in enumerate(make_photos(12, 16)):
        pixels = (image * 255).round().byte().permute(1, 2, 0).numpy()
        Image.fromarray(np.ascontiguousarray(pixels)).save(folder / f"{number}.png")
    return str(folder)


@pytest.fixture
def train(model, photos, tmp_path):
    """Trains an explainer of a small network in moments."""

    def call(out="explainer.safetensors", **more):
        given = SMALL | {"model": model, "out": tmp_path / out} | more
        return rx.train_explainer(photos, **given)

    return call


@pytest.fixture
def training(model, make_photos):
    """A training without files, at a size and for as long as a test likes."""

    def make(course, size=16):
        method = rx.CartoonX(model, batch_invariant=False, **WAVELETS)
        images = (make_photos(6, size) * 255).round().byte()
        return Training(method, images, course, WAVELETS["levels"])

    return make


def test_it_learns_from_the_objective(training):
    one = training(Course(25, photos=6, per_step=6, draws=2, rate=0.02))
    objectives = []
    for _ in range(25):
        one.next_round()
        objectives.append(one.loss)
    assert sum(objectives[-5:]) < 0.9 * sum(objectives[:5])


class Stopping(rx.Progress):
    """The user loses patience after some rounds."""

    def __init__(self, rounds):
        self.rounds = rounds

    def advance(self, place, total, text, figures="", left=None):
        if text == "training" and place >= self.rounds:
            raise rx.Cancelled

    def warning(self, text):
        raise AssertionError(text)


@pytest.mark.parametrize("rounds", [1, 2.4])
def test_a_stopped_training_goes_on_to_the_same_end(train, tmp_path, rounds):
    train("whole.safetensors")
    with pytest.raises(rx.Cancelled) as stopped:
        train("stopped.safetensors", progress=Stopping(rounds))
    assert stopped.value.__notes__ == [
        f"what is there is kept in {tmp_path / 'stopped.training'}: the same command goes on"
    ]
    assert int(load_file(tmp_path / "stopped.training" / "state.safetensors")["round"]) == int(rounds)
    train("stopped.safetensors")
    whole, stopped = (load_file(tmp_path / f"{name}.safetensors") for name in ("whole", "stopped"))
    assert all(torch.equal(whole[name], stopped[name]) for name in whole)
    assert not (tmp_path / "stopped.training").exists()


def test_a_damaged_state_is_one_line(train, tmp_path):
    with pytest.raises(rx.Cancelled):
        train(progress=Stopping(1))
    (tmp_path / "explainer.training" / "state.safetensors").write_bytes(b"half")
    with pytest.raises(RDExplainError, match=r"state\.safetensors is damaged: remove it, and call again"):
        train()


def test_another_training_does_not_go_on_there(train, tmp_path):
    with pytest.raises(rx.Cancelled):
        train(progress=Stopping(1))
    with pytest.raises(OptionError, match="another rounds, seed: begin anew with `overwrite`"):
        train(seed=1, rounds=2)
    assert train(seed=1, rounds=2, overwrite=True).file.exists()


def test_seeds_differ_and_equal_ones_do_not(train, tmp_path):
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        train(f"{name}.safetensors", seed=seed)
    a, b, c = ((tmp_path / f"{name}.safetensors").read_bytes() for name in "abc")
    assert a == b
    assert a != c


def test_the_result_says_what_it_is_worth(train, tmp_path, model):
    found = train()
    assert (found.photos, found.checked, found.failures) == (11, 1, {})
    explainer = rx.load_explainer(found.file)
    assert repr(explainer) == "Explainer(cartoonx, tiny, 16 px)"
    for name in ("distortion", "non_sparsity", "empty_distortion"):
        assert explainer.about[name] == getattr(found, name)
    assert 0 < found.non_sparsity < 1
    assert found.empty_distortion > 0
    with pytest.raises(OutputError, match="exists already"):
        train()


def test_instant_is_one_evaluation_and_the_same_each_time(train, model, make_photos):
    explainer = rx.load_explainer(train().file)
    images = make_photos(3, 16, seed=5)
    method = rx.CartoonX(model, preset="instant", init=explainer, **WAVELETS)
    first, second = method.explain(images), method.explain(images[1:])
    assert first.network_evaluations.tolist() == [1, 1, 1]
    assert first.measurements.tolist() == [8 + 8] * 3 or first.measurements.tolist() == [16 + 4] * 3
    assert first.options["init"] == f"explainer {explainer.digest}"
    for one, two in zip(first.mask, second.mask, strict=True):
        assert torch.equal(one[1:], two)
    # λ is an input: it is one slider for all masks.
    other = rx.CartoonX(model, preset="instant", init=explainer, sparsity=300.0, **WAVELETS).explain(images)
    assert not torch.equal(first.mask[-1], other.mask[-1])
    # Other sizes than that of the training are its own affair.
    assert method.explain(make_photos(1, 24)).mask[-1].shape == (1, 3, 13, 13)


def test_a_start_is_what_the_explainer_predicts(train, model, make_photos):
    explainer = rx.load_explainer(train().file)
    images = make_photos(2, 16, seed=5)
    instant = rx.CartoonX(model, preset="instant", init=explainer, **WAVELETS).explain(images)
    still = rx.CartoonX(model, init=explainer, steps=1, step_size=1e-9, **WAVELETS)
    still.options = replace(still.options, retry=False, settings=replace(still.options.settings, cut=False))
    found = still.explain(images)
    for one, two in zip(instant.mask, found.mask, strict=True):
        torch.testing.assert_close(one.clamp_min(1e-4), two, rtol=1e-4, atol=1e-6)


def test_instant_needs_an_explainer(model):
    for given in ({}, {"init": "ones"}):
        with pytest.raises(OptionError, match="preset instant needs an explainer: give `init` the file that"):
            rx.CartoonX(model, preset="instant", **given)


def test_an_explainer_is_for_its_own_network(train, model, smooth_network):
    explainer = rx.load_explainer(train().file)
    for other, wavelets, reason in (
        (model, WAVELETS | {"wavelet": "haar"}, "for the representation wavelet, db2, 2, zero, not wavelet, haar"),
        (model, WAVELETS | {"levels": 1}, "not wavelet, db2, 1, zero"),
        (rx.as_model(smooth_network(), name="big"), WAVELETS, "for the network tiny, not big"),
        (rx.as_model(smooth_network(seed=1), name="tiny"), WAVELETS, "for other weights of tiny: train one"),
        (model.with_options(mean=0.5, std=0.5), WAVELETS, r"for another normalisation \(mean\) of tiny"),
        (lambda images: images.mean(dim=(2, 3)), WAVELETS, "an explainer is for an nn.Module"),
    ):
        with pytest.raises(OptionError, match=reason) as found:
            rx.CartoonX(other, init=explainer, **wavelets)
        assert "\n" not in str(found.value)
    with pytest.raises(OptionError, match="for the method cartoonx, not waveletx"):
        rx.WaveletX(model, init=explainer, **WAVELETS)


def test_files_that_are_no_explainers(train, tmp_path, model, make_photos):
    file = train().file
    explanation = rx.CartoonX(model, steps=1, **WAVELETS).explain(make_photos(1, 16))
    explanation.save(tmp_path / "explanation")
    (tmp_path / "text.safetensors").write_text("nothing")
    tensors = load_file(file)
    header = {"format": 1, "kind": "explainer", "levels": 2}
    save_file(tensors, tmp_path / "nameless.safetensors", {"rdexplain": json.dumps(header)})
    save_file(tensors, tmp_path / "newer.safetensors", {"rdexplain": json.dumps(header | {"format": 2})})
    tensors.pop(next(iter(tensors)))
    save_file(tensors, tmp_path / "less.safetensors", {"rdexplain": json.dumps(header | described_of(model))})
    for name, reason in (
        ("gone", "no such explainer"),
        ("explanation", "is no explainer: rdexplain train-explainer makes one"),
        ("text", "cannot be read as an explainer"),
        ("nameless", "is no explainer, or is damaged: it does not say what it is for"),
        ("newer", "was written by a newer rdexplain"),
        ("less", "is no explainer, or is damaged"),
    ):
        with pytest.raises(RDExplainError, match=reason) as found:
            rx.load_explainer(tmp_path / f"{name}.safetensors")
        assert "\n" not in str(found.value)


def described_of(model):
    return described(rx.CartoonX(model, **WAVELETS))


def test_photos_that_cannot_be_read_are_left_out(train, photos, tmp_path):
    (tmp_path / "photos" / "broken.png").write_text("no photo")
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        found = train()
    assert [file.rpartition("/")[2] for file in found.failures] == ["broken.png"]
    assert any("broken.png" in str(one.message) for one in warned)
    assert found.photos + found.checked == 12


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"out": "explainer.bin"}, "`out` is a .safetensors file, not explainer.bin"),
        ({"levels": 9}, "9 levels"),
        ({"rounds": -1}, "`rounds` must be a whole number of at least 0"),
    ],
)
def test_what_cannot_be_trained_is_said_first(photos, model, given, reason, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RDExplainError, match=reason):
        rx.train_explainer(photos, **(SMALL | {"model": model} | given))
    assert not list(tmp_path.glob("explainer*"))


def test_a_network_without_modules_cannot_be_known_again(photos, tmp_path):
    with pytest.raises(OptionError, match=r"an explainer is for an nn[.]Module"):
        rx.train_explainer(
            photos, **SMALL, model=lambda images: images.mean(dim=(2, 3)), out=tmp_path / "x.safetensors"
        )


def test_crops_are_the_photo_s_own(make_photos):
    images = make_photos(4, 32)
    found = varied(images, torch.Generator().manual_seed(0))
    assert found.shape == images.shape
    assert found.min() >= 0
    assert found.max() <= 1
    flat = varied(torch.full((2, 3, 16, 16), 0.25), torch.Generator().manual_seed(0))
    torch.testing.assert_close(flat, torch.full((2, 3, 16, 16), 0.25))
    rising = torch.linspace(0, 1, 32).expand(3, 3, 32, 32)
    slopes = varied(rising, torch.Generator().manual_seed(1)).diff(dim=-1)[..., 2:-2].mean(dim=(1, 2, 3)) * 31
    assert bool(((slopes.abs() > 0.65) & (slopes.abs() < 1.05)).all())  # a crop of 70 to 100 %, mirrored or not


def test_the_training_leaves_the_network_as_it_was(train, model):
    before = {name: tensor.clone() for name, tensor in model.network.state_dict().items()}
    model.network.train()
    train()
    assert model.network.training
    assert all(parameter.requires_grad and parameter.grad is None for parameter in model.network.parameters())
    assert all(torch.equal(before[name], tensor) for name, tensor in model.network.state_dict().items())
    assert isinstance(model.network, nn.Module)
