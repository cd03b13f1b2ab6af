"""Where a network's gradient by its input is asked for: one that has none is an error a user can mend."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from rdexplain.errors import ModelError, RDExplainError

NO_INFLUENCE = "the model is not differentiable: its output does not depend on its input"
# What autograd says, up to its second sentence, of a network that cuts the graph, or leaves no way back through it.
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
        ModelError: autograd found no gradient. Only its words tell that from any other error of the network.
    """
    try:
        with torch.enable_grad():
            yield
    except RuntimeError as error:
        if (found := no_gradient(error)) is not None:
            raise found from error
        raise


def no_gradient(error: Exception) -> ModelError | None:
    """What to say of an error by which autograd found no gradient; None of any other."""
    text = str(error)
    if not isinstance(error, RuntimeError) or isinstance(error, RDExplainError):
        return None
    if any(words in text for words in _CUT):
        return ModelError(NO_INFLUENCE)
    if any(words in text for words in _BROKEN):
        reason = " ".join(text.split()).partition(". ")[0].rstrip(".")
        return ModelError(f"the model is not differentiable: {reason}")
    return None
