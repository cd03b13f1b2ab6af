"""Cascading randomisation: how an explanation changes as the network's layers are drawn anew, one after the other.

Adebayo et al.: Sanity Checks for Saliency Maps, NeurIPS 2018, section 3, arXiv 1810.03292.
"""

from __future__ import annotations

import math
from typing import Any, cast

import torch
from torch import Tensor

from rdexplain.evaluation.curves import Curves
from rdexplain.evaluation.domains import Explained, pixel_map
from rdexplain.evaluation.likeness import rank_correlation, structural_similarity
from rdexplain.evaluation.randomisation import layers_of, randomised
from rdexplain.evaluation.subject import Subject
from rdexplain.models import Model

STAGES = 5
"""Number of stages with equal shares of the layers; the last layer alone is a stage before them."""
CASCADE, RANK, SSIM = "cascade", "rank_correlation", "ssim"
"""The mode of the curve, and its measures."""


class Cascade:
    """Copies of a model whose layers are drawn anew one after the other, beginning at the output.

    A layer is a module with parameters of its own; their order is that of the network's `named_modules`. A layer's new
    parameters are a function of the seed and its name, so they are the same at all later stages. Copies are made when
    they are first asked for, and kept.

    Args:
        model: left as it is.
        size: (h, w) of the images to explain.
        seed: of the parameters.

    Attributes:
        layers: names of the layers, from the input to the output.
        counts: how many layers, of those nearest to the output, each stage has drawn anew; from 0 to all of them.

    Raises:
        ModelError: a network that is no ``nn.Module``, has no parameters or cannot be copied.
    """

    def __init__(self, model: Model, size: tuple[int, int], seed: int = 0) -> None:
        self._model, self._size, self._seed = model, size, seed
        self.layers = layers_of(model)
        every = len(self.layers)
        self.counts = sorted({0, 1, *(math.ceil(every * stage / STAGES) for stage in range(1, STAGES + 1))})
        self._copies = {0: model, every: randomised(model, size, seed, self.layers)}

    def at(self, count: int) -> Model:
        """The copy whose last `count` layers were drawn anew."""
        if count not in self._copies:
            anew = self.layers[len(self.layers) - count :]
            self._copies[count] = randomised(self._model, self._size, self._seed, anew)
        return self._copies[count]

    def explained(self, subject: Subject, method: Any, count: int) -> Explained:
        """A method's explanation of a copy, with the classes, the seed and the noise of the trained network's."""
        again = method.again(self.at(count))
        return cast(Explained, again.explain(subject.images, target=subject.target, ids=list(subject.keys)))


def cascade(
    subject: Subject, method: Any, result: Explained, networks: Cascade, last: Explained | None = None
) -> Curves:
    """How alike the explanation stays as the network's layers are drawn anew, from the output to the input.

    At each stage of `networks` the same classes are explained with the same seed, and compared with the explanation of
    the trained network: Spearman's rank correlation and SSIM of the pixel maps, as `likeness` has them. A map that is
    constant, such as that of an empty mask, has no ranks, and its correlation counts as 0.

    Args:
        method: its `again` gives the same method for another model.
        last: its explanation of the network whose layers were all drawn anew, if there is one already.

    Returns:
        ``rank_correlation`` and ``ssim`` over the share of the layers, (n, stages); 1 at 0, unless
        the explanation itself is constant.
    """
    maps = pixel_map(result)
    found: dict[str, list[Tensor]] = {RANK: [], SSIM: []}
    for count in networks.counts:
        if count == 0:
            other = result
        elif count == networks.counts[-1] and last is not None:
            other = last
        else:
            other = networks.explained(subject, method, count)
        others = pixel_map(other)
        found[RANK].append(rank_correlation(maps.flatten(1), others.flatten(1)).nan_to_num(0))
        found[SSIM].append(structural_similarity(maps, others))
    shares = torch.tensor(networks.counts, dtype=torch.float64) / len(networks.layers)
    measures = {name: torch.stack(values, dim=1) for name, values in found.items()}
    return Curves(tuple((100 * shares).tolist()), shares.expand(len(subject), -1), measures, 1)
