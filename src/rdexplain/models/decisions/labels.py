"""A classifier's decisions: the probability of a label, all probabilities, one label against others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from numbers import Real
from typing import Any

import torch
from torch import Tensor

from rdexplain.errors import OptionError, TargetError
from rdexplain.models import Model
from rdexplain.models.decisions.base import AbsentError, Decision, Rows, Task
from rdexplain.models.decisions.distortions import DISTORTIONS, Distortion
from rdexplain.models.decisions.outputs import check_output, check_target, flattened, scores_in

Target = int | tuple[int, ...]


class Label(Decision):
    """The probability of each row's label: a reading (b, 1).

    Args:
        targets: one for each row: a class index, or a tuple with an index for each axis of the output after the batch
            axis, the class first (as in captum).
        probabilities: maps the model's output to probabilities over axis 1.
        exclusive: whether the classes exclude each other, as under a softmax.
    """

    fits = tuple(DISTORTIONS)

    def __init__(
        self, targets: Sequence[Target], probabilities: Callable[[Tensor], Tensor], exclusive: bool = True
    ) -> None:
        self._exclusive = exclusive
        self.targets = tuple(target if isinstance(target, tuple) else (target,) for target in targets)
        self._indices = torch.tensor(self.targets, device="cpu")
        self._probabilities = probabilities

    def read(self, output: Any, rows: Tensor) -> Tensor:
        return self.pick(self._probabilities(output), rows).unsqueeze(1)

    def pick(self, probabilities: Tensor, rows: Tensor) -> Tensor:
        """The targets' entries (b,) of probabilities (b, classes, ...)."""
        self._indices = self._indices.to(probabilities.device)
        numbers = torch.arange(len(rows), device=probabilities.device)
        return probabilities[(numbers, *self._indices[rows].unbind(1))]

    def shown(self, output: Any, rows: Tensor) -> Tensor:
        """All probabilities (b, classes, ...)."""
        return self._probabilities(output)

    def compared_by(self, distortion: Distortion) -> Decision:
        if distortion.reads == "all":
            # Labels that do not exclude each other are one Bernoulli variable each: KL sums over p and 1 - p.
            return Probabilities(self._probabilities, self, both=distortion.name == "kl" and not self._exclusive)
        return super().compared_by(distortion)


class Probabilities(Decision):
    """All probabilities: a reading (b, classes), or (b, 2 * classes) with 1 - p after p.

    Args:
        probabilities: maps the model's output to probabilities over axis 1.
        label: its probability is the score.
        both: whether 1 - p is read too.
    """

    fits = tuple(name for name, distortion in DISTORTIONS.items() if distortion.reads == "all")

    def __init__(
        self, probabilities: Callable[[Tensor], Tensor], label: Label | None = None, both: bool = False
    ) -> None:
        self._both = both
        self._probabilities = probabilities
        self._label = label
        self._shape: torch.Size | None = None

    def read(self, output: Any, rows: Tensor) -> Tensor:
        probabilities = self._probabilities(output)
        self._shape = probabilities.shape[1:]
        flat = probabilities.flatten(1)
        return torch.cat((flat, 1 - flat), dim=1) if self._both else flat

    def score(self, reading: Tensor, rows: Tensor) -> Tensor:
        if self._label is None or self._shape is None:
            return super().score(reading, rows)
        return self._label.pick(reading[:, : self._shape.numel()].unflatten(1, self._shape), rows)


class Above(Task):
    """Every label with a probability of at least `least`, one row each, the most likely first.

    Args:
        least: the threshold, in (0, 1].

    Raises:
        OptionError: `least` is not in (0, 1].
    """

    def __init__(self, least: float) -> None:
        given: Any = least  # NumPy's numbers are numbers too
        if isinstance(given, bool) or not isinstance(given, Real) or not 0 < least <= 1:
            raise OptionError(f"a probability lies above 0 and is at most 1, not {least!r}")
        self.least: float = float(least)

    def __repr__(self) -> str:
        return f"Above({self.least:g})"

    def ask(self, model: Model, output: Any) -> Rows:
        """One row per photo and label.

        Raises:
            AbsentError: no label of a photo reaches the threshold.
        """
        probabilities = model.probabilities(scores_in(model, check_output(output, len(output))))
        if probabilities.ndim != 2:
            raise TargetError(
                f"labels above a probability need an output (n, classes), not {tuple(output.shape)}"
                + flattened(output.shape)
            )
        rows: list[tuple[int, int]] = []
        absent: dict[int, str] = {}
        for photo, values in enumerate(probabilities.detach()):
            chosen = [index for index in values.argsort(descending=True).tolist() if float(values[index]) >= self.least]
            rows += [(photo, index) for index in chosen]
            if not chosen:
                best = int(values.argmax())
                absent[photo] = (
                    f"no label has a probability of {self.least:g}: the likeliest is {model.class_name(best)} with "
                    f"{float(values[best]):.1%}"
                )
        if absent:
            raise AbsentError(absent)
        targets = tuple((index,) for _, index in rows)
        return Rows(
            photos=tuple(photo for photo, _ in rows),
            targets=targets,
            labels=tuple(model.class_name(index) for _, index in rows),
            decision=Label(targets, model.probabilities, model.meaning.exclusive),
        )


class Contrast(Task):
    """Why this class rather than those: p_a / (p_a + sum of p_b over the rivals b).

    For one rival and a softmax this is the logistic function of the difference of the two logits.

    Args:
        label: the class, an index or a name; None for each photo's predicted class.
        rivals: at least one other class.
    """

    def __init__(self, label: int | str | None, *rivals: int | str) -> None:
        if not rivals:
            raise TargetError("a contrast needs a class to compare with")
        self.label = label
        self.rivals = rivals

    def __repr__(self) -> str:
        return f"Contrast({', '.join(map(repr, (self.label, *self.rivals)))})"

    def ask(self, model: Model, output: Any) -> Rows:
        """One row per photo; the target's indices are the class and its rivals."""
        given = scores_in(model, check_output(output, len(output)))
        scores = model.scores(given)
        if scores.ndim != 2:
            raise TargetError(
                f"a contrast needs an output (n, classes), not {tuple(given.shape)}{flattened(given.shape)}"
            )
        rivals = [model.find_class(rival) for rival in self.rivals]
        best = scores.argmax(dim=1).tolist()
        targets = []
        for photo in range(len(scores)):
            label = best[photo] if self.label is None else model.find_class(self.label)
            if label in rivals:
                raise TargetError(
                    f"{model.class_name(label)} cannot be compared with itself"
                    + (f": it is what the model sees in image {photo}" if self.label is None else "")
                )
            for index in (label, *rivals):
                check_target(index, scores, given.shape)
            targets.append((label, *rivals))
        others = " or ".join(model.class_name(rival) for rival in rivals)
        return Rows(
            photos=tuple(range(len(scores))),
            targets=tuple(targets),
            labels=tuple(f"{model.class_name(label)} rather than {others}" for label, *_ in targets),
            decision=_Share(targets, model.probabilities),
            kind="contrast",
        )


class _Share(Decision):
    """Probability of a row's first target over the sum for all its targets: a reading (b, 1)."""

    fits = ("label", "maximise_label")

    def __init__(self, targets: Sequence[tuple[int, ...]], probabilities: Callable[[Tensor], Tensor]) -> None:
        self._indices = torch.tensor(targets, device="cpu")
        self._probabilities = probabilities

    def read(self, output: Any, rows: Tensor) -> Tensor:
        probabilities = self._probabilities(output)
        self._indices = self._indices.to(probabilities.device)
        chosen = probabilities.gather(1, self._indices[rows])
        # Avoids 0 / 0 where every compared class has probability 0.
        least = torch.finfo(chosen.dtype).tiny
        return chosen[:, :1] / chosen.sum(dim=1, keepdim=True).clamp_min(least)
