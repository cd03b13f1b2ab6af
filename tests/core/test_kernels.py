"""The GPU's fused kernels, run by Triton's interpreter on the CPU, against the plain path."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from rdexplain.core import kernels, philox

pytest.importorskip("triton")

CHECK = Path(__file__).with_name("kernels_check.py")


def test_fused_kernels_do_what_the_plain_path_does() -> None:
    # Whether kernels are interpreted is settled when Triton is imported, so another process does it.
    done = subprocess.run([sys.executable, CHECK], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["uniforms", "noise", "wavelets"]


@pytest.fixture
def works(monkeypatch):
    """What a check of the kernels says where they give some numbers."""
    from rdexplain.core import philox_kernels

    def of(uniform):
        monkeypatch.setattr(philox_kernels, "uniform", uniform)
        return kernels._works.__wrapped__(torch.device("cpu"))

    return of


def test_kernels_are_used_where_they_give_the_right_numbers(works) -> None:
    right = philox.uniform([philox.Stream(0, 0, 0, 0, 0)], 8, torch.float32)
    assert works(lambda streams, count: right[:, :count])
    assert not works(lambda streams, count: right[:, :count] + 2**-20)


def test_without_a_compiler_the_plain_path_is_used(works) -> None:
    def fails(streams, count):
        raise RuntimeError("Failed to find C compiler. Please specify via CC environment variable.")

    assert not works(fails)


def test_nothing_is_fused_on_a_cpu() -> None:
    assert not kernels.fused(torch.device("cpu"))
