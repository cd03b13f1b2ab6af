"""What the tests of methods and baselines share."""

from __future__ import annotations

import pytest
import torch


@pytest.fixture
def perturb():
    """A perturbation as captum's infidelity wants it: the noise, and the images without it."""
    generator = torch.Generator().manual_seed(0)

    def perturb(inputs):
        noise = 0.01 * torch.randn(inputs.shape, generator=generator)
        return noise, inputs - noise

    return perturb
