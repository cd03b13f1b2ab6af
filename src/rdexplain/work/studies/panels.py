"""Figures 1 to 4 and 11 to 18: panels of CartoonX and Pixel RDE, and what their options do."""

from __future__ import annotations

from typing import Any

from rdexplain.render.words import method_title
from rdexplain.work.studies.panel_findings import panel_findings
from rdexplain.work.studies.plan import Known, Plan
from rdexplain.work.studies.protocol import mask_options, mask_unit
from rdexplain.work.studies.recipe import Findings, Recipe, Results, Unit
from rdexplain.work.studies.tradeoff import METHODS
from rdexplain.work.studies.verdict import untestable

SHOWN, STEPS, DRAWS = 4, 2000, 64
DEFAULTS = {"cartoonx": 20.0, "pixel_rde": 4.0}
TITLES = ("CartoonX", "Pixel RDE")
VGG = "vgg16"


def unit_of(plan: Plan, photo: Known, method: str, model: str, sparsity: float | None = None, **more: Any) -> Unit:
    """A mask with the defaults of the published methods, apart from what is given."""
    options = mask_options(plan, DEFAULTS[method] if sparsity is None else sparsity, STEPS, DRAWS, **more)
    return mask_unit(plan, photo, model, method, options)


def photos_of(plan: Plan, right: bool | None, page: int) -> tuple[Known, ...]:
    """The photos of a page: for `right` True those classified correctly or of unknown class, for False wrongly, for
    None any."""
    if right is None:
        some = plan.photos
    elif right:
        some = tuple(sorted((one for one in plan.photos if one.right is not False), key=lambda one: one.right is None))
    else:
        some = tuple(one for one in plan.photos if one.right is False)
    return plan.first(SHOWN, some, SHOWN * page)


def _panel(name: str, right: bool | None, page: int, model: str | None = None) -> Recipe:
    kind = {True: "correctly classified photos", False: "misclassified photos", None: "VGG-16"}[right]
    claim = {
        True: "CartoonX shows the piecewise smooth part of the photo that the decision needs, not sparse pixels.",
        False: "CartoonX shows why the network was wrong.",
        None: "The pictures of VGG-16 are like those of MobileNetV3-Small.",
    }[right]

    def rows(plan: Plan) -> list[list[Unit]]:
        network = model or plan.model
        return [[unit_of(plan, one, method, network) for method in METHODS] for one in photos_of(plan, right, page)]

    def units(plan: Plan) -> list[Unit]:
        return [unit for row in rows(plan) for unit in row]

    def conclude(plan: Plan, results: Results) -> Findings:
        found = rows(plan)
        if right is True and not found:
            count = sum(one.right is not False for one in plan.photos)
            seen = f"gets {count} of {len(plan.photos)} photos right at {plan.size} pixels"
            why = f"the network {seen}{', which other figures show' if count else ''}: give more photos"
            return Findings(verdicts=[untestable(claim, "pictures", why)])
        if right is False and not found:
            why = "no misclassified photo is left for it: give more photos, whose file names hold their WordNet ids"
            return Findings(verdicts=[untestable(claim, "pictures", why)])
        unknown = right is True and any(row[0].photo.right is None for row in found)
        what = "photos, right or wrong unknown" if unknown else kind
        return panel_findings(plan, results, name, what, claim, TITLES, found, SHOWN, model=model or "")

    return Recipe(name, f"CartoonX and Pixel RDE, {kind}", claim, SHOWN, units, conclude)


_Setting = tuple[str, dict[str, Any]]
_NOISES: tuple[_Setting, ...] = (("Gaussian", {"noise": "gaussian"}), ("Zero", {"noise": "zero"}))
_WAVELETS: tuple[_Setting, ...] = tuple((name, {"wavelet": name}) for name in ("db5", "db4", "db3", "haar"))
_DISTORTIONS = {
    # The study's scripts take the root, and their weight is 1.
    "published": (("l2, root", "l2_root"), ("Weighted l2, root, C = 1", "l2_root")),
    "corrected": (("l2 of probabilities", "l2"), ("Weighted l2", "weighted_l2")),
}
_SPARSITIES = (0.0, 50.0, 100.0, 200.0, 400.0, 800.0)


def _studies(plan: Plan) -> dict[str, tuple[tuple[str, ...], list[list[Unit]]]]:
    """The four parts of figure 4, by the suffix of their files: titles and rows of units."""
    photos, model = photos_of(plan, True, 0)[:1] or plan.first(1), plan.model
    names = (("Label", "label"), *_DISTORTIONS[plan.protocol], ("KL divergence", "kl"))
    distortions: tuple[_Setting, ...] = tuple((title, {"distortion": name, "wavelet": "db5"}) for title, name in names)
    parts = {"noise": _NOISES, "wavelet": _WAVELETS, "distortion": distortions}
    found = {
        part: (
            tuple(title for title, _ in settings),
            [[unit_of(plan, one, "cartoonx", model, **options) for _, options in settings] for one in photos],
        )
        for part, settings in parts.items()
    }
    sweep = [
        [unit_of(plan, one, method, model, value, **_start(value)) for value in _SPARSITIES]
        for one in photos
        for method in METHODS
    ]
    return {"sparsity": (tuple(f"λk = {value:g}" for value in _SPARSITIES), sweep)} | found


def _start(sparsity: float) -> dict[str, Any]:
    """A start from ones for λk = 0, where no penalty moves the mask: another start would remain visible in it."""
    return {} if sparsity else {"init": "ones"}


def _sensitivity_units(plan: Plan) -> list[Unit]:
    return [unit for _, rows in _studies(plan).values() for row in rows for unit in row]


def _sensitivity(plan: Plan, results: Results) -> Findings:
    findings = Findings()
    for part, (titles, rows) in _studies(plan).items():
        claim = f"{_CLAIM} ({part})"
        one = panel_findings(plan, results, "figure-4", f"sensitivity to the {part}", claim, titles, rows, 1, _named)
        findings.figures |= {f".{part}": figure for figure in one.figures.values()}
        findings.rows += [{"part": part, **row} for row in one.rows]
        findings.verdicts += one.verdicts
    return findings


def _named(unit: Unit) -> str:
    return f"{method_title(unit.method)}: "


_CLAIM = "The picture depends on the option as the study shows"
FIGURE_4 = Recipe(
    "figure-4",
    "what λk, noise, wavelet and distortion do to a picture",
    f"{_CLAIM}.",
    1,
    _sensitivity_units,
    _sensitivity,
)
RIGHT = tuple(_panel(name, True, page) for page, name in enumerate(("figure-1", "figure-11", "figure-12", "figure-13")))
WRONG = tuple(
    _panel(name, False, page)
    for page, name in enumerate(("figure-2", "figure-14", "figure-15", "figure-16", "figure-17"))
)
ON_VGG = tuple(_panel(name, None, page, VGG) for page, name in enumerate(("figure-3", "figure-18")))
