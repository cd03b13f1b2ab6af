"""Where masks live: pixels and wavelets."""

from rdexplain.representations.base import Band, Representation, Transform
from rdexplain.representations.pixel import Pixel
from rdexplain.representations.wavelet import Wavelet

__all__ = ["Band", "Pixel", "Representation", "Transform", "Wavelet"]
