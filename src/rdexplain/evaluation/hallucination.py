"""Hallucination: edges of an explanation that the photo does not have.

Kolek, Windesheim, Andrade-Loarca, Kutyniok, Levie: Explaining Image Classifiers with Multiscale Directional Image
Representation, CVPR 2023, arXiv 2211.12857. Their edges are those of a shearlet-based detector; these are Canny's (IEEE
Trans. Pattern Analysis and Machine Intelligence 1986).
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from rdexplain.text.extras import needed

SIGMA = 1.0
"""Standard deviation, in pixels, of the Gaussian that smooths the image."""
LOW, HIGH = 0.1, 0.2
"""Hysteresis thresholds of the gradient by Sobel's filters, for which an unsmoothed step from black to white is 4. An
edge must exceed HIGH somewhere, and goes on while it exceeds LOW."""


def hallucination(explanations: Tensor, photos: Tensor) -> Tensor:
    """The explanations' edges that lie more than one pixel from any edge of the photos, over the photos' edges, (n,).

    |E(x̂) without (E(x) ⊕ 3x3)| / |E(x)|, with the `edges` E and ⊕ the dilation by a square of 3 x 3 pixels. 0 is best,
    also reached by keeping nothing; above 1 where more edges are invented than the photo has. NaN where the photo has
    none.

    Args:
        explanations: (n, c, h, w) in [0, 1], `Masked.image`.
        photos: (n, c, h, w) in [0, 1].

    Raises:
        OptionError: scikit-image is not installed.
    """
    found, there = edges(explanations), edges(photos)
    near = nn.functional.max_pool2d(there.float(), 3, stride=1, padding=1) > 0
    invented, count = (found & ~near).sum(dim=(1, 2)), there.sum(dim=(1, 2))
    return torch.where(count > 0, invented.double() / count, torch.nan)


def edges(images: Tensor) -> Tensor:
    """Canny's edges of the mean of the channels: (n, c, h, w) to bool (n, h, w), on the CPU.

    Border pixels are never edges. Beyond the border, the nearest pixels of the image are repeated.

    Raises:
        OptionError: scikit-image is not installed.
    """
    canny = needed("skimage.feature", "this score").canny
    grey = images.cpu().double().mean(dim=1).numpy()
    found = [canny(one, sigma=SIGMA, low_threshold=LOW, high_threshold=HIGH, mode="nearest") for one in grey]
    return torch.from_numpy(np.stack(found))
