"""The windows of band-limited shearlets: where in the plane of frequencies each of them lives.

Cone-adapted digital shearlets after Häuser and Steidl, Fast finite shearlet transform: a tutorial, arXiv 1202.1773,
with the smooth windows of its section 3.4, which are those of Guo and Labate, The construction of smooth Parseval
frames of shearlets (Math. Model. Nat. Phys. 2013). The squares of all windows sum to one at every frequency.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from rdexplain.errors import OptionError


def rise(x: Tensor) -> Tensor:
    """Meyer's auxiliary function v: 0 below 0, 35x⁴ - 84x⁵ + 70x⁶ - 20x⁷ up to 1, then 1; v(x) + v(1 - x) = 1."""
    x = x.clamp(0, 1)
    return x**4 * (35 - 84 * x + 70 * x**2 - 20 * x**3)


def low_pass(frequency: Tensor) -> Tensor:
    """Meyer's scaling function φ: 1 up to |ω| = 1/2, cos(π/2 v(2|ω| - 1)) up to 1, then 0."""
    return torch.cos(math.pi / 2 * rise(2 * frequency.abs() - 1))


def directions(j: int) -> int:
    """How many directions the scale j has, counted from the coarsest, 0: 2^(j + 2)."""
    return 2 ** (j + 2)


def wave(j: int, o: int) -> tuple[int, int]:
    """The wave vector (x, y), y downwards, in the middle of the orientation o of the scale j; edges lie across it."""
    side, turned = 2**j, o % directions(j)
    if turned <= side:
        return side, turned
    return (2 * side - turned, side) if turned <= 3 * side else (-side, 4 * side - turned)


def check_scales(size: tuple[int, int], scales: int) -> None:
    """OptionError where the coarsest scale would be coarser than the image is large.

    J scales need 4^J / 2 pixels: then the lowest frequency of the image is within the flat top of the coarsest window.
    """
    possible = 0
    while 4 ** (possible + 1) <= 2 * min(size):
        possible += 1
    if scales > possible:
        shown, least = f"an image of {size[0]} x {size[1]}", 4**scales // 2
        if not possible:
            raise OptionError(f"{shown} is too small for shearlets: {least} pixels at least for {scales} scales")
        raise OptionError(
            f"{scales} scales of shearlets are too many for {shown}: at most {possible} fit, or give {least} pixels"
        )


def shearlet_filters(size: tuple[int, int], scales: int) -> list[Tensor]:
    """The windows at the frequencies of `torch.fft.rfft2`, float64 on the CPU: the low-pass, then coarse to fine.

    With ω the frequency, at the Nyquist frequency 4^J / 2, the low-pass is Φ(ω) = φ(ω_x) φ(ω_y), and a shearlet

        ψ_jo(ω) = W(4^-j ω) · √v(1 - |2^j θ(ω) - o|),    W(ω)² = Φ(ω/4)² - Φ(ω)²,

    where θ goes around the four cones once in 4: ω_y/ω_x in those about the x axis, 2 - ω_x/ω_y in those about the y
    axis. So o = 0 has vertical edges, o = 2^j the diagonal between the cones, o = 2 · 2^j horizontal edges. A filter
    and its mirror image have the same value at the Nyquist frequency of an even size, which stands for both signs:
    their squares' mean. So every filter is real and symmetric, and takes real images to real coefficients.

    Returns:
        J + 1 tensors (orientations, h, w // 2 + 1), of 1, 4, 8, ..., 2^(J + 1) orientations.
    """
    check_scales(size, scales)
    y, x = (_frequencies(length, scales) for length in size)
    y, x = y[:, None], x[None, : size[1] // 2 + 1]
    # Dividing by the larger of the two; where both are zero no shearlet is.
    angle = torch.where(y.abs() <= x.abs(), y / x, 2 - x / y).nan_to_num()
    nyquist = 4.0**scales / 2
    shared = (y.abs() == nyquist) | (x.abs() == nyquist)
    wider = (low_pass(y) * low_pass(x)) ** 2
    filters = [wider[None].sqrt()]
    for j in range(scales):
        narrower, wider = wider, (low_pass(y / 4 ** (j + 1)) * low_pass(x / 4 ** (j + 1))) ** 2
        ring = (wider - narrower).clamp_min(0)
        sector, mirrored = _sectors(angle, j), _sectors(-angle, j)
        filters.append((ring * torch.where(shared, (sector + mirrored) / 2, sector)).sqrt())
    return filters


def _frequencies(length: int, scales: int) -> Tensor:
    """FFT's frequencies in the unit of the windows, so that the Nyquist frequency is exactly -4^J / 2."""
    numbers = torch.arange(length, dtype=torch.float64)
    return (numbers - length * (2 * numbers >= length)) * 4.0**scales / length


def _sectors(angle: Tensor, j: int) -> Tensor:
    """The squares of a scale's angular windows: angles (h, w) to (orientations, h, w)."""
    count = directions(j)
    apart = 2**j * angle - torch.arange(count, dtype=angle.dtype)[:, None, None]
    return rise(1 - (torch.remainder(apart + count / 2, count) - count / 2).abs())
