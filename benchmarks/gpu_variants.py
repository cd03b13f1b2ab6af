"""Ways to run the same explanation on a GPU: number formats, layouts, CUDA graphs, `torch.compile`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

import rdexplain as rx
from rdexplain.methods.problem import Problem


@dataclass(frozen=True)
class Variant:
    """A way to run.

    Attributes:
        tf32: whether products of float32 may be rounded to TF32. PyTorch's own default is yes for convolutions and no
            for matrices; "float32" here is no for both.
        precision: what the network computes in.
        accelerate: the folded, channels-last copy, where its output agrees (`models.accelerated`).
        channels_last: the network as it is given, with its tensors channels last.
        graph: a step's work as a CUDA graph (`core.captured`).
        compiled: the network through `torch.compile`.
    """

    name: str
    tf32: bool = False
    precision: str = "float32"
    accelerate: bool = True
    channels_last: bool = False
    graph: bool = True
    compiled: bool = False


VARIANTS = (
    Variant("float32"),
    Variant("tf32", tf32=True),
    Variant("bf16", tf32=True, precision="bfloat16"),
    Variant("float32, no graph", graph=False),
    Variant("bf16, no graph", tf32=True, precision="bfloat16", graph=False),
    Variant("as given", tf32=True, accelerate=False, graph=False),
    Variant("channels last", tf32=True, accelerate=False, channels_last=True),
    Variant("bf16 channels last", tf32=True, precision="bfloat16", accelerate=False, channels_last=True),
    Variant("tf32 compiled", tf32=True, compiled=True),
    Variant("bf16 compiled", tf32=True, precision="bfloat16", compiled=True),
)


def load(network: str, variant: Variant, device: str) -> rx.Model:
    """A network by its name: EfficientNet-Lite's weights where they are installed, random ones for all else."""
    options: dict[str, Any] = {"device": device, "precision": variant.precision}
    try:
        model = rx.load_model(network, weights=None if network.startswith("efficientnet_lite") else "random", **options)
    except rx.ModelError:
        model = rx.load_model(network, weights="random", **options)
    if variant.channels_last:
        model.network.to(memory_format=torch.channels_last)
    return model


@contextmanager
def problem_of(model: rx.Model, variant: Variant, images: Tensor, method: Any) -> Iterator[Problem]:
    """What a method minimises, run in the variant's way."""
    with products_in(variant.tf32), method.problem(images) as problem:
        run, objective = problem.run, problem.objective
        if variant.compiled:
            run = replace(run, model=run.model.with_twin(_Compiled(run.model.network)))
        objective = replace(objective, forward=run.forward, graph=variant.graph)
        yield replace(problem, run=run, objective=objective)


@contextmanager
def products_in(tf32: bool) -> Iterator[None]:
    """Whether products of float32 on a GPU are rounded to TF32, inside the block."""
    cudnn, matmul = torch.backends.cudnn, torch.backends.cuda.matmul
    before = cudnn.allow_tf32, matmul.allow_tf32
    cudnn.allow_tf32 = matmul.allow_tf32 = tf32
    try:
        yield
    finally:
        cudnn.allow_tf32, matmul.allow_tf32 = before


class _Compiled(nn.Module):
    """A compiled network. `Model` would take a bare one back to its original."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self._compiled = [torch.compile(network, dynamic=False)]  # in a list, so that it is no second submodule

    def forward(self, images: Tensor, *arguments: Any) -> Any:
        return self._compiled[0](images, *arguments)
