"""What Quantus takes as its `explain_func`, so that its metrics that explain again can be asked of any method here.

Hedström et al.: Quantus: An Explainable AI Toolkit for Responsible Evaluation of Neural Network Explanations and
Beyond, JMLR 24(34), 2023. Quantus is not needed to import this.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from rdexplain.errors import OptionError, unknown
from rdexplain.methods.registry import METHODS


def explain_func(model: Any, inputs: Any, targets: Any, *, method: str = "cartoonx", **options: Any) -> np.ndarray:
    """Explanations of a batch as Quantus' metrics ask for them:

        metric(model, x, y, explain_func=rdexplain.evaluation.explain_func, explain_func_kwargs={"method": "lrp"})

    All images of a call have the same noise, as `attribute` has it, since Quantus compares images with changed copies.

    Args:
        model: an ``nn.Module`` from images in [0, 1] to logits (its normalisation inside), or a `Model`.
        inputs: (n, 3, h, w), an array or a tensor.
        targets: (n,) classes.
        method: a name of `rdexplain methods`.
        options: of that method, such as ``steps``, ``seed`` or ``device``.

    Returns:
        (n, 1, h, w), one number for each pixel, higher is more important: what `attribute` gives, in the mean over the
        channels.

    Raises:
        OptionError: no such method, or an invalid option.
    """
    if method not in METHODS:
        raise OptionError(unknown("method", str(method), METHODS))
    found = METHODS[method].load()(model, **options)
    images = torch.as_tensor(np.asarray(inputs) if not isinstance(inputs, torch.Tensor) else inputs)
    classes = torch.as_tensor(np.asarray(targets) if not isinstance(targets, torch.Tensor) else targets).long()
    maps: np.ndarray = found.attribute(images, target=classes).detach().cpu().mean(dim=1, keepdim=True).numpy()
    return maps
