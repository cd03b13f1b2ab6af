"""Results to evaluate without a method that has to find them first."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor

from rdexplain.core.representations import Pixel, Representation
from rdexplain.models import Model


def _result(
    images: Tensor,
    scores: Tensor,
    representation: Representation | None = None,
    target: Sequence[int] | None = None,
    method: str = "by_hand",
    photos: Sequence[str | None] | None = None,
) -> SimpleNamespace:
    """What `Explained` asks for, of flat scores (n, k)."""
    representation = representation or Pixel()
    size = tuple(images.shape[-2:])
    bands = representation.transform(size, torch.float32).split(scores)
    pixels = isinstance(representation, Pixel)
    picture = bands[0].unsqueeze(1) if pixels else images.mean(dim=1, keepdim=True) * scores.mean()
    target = [0] * len(images) if target is None else target
    return SimpleNamespace(
        images=images,
        scores=bands,
        representation=representation,
        picture=picture,
        target=torch.tensor(target),
        labels=tuple(f"class {one}" for one in target),
        photos=tuple([None] * len(images) if photos is None else photos),
        method=method,
    )


def _linear(weights: Tensor) -> Model:
    """A model whose "probabilities" are 0.5 and a linear part of the pixels: small weights (classes, c * h * w)."""
    return Model(lambda images: 0.5 + images.flatten(1) @ weights.T, name="linear", activation="none")


@pytest.fixture
def make_result() -> Callable[..., SimpleNamespace]:
    return _result


@pytest.fixture
def linear() -> Callable[[Tensor], Model]:
    return _linear
