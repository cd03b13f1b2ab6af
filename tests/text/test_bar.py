"""The bar in a notebook: a kernel is faked, of which `get_ipython` and `display` are asked."""

from __future__ import annotations

import sys
import types

import pytest

import rdexplain as rx
from rdexplain.text import notebook
from rdexplain.text.bar import Bar


class Output:
    """One output of a cell: what it has shown, first to last."""

    def __init__(self, shown):
        self.shown = [shown._repr_mimebundle_(include=None, exclude=None)]

    def update(self, shown):
        self.shown.append(shown._repr_mimebundle_(include=None, exclude=None))


def _faked(monkeypatch, shell):
    outputs = []

    def display(shown, display_id):
        assert display_id is True
        outputs.append(Output(shown))
        return outputs[-1]

    module, part = types.ModuleType("IPython"), types.ModuleType("IPython.display")
    module.get_ipython, part.display = lambda: shell, display
    module.version_info = (9, 0)  # matplotlib asks
    monkeypatch.setitem(sys.modules, "IPython", module)
    monkeypatch.setitem(sys.modules, "IPython.display", part)
    return outputs


@pytest.fixture
def outputs(monkeypatch):
    """A notebook's kernel, and its outputs."""
    return _faked(monkeypatch, types.SimpleNamespace(kernel=object()))


def test_a_bar_in_a_notebook(outputs, capsys, monkeypatch):
    now = 100.0
    monkeypatch.setattr(notebook.time, "monotonic", lambda: now)
    with Bar() as bar:
        bar.stage("loading <net>")
        bar.advance(1, 4, "explaining 2 of 4", "step 5/10", left=185.0)
        now = 100.1
        bar.advance(2, 4, "explaining 2 of 4", "step 6/10", left=180.0)  # too soon for another picture
        now = 100.3
        bar.advance(3, 4, "explaining 2 of 4", "step 7/10", left=175.0)
    (output,) = outputs
    assert [one["text/plain"] for one in output.shown] == [
        "starting",
        "loading <net>",
        "explaining 2 of 4  step 5/10  3 min 5 s left",
        "explaining 2 of 4  step 7/10  2 min 55 s left",
        "",
    ]
    assert output.shown[1]["text/html"] == "<progress></progress> loading &lt;net&gt;"
    assert output.shown[3]["text/html"].startswith('<progress value="3" max="4"></progress> explaining')
    assert output.shown[-1]["text/html"] == ""
    assert capsys.readouterr() == ("", "")


def test_an_estimate_that_was_too_short_is_no_longer_shown(outputs, monkeypatch):
    now = 100.0
    monkeypatch.setattr(notebook.time, "monotonic", lambda: now)
    with Bar() as bar:
        bar.advance(1, 2, "evaluating", left=5.0)
        now = 104.0
        bar.stage("lime: evaluating")
        now = 106.0
        bar.stage("lrp: evaluating")
    (output,) = outputs
    shown = [one["text/plain"] for one in output.shown]
    assert shown[1:4] == ["evaluating  5.0 s left", "lime: evaluating  1.0 s left", "lrp: evaluating"]


def test_a_bar_that_is_taken_away_comes_back(outputs):
    with Bar() as bar:
        bar.stage("one")
        with bar.paused():
            bar.stage("two")
        bar.stage("three")
    assert [[one["text/plain"] for one in output.shown] for output in outputs] == [
        ["starting", "one", ""],
        ["two", "three", ""],
    ]


def test_no_notebook_no_bar(monkeypatch):
    assert not notebook.in_notebook()  # no IPython
    for shell in (None, types.SimpleNamespace()):  # IPython in a script, and on a terminal
        outputs = _faked(monkeypatch, shell)
        with Bar() as bar:
            bar.stage("loading")
        assert outputs == []


def test_explanations_and_jobs_show_one_when_asked(outputs, smooth_network, make_photos, tmp_path):
    method = rx.PixelRDE(smooth_network(), steps=2, draws=2)
    method.explain(make_photos(1))
    assert outputs == []
    method.explain(make_photos(1), show_progress=True)
    assert any("loss" in one["text/plain"] for one in outputs[0].shown)
    rx.explain("sample:cat", size=32, method="random_pixel", out=tmp_path, progress=True)
    assert any("explaining cat" in one["text/plain"] for one in outputs[1].shown)
    assert len(outputs) == 2
