"""rdexplain: rate-distortion explanations for vision models.

import rdexplain as rx

model = rx.load_model("efficientnet_lite0")
photo = rx.load_photo("sample:cat")
explanation = rx.CartoonX(model).explain(photo.pixels[None])
explanation.save("cat.cartoonx")
"""

import importlib
from typing import TYPE_CHECKING, Any

from rdexplain.errors import RDExplainError
from rdexplain.text.versions import __version__

if TYPE_CHECKING:
    from rdexplain.methods.baselines import (
        LRP,
        GradCAM,
        GuidedBackprop,
        IntegratedGradients,
        Lime,
        Occlusion,
        RandomPixel,
        RandomWavelet,
        SmoothGrad,
    )
    from rdexplain.methods.cartoonx import CartoonX
    from rdexplain.methods.explainer import Explainer, load_explainer
    from rdexplain.methods.pixel_rde import PixelRDE
    from rdexplain.methods.shearletx import ShearletX
    from rdexplain.methods.smooth_pixel_rde import SmoothPixelRDE
    from rdexplain.methods.waveletx import WaveletX
    from rdexplain.models import Model, as_model, list_models, load_model
    from rdexplain.models.decisions import Above, Contrast, Detect, Segment, Value
    from rdexplain.photos.images import Photo, find_photos, load_photo
    from rdexplain.results.explanation import Explanation
    from rdexplain.results.heatmap import Heatmap
    from rdexplain.results.loading import load_explanation, load_heatmap
    from rdexplain.work.app import app
    from rdexplain.work.compare import compare
    from rdexplain.work.detect import detect
    from rdexplain.work.evaluate import evaluate
    from rdexplain.work.explain import explain
    from rdexplain.work.export import export
    from rdexplain.work.progress import Cancelled, Progress
    from rdexplain.work.report import report
    from rdexplain.work.reproduce import reproduce
    from rdexplain.work.run import run
    from rdexplain.work.runs import Run, merge_runs, open_run
    from rdexplain.work.status import status
    from rdexplain.work.train_explainer import train_explainer

__all__ = [
    "LRP",
    "Above",
    "Cancelled",
    "CartoonX",
    "Contrast",
    "Detect",
    "Explainer",
    "Explanation",
    "GradCAM",
    "GuidedBackprop",
    "Heatmap",
    "IntegratedGradients",
    "Lime",
    "Model",
    "Occlusion",
    "Photo",
    "PixelRDE",
    "Progress",
    "RDExplainError",
    "RandomPixel",
    "RandomWavelet",
    "Run",
    "Segment",
    "ShearletX",
    "SmoothGrad",
    "SmoothPixelRDE",
    "Value",
    "WaveletX",
    "__version__",
    "app",
    "as_model",
    "compare",
    "detect",
    "evaluate",
    "explain",
    "export",
    "find_photos",
    "list_models",
    "load_explainer",
    "load_explanation",
    "load_heatmap",
    "load_model",
    "load_photo",
    "merge_runs",
    "open_run",
    "report",
    "reproduce",
    "run",
    "status",
    "train_explainer",
]

# Importing PyTorch takes seconds, and `rdexplain --help` does not need it: these names are imported when first used.
_NAMES = {
    "methods.cartoonx": ("CartoonX",),
    "methods.explainer": ("Explainer", "load_explainer"),
    "methods.pixel_rde": ("PixelRDE",),
    "methods.shearletx": ("ShearletX",),
    "methods.smooth_pixel_rde": ("SmoothPixelRDE",),
    "methods.waveletx": ("WaveletX",),
    "methods.baselines": (
        *("GradCAM", "GuidedBackprop", "IntegratedGradients", "LRP", "Lime", "Occlusion"),
        *("RandomPixel", "RandomWavelet", "SmoothGrad"),
    ),
    "models": ("Model", "as_model", "list_models", "load_model"),
    "models.decisions": ("Above", "Contrast", "Detect", "Segment", "Value"),
    "photos.images": ("Photo", "find_photos", "load_photo"),
    "results.explanation": ("Explanation",),
    "results.heatmap": ("Heatmap",),
    "results.loading": ("load_explanation", "load_heatmap"),
    "work.progress": ("Cancelled", "Progress"),
    "work.runs": ("Run", "merge_runs", "open_run"),
    **{
        f"work.{job}": (job,)
        for job in (
            *("app", "compare", "detect", "evaluate", "explain", "export", "report", "reproduce", "run", "status"),
            "train_explainer",
        )
    },
}
_HOMES = {name: home for home, names in _NAMES.items() for name in names}


def __getattr__(name: str) -> Any:
    """A public name, or a module of the package such as ``rdexplain.core.representations``."""
    if name in _HOMES:
        value = getattr(importlib.import_module(f"rdexplain.{_HOMES[name]}"), name)
        globals()[name] = value
        return value
    module = f"rdexplain.{name}"
    if not name.startswith("_"):
        try:
            return importlib.import_module(module)
        except ModuleNotFoundError as error:
            if error.name != module:
                raise
    raise AttributeError(f"module 'rdexplain' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*__all__, *(name for name in globals() if name.startswith("__"))})
