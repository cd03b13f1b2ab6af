"""Freed memory is kept: a tensor of the same size costs no new pages."""

from __future__ import annotations

import os
import platform
import subprocess
import sys

import pytest

WORK = """
import resource, sys
import torch
from rdexplain.work.heap import keep_freed_memory

torch.set_num_threads(1)
kept = keep_freed_memory() if sys.argv[1] == "kept" else None

def some():
    for _ in range(30):
        torch.ones(2**24)  # 64 MiB, more than malloc keeps by itself

some()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
some()
print(kept, resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def run(how, **variables):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MALLOC_")}
    done = subprocess.run(
        [sys.executable, "-c", WORK, how], env=environment | variables, capture_output=True, text=True, check=True
    )
    kept, faults = done.stdout.split()
    return kept, int(faults)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="needs glibc's malloc")
def test_the_next_tensor_takes_the_pages_of_the_last():
    _, faults = run("plain")
    kept, fewer = run("kept")
    assert kept == "True"
    assert fewer < faults / 10


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="needs glibc's malloc")
def test_what_the_user_has_set_stays():
    kept, faults = run("kept", MALLOC_MMAP_THRESHOLD_="65536")
    assert kept == "False"
    assert faults > 0
