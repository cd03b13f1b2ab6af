"""The methods by name. Nothing here imports PyTorch, which takes seconds: `--help` has to be quick."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Method:
    """A method: where its class is, without importing it.

    Attributes:
        name: what the command line and results call it.
        title: as papers write it.
        home: module:class.
        summary: what it explains by.
        paper: where it comes from.
    """

    name: str
    title: str
    home: str
    summary: str
    paper: str

    @property
    def is_baseline(self) -> bool:
        """Whether it gives a heatmap, and not a mask with a distortion."""
        return self.home.startswith(_BASELINES)

    def load(self) -> Any:
        """The method's class."""
        module, _, name = self.home.partition(":")
        return getattr(importlib.import_module(module), name)


_BASELINES = "rdexplain.methods.baselines"
METHODS = {
    method.name: method
    for method in (
        Method(
            "cartoonx",
            "CartoonX",
            "rdexplain.methods.cartoonx:CartoonX",
            "the wavelet coefficients that the model needs",
            "Kolek et al., ECCV 2022, arXiv 2110.03485",
        ),
        Method(
            "pixel_rde",
            "Pixel RDE",
            "rdexplain.methods.pixel_rde:PixelRDE",
            "the pixels that the model needs",
            "Macdonald et al., arXiv 1905.11092",
        ),
        Method(
            "waveletx",
            "WaveletX",
            "rdexplain.methods.waveletx:WaveletX",
            "CartoonX with a penalty on what its picture shows",
            "Kolek et al., CVPR 2023, arXiv 2211.12857",
        ),
        Method(
            "shearletx",
            "ShearletX",
            "rdexplain.methods.shearletx:ShearletX",
            "the shearlet coefficients that the model needs",
            "Kolek et al., CVPR 2023, arXiv 2211.12857",
        ),
        Method(
            "smooth_pixel_rde",
            "Smooth Pixel RDE",
            "rdexplain.methods.smooth_pixel_rde:SmoothPixelRDE",
            "the pixels that the model needs, in smooth regions",
            "Fong et al., ICCV 2019, arXiv 1910.08485",
        ),
        Method(
            "integrated_gradients",
            "Integrated Gradients",
            f"{_BASELINES}:IntegratedGradients",
            "gradients along the way from random images",
            "Sundararajan et al., ICML 2017, arXiv 1703.01365",
        ),
        Method(
            "smooth_grad",
            "SmoothGrad",
            f"{_BASELINES}:SmoothGrad",
            "squared gradients of noisy copies",
            "Smilkov et al., arXiv 1706.03825",
        ),
        Method(
            "guided_backprop",
            "Guided Backprop",
            f"{_BASELINES}:GuidedBackprop",
            "gradients that stay positive at each ReLU",
            "Springenberg et al., ICLR 2015, arXiv 1412.6806",
        ),
        Method(
            "grad_cam",
            "Grad-CAM",
            f"{_BASELINES}:GradCAM",
            "the last spatial layer, weighted by its gradient",
            "Selvaraju et al., ICCV 2017, arXiv 1610.02391",
        ),
        Method(
            "lrp",
            "LRP",
            f"{_BASELINES}:LRP",
            "the logit, shared out from layer to layer",
            "Bach et al., PLOS ONE 2015, DOI 10.1371/journal.pone.0130140",
        ),
        Method(
            "lime",
            "LIME",
            f"{_BASELINES}:Lime",
            "a linear model of superpixels left out",
            "Ribeiro et al., KDD 2016, arXiv 1602.04938",
        ),
        Method(
            "occlusion",
            "Occlusion",
            f"{_BASELINES}:Occlusion",
            "what is lost behind a grey square",
            "Zeiler and Fergus, ECCV 2014, arXiv 1311.2901",
        ),
        Method(
            "random_pixel",
            "Random pixels",
            f"{_BASELINES}:RandomPixel",
            "pixels in a random order, a control",
            "Taslimi et al., ReScience C 2023",
        ),
        Method(
            "random_wavelet",
            "Random wavelets",
            f"{_BASELINES}:RandomWavelet",
            "wavelet coefficients in a random order, a control",
            "Taslimi et al., ReScience C 2023",
        ),
    )
}
