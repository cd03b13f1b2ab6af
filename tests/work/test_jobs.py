"""Jobs from Python: options, defaults, files and errors are the commands', and a progress can stop them."""

from __future__ import annotations

import inspect
import typing
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import rdexplain as rx
from rdexplain.cli import COMMANDS, main
from rdexplain.errors import OptionError, PhotoError
from rdexplain.work import requests, settings
from rdexplain.work.job import listening
from rdexplain.work.options import Options
from rdexplain.work.progress import Silent

JOBS = {
    name: getattr(rx, name)
    for name in ("explain", "compare", "detect", "evaluate", "run", "status", "export", "report", "reproduce", "app")
}
NETS = """
import torch
from torch import nn

class Mean(nn.Module):
    def forward(self, x):
        weight = torch.randn(4, x[0].numel(), generator=torch.Generator().manual_seed(5))
        return x.flatten(1) @ weight.T
"""
SMALL = {"method": "pixel_rde", "size": 8, "steps": 2, "draws": 2, "sparsity": 0.0, "activation": "softmax"}


@pytest.fixture
def place(tmp_path, monkeypatch):
    """The current folder, with a network's module and three photos."""
    (tmp_path / "job_test_nets.py").write_text(NETS)
    (tmp_path / "photos").mkdir()
    generator = np.random.default_rng(1)
    for name in "abc":
        pixels = generator.integers(40, 220, (12, 12, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / "photos" / f"{name}.png")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


class Told(Silent):
    """Keeps what it is told; stops at so many results."""

    def __init__(self, stop=None):
        self.stages, self.places, self.results, self.failures, self.warnings = [], [], [], [], []
        self._stop = stop

    def stage(self, text):
        self.stages.append(text)

    def advance(self, place, total, text, figures="", left=None):
        self.places.append((place, total))

    def done(self, result):
        self.results.append(result)
        if len(self.results) == self._stop:
            raise rx.Cancelled

    def failed(self, text):
        self.failures.append(text)

    def warning(self, text):
        self.warnings.append(text)


def test_explain_is_the_command(place):
    """Byte for byte, and what it returns reads the files."""
    told = Told()
    found = rx.explain("photos", model="job_test_nets:Mean", out="here", progress=told, **SMALL)
    assert [path.name for path in found.pictures] == [f"{name}.pixel_rde.png" for name in "abc"]
    assert (found.photos, found.explained, found.failures) == (3, 3, {})
    assert [result.name for result in told.results] == ["a", "b", "c"]
    assert told.places[-1] == (3, 3)
    assert [place for place, _ in told.places] == sorted(place for place, _ in told.places)
    options = (
        "--method pixel_rde --size 8 --steps 2 --draws 2 --sparsity 0 --activation softmax --model job_test_nets:Mean"
    )
    assert main(f"explain photos --out there {options}".split()) == 0
    for name in "abc":
        one, other = (rx.load_explanation(f"{folder}/{name}.pixel_rde") for folder in ("here", "there"))
        assert all(map(torch.equal, one.mask, other.mask))
        assert one.options == other.options
    assert torch.equal(found[1].mask[0], rx.load_explanation("here/b.pixel_rde").mask[0])
    assert len(list(found)) == 3


def test_a_network_of_ones_own(place):
    torch.manual_seed(3)
    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(192, 5))
    (found,) = rx.explain("photos/a.png", model=network, **SMALL)
    again = rx.PixelRDE(rx.as_model(network, activation="softmax"), steps=2, draws=2, sparsity=0.0)
    photo = rx.load_photo("photos/a.png", 8)
    assert torch.equal(found.mask[0], again.explain(photo.pixels[None]).mask[0])
    with pytest.raises(OptionError, match="loaded by name"):
        rx.explain("photos", model=network, weights="random", overwrite=True)
    with pytest.raises(OptionError, match="`precision` is for networks that are loaded by name"):
        rx.explain("photos", model=network, precision="float16", overwrite=True)
    with pytest.raises(OptionError, match="your own is"):
        rx.run(photos="photos", model=network)


def test_a_job_can_be_stopped(place):
    """What is finished stays, and the error says how much that is."""
    with pytest.raises(rx.Cancelled) as stopped:
        rx.explain("photos", model="job_test_nets:Mean", progress=Told(stop=2), photos_per_batch=1, **SMALL)
    assert stopped.value.__notes__ == ["1 of 3 photos are explained, in explanations"]
    names = {path.name for path in Path("explanations").iterdir()}
    assert names == {f"{name}.pixel_rde{suffix}" for name in "ab" for suffix in (".json", ".png", ".safetensors")}


def test_what_fails_is_a_warning_and_in_the_result(place):
    Path("photos/broken.png").write_bytes(b"nothing")
    with pytest.warns(RuntimeWarning, match="broken.png"):
        found = rx.explain("photos", model="job_test_nets:Mean", **SMALL)
    assert list(found.failures) == ["photos/broken.png"]
    assert (found.photos, found.explained) == (4, 3)


def test_a_run_from_begin_to_end(place):
    cost = rx.run(photos="photos", model="job_test_nets:Mean", dry_run=True, **SMALL)
    assert (cost.photos, list(cost.seconds)) == (3, ["pixel_rde"])
    assert not Path("run").exists()
    told = Told()
    end = rx.run(photos="photos", model="job_test_nets:Mean", progress=told, **SMALL)
    assert (end.reached.done, end.reached.failed, told.places[-1]) == (3, 0, (3, 3))
    now = rx.status("run")
    assert (now.total, now.done, now.is_finished, now.left, now.worker) == (3, 3, True, 0.0, None)
    assert len(end.open()) == 3
    assert rx.export("run", to="numpy").count == 3
    assert rx.run("run").reached.here == 0
    (photo,) = rx.explain("photos/b.png", model="job_test_nets:Mean", **SMALL)
    assert torch.equal(end.open()[1].mask[0].float(), photo.mask[0].bfloat16().float())


def test_evaluate(place):
    pytest.importorskip("pyarrow")
    small = {"size": 16, "percentages": [0, 50, 100], "draws": 1, "scores": "sparseness", "domains": ["own"]}
    found = rx.evaluate(
        "photos", methods=["random_pixel"], model="job_test_nets:Mean", activation="softmax", out="e", **small
    )
    assert (found.done, found.expected, found.methods, found.over) == (3, 3, ["random_pixel"], "share")
    assert {key.entry.method for key in found.evaluation.scores} == {"random_pixel"}
    assert (found.folder / "summary.csv").is_file()
    with pytest.raises(rx.RDExplainError, match="replace with `overwrite`"):
        rx.evaluate("photos", methods="random_pixel", model="job_test_nets:Mean", out="e", **small)


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"steps": 0}, "`steps` must be a whole number of at least 1, not '0'"),
        ({"steps": True}, "`steps` must be a whole number of at least 1, not 'True'"),
        ({"overwrite": 1}, "`overwrite` must be true or false, not 1"),
        ({"method": "cartonx"}, "unknown method 'cartonx': did you mean cartoonx?"),
        ({"stepps": 3}, "unknown option 'stepps': did you mean steps"),
        ({"size": [8, 9]}, "`size` takes one value, not a list"),
        ({"weights": ""}, "`weights` is empty"),
        ({"mean": [0.1, 0.2]}, "`mean` must be a number, or three"),
        ({"sparsity": float("nan")}, "`sparsity` must be a number of at least 0"),
        ({"photos": []}, "name the photos"),
        ({"method": "lime", "steps": 3}, "`steps` is an option of"),
        ({"method": "lime", "samples": 2}, "`samples` shows what a mask keeps: lime has none"),
        ({"target": "a", "top_k": 2}, "give either `target` or `top_k`, not both"),
        ({"target": lambda output: output}, "`target` takes texts and numbers, not function"),
        ({"photos": object()}, "`photos` takes texts and numbers, not object"),
        ({"sparsity": 3, "rate": 0.1}, "give one of `sparsity` and `rate`"),
        ({"progress": object()}, "stage, advance, preview, done, failed, warning is missing"),
        ({"progress": Silent}, "it is a class"),
    ],
)
def test_what_an_option_cannot_be(place, given, text):
    with pytest.raises(OptionError) as refused:
        rx.explain(**{"photos": "photos", "model": "job_test_nets:Mean", **given})
    assert text in str(refused.value)
    assert "\n" not in str(refused.value)
    assert not Path("explanations").exists()


@pytest.mark.parametrize(
    "target", [{1}, range(1, 2), np.array([1]), np.int64(1), torch.tensor(1), (one for one in ("1",)), ["1"], 1]
)
def test_values_of_any_kind(target):
    assert requests.Explain(target=target).target == ["1"]


def test_numbers_of_any_kind():
    made = requests.Explain(size=np.int32(8), mean=np.array([0.5, 0.25, 0.5]), sparsity=torch.tensor(2.0), out="x")
    assert (made.size, made.mean, made.sparsity, made.out) == (8, (0.5, 0.25, 0.5), 2.0, Path("x"))


def test_results_by_place(place, monkeypatch):
    """By number and slice, whatever the current folder is by then; what was not explained at all is an error."""
    found = rx.explain("photos", model="job_test_nets:Mean", classes=["p", "q", "r", "s"], **SMALL)
    monkeypatch.chdir("/")
    assert [len(found[:2]), len(found[::-1]), len(list(found))] == [2, 3, 3]
    assert found[-1].labels[0] in "pqrs"
    with pytest.raises(IndexError):
        found[3]
    monkeypatch.chdir(place)
    Path("photos/broken.png").write_bytes(b"nothing")
    with pytest.warns(RuntimeWarning) as warned, pytest.raises(PhotoError, match=r"broken[.]png"):
        rx.explain("photos/broken.png", model="job_test_nets:Mean", **SMALL)
    assert Path(warned[0].filename).name == "test_jobs.py"  # the line that asked
    run = rx.run(photos="photos", model="job_test_nets:Mean", layout="folder", progress=Told(), **SMALL)
    assert len(run.open()[0:2]) == 2


def test_arguments_by_place():
    with pytest.raises(TypeError, match="takes 1 positional"):
        rx.explain("a", "b")
    with pytest.raises(TypeError, match="got 'photos' twice"):
        rx.explain("a", photos="b")


@pytest.mark.parametrize("name", JOBS)
def test_a_job_and_its_command_have_the_same_options(name):
    """And the same defaults; an editor and `help` see them."""
    job = JOBS[name]
    command = next(one for one in COMMANDS if one.name == name)
    assert job.options is command.options
    parameters = inspect.signature(job).parameters
    assert set(parameters) == {*job.options.declared(), "progress"}
    assert {one: parameters[one].default for one in job.options.declared()} == vars(job.options())
    for option, declared in job.options.declared().items():
        assert declared.help in job.__doc__, option
        assert "--" not in declared.help, option
        assert not declared.help.endswith(".")


def every_option():
    found = [value for module in (requests, settings) for value in vars(module).values()]
    classes = {one for one in found if inspect.isclass(one) and issubclass(one, Options) and one is not Options}
    return sorted(((one, name) for one in classes for name in one.declared()), key=lambda pair: (str(pair[0]), pair[1]))


@pytest.mark.parametrize(("owner", "name"), every_option())
def test_a_default_is_a_value(owner, name):
    """What an option is where nothing is said could also be said."""
    default = getattr(owner(), name)
    if default is None or default == ():
        return
    again = owner.declared()[name].value(name, default)
    assert again == (list(default) if owner.declared()[name].many else default)


def test_options_of_methods_are_those_of_their_constructors():
    from rdexplain.methods.registry import METHODS

    def options_of(kind):
        hints = typing.get_type_hints(kind.__init__)
        shared = typing.get_args(hints.get("options", None))
        return {*hints, *(name for one in shared for name in getattr(one, "__annotations__", {}))}

    takes = {name: options_of(method.load()) for name, method in METHODS.items()}
    for group in settings.METHOD_OPTIONS:
        for name, option in group.declared().items():
            if option.of_method:
                for method in option.only or METHODS:
                    assert name in takes[method], f"{method} has no {name}"


def test_who_is_told(monkeypatch, capsys):
    with listening(None) as told, pytest.warns(RuntimeWarning, match="well"):
        told.warning("well")
    with listening(True) as told:
        told.stage("x")
        told.advance(1, 2, "x")
    mine = Told()
    with listening(mine) as told:
        assert told is mine
