"""The GPU's fused kernels, run by Triton's interpreter on the CPU, against the plain path."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("triton")

CHECK = Path(__file__).with_name("kernels_check.py")


def test_fused_kernels_do_what_the_plain_path_does() -> None:
    # Whether kernels are interpreted is settled when Triton is imported, so another process does it.
    done = subprocess.run([sys.executable, CHECK], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["uniforms", "noise", "wavelets"]
