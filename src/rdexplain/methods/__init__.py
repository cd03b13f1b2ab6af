"""The methods, each a composition of a representation, an objective and presets."""

from rdexplain.methods.cartoonx import CartoonX
from rdexplain.methods.options import SharedOptions
from rdexplain.methods.pixel_rde import PixelRDE

__all__ = ["CartoonX", "PixelRDE", "SharedOptions"]
