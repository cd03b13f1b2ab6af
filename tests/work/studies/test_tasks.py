"""Figures 8 and 9 on tiny networks: what is explained, measured, drawn and concluded."""

from __future__ import annotations

import csv
import pickle
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from rdexplain.results.loading import load_explanation
from rdexplain.work.studies import find_recipes, reproduce
from rdexplain.work.studies.plan import TaskNetwork

pytest.importorskip("pyarrow")


def rows_of(folder: Path, name: str) -> list[dict[str, str]]:
    return list(csv.DictReader((folder / f"{name}.csv").read_text().splitlines()))


@pytest.mark.parametrize(
    ("protocol", "name", "labels"),
    [
        ("corrected", "figure-8", {"red", "green"}),
        ("published", "figure-8", {"red", "green"}),
        ("corrected", "figure-9", {"cat 0", "dog 1", "all detections"}),
        ("published", "figure-9", {"all detections"}),
    ],
)
def test_a_figure_from_end_to_end(protocol, name, labels, make_scene_plan, load, tmp_path):
    verdicts, failed = reproduce(find_recipes([name]), make_scene_plan(protocol), load, tmp_path)
    assert failed == 0
    rows = rows_of(tmp_path, name)
    explained = [row for row in rows if not row["left_out"]]
    assert {row["label"] for row in explained if row["photo"].endswith("both.png")} == labels
    assert {row["method"] for row in explained} == {"cartoonx", "pixel_rde"}
    for row in explained:
        assert all(0 <= float(row[key]) <= 1.0001 for key in ("kept_inside", "photo_inside", "area_inside"))
    # The blue photo has neither regions nor objects.
    assert {Path(row["photo"]).name for row in rows if row["left_out"]} == {"blue.png"}
    assert all("1 photo with nothing to explain left out" in one.why for one in verdicts[name])
    assert all("too few photos" in one.why or "no photo has two" in one.why for one in verdicts[name])
    assert all("2 of 12 photos" in one.scaled for one in verdicts[name] if one.interval is not None)
    with Image.open(tmp_path / f"{name}.png") as picture:
        assert picture.width > picture.height / 3


def test_the_kept_energy_is_where_the_network_looks(make_scene_plan, load, tmp_path):
    """The network reads each region's own pixels alone: whatever is kept for a region lies in it."""
    plan = make_scene_plan()
    reproduce(find_recipes(["figure-8"]), replace(plan, scale=replace(plan.scale, effort=0.2)), load, tmp_path)
    (red, green) = (
        row
        for row in rows_of(tmp_path, "figure-8")
        if row["photo"].endswith("both.png") and row["method"] == "pixel_rde"
    )
    for row in (red, green):
        assert float(row["kept_inside"]) > 2 * float(row["area_inside"])
        assert float(row["retained_of_own"]) > 3 * float(row["retained_of_others"])


def test_bars_around_a_photo_are_no_part_of_it(make_scene_plan, load, tmp_path):
    """A box that covers so much of the photo covers less of the square that the detector sees."""
    plan = make_scene_plan()
    reproduce(find_recipes(["figure-9"]), plan, load, tmp_path)
    files = list((tmp_path / "units").glob("*.safetensors"))
    one = next(found for file in files if (found := load_explanation(file)).box is not None)
    assert one.frame == (5, 0, 30, 40)
    row = next(row for row in rows_of(tmp_path, "figure-9") if row["label"] == "cat 0")
    box = one.box[0].tolist()
    assert float(row["area_inside"]) == pytest.approx((box[2] - box[0]) * (box[3] - box[1]) / (30 * 40), rel=0.1)


def test_missing_weights_name_the_option(make_scene_plan, load, tmp_path):
    plan = make_scene_plan(segmenter=TaskNetwork("deeplabv3_resnet50"), detector=TaskNetwork("yolov5s"))
    verdicts, failed = reproduce(find_recipes(["figure-8", "figure-9"]), plan, load, tmp_path)
    assert failed == 0
    (regions,), (objects,) = verdicts["figure-8"], verdicts["figure-9"]
    assert regions.outcome == objects.outcome == "cannot be tested here"
    assert regions.why == "the weights of deeplabv3_resnet50 are missing; --segmenter names another network"
    assert objects.why == "the weights of yolov5s are missing; --detector names another network"
    assert not list(tmp_path.glob("*.png"))


def test_a_network_for_another_task_is_refused(make_scene_plan, load, tmp_path):
    plan = make_scene_plan(segmenter=TaskNetwork("objects", None, 40))
    verdicts, _ = reproduce(find_recipes(["figure-8"]), plan, load, tmp_path)
    assert "objects is for detection, not for segmentation" in verdicts["figure-8"][0].why


def test_photos_without_anything_are_no_failure(make_scene_plan, load, tmp_path):
    plan = make_scene_plan()
    blue = tuple(one for one in plan.scenes if one.source.endswith("blue.png"))
    verdicts, failed = reproduce(find_recipes(["figure-8", "figure-9"]), replace(plan, scenes=blue), load, tmp_path)
    assert failed == 0
    (regions,), (objects,) = verdicts["figure-8"], verdicts["figure-9"]
    assert regions.why.startswith("nothing but background is predicted on 1 % of the photo or more in the photo")
    assert objects.why.startswith("nothing is detected with a confidence of 25 % or more in the photo")


def test_without_scenes_the_photos_are_taken(make_scene_plan):
    plan = make_scene_plan(scenes=None)
    for recipe in find_recipes(["figure-8", "figure-9"]):
        assert {unit.photo for unit in recipe.units(plan)} == set(plan.photos)


def test_weights_and_size_make_another_unit(make_scene_plan):
    recipe, plan = find_recipes(["figure-8"])[0], make_scene_plan()
    names = {
        recipe.units(replace(plan, segmenter=network))[0].name
        for network in (plan.segmenter, replace(plan.segmenter, weights="mine.pt"), replace(plan.segmenter, size=64))
    }
    assert len(names) == 3
    unit = recipe.units(plan)[0]
    assert pickle.loads(pickle.dumps(unit)) == unit


class Once:
    """Stops a run after its first unit."""

    def begin(self, unit):
        pass

    def done(self, unit, reason):
        raise KeyboardInterrupt


def test_resumed_equals_uninterrupted(make_scene_plan, load, tmp_path):
    recipes, plan = find_recipes(["figure-8"]), make_scene_plan()
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    whole.mkdir()
    parts.mkdir()
    reproduce(recipes, plan, load, whole)
    for _ in range(3):
        with pytest.raises(KeyboardInterrupt):
            reproduce(recipes, plan, load, parts, Once())
    assert len(list((parts / "units").glob("*.json"))) > 3  # each explanation has one of its own
    reproduce(recipes, plan, load, parts)
    for name in ("figure-8.csv", "verdicts.json", "verdicts.md"):
        assert (parts / name).read_text() == (whole / name).read_text()
