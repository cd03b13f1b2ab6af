"""``rdexplain methods``: what there is to explain with."""

from __future__ import annotations

import argparse
import importlib
from dataclasses import dataclass
from typing import Any

from rdexplain.cli.command import Command, Parser
from rdexplain.cli.tables import Column, print_table


@dataclass(frozen=True)
class Method:
    """A method as the command line knows it: where its class is, without importing it."""

    name: str
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
            "rdexplain.methods:CartoonX",
            "the wavelet coefficients that the model needs",
            "Kolek et al., ECCV 2022, arXiv 2110.03485",
        ),
        Method(
            "pixel_rde",
            "rdexplain.methods:PixelRDE",
            "the pixels that the model needs",
            "Macdonald et al., arXiv 1905.11092",
        ),
        Method(
            "integrated_gradients",
            f"{_BASELINES}:IntegratedGradients",
            "gradients along the way from random images",
            "Sundararajan et al., ICML 2017, arXiv 1703.01365",
        ),
        Method(
            "smooth_grad",
            f"{_BASELINES}:SmoothGrad",
            "squared gradients of noisy copies",
            "Smilkov et al., arXiv 1706.03825",
        ),
        Method(
            "guided_backprop",
            f"{_BASELINES}:GuidedBackprop",
            "gradients that stay positive at each ReLU",
            "Springenberg et al., ICLR 2015, arXiv 1412.6806",
        ),
        Method(
            "grad_cam",
            f"{_BASELINES}:GradCAM",
            "the last spatial layer, weighted by its gradient",
            "Selvaraju et al., ICCV 2017, arXiv 1610.02391",
        ),
        Method(
            "lrp",
            f"{_BASELINES}:LRP",
            "the logit, shared out from layer to layer",
            "Bach et al., PLOS ONE 2015, DOI 10.1371/journal.pone.0130140",
        ),
        Method(
            "lime",
            f"{_BASELINES}:Lime",
            "a linear model of superpixels left out",
            "Ribeiro et al., KDD 2016, arXiv 1602.04938",
        ),
        Method(
            "occlusion",
            f"{_BASELINES}:Occlusion",
            "what is lost behind a grey square",
            "Zeiler and Fergus, ECCV 2014, arXiv 1311.2901",
        ),
        Method(
            "random_pixel",
            f"{_BASELINES}:RandomPixel",
            "pixels in a random order, a control",
            "Taslimi et al., ReScience C 2023",
        ),
        Method(
            "random_wavelet",
            f"{_BASELINES}:RandomWavelet",
            "wavelet coefficients in a random order, a control",
            "Taslimi et al., ReScience C 2023",
        ),
    )
}


def _declare(parser: Parser) -> None:
    pass


def _run(arguments: argparse.Namespace) -> int:
    columns = (Column("method", "bold"), Column("explains by"), Column("source", "dim"))
    print_table(columns, [(method.name, method.summary, method.paper) for method in METHODS.values()])
    return 0


COMMAND = Command("methods", "List the methods", "", _declare, _run)
