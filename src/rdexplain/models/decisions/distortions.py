"""How far the decision on the obfuscated image is from the one on the clean image.

With p the clean and q the obfuscated probabilities and j the explained class (Kolek et al., arXiv 2110.03485;
the roots are what the published script computes):

| name             | formula                              |
|------------------|--------------------------------------|
| label            | (p_j - q_j)²                         |
| maximise_label   | (1 - q_j)²                           |
| l2               | sum_c (p_c - q_c)²                   |
| l2_root          | sqrt(sum_c (p_c - q_c)² + EPSILON)   |
| weighted_l2      | C sum_c (p_c - q_c)²                 |
| weighted_l2_root | C sqrt(sum_c (p_c - q_c)² + EPSILON) |
| kl               | sum_c q_c log(q_c / p_c)             |
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from rdexplain.errors import OptionError, unknown

EPSILON = 1e-12
"""Added under the roots, so that their gradient is finite at y = x, where Pixel RDE starts; also the lower bound of the
probabilities under the logarithms of the KL divergence."""


def _squares(clean: Tensor, obfuscated: Tensor) -> Tensor:
    return (clean - obfuscated).square().sum(dim=1)


def _root(clean: Tensor, obfuscated: Tensor) -> Tensor:
    return (_squares(clean, obfuscated) + EPSILON).sqrt()


def _from_one(clean: Tensor, obfuscated: Tensor) -> Tensor:
    return (1 - obfuscated).square().sum(dim=1)


def _kl(clean: Tensor, obfuscated: Tensor) -> Tensor:
    logarithm = obfuscated.clamp_min(EPSILON).log() - clean.clamp_min(EPSILON).log()
    return (obfuscated * logarithm).sum(dim=1)


@dataclass(frozen=True)
class Distortion:
    """A distance between two readings.

    Attributes:
        reads: ``label`` where it compares the explained label's probability, ``all`` where all of them.
        compare: maps the clean and the obfuscated reading, (b, m) each, to (b,), non-negative up to rounding.
    """

    name: str
    reads: Literal["label", "all"]
    compare: Callable[[Tensor, Tensor], Tensor]


DISTORTIONS = {
    distortion.name: distortion
    for distortion in (
        Distortion("label", "label", _squares),
        Distortion("maximise_label", "label", _from_one),
        Distortion("l2", "all", _squares),
        Distortion("l2_root", "all", _root),
        Distortion("weighted_l2", "all", lambda p, q: p.shape[1] * _squares(p, q)),
        Distortion("weighted_l2_root", "all", lambda p, q: p.shape[1] * _root(p, q)),
        Distortion("kl", "all", _kl),
    )
}


def find_distortion(name: str) -> Distortion:
    """A distortion by its name, or OptionError with the nearest names."""
    if name not in DISTORTIONS:
        raise OptionError(unknown("distortion", str(name), DISTORTIONS))
    return DISTORTIONS[name]
