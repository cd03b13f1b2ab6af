"""The wavelet transform against other libraries': analysis and synthesis of the same images, db3, 5 levels, zero."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pywt
import torch

from benchmarks.machine import interleaved, median_ratio
from rdexplain.core.representations import Wavelet

WAVELET, LEVELS, PADDING = "db3", 5, "zero"


def measure(rounds: int, device: torch.device, size: int = 256, images: int = 8) -> list[dict[str, Any]]:
    """A row for each library: milliseconds an image, and the ratio to ours. PyWavelets runs on the CPU."""
    batch = torch.rand(images, 3, size, size, generator=torch.Generator().manual_seed(0)).to(device)
    transform = Wavelet(WAVELET, levels=LEVELS, padding=PADDING).transform((size, size), batch.dtype, device)
    array = batch.cpu().numpy()

    def ours() -> Any:
        return transform.synthesis(transform.analysis(batch))

    def pywavelets() -> Any:
        return pywt.waverec2(pywt.wavedec2(array, WAVELET, PADDING, LEVELS), WAVELET, PADDING)

    works: dict[str, Callable[[], Any]] = {"rdexplain": ours, "PyWavelets": pywavelets}
    try:
        import ptwt
    except ImportError:
        pass
    else:
        works["ptwt"] = lambda: ptwt.waverec2(ptwt.wavedec2(batch, WAVELET, mode=PADDING, level=LEVELS), WAVELET)
    for name, work in works.items():
        back = torch.as_tensor(np.asarray(torch.as_tensor(work()).cpu()))
        assert float((back - batch.cpu()).abs().max()) < 1e-4, f"{name} does not give the image back"
    seconds = interleaved(works, rounds, device)
    return [
        {
            "library": name,
            "size": size,
            "ms_per_image": 1e3 * sorted(taken)[rounds // 2] / images,
            "over_rdexplain": median_ratio(taken, seconds["rdexplain"]),
        }
        for name, taken in seconds.items()
    ]
