"""Turns autograd's errors about a network without a gradient by its input into an error that a user can mend."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from rdexplain.errors import ModelError, RDExplainError

NO_INFLUENCE = "the model is not differentiable: its output does not depend on its input"
# Parts of autograd's messages: the output does not depend on the input (_CUT), or a step has no gradient (_BROKEN).
_CUT = (
    "does not require grad",
    "not have been used in the graph",
    "tensor that doesn't require gradient",
)
_BROKEN = (
    "call numpy() on Tensor that requires grad",
    "modified by an inplace operation",
    "derivative for",
    "must implement either the backward or vjp",
    "Inference tensors cannot be saved for backward",
)


@contextmanager
def differentiating() -> Iterator[None]:
    """Autograd is on inside the ``with`` block.

    Raises:
        ModelError: autograd found no gradient, which can only be told by the text of its error.
    """
    try:
        with torch.enable_grad():
            yield
    except RuntimeError as error:
        if (found := no_gradient(error)) is not None:
            raise found from error
        raise


def no_gradient(error: Exception) -> ModelError | None:
    """The error to raise in place of autograd's, where that says that there is no gradient; else None."""
    text = str(error)
    if not isinstance(error, RuntimeError) or isinstance(error, RDExplainError):
        return None
    if any(words in text for words in _CUT):
        return ModelError(NO_INFLUENCE)
    if any(words in text for words in _BROKEN):
        reason = " ".join(text.split()).partition(". ")[0].rstrip(".")
        return ModelError(f"the model is not differentiable: {reason}")
    return None
