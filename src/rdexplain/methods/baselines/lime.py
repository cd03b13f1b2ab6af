"""LIME: a linear model of how the class's score depends on each superpixel."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Unpack

import torch
from torch import Tensor

from rdexplain.core import philox
from rdexplain.methods.baselines.base import Baseline, BaselineOptions, Score
from rdexplain.methods.baselines.rows import Rows
from rdexplain.methods.checks import check_whole
from rdexplain.models import Model
from rdexplain.text.extras import needed

COMPACTNESS = 10.0
KERNEL_WIDTH = 0.25
RIDGE = 1.0


class Lime(Baseline):
    """LIME: Ribeiro, Singh, Guestrin, KDD 2016, arXiv 1602.04938, with the settings of its authors' image explainer.

    Superpixels of the image (SLIC: Achanta et al., PAMI 2012, of scikit-image) are replaced by their mean colour, each
    with probability 1/2. A ridge regression of the class's probability on which of them are left, weighted by
    √exp(-d²/0.25²) with the cosine distance d from all, gives each superpixel's pixels their score, which is signed.

    Args:
        model: a `Model`, an ``nn.Module`` or a callable from images (n, 3, h, w) in [0, 1] to (n, classes).
        n_samples: how many changed images are looked at.
        segments: about how many superpixels there are.
        score: "probability" or "logit", what is attributed.
        options: those of every baseline, see `BaselineOptions`.

    Raises:
        OptionError: an invalid value of an option, or captum or scikit-image is missing.
    """

    name = "lime"
    own_options = ("score", "n_samples", "segments")
    reduction = "mean"

    def __init__(
        self,
        model: Model | Callable[..., Any],
        *,
        n_samples: int = 300,
        segments: int = 50,
        score: Score = "probability",
        **options: Unpack[BaselineOptions],
    ) -> None:
        super().__init__(model, score, options)
        self.n_samples = check_whole("n_samples", n_samples, 1)
        self.segments = check_whole("segments", segments, 1)
        self._captum = needed("captum.attr", self.get_name())
        self._segmentation = needed("skimage.segmentation", self.get_name())

    def work(self, size: tuple[int, int]) -> int:
        return self.n_samples

    def _attributions(self, rows: Rows) -> Tensor:
        return torch.cat([self._one(rows, row) for row in range(len(rows))])

    def superpixels(self, image: Tensor) -> Tensor:
        """The number (h, w) of each pixel's superpixel of an image (c, h, w), from 0 on without gaps."""
        pixels = image.detach().clamp(0, 1).permute(1, 2, 0).cpu().double().numpy()
        labels = self._segmentation.slic(
            pixels, n_segments=self.segments, compactness=COMPACTNESS, start_label=0, channel_axis=-1
        )
        return torch.from_numpy(labels).unique(return_inverse=True)[1].to(image.device)

    def _one(self, rows: Rows, row: int) -> Tensor:
        image = rows.images[row]
        parts = self.superpixels(image)
        count = int(parts.max()) + 1
        left = self._choices(rows, row, count)

        def choices(*_: Any, **__: Any) -> Iterator[Tensor]:
            yield from left.split(1)

        method = self._captum.Lime(
            rows.score, interpretable_model=_Ridge(), similarity_func=_similarity, perturb_func=choices
        )

        def work(limit: int) -> Tensor:
            return method.attribute(
                image.unsqueeze(0),
                baselines=_mean_colours(image, parts, count).unsqueeze(0),
                additional_forward_args=(rows.of(row),),
                feature_mask=parts.expand(1, 1, -1, -1),
                n_samples=self.n_samples,
                perturbations_per_eval=limit,
            )

        return rows.limit.run(work)

    def _choices(self, rows: Rows, row: int, count: int) -> Tensor:
        """Which superpixels are left, (n_samples, count) of 0 and 1; in the first sample all, as its authors do."""
        streams = self._streams(rows, row, range(self.n_samples))
        left = (philox.uniform(streams, count, torch.float64) < 0.5).long()
        left[0] = 1
        return left.to(rows.images.device)


def _mean_colours(image: Tensor, parts: Tensor, count: int) -> Tensor:
    """An image (c, h, w) whose superpixels have their mean colour."""
    flat, index = image.flatten(1), parts.flatten()
    sums = torch.zeros(len(flat), count, dtype=flat.dtype, device=flat.device).index_add_(1, index, flat)
    return (sums / index.bincount(minlength=count))[:, index].view_as(image)


def _similarity(image: Tensor, changed: Tensor, left: Tensor, **_: Any) -> Tensor:
    """The weight of a sample: by the cosine distance of what is left from all."""
    distance = 1 - left.float().mean().sqrt()
    return (-(distance**2) / KERNEL_WIDTH**2).exp().sqrt()


class _Ridge:
    """Weighted ridge regression with a constant, in closed form; captum's own needs a further package."""

    def __init__(self) -> None:
        self._coefficients = torch.zeros(0)

    def fit(self, loader: Any, **_: Any) -> dict[str, Any]:
        # The data is taken from the loader directly: iterating over it would draw from the global random state.
        # On the CPU: captum reads the coefficients one by one, each of which would wait for a GPU.
        left, found, weight = (tensor.cpu().double() for tensor in loader.dataset.tensors)
        total = weight.sum()
        centred = left - (weight @ left) / total
        deviations = found - (weight @ found) / total
        gram = centred.mT @ (weight[:, None] * centred)
        gram.diagonal().add_(RIDGE)
        self._coefficients = torch.linalg.solve(gram, centred.mT @ (weight * deviations))
        return {}

    def representation(self) -> Tensor:
        return self._coefficients
