"""The obfuscation of a batch in one GPU kernel. Imported where Triton is."""

from __future__ import annotations

import math

import torch
import triton
import triton.language as tl
from torch import Tensor

from rdexplain.core.noise import Draws

_TURN = tl.constexpr(2 * math.pi)
_BLOCK = 1024


def obfuscate(
    coefficients: Tensor,
    centred: Tensor,
    deviation: Tensor,
    mask: Tensor,
    photos: Tensor,
    uniforms: Tensor,
    draws: Draws,
    gaussian: bool,
) -> tuple[Tensor, Tensor]:
    """w = h - v, and h - (1 - s) w, each (rows * draws, c, k) in float32.

    Args:
        coefficients, centred: h, and h minus its mean, (n, c, k).
        deviation: minus the standard deviation, (n, 1, k).
        mask: (rows, k).
        photos: (rows,) the photo of each row.
        uniforms: (rows * sources, c * k) of `philox.uniform`, one more where c * k is odd.
        draws: how they come from their sources.
        gaussian: Gaussian noise, by the method of Box and Muller as in `philox.normal`, else uniform noise in (-1, 1).
    """
    channels, width = coefficients.shape[1:]
    mask = mask.contiguous()
    spread = coefficients.new_empty((len(photos) * draws.count, channels, width))
    obfuscated = torch.empty_like(spread)
    half = uniforms.shape[1] // 2
    programs = triton.cdiv(half, _BLOCK)
    _obfuscate[(len(spread) * programs,)](
        uniforms, coefficients, centred, deviation, mask, photos, spread, obfuscated,
        draws.first, draws.count, draws.sources, half, channels * width, width, programs,
        GAUSSIAN=gaussian, MIRRORED=draws.mirrored, BLOCK=_BLOCK,
    )  # fmt: skip
    return spread, obfuscated


_SCALARS = ["first", "draws", "sources", "half", "count", "width", "programs"]
"""Numbers for which no kernel of their own is compiled."""


@triton.jit(do_not_specialize=_SCALARS)
def _obfuscate(
    uniforms, coefficients, centred, deviation, mask, photos, spread, obfuscated,
    first, draws, sources, half, count, width, programs,
    GAUSSIAN: tl.constexpr, MIRRORED: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """A part of both halves of an image's noise, and what it does to the coefficients."""
    image = (tl.program_id(0) // programs).to(tl.int64)
    row, number = image // draws, image % draws
    photo = tl.load(photos + row)
    at = tl.program_id(0) % programs * BLOCK + tl.arange(0, BLOCK)
    here = at < half
    there = at + half < count
    source = (first + number) // 2 if MIRRORED else number
    one = uniforms + (row * sources + source) * (2 * half) + at
    u0 = tl.load(one, mask=here, other=0.5)
    u1 = tl.load(one + half, mask=here, other=0.5)
    if GAUSSIAN:
        radius = tl.sqrt(tl.maximum(-2.0 * tl.log(u0), 0.0))
        n0 = radius * tl.cos(u1 * _TURN)
        n1 = radius * tl.sin(u1 * _TURN)
    else:
        n0 = u0 * 2.0 - 1.0
        n1 = u1 * 2.0 - 1.0
    if MIRRORED:
        sign = 1.0 - 2.0 * ((first + number) % 2).to(tl.float32)
        n0 = n0 * sign
        n1 = n1 * sign
    _away(n0, at, here, image, row, photo, coefficients, centred, deviation, mask, spread, obfuscated, count, width)
    at += half
    _away(n1, at, there, image, row, photo, coefficients, centred, deviation, mask, spread, obfuscated, count, width)


@triton.jit
def _away(
    noise, at, here, image, row, photo, coefficients, centred, deviation, mask, spread, obfuscated, count, width
):  # fmt: skip
    place = at % width
    std = tl.load(deviation + photo * width + place, mask=here, other=0.0)
    w = tl.load(centred + photo * count + at, mask=here, other=0.0) + std * noise
    away = tl.load(mask + row * width + place, mask=here, other=1.0) - 1.0
    y = tl.load(coefficients + photo * count + at, mask=here, other=0.0) + away * w
    tl.store(spread + image * count + at, w, mask=here)
    tl.store(obfuscated + image * count + at, y, mask=here)
