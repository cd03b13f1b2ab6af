"""Time of one optimisation step over the network's own time: forward, and backward to its input, same images."""

from __future__ import annotations

from typing import Any

import torch

import rdexplain as rx
from benchmarks.machine import interleaved, median_ratio
from rdexplain.core.solver import Settings, solve

NETWORKS = {"efficientnet_lite0": 256, "mobilenet_v3_small": 256, "resnet50": 256, "vit_b_16": 224}
METHODS = (rx.CartoonX, rx.PixelRDE, rx.ShearletX)


def measure(draws: int, rounds: int, device: torch.device, networks: list[str]) -> list[dict[str, Any]]:
    """A row for each network and method: milliseconds an image, and the step over the floor.

    The floor is the network as the user gave it, on the same number of images, in the batches that the solver takes;
    its parameters need no gradients, which is already more than a plain training loop does.
    """
    rows: list[dict[str, Any]] = []
    for name in networks:
        weights = None if name.startswith("efficientnet_lite") else "random"
        model = rx.load_model(name, weights=weights, device=str(device))
        size = NETWORKS[name]
        images = torch.rand(1, 3, size, size, generator=torch.Generator().manual_seed(0)).to(device)
        rows += [_row(model, method, images, draws, rounds, device) for method in METHODS]
    return rows


def _row(
    model: rx.Model, method: Any, images: torch.Tensor, draws: int, rounds: int, device: torch.device
) -> dict[str, Any]:
    explainer = method(model)
    spatial = explainer.options.settings.spatial
    settings = Settings(steps=1, draws=draws, step_size=0.1, sparsity=20.0, spatial=spatial)
    with explainer.problem(images) as problem:
        objective = problem.objective
        batch = objective.limit.size
        mask = torch.ones(1, objective.transform.count, device=device)
        parts = images.expand(draws, -1, -1, -1).contiguous().split(batch)

        def floor() -> None:
            for part in parts:
                part = part.detach().requires_grad_()
                torch.autograd.grad(model.probabilities(model(part))[:, 0].sum(), part)

        def step() -> None:
            solve(objective, mask, settings)

        seconds = interleaved({"floor": floor, "step": step}, rounds, device)
    return {
        "model": model.name,
        "method": method.name,
        "size": images.shape[-1],
        "draws": draws,
        "batch": batch,
        "floor_ms_per_image": 1e3 * sorted(seconds["floor"])[rounds // 2] / draws,
        "step_ms_per_image": 1e3 * sorted(seconds["step"])[rounds // 2] / draws,
        "step_over_floor": median_ratio(seconds["step"], seconds["floor"]),
    }
