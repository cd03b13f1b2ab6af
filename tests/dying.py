"""What makes a test's network end its process: mixins before the network's own class."""

from __future__ import annotations

import os
from pathlib import Path

import torch
from torch import Tensor

DIED = Path("died")


class DiesOnce:
    """The process dies the first time that one optimises in this folder."""

    def forward(self, images: Tensor) -> Tensor:
        if torch.is_grad_enabled() and not DIED.exists():
            DIED.touch()
            os._exit(9)
        return super().forward(images)


class DiesElsewhere:
    """Every process that optimises dies, of what `deadly` says, but the one named in RDEXPLAIN_TEST_PID."""

    def forward(self, images: Tensor) -> Tensor:
        here = os.getpid() == int(os.environ["RDEXPLAIN_TEST_PID"])
        if torch.is_grad_enabled() and not here and self.deadly(images):
            os._exit(9)
        return super().forward(images)

    def deadly(self, images: Tensor) -> bool:
        return True
