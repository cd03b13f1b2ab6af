"""A user-defined decision: any differentiable number computed from the output."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from rdexplain.errors import ModelError, RDExplainError, TargetError, one_line
from rdexplain.models import Model
from rdexplain.models.decisions.base import Decision, Rows, Task

Read = Callable[[Any], Tensor]


class Value(Task):
    """A number of the output that a callable reads, as the targets of pytorch-grad-cam and torchcam do.

    The distortion is ((g(x) - g(y)) / g(x))²: in units of the clean value, so that λk means what it means for
    probabilities.

    Args:
        function: maps the network's raw output for one image, without the batch axis, to a scalar tensor; or a list
            with one function per image. Where the network returns (n,), it gets a tensor of shape ().
        batched: maps the output of a whole batch to (b,), which is faster; used in place of `function`.
        relative: False leaves the values in their own units.
        name: what the value is called in results.
    """

    def __init__(
        self,
        function: Read | Sequence[Read] | None = None,
        *,
        batched: Read | None = None,
        relative: bool = True,
        name: str | None = None,
    ) -> None:
        functions = [function] if callable(function) else list(function or ())
        if not functions and batched is None:
            raise TargetError("a value needs a function of the output")
        if not all(callable(one) for one in functions):
            raise TargetError("a value is read by a callable, or by a list with one for each image")
        self.functions = functions
        self.batched = batched
        self.relative = relative
        self.names = [name or _name(one) for one in (functions if batched is None else [batched])]

    def __repr__(self) -> str:
        return f"Value({', '.join(self.names)})"

    def ask(self, model: Model, output: Any) -> Rows:
        """One row per photo, with the index of its function for the target.

        Raises:
            TargetError: the number of callables is neither 1 nor that of the images, one fails, or a value is 0.
            ModelError: a callable returns no scalar tensor.
        """
        photos = len(output)
        count = 1 if self.batched is not None else len(self.functions)
        if count not in (1, photos):
            raise TargetError(f"{count} callables for {photos} images: give one for each, or one for all")
        targets = [photo if count > 1 else 0 for photo in range(photos)]
        decision = _Values(self.functions, targets, self.batched)
        clean = self._clean(decision, output)
        if self.relative:
            if bool((clean == 0).any()):
                raise TargetError(
                    "the value is 0 on a clean image: choose another one, or relative=False and a sparsity that fits"
                )
            decision.scale = clean.abs().flatten()
        return Rows(
            photos=tuple(range(photos)),
            targets=tuple((target,) for target in targets),
            labels=tuple(self.names[target] for target in targets),
            decision=decision,
            kind="value",
        )

    def _clean(self, decision: _Values, output: Any) -> Tensor:
        """The values (n, 1) on the clean images; a callable that fails raises TargetError with its input's shape."""
        try:
            return decision.read(output, torch.arange(len(output))).detach()
        except (RDExplainError, MemoryError, torch.OutOfMemoryError):
            raise
        except Exception as error:  # the user's own callable may object in any way
            given = output if self.batched is not None else output[0]
            what = f"an output of shape {tuple(given.shape)}" if isinstance(given, Tensor) else type(given).__name__
            reason = one_line(f"{type(error).__name__}: {error}")
            one = isinstance(output, Tensor) and output.ndim == 1
            hint = " (one number for each image: lambda output: output reads it)" if one else ""
            who = f"the callable {self.names[0]}" if len(set(self.names)) == 1 else "one of the callables"
            raise TargetError(f"{who} failed on {what}{hint}: {reason}") from error


class _Values(Decision):
    """The values divided by `scale` (R,): a reading (b, 1)."""

    def __init__(self, functions: Sequence[Read], targets: Sequence[int], batched: Read | None) -> None:
        self._functions = functions
        self._targets = targets
        self._batched = batched
        self.scale: Tensor | None = None

    def read(self, output: Any, rows: Tensor) -> Tensor:
        if self._batched is not None:
            values = self._batched(output)
        else:
            each = [self._functions[self._targets[row]](output[number]) for number, row in enumerate(rows.tolist())]
            if not all(isinstance(value, Tensor) and value.numel() == 1 for value in each):
                raise ModelError("a target that is a callable must return a scalar tensor for one image's output")
            values = torch.stack([value.reshape(()) for value in each])
        if not isinstance(values, Tensor) or values.shape not in ((len(rows),), (len(rows), 1)):
            raise ModelError(f"a batched target must return one value for each of the {len(rows)} images")
        values = values.reshape(-1, 1).to(torch.promote_types(values.dtype, torch.float32))
        return values if self.scale is None else values / self._of(rows, values)

    def score(self, reading: Tensor, rows: Tensor) -> Tensor:
        return (reading if self.scale is None else reading * self._of(rows, reading)).squeeze(1)

    def _of(self, rows: Tensor, like: Tensor) -> Tensor:
        assert self.scale is not None
        self.scale = self.scale.to(like.device)
        return self.scale[rows].unsqueeze(1)


def _name(function: Read) -> str:
    return getattr(function, "__name__", None) or type(function).__name__
