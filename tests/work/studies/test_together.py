"""Photos that a method explains together have the results that each has by itself."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from rdexplain.errors import RDExplainError
from rdexplain.results.loading import load_explanation
from rdexplain.work.studies import Scale, find_recipes
from rdexplain.work.studies.carried import StudyRecipe, UnitWorker
from rdexplain.work.studies.recipe import Unit
from rdexplain.work.studies.schedule import Schedule
from rdexplain.work.studies.work import Context

TINY = Scale(2, 0.002, 12)


def batches_of(recipe: str, plan, together: int) -> list[tuple[Unit, ...]]:
    schedule = Schedule(find_recipes([recipe]), plan, together=together)
    return list(schedule)


def close(one, other) -> bool:
    """Whether two results are equal up to rounding, which may swap two components of nearly equal importance."""
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(close(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(close, one, other))
    if isinstance(one, float):
        return math.isclose(one, other, rel_tol=1e-2, abs_tol=1e-3) or (one != one and other != other)
    return one == other


@pytest.mark.parametrize("protocol", ["corrected", "published"])
@pytest.mark.parametrize("recipe", ["figure-5", "figure-6", "table-1", "shearletx-hallucination"])
def test_together_as_alone(recipe, protocol, make_plan, model, tmp_path):
    plan = make_plan(protocol, TINY)
    folders = [tmp_path / name for name in ("alone", "together")]
    for folder in folders:
        folder.mkdir()
    alone, both = (Context(plan, lambda name: model, folder) for folder in folders)
    batches = batches_of(recipe, plan, 5)
    assert {len(batch) for batch in batches} == {2}
    for batch in batches:
        found = both.run(batch)
        for unit, result in zip(batch, found, strict=True):
            (expected,) = alone.run([unit])
            assert "rows" in expected or "not_applicable" in expected, expected
            assert close(result, expected), (unit.method, result, expected)
            file = alone.file(unit)
            if file.with_name(f"{file.name}.safetensors").exists():
                one, other = load_explanation(file), load_explanation(both.file(unit))
                assert one.photos == other.photos == (unit.photo.source,)
                assert all(torch.equal(a, b) for a, b in zip(one.mask, other.mask, strict=True))


def test_batches_hold_units_of_one_method_and_all_come_once(make_plan):
    plan = make_plan("corrected", TINY)
    alone, batches = (batches_of("figure-5", plan, together) for together in (1, 2))
    assert {len(batch) for batch in alone} == {1}
    assert sorted(unit.name for batch in batches for unit in batch) == sorted(unit.name for (unit,) in alone)
    for batch in batches:
        assert len({unit.photo.source for unit in batch}) == len(batch) == 2
        assert len({(unit.method, str(unit.options)) for unit in batch}) == 1


def test_a_photo_that_cannot_be_read_fails_alone(make_plan, model, tmp_path):
    plan = make_plan("corrected", TINY)
    first, second = batches_of("table-1", plan, 2)[0]
    gone = replace(second, photo=replace(second.photo, source=str(tmp_path / "gone.png")))
    done = UnitWorker(plan, lambda name: model).work((first, gone))
    assert [one.unit for one in done] == [first, gone]
    assert "rows" in done[0].result
    assert "gone.png" in done[1].result["failed"]
    assert len(done[0].files) == 2
    assert not done[1].files


def test_a_full_device_ends_the_job_and_refuses_no_method(make_plan):
    def full(name):
        raise RDExplainError("cuda has no memory left")

    plan = make_plan("corrected", TINY)
    with pytest.raises(RDExplainError, match="no memory left"):
        UnitWorker(plan, full).work(batches_of("table-1", plan, 2)[0])


def test_a_batch_on_which_workers_crash_is_done_unit_by_unit(make_plan):
    plan = make_plan("corrected", TINY)
    batch = batches_of("table-1", plan, 2)[0]
    recipe = StudyRecipe(plan, None)
    assert recipe.parts(batch) == [(unit,) for unit in batch]
    (given_up,) = recipe.given_up(batch[:1], "it died")
    assert given_up.unit == batch[0]
    assert given_up.result["failed"].endswith("it died")
