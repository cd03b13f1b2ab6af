"""The methods that people compare with, behind the same `explain` and `attribute`."""

from rdexplain.methods.baselines.base import Baseline, BaselineOptions
from rdexplain.methods.baselines.grad_cam import GradCAM
from rdexplain.methods.baselines.guided_backprop import GuidedBackprop
from rdexplain.methods.baselines.integrated_gradients import IntegratedGradients
from rdexplain.methods.baselines.lime import Lime
from rdexplain.methods.baselines.lrp import LRP
from rdexplain.methods.baselines.occlusion import Occlusion
from rdexplain.methods.baselines.random_order import RandomPixel, RandomWavelet
from rdexplain.methods.baselines.smooth_grad import SmoothGrad

__all__ = [
    "LRP",
    "Baseline",
    "BaselineOptions",
    "GradCAM",
    "GuidedBackprop",
    "IntegratedGradients",
    "Lime",
    "Occlusion",
    "RandomPixel",
    "RandomWavelet",
    "SmoothGrad",
]
