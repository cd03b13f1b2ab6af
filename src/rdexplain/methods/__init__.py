"""The methods, each a composition of a representation, an objective and presets."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rdexplain.methods.cartoonx import CartoonX
    from rdexplain.methods.options import SharedOptions
    from rdexplain.methods.pixel_rde import PixelRDE
    from rdexplain.methods.shearletx import ShearletX
    from rdexplain.methods.smooth_pixel_rde import SmoothPixelRDE
    from rdexplain.methods.waveletx import WaveletX

__all__ = ["CartoonX", "PixelRDE", "SharedOptions", "ShearletX", "SmoothPixelRDE", "WaveletX"]

# Imported when first used: the registry beside them has to be there without PyTorch.
_HOMES = {
    "CartoonX": "cartoonx",
    "PixelRDE": "pixel_rde",
    "SharedOptions": "options",
    "ShearletX": "shearletx",
    "SmoothPixelRDE": "smooth_pixel_rde",
    "WaveletX": "waveletx",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(f"rdexplain.methods.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'rdexplain.methods' has no attribute {name!r}")
