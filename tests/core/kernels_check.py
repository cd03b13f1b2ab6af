"""The fused kernels against the plain path: on a GPU where one is asked for, else by Triton's interpreter."""

from __future__ import annotations

import itertools
import os
import sys

DEVICE = sys.argv[1] if len(sys.argv) > 1 else "cpu"
if DEVICE == "cpu":
    os.environ["TRITON_INTERPRET"] = "1"

import torch  # noqa: E402

from rdexplain.core import philox, philox_kernels  # noqa: E402
from rdexplain.core.noise import Draws  # noqa: E402
from rdexplain.core.noise_kernels import obfuscate  # noqa: E402
from rdexplain.core.representations.wavelet_kernels import FusedWaveletTransform  # noqa: E402
from rdexplain.core.representations.wavelet_transform import WaveletTransform  # noqa: E402


def uniforms() -> None:
    """To the bit: the integers are the same, and what is made of them is exact."""
    streams = [philox.Stream(2**64 - 7, 5, 2**63, 0, 1), philox.Stream(0, 2**64 - 5, 16, 3, 2)]
    fields = torch.tensor([[philox.signed(number) for number in stream] for stream in streams])
    for count in (1, 64, 2055):
        got = philox_kernels.uniform(fields.to(DEVICE), count).cpu()
        assert torch.equal(got, philox.uniform(streams, count, torch.float32)), count


def noise() -> None:
    generator = torch.Generator().manual_seed(0)
    shapes, ranges = ((3, 37), (1, 5)), (range(2), range(3, 6))
    for (channels, width), numbers, kind, antithetic in itertools.product(
        shapes, ranges, ("gaussian", "uniform"), (False, True)
    ):
        tensors = torch.rand(2, 2, channels, width, generator=generator)
        deviation, mask = torch.rand(2, 2, width, generator=generator)
        photos, count = torch.tensor([1, 0]), channels * width
        sources = range(numbers.start // 2, (numbers.stop + 1) // 2) if antithetic else numbers
        streams = [philox.Stream(7, key, 1, number) for key in (0, 1) for number in sources]
        drawn = philox.normal(streams, count, torch.float32)
        if kind == "uniform":
            drawn = 2 * philox.uniform(streams, count, torch.float32) - 1
        drawn = drawn.view(2, len(sources), channels, width)
        each = [
            (-1 if antithetic and number % 2 else 1) * drawn[:, sources.index(number // 2 if antithetic else number)]
            for number in numbers
        ]
        w = tensors[1][photos][:, None] - deviation[photos][:, None, None] * torch.stack(each, dim=1)
        y = tensors[0][photos][:, None] + (mask[:, None, None] - 1) * w
        uniform = philox.uniform(streams, count + count % 2, torch.float32)
        given = [one.to(DEVICE) for one in (*tensors, -deviation[:, None], mask, photos, uniform)]
        draws = Draws(len(numbers), antithetic, numbers.start % 2)
        found = obfuscate(*given, draws, kind == "gaussian")
        for got, right in zip(found, (w, y), strict=True):
            torch.testing.assert_close(got.cpu(), right.flatten(0, 1), rtol=1e-5, atol=3e-6)


def wavelets() -> None:
    cases = [("db3", 2, (37, 50), "zero"), ("haar", 1, (16, 9), "symmetric"), ("bior2.2", 1, (21, 20), "periodization")]
    generator = torch.Generator().manual_seed(0)
    for (wavelet, levels, size, padding), dtype in itertools.product(cases, (torch.float32, torch.float64)):
        plain = WaveletTransform(size, wavelet, levels, padding, dtype, "cpu")
        kernels = FusedWaveletTransform(size, wavelet, levels, padding, dtype, DEVICE)
        images = torch.rand(1, 2, *size, generator=generator, dtype=dtype)
        last = images.contiguous(memory_format=torch.channels_last)
        coefficients = torch.rand(1, 2, plain.count, generator=generator, dtype=dtype)
        pairs = [(kernels.analysis(images.to(DEVICE)), plain.analysis(images))]
        pairs += [(kernels.adjoint(last.to(DEVICE)), plain.adjoint(images))]
        pairs += [(kernels.synthesis(coefficients.to(DEVICE)), plain.synthesis(coefficients))]
        near = 1e-5 if dtype == torch.float32 else 1e-12
        for got, right in pairs:
            torch.testing.assert_close(got.cpu(), right, rtol=near, atol=near)


if __name__ == "__main__":
    for check in (uniforms, noise, wavelets):
        check()
        print(check.__name__)
