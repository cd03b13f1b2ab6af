"""The two protocols as options: the study's scripts, and the fair comparison. See docs/reproduction/protocols.md."""

from __future__ import annotations

from typing import Any

from rdexplain.work.studies.plan import Known, Plan
from rdexplain.work.studies.published import METHODS as WITH_A_CURVE
from rdexplain.work.studies.recipe import Unit

PUBLISHED_METHODS = tuple(WITH_A_CURVE)
METHODS = (*PUBLISHED_METHODS[:-2], "grad_cam", "lrp", "lime", "occlusion", *PUBLISHED_METHODS[-2:])
"""All methods of figure 5, the random controls last."""
SQUARES = 226
"""Forward passes of occlusion: one for each grey square on a photo, and one for the photo itself."""
BEST_STEPS, BEST_DRAWS = 778, 4
PUBLISHED_PERCENTAGES = tuple(float(percent) for percent in range(101))
PERCENTAGES = (0.0, 0.1, 0.2, 0.5, 1.0, 2.0, 3.0, 4.0, 5.0, 7.5, *(float(percent) for percent in range(10, 101, 5)))
COMMON_SPARSITY = 10.0
"""λk of both mask methods in the corrected figure 5: the same rule for both."""
FRESH = 288
"""Forward passes that measure a finished mask, and the empty mask, on fresh draws."""


def mask_options(plan: Plan, sparsity: float, steps: int, draws: int, **more: Any) -> dict[str, Any]:
    """Options of CartoonX and Pixel RDE: the paper's optimiser at (steps, draws), or, corrected, the `best` preset."""
    if plan.published:
        return {
            "preset": "paper",
            "sparsity": sparsity,
            "steps": plan.times(steps, 2),
            "draws": plan.times(draws, 2),
            **more,
        }
    return {"preset": "best", "sparsity": sparsity, "steps": plan.times(BEST_STEPS, 6), **more}


def backwards(options: dict[str, Any]) -> int:
    """Number of images sent forward and backward for a mask."""
    count = int(options["steps"]) * int(options.get("draws", BEST_DRAWS))
    return count + count // 5 if options.get("order") == "path" else count


def curve_options(plan: Plan, method: str) -> dict[str, Any]:
    """Options of a method of figure 5."""
    if method in ("cartoonx", "pixel_rde"):
        wavelet = method == "cartoonx"
        if plan.published:
            return mask_options(plan, 10.0 if wavelet else 4.0, 100, 16 if wavelet else 64)
        # Most of a curve shows how the mask's zeros are ranked, which a path of λ does best.
        return mask_options(plan, COMMON_SPARSITY, 0, 0, order="path" if plan.order == "kept" else "none")
    if method == "integrated_gradients":
        score = "probability" if plan.published else "logit"
        return {"steps": plan.times(100, 4), "references": plan.times(10, 1), "score": score}
    if method == "smooth_grad":
        return {"n_samples": plan.times(1000, 4), "spread": 0.15, "score": "logit"}
    if method == "lime":
        return {"n_samples": plan.times(300, 30)}
    return {"score": "logit"} if method in ("guided_backprop", "grad_cam") else {}


def curve_methods(plan: Plan) -> tuple[str, ...]:
    """The methods of figure 5."""
    return PUBLISHED_METHODS if plan.published else METHODS


def curve_unit(plan: Plan, photo: Known, model: str, method: str) -> Unit:
    """A photo's curves by a method, kept and randomised."""
    options = curve_options(plan, method)
    points = plan.percentages(PUBLISHED_PERCENTAGES if plan.published else PERCENTAGES)
    draws = 1 if plan.published else plan.times(8, 2)
    domains = 1 if plan.published else 2
    measured = {
        "percentages": list(points),
        "draws": draws,
        "domains": ["own"] if plan.published else ["own", "pixel", "wavelet"],
    }
    masks = "sparsity" in options
    own = {"lime": options.get("n_samples", 0), "occlusion": SQUARES}.get(method, FRESH if masks else 0)
    slopes = {
        "integrated_gradients": options.get("steps", 0) * options.get("references", 0),
        "smooth_grad": options.get("n_samples", 0),
        "guided_backprop": 1,
        "grad_cam": 2,
        "lrp": 2,
    }
    return Unit(
        "curves",
        photo,
        model,
        method,
        options,
        measured,
        forwards=2 * domains * len(points) * draws + own,
        backwards=backwards(options) if masks else slopes.get(method, 0),
    )


def mask_unit(plan: Plan, photo: Known, model: str, method: str, options: dict[str, Any], **measured: Any) -> Unit:
    """A photo's mask, saved, with its figures."""
    extra = FRESH if measured.get("common") else 0
    return Unit("mask", photo, model, method, options, measured, FRESH + extra, backwards(options))
