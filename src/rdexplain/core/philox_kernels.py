"""Philox's numbers by one GPU kernel. Imported where Triton is."""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

_M0 = tl.constexpr(0xD2E7470EE14C6C93)
_M1 = tl.constexpr(0xCA5A826395121157)
_W0 = tl.constexpr(0x9E3779B97F4A7C15)
_W1 = tl.constexpr(0xBB67AE8584CAA73B)
_UNIT = tl.constexpr(2.0**-24)
_BLOCK = 256


def uniform(streams: Tensor, count: int) -> Tensor:
    """`philox.uniform` in float32, (rows, count), of streams (rows, 5) as int64 on the GPU."""
    numbers = streams.new_empty((len(streams), count), dtype=torch.float32)
    programs = triton.cdiv(count, 8 * _BLOCK)
    _uniform[(len(streams) * programs,)](numbers, streams, count, programs, BLOCK=_BLOCK)
    return numbers


@triton.jit(do_not_specialize=["count", "programs"])
def _uniform(out, streams, count, programs, BLOCK: tl.constexpr):
    """BLOCK counters of a row, each of which makes four 64-bit words, that is eight numbers."""
    row = (tl.program_id(0) // programs).to(tl.int64)
    start = tl.program_id(0) % programs * BLOCK
    zero = tl.zeros((BLOCK,), tl.int64)
    k0 = (zero + tl.load(streams + row * 5)).to(tl.uint64, bitcast=True)
    k1 = (zero + tl.load(streams + row * 5 + 1)).to(tl.uint64, bitcast=True)
    c0 = (zero + start + tl.arange(0, BLOCK) + 1).to(tl.uint64, bitcast=True)
    c1 = (zero + tl.load(streams + row * 5 + 2)).to(tl.uint64, bitcast=True)
    c2 = (zero + tl.load(streams + row * 5 + 3)).to(tl.uint64, bitcast=True)
    c3 = (zero + tl.load(streams + row * 5 + 4)).to(tl.uint64, bitcast=True)
    m0 = tl.full((BLOCK,), _M0, tl.uint64)
    m1 = tl.full((BLOCK,), _M1, tl.uint64)
    w0 = tl.full((BLOCK,), _W0, tl.uint64)
    w1 = tl.full((BLOCK,), _W1, tl.uint64)
    for _ in tl.static_range(10):
        high0 = tl.umulhi(c0, m0)
        low0 = c0 * m0
        high1 = tl.umulhi(c2, m1)
        low1 = c2 * m1
        c0 = high1 ^ c1 ^ k0
        c1 = low1
        c2 = high0 ^ c3 ^ k1
        c3 = low0
        k0 = k0 + w0
        k1 = k1 + w1
    low = tl.interleave(tl.interleave(_low(c0), _low(c2)), tl.interleave(_low(c1), _low(c3)))
    high = tl.interleave(tl.interleave(_high(c0), _high(c2)), tl.interleave(_high(c1), _high(c3)))
    at = start * 8 + tl.arange(0, 8 * BLOCK)
    tl.store(out + row * count + at, tl.interleave(low, high), mask=at < count)


@triton.jit
def _low(words):
    return (((words >> 8) & 0xFFFFFF).to(tl.int32).to(tl.float32) + 0.5) * _UNIT


@triton.jit
def _high(words):
    return ((words >> 40).to(tl.int32).to(tl.float32) + 0.5) * _UNIT
