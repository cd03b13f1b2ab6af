"""The methods, each a composition of a representation, an objective and presets."""

from rdexplain.methods.base import SharedOptions
from rdexplain.methods.cartoonx import CartoonX
from rdexplain.methods.pixel_rde import PixelRDE

__all__ = ["CartoonX", "PixelRDE", "SharedOptions"]
