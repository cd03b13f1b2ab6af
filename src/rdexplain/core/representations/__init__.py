"""Where masks live: pixels, wavelets and shearlets."""

from rdexplain.core.representations.base import Band, Representation, Transform
from rdexplain.core.representations.pixel import Pixel
from rdexplain.core.representations.shearlet import Shearlet
from rdexplain.core.representations.wavelet import Wavelet

__all__ = ["Band", "Pixel", "Representation", "Shearlet", "Transform", "Wavelet"]
