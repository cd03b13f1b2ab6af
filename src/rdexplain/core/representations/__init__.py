"""Where masks live: pixels and wavelets."""

from rdexplain.core.representations.base import Band, Representation, Transform
from rdexplain.core.representations.pixel import Pixel
from rdexplain.core.representations.wavelet import Wavelet

__all__ = ["Band", "Pixel", "Representation", "Transform", "Wavelet"]
