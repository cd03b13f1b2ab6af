"""Where the mask starts: ones, random, a tensor, or by the gradient."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from rdexplain.core import philox
from rdexplain.core.objective import Objective
from rdexplain.core.representations import Transform
from rdexplain.errors import OptionError, unknown
from rdexplain.models.decisions import Decision

INITS = ("ones", "coarse", "random", "gradient", "sensitivity")
FINEST = 0.04
"""Value of the finest scale at the start, for ``coarse``. Not zero: where the solver optimises u with a mask of u², the
gradient by u is zero there, and the entry could never grow."""
STEEPNESS, SHIFT, FINER = 2 / 3, 0.8, 3.0
"""Of ``sensitivity``; docs/speed.md has what it gains."""
Init = str | Tensor | Sequence[Tensor]


def check_init(init: Init) -> Init:
    """The given start, checked: OptionError if it is an unknown name."""
    if isinstance(init, str) and init not in INITS:
        raise OptionError(unknown("init", init, INITS))
    return init


def initial_mask(objective: Objective, init: Init, decision: Decision) -> Tensor:
    """The mask (R, k) at the start.

    Args:
        init: ``ones``; ``coarse``: ones but for the finest scale, which starts at `FINEST` (most networks hardly
            need it, and it is three quarters of the entries); ``random`` (uniform); ``gradient``: the size of the
            gradient of the explained reading by each coefficient, mean over the channels, replaced by its quantile
            among all entries (in the spirit of StartGrad, ICLR 2025); ``sensitivity``: σ(`STEEPNESS` · ln(S / mean S) +
            `SHIFT`), and `FINER` less inside σ for the finest scale, with S that gradient's size times how far noise
            moves the coefficient; or the mask itself, a list of bands as in
            `Explanation.mask`, or a tensor of shape (h, w) or (R, h, w) for pixels.
        decision: whose reading the gradient is of.

    Raises:
        OptionError: an unknown name, a wrong shape, values outside [0, 1].
    """
    shape = (objective.rows, objective.transform.count)
    dtype, device = objective.images.dtype, objective.images.device
    if not isinstance(init, str):
        return _given(init, objective.transform, shape).to(dtype=dtype, device=device)
    check_init(init)
    if init == "ones":
        return torch.ones(shape, dtype=dtype, device=device)
    if init == "coarse":
        return torch.cat(
            [
                torch.full((shape[0], band.count), FINEST if band.scale == 1 else 1.0, dtype=dtype, device=device)
                for band in objective.transform.bands
            ],
            dim=1,
        )
    if init == "random":
        streams = [philox.Stream(objective.seed, key, 0, 0, philox.START) for key in objective.keys]
        return philox.uniform(streams, shape[1], dtype, device)
    if init == "sensitivity":
        return _sensitive(objective, decision)
    return quantiles(objective.sensitivity(decision))


def _sensitive(objective: Objective, decision: Decision) -> Tensor:
    sensitivity = objective.sensitivity(decision) * objective.spread
    tiny = torch.finfo(sensitivity.dtype).tiny
    relative = sensitivity / sensitivity.mean(dim=1, keepdim=True).clamp_min(tiny)
    logits = STEEPNESS * relative.clamp(1e-4, 1e4).log() + SHIFT
    finest = torch.cat([logits.new_full((band.count,), float(band.scale == 1)) for band in objective.transform.bands])
    return (logits - FINER * finest).sigmoid()


def quantiles(values: Tensor) -> Tensor:
    """The rank of each entry in its row, (R, k), scaled to [0, 1]: 0 for the smallest entry, 1 for the largest."""
    places = torch.arange(values.shape[1], dtype=values.dtype, device=values.device)
    order = values.argsort(dim=1, stable=True)
    return torch.empty_like(values).scatter_(1, order, (places / max(values.shape[1] - 1, 1)).expand_as(values))


def _given(init: Tensor | Sequence[Tensor], transform: Transform, shape: tuple[int, int]) -> Tensor:
    bands = [init] if isinstance(init, Tensor) else list(init)
    wanted = [band.shape for band in transform.bands]
    if len(bands) != len(wanted) or any(
        tuple(band.shape[-len(size) :]) != size for band, size in zip(bands, wanted, strict=True)
    ):
        got = [tuple(band.shape) for band in bands]
        raise OptionError(f"an initial mask needs bands of shapes {wanted}, with or without rows before, got {got}")
    flat = torch.cat([band.flatten(-len(size)) for band, size in zip(bands, wanted, strict=True)], dim=-1)
    if not bool(((flat >= 0) & (flat <= 1)).all()):
        raise OptionError("an initial mask must lie in [0, 1]")
    try:
        return flat.expand(shape).clone()
    except RuntimeError as error:
        raise OptionError(f"an initial mask for {flat.shape[0]} rows does not fit {shape[0]}") from error
