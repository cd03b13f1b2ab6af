"""Philox4x64-10, a counter-based generator: random bits as a pure function of a key and a counter.

Salmon, Moraes, Dror, Shaw: Parallel Random Numbers: As Easy as 1, 2, 3 (SC 2011). The integers are those of
``numpy.random.Philox``; on the CPU NumPy's compiled generator makes them, elsewhere tensor arithmetic does.

The stream of one draw has key ``(seed, photo)`` and counter ``(0, step, draw, purpose)``, so a draw depends on
nothing but these five numbers: not on the batch it is part of, nor on the device or the worker.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from rdexplain.core.kernels import fused

_WORD = 2**64
_LOW = 0xFFFFFFFF
_MULTIPLIERS = (0xD2E7470EE14C6C93, 0xCA5A826395121157)
_WEYL = (0x9E3779B97F4A7C15, 0xBB67AE8584CAA73B)
_ROUNDS = 10


OPTIMISE, MEASURE, SHOW, START, EVALUATE, TIES, PERTURB, RANDOMISE = range(8)
"""Purposes of streams: the solver's draws, the fresh ones of a measurement, the ones to look at, random masks; an
evaluation's draws, its order of equal scores, its perturbations of images, and its random networks."""


class Stream(NamedTuple):
    """The five numbers that determine a draw's noise, each taken modulo 2**64."""

    seed: int
    photo: int
    step: int
    draw: int
    purpose: int = OPTIMISE


Streams = Sequence[Stream] | Tensor
"""Streams, or their numbers as int64 (rows, 5), as a GPU's generator takes them."""


def streams_on(device: torch.device, streams: Streams) -> Streams:
    """Streams as the generator of a device takes them, so that nothing is left to copy there while noise is drawn."""
    return streams if device.type == "cpu" else _numbers(streams, device)


def _numbers(streams: Streams, device: torch.device) -> Tensor:
    if isinstance(streams, Tensor):
        return streams
    numbers = torch.tensor([[signed(number) for number in stream] for stream in streams])
    # Out of pageable memory the copy would wait for all that the GPU has still to do.
    return numbers.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else numbers.to(device)


def photo_key(image: Tensor) -> int:
    """A 64-bit key of an image (c, h, w) in [0, 1]: a hash of its shape and its values rounded to 8 bits.

    Rounding keeps the key equal between float types and devices.
    """
    levels = image.detach().cpu().double().clamp(0, 1).mul(255).round().to(torch.uint8).contiguous()
    digest = hashlib.blake2b(repr(tuple(levels.shape)).encode(), digest_size=8)
    digest.update(levels.numpy().tobytes())
    return int.from_bytes(digest.digest(), "little")


def name_key(name: str) -> int:
    """A 64-bit key of a name that the caller gives a photo."""
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "little")


def random_bits(streams: Streams, count: int, device: torch.device | str = "cpu") -> Tensor:
    """Random bits, one row a stream.

    Args:
        streams: the rows' keys and counters.
        count: 64-bit integers a row.

    Returns:
        int64 (rows, count), every bit random, equal on every device.
    """
    device = torch.device(device)
    if device.type == "cpu" and not isinstance(streams, Tensor):
        return _bits_by_numpy(streams, count)
    return _bits_by_tensors(streams, count, device)


def _bits_by_numpy(streams: Sequence[Stream], count: int) -> Tensor:
    bits = np.empty((len(streams), count), dtype=np.int64)
    for row, stream in zip(bits, streams, strict=True):
        key = np.array([stream.seed % _WORD, stream.photo % _WORD], dtype=np.uint64)
        start = [0, stream.step % _WORD, stream.draw % _WORD, stream.purpose % _WORD]
        generator = np.random.Philox(key=key, counter=np.array(start, dtype=np.uint64))
        row[:] = generator.random_raw(count).view(np.int64)
    return torch.from_numpy(bits)


def _bits_by_tensors(streams: Streams, count: int, device: torch.device) -> Tensor:
    blocks = -(-count // 4)
    seed, photo, step, draw, purpose = _numbers(streams, device).unsqueeze(-1).unbind(1)
    # NumPy raises the counter before it makes a block: its first block has the counter 1.
    first = torch.arange(1, blocks + 1, device=device).expand(len(streams), blocks)
    counter = (first, step.expand_as(first), draw.expand_as(first), purpose.expand_as(first))
    words = _philox(counter, (seed, photo))
    return torch.stack(words, dim=-1).flatten(1)[:, :count].contiguous()


def _philox(counter: tuple[Tensor, ...], key: tuple[Tensor, Tensor]) -> tuple[Tensor, ...]:
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(_ROUNDS):
        high0, low0 = _multiply(c0, _MULTIPLIERS[0])
        high1, low1 = _multiply(c2, _MULTIPLIERS[1])
        c0, c1, c2, c3 = high1 ^ c1 ^ k0, low1, high0 ^ c3 ^ k1, low0
        k0, k1 = k0 + signed(_WEYL[0]), k1 + signed(_WEYL[1])
    return c0, c1, c2, c3


def _multiply(a: Tensor, constant: int) -> tuple[Tensor, Tensor]:
    """High and low word of a 64 x 64 bit product, unsigned, out of wrapping int64 arithmetic."""
    a_high, a_low = (a >> 32) & _LOW, a & _LOW
    b_high, b_low = constant >> 32, constant & _LOW
    cross0, cross1 = a_low * b_high, a_high * b_low
    carry = (((a_low * b_low) >> 32) & _LOW) + (cross0 & _LOW) + (cross1 & _LOW)
    high = a_high * b_high + ((cross0 >> 32) & _LOW) + ((cross1 >> 32) & _LOW) + (carry >> 32)
    return high, a * signed(constant)


def signed(number: int) -> int:
    """The int64 with the bits of a number modulo 2**64."""
    number %= _WORD
    return number - _WORD if number >= _WORD // 2 else number


def uniform(streams: Streams, count: int, dtype: torch.dtype, device: torch.device | str = "cpu") -> Tensor:
    """Uniform numbers in (0, 1), (rows, count): odd multiples of 2**-25, so neither 0 nor 1 occurs in float64.

    In float32 the largest number rounds to 1.
    """
    device = torch.device(device)
    if dtype == torch.float32 and fused(device):
        from rdexplain.core import philox_kernels

        return philox_kernels.uniform(_numbers(streams, device), count)
    words = random_bits(streams, -(-count // 2), device).view(torch.int32)[:, :count]
    # 24 bits are what float32 holds; every float type gets the same 24.
    integers = words.bitwise_right_shift(8).bitwise_and_(0xFFFFFF)
    return integers.to(dtype).add_(0.5).mul_(2.0**-24)


def normal(streams: Streams, count: int, dtype: torch.dtype, device: torch.device | str = "cpu") -> Tensor:
    """Standard normal numbers, (rows, count), by the method of Box and Muller; at most 5.9 in size."""
    half = -(-count // 2)
    numbers = uniform(streams, 2 * half, dtype, device)
    radius = numbers[:, :half].log_().mul_(-2).clamp_min_(0).sqrt_()
    angle = numbers[:, half:].mul_(2 * math.pi)
    sine = angle.sin().mul_(radius)
    radius.mul_(angle.cos_())
    angle.copy_(sine)
    return numbers[:, :count]


def noise_image(images: Tensor) -> Tensor:
    """Uniform noise (1, c, h, w) of the shape of images (n, c, h, w), to try a network on.

    It is always the same: what is found out about a network depends on no photo.
    """
    stream = Stream(0, 0, 0, 0, START)
    return uniform([stream], images[0].numel(), images.dtype, images.device).view_as(images[:1])
