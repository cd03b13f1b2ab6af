"""The tool around its commands: help, version, tables, and names that are repeated for speed."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import get_args

import pytest

import rdexplain
from rdexplain.cli import COMMANDS, main
from rdexplain.methods.registry import METHODS
from rdexplain.models import Model
from rdexplain.models.activation import Activation
from rdexplain.work import settings as options
from rdexplain.work.progress import Count, Silent
from rdexplain.work.targets import Slugs


def test_version(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"rdexplain {rdexplain.__version__}\n"


@pytest.mark.parametrize("argv", [[], ["--help"], ["-h"], ["help"]])
def test_help(argv, capsys):
    assert main(argv) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("usage: rdexplain COMMAND ...")
    assert all(command.name in shown and command.summary in shown for command in COMMANDS)


@pytest.mark.parametrize("command", [command.name for command in COMMANDS])
def test_help_of_a_command(command, capsys):
    assert main([command, "--help"]) == 0
    assert f"usage: rdexplain {command}" in capsys.readouterr().out


def test_help_is_quick():
    code = (
        "import sys; from rdexplain.cli import main; main(['explain', '--help']);"
        "print([name for name in ('torch', 'numpy', 'PIL', 'rich') if name in sys.modules])"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert shown.splitlines()[-1] == "[]"


def test_public_names_are_imported_when_used():
    assert set(rdexplain.__all__) <= set(dir(rdexplain))
    assert all(getattr(rdexplain, name) is not None for name in rdexplain.__all__)
    assert rdexplain.core.representations.Pixel().name == "pixel"
    assert not hasattr(rdexplain, "no_such_name")


def test_names_are_those_of_the_library():
    from rdexplain.core import initial, noise
    from rdexplain.methods import orders
    from rdexplain.models import list_models
    from rdexplain.models.decisions import distortions
    from rdexplain.photos import images

    assert set(options.DISTORTIONS) == set(distortions.DISTORTIONS)
    assert options.NOISES == noise.KINDS
    assert set(options.NOISE_SCALINGS) == set(noise.SCALINGS)
    assert options.INITS == initial.INITS
    assert options.ORDERS == orders.ORDERS
    assert get_args(Activation) == options.ACTIVATIONS
    models = [name for name in options.Network.declared()["model"].choices if not name.endswith("/")]
    assert set(models) <= {model.name for model in list_models()}
    assert set(options.FITS) == set(images._FITS)
    for name, method in METHODS.items():
        assert method.load().name == name
        if not method.is_baseline:
            own = {"draft", "instant"} if name == "cartoonx" else set()
            assert set(method.load().presets) == {"fast", "best", "paper"} | own
    assert set(options.PRESETS) == set(METHODS["cartoonx"].load().presets)


@pytest.mark.parametrize(
    ("words", "begun", "found"),
    [
        ("explain --model", "effic", ["efficientnet_lite0", "efficientnet_lite1", "efficientnet_lite2"]),
        ("evaluate --model", "yolo", ["yolov5s"]),
        ("compare --preset", "", ["draft", "fast", "best", "paper", "instant"]),
        ("run --method", "cartoonx,pix", ["cartoonx,pixel_rde"]),
        ("explain", "sample:c", ["sample:cat", "sample:coffee"]),
    ],
)
def test_a_shell_completes_names(monkeypatch, capsys, words, begun, found):
    line = f"rdexplain {words} {begun}"
    monkeypatch.setenv("_RDEXPLAIN_COMPLETE", "bash_complete")
    monkeypatch.setenv("COMP_WORDS", line)
    monkeypatch.setenv("COMP_CWORD", str(len(line.split(" ")) - 1))
    assert main() == 0
    assert [one.removeprefix("plain,") for one in capsys.readouterr().out.splitlines()] == found


def test_models(capsys):
    assert main(["models", "Resnet1*"]) == 0
    head, *rows = capsys.readouterr().out.splitlines()
    assert head.split() == ["model", "source", "pixels", "classes", "weights"]
    assert [row.split()[:4] for row in rows] == [
        ["resnet101", "torchvision", "224", "1000"],
        ["resnet152", "torchvision", "224", "1000"],
        ["resnet18", "torchvision", "224", "1000"],
    ]
    assert main(["models", "vit-*_16"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()[1:]] == ["vit_b_16", "vit_l_16"]
    assert main(["models"]) == 0
    assert "efficientnet_lite0" in capsys.readouterr().out


def test_methods_come_with_their_sources(capsys):
    """Every method has one, and it is the one that the method's own documentation gives."""
    assert main(["methods"]) == 0
    title, *rows = capsys.readouterr().out.splitlines()
    assert title.split() == ["method", "explains", "by", "source"]
    place = title.index("source")
    listed = {row.split()[0]: row[place:] for row in rows}
    assert list(listed) == list(METHODS)
    for name, source in listed.items():
        assert re.fullmatch(r"[A-Z]\w+( and [A-Z]\w+| et al\.), .*(\d{4}|arXiv \d{4}\.\d{5}|DOI 10\.\S+)", source)
        assert source.split()[0] in METHODS[name].load().__doc__  # the first author


def test_methods_by_a_part_of_their_name(capsys):
    assert main(["methods", "rde"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()[1:]] == ["pixel_rde", "smooth_pixel_rde"]
    assert main(["methods", "gradcam"]) == 2
    assert "did you mean grad_cam" in capsys.readouterr().err


@pytest.mark.parametrize("command", [one for one in COMMANDS if one.examples], ids=lambda one: one.name)
def test_examples_fit_on_a_terminal(command):
    assert all(len(line) <= 80 for line in command.examples.splitlines())


def test_a_table_on_a_terminal(capsys, monkeypatch):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert main(["methods"]) == 0
    shown = capsys.readouterr().out
    assert "pixel_rde" in shown
    assert "─" in shown


def test_slugs():
    classes = ["Tabby cat", "crane", "Crane", "co.uk / École", "---"]
    slugs = Slugs(Model(lambda images: images, classes=classes))
    assert [slugs.of(index) for index in range(5)] == ["tabby-cat", "crane-1", "crane-2", "co-uk-école", "class-4"]
    assert all(slugs.is_one(slugs.of(index)) for index in range(5))
    assert not slugs.is_one("dog")
    assert Slugs(Model(lambda images: images)).of(17) == "class-17"


def test_without_a_terminal_a_line_each_minute(capsys, monkeypatch):
    from rdexplain.text import bar as module

    now = 100.0
    monkeypatch.setattr(module.time, "monotonic", lambda: now)
    bar = module.Bar()
    count = Count(bar)
    count.expect(photos=4, steps=10, measuring=0.0)
    count.begin(1, "cat")
    now = 159.0
    count.step(9, 0.1)
    assert capsys.readouterr().err == ""
    now = 160.0
    count.finish(1)
    assert capsys.readouterr().err == "rdexplain: explaining 1 of 4, 3 min 0 s left\n"
    count.begin(1, "dog")
    now = 219.0
    count.step(5, 0.1)
    assert capsys.readouterr().err == ""
    now = 221.0
    count.step(6, 0.1)
    assert capsys.readouterr().err == "rdexplain: explaining 2 of 4, step 6/10 loss 0.1000, 3 min 1 s left\n"
    quiet = module.Bar(shown=False)
    now = 300.0
    quiet.stage("drawing")
    assert capsys.readouterr().err == ""


def test_the_time_left_is_that_of_all_photos(monkeypatch):
    from rdexplain.text.bar import _clock
    from rdexplain.work import progress as module

    now, told = 100.0, []
    monkeypatch.setattr(module.time, "monotonic", lambda: now)
    listener = Silent()
    listener.advance = lambda *where: told.append(where[4])
    count = Count(listener)
    count.expect(photos=5, steps=10, measuring=0.2)
    count.finish(1, failed=True)
    assert told[-1] is None
    count.begin(2, "cat")
    now = 108.0
    count.step(5, 0.1)  # 0.8 of a photo in 8 s, and 3.2 to go
    assert told[-1] == pytest.approx(32)
    count.finish(2)
    assert told[-1] == pytest.approx(8)
    assert [_clock(seconds) for seconds in (-1, 61, 3725)] == ["0:00", "1:01", "1:02:05"]
