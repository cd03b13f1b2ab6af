"""Every recipe from end to end, and what a run leaves when it is interrupted."""

from __future__ import annotations

import csv
import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from rdexplain.methods.registry import METHODS
from rdexplain.results.loading import load_explanation
from rdexplain.work.requests import TARGETS
from rdexplain.work.studies import RECIPES, Known, find_recipes, reproduce
from rdexplain.work.studies.catalogue import LATER, STUDY

pytest.importorskip("pyarrow")
pytest.importorskip("captum")
WITHOUT_A_FIGURE = ("figure-3", "figure-8", "figure-9", "figure-18")  # other networks and other tasks


def files_of(folder: Path) -> dict[str, str]:
    """What was written for people, but the pictures."""
    kinds = ("*.csv", "*.json", "*.md")
    return {file.name: file.read_text() for kind in kinds for file in folder.glob(kind)}


def test_the_command_line_completes_their_names():
    assert (*STUDY, "all", *LATER, "shearletx") == TARGETS


@pytest.mark.parametrize("protocol", ["corrected", "published"])
@pytest.mark.parametrize("name", [name for name in RECIPES if name not in ("figure-12", "figure-13", "figure-15")])
def test_recipe_from_end_to_end(name, protocol, make_plan, load, tmp_path):
    verdicts, failed = reproduce(find_recipes([name]), make_plan(protocol), load, tmp_path)
    assert failed == 0
    assert verdicts[name]
    assert {one.outcome for one in verdicts[name]} == {"cannot be tested here"}  # of two photos
    record = json.loads((tmp_path / "verdicts.json").read_text())
    assert [one["claim"] for one in record["recipes"][name]] == [one.claim for one in verdicts[name]]
    assert [one["holm"] for one in record["recipes"][name]] == [one.holm for one in verdicts[name]]
    written = (tmp_path / "verdicts.md").read_text()
    for one in verdicts[name]:  # of two photos no p is below 1/2
        assert one.holm is None or (one.holm >= 0.5 and f"| {one.after_holm}: p {one.holm:.2g} of" in written)
    pictures = sorted(file.name for file in tmp_path.glob("*.png"))
    tables = sorted(file.suffix for file in tmp_path.glob(f"{name}.*") if file.suffix != ".png")
    assert tables == ([".csv", ".parquet"] if pictures else [])  # nothing was measured, nothing is written
    if tables:
        assert list(csv.DictReader((tmp_path / f"{name}.csv").read_text().splitlines()))
    if name in WITHOUT_A_FIGURE:
        assert not pictures
    elif pictures:
        scaled = [one for one in verdicts[name] if one.scaled]
        assert scaled
        assert all("0.2 % of the steps and draws" in one.scaled for one in scaled)
    else:  # pages of photos that there are not
        assert all("more photos" in one.why for one in verdicts[name])


def test_a_network_without_weights_leaves_the_others(make_plan, load, tmp_path):
    verdicts, _ = reproduce(find_recipes(["figure-10"]), make_plan("published"), load, tmp_path)
    tiny, other, pictures = verdicts["figure-10"]
    assert tiny.claim == "CartoonX distorts less, kept, than random wavelets, on tiny"
    assert (tmp_path / "figure-10.pictures.png").exists()
    assert "look at the panel" in pictures.why
    assert tiny.interval is not None
    assert other.outcome == "cannot be tested here"
    assert other.why == "the weights of resnet18 are missing"


class Impatient:
    """Stops a run before its n-th unit."""

    def __init__(self, patience: int) -> None:
        self.patience = patience

    def begin(self, unit):
        self.patience -= 1
        if self.patience < 0:
            raise KeyboardInterrupt

    def done(self, unit, reason):
        pass


@pytest.mark.parametrize("protocol", ["corrected", "published"])
def test_resumed_equals_uninterrupted(protocol, make_plan, load, tmp_path):
    recipes, plan = find_recipes(["accuracy", "table-1"]), make_plan(protocol)
    plan = replace(plan, scale=replace(plan.scale, photos=1))
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    whole.mkdir()
    parts.mkdir()
    reproduce(recipes, plan, load, whole)
    for patience in (3, 4):
        with pytest.raises(KeyboardInterrupt):
            reproduce(recipes, plan, load, parts, Impatient(patience))
        assert not (parts / "verdicts.json").exists()
    before = {file: file.stat().st_mtime_ns for file in (parts / "units").glob("*.json")}
    assert len(before) == 7
    reproduce(recipes, plan, load, parts)
    assert all(file.stat().st_mtime_ns == stamp for file, stamp in before.items())
    assert files_of(parts) == files_of(whole)


def test_figure_5_and_the_accuracy_share_their_units(make_plan):
    plan = make_plan()
    first, second = (recipe.units(plan) for recipe in find_recipes(["figure-5", "accuracy"]))
    assert {unit.name for unit in first} == {unit.name for unit in second}


def test_a_photo_that_is_gone_is_left_out_until_it_is_back(make_plan, load, tmp_path):
    plan = make_plan("published")
    gone = Known(str(tmp_path / "gone.png"), "00", 0, None)
    plan = replace(plan, photos=(plan.photos[0], gone))
    verdicts, failed = reproduce(find_recipes(["accuracy"]), plan, load, tmp_path)
    assert failed == 7
    assert "1 of 100 photos" in verdicts["accuracy"][0].scaled
    shutil.copy(plan.photos[0].source, gone.source)
    verdicts, failed = reproduce(find_recipes(["accuracy"]), plan, load, tmp_path)
    assert failed == 0
    assert "2 of 100 photos" in verdicts["accuracy"][0].scaled


@pytest.mark.parametrize("damage", [b"{", b"", b"[]", b"\xff\x00"])
def test_a_damaged_result_is_made_again(make_plan, load, tmp_path, damage):
    recipes, plan = find_recipes(["accuracy"]), make_plan()
    reproduce(recipes, plan, load, tmp_path)
    file, other = sorted((tmp_path / "units").glob("*.json"))[:2]
    whole, stamp = file.read_bytes(), other.stat().st_mtime_ns
    file.write_bytes(damage)
    with pytest.warns(RuntimeWarning, match="1 result is damaged, and made again"):
        reproduce(recipes, plan, load, tmp_path)
    assert file.read_bytes() == whole
    assert other.stat().st_mtime_ns == stamp


@pytest.mark.parametrize("spoil", [lambda file: file.write_bytes(file.read_bytes()[:100]), lambda file: file.unlink()])
def test_a_damaged_explanation_is_made_again(make_plan, load, tmp_path, spoil):
    recipes, plan = find_recipes(["figure-7"]), make_plan()
    verdicts, _ = reproduce(recipes, plan, load, tmp_path)
    file, other = sorted((tmp_path / "units").glob("*.safetensors"))[:2]
    stamp = other.stat().st_mtime_ns
    spoil(file)
    with pytest.warns(RuntimeWarning, match="1 result is damaged, and made again"):
        assert reproduce(recipes, plan, load, tmp_path) == (verdicts, 0)
    assert load_explanation(file)
    assert other.stat().st_mtime_ns == stamp


def test_photos_that_the_network_gets_wrong_are_said(make_plan, load, tmp_path):
    plan = make_plan()
    wrong = tuple(replace(one, truth=one.predicted + 1) for one in plan.photos)
    verdicts, _ = reproduce(find_recipes(["figure-1"]), replace(plan, photos=wrong), load, tmp_path)
    assert verdicts["figure-1"][0].why == "the network gets 0 of 3 photos right at 40 pixels: give more photos"


def test_figure_5_has_every_method_and_the_published_one_those_with_a_curve(make_plan):
    (recipe,) = find_recipes(["figure-5"])
    found = [{unit.method for unit in recipe.units(make_plan(protocol))} for protocol in ("corrected", "published")]
    assert found[0] == set(METHODS) - {"waveletx", "shearletx", "smooth_pixel_rde"}
    assert found[0] - found[1] == {"grad_cam", "lrp", "lime", "occlusion"}


def test_the_distortions_of_figure_4_are_the_scripts_own_in_the_published_protocol(make_plan):
    (recipe,) = find_recipes(["figure-4"])
    for protocol, expected in (
        ("corrected", {"label", "l2", "weighted_l2", "kl"}),
        ("published", {"label", "l2_root", "kl"}),
    ):
        units = [unit for unit in recipe.units(make_plan(protocol)) if "distortion" in unit.options]
        assert {unit.options["distortion"] for unit in units} == expected


def test_a_panel_says_the_numbers_of_each_column(make_plan, load, tmp_path):
    verdicts, _ = reproduce(find_recipes(["figure-4"]), make_plan(), load, tmp_path)
    sparsity = next(one for one in verdicts["figure-4"] if "(sparsity)" in one.claim)
    rows = [
        row for row in csv.DictReader((tmp_path / "figure-4.csv").read_text().splitlines()) if row["part"] == "sparsity"
    ]
    first = next(row for row in rows if (row["column"], row["method"]) == ("λk = 0", "cartoonx"))
    assert sparsity.ours.startswith("CartoonX: λk = 0: ")
    assert f"distortion {float(first['distortion']):.3g}; CartoonX: λk = 50: " in sparsity.ours


def test_right_and_wrong_photos_have_figures_of_their_own(make_plan):
    plan = make_plan(photos=tuple(Known(f"{n}", f"{n}", n % 2, 0) for n in range(6)))
    plan = replace(plan, scale=replace(plan.scale, photos=None))
    right, wrong = ({unit.photo.source for unit in one.units(plan)} for one in find_recipes(["figure-1", "figure-2"]))
    assert (right, wrong) == ({"0", "2", "4"}, {"1", "3", "5"})
