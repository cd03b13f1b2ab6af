"""Networks in ONNX files, as PyTorch modules through onnx2torch."""

from __future__ import annotations

import ast
import warnings
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from rdexplain.errors import ModelError, one_line
from rdexplain.models.classes import ClassName, named_in
from rdexplain.models.described import described, square
from rdexplain.models.model import Model
from rdexplain.text.extras import how_to_install


def load_onnx(path: Path, classes: tuple[ClassName, ...] | None) -> Model:
    """The network of an ONNX file; see `files.load`.

    A graph whose output is a Softmax gives probabilities. Its input may be (n, 3, h, w) or (n, h, w, 3).
    """
    try:
        import onnx
        import onnx2torch
    except ImportError as error:
        raise ModelError(f"ONNX files need {error.name}: {how_to_install('onnx')}") from error
    try:
        content = onnx.load(path)
    except Exception as error:  # a damaged file can raise anything
        raise ModelError(f"cannot read {path} as ONNX: {one_line(error)}") from error
    shape = _input_shape(content.graph, path)
    last = shape[3] == 3 and shape[1] != 3
    batch, height, width = (shape[0], shape[1], shape[2]) if last else (shape[0], shape[2], shape[3])
    try:
        network: nn.Module = onnx2torch.convert(content).eval()
    except Exception as error:  # most often an operator that onnx2torch does not support
        raise ModelError(f"onnx2torch cannot convert {path}: {one_line(error)}") from error
    return described(
        _Converted(network, last),
        path,
        classes or _names(content),
        batch=batch,
        size=square(path, height, width),
    )


class _Converted(nn.Module):
    """A converted network, given images as (n, h, w, 3) where it expects that, without warnings about its code."""

    def __init__(self, network: nn.Module, channels_last: bool) -> None:
        super().__init__()
        self.network = network
        self.channels_last = channels_last

    def forward(self, images: Tensor) -> Any:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Using a non-tuple sequence for multidimensional indexing")
            return self.network(images.permute(0, 2, 3, 1) if self.channels_last else images)


def _input_shape(graph: Any, path: Path) -> tuple[int | None, ...]:
    """The shape of the only input; None for an axis of any length."""
    constants = {constant.name for constant in graph.initializer}
    inputs = [entry for entry in graph.input if entry.name not in constants]
    if len(inputs) != 1:
        raise ModelError(f"{path} takes {len(inputs)} inputs, not one of images")
    kind = inputs[0].type.tensor_type
    shape = tuple(axis.dim_value if axis.dim_value > 0 else None for axis in kind.shape.dim)
    if len(shape) != 4 or 3 not in (shape[1], shape[3]):
        raise ModelError(f"{path} takes an input of shape {shape}, not images (n, 3, h, w)")
    if kind.elem_type not in (1, 10, 11):  # float, half, double
        raise ModelError(f"{path} takes integers: a gradient needs floating-point images")
    return shape


def _names(content: Any) -> tuple[ClassName, ...] | None:
    """The class names in the metadata, where exporters of detectors put them."""
    text = next((entry.value for entry in content.metadata_props if entry.key == "names"), None)
    try:
        return named_in(ast.literal_eval(text)) if text else None
    except (ValueError, SyntaxError):
        return None
