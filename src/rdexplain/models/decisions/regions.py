"""A segmentation's decisions: the class probabilities over a predicted region."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal, get_args

import torch
from torch import Tensor

from rdexplain.errors import ModelError, OptionError, TargetError
from rdexplain.models import Model
from rdexplain.models.decisions.base import AbsentError, Decision, Rows, Task
from rdexplain.models.decisions.outputs import check_output, scores_in
from rdexplain.models.known_classes import BACKGROUND

Over = Literal["region", "image"]
AUTO, ALL = "auto", "all"


class Segment(Task):
    """The region of a class in a semantic segmentation (n, classes, h, w).

    With c the class, M the indicator of the pixels u where the model's prediction on the clean image is c, and p the
    softmax over the classes, the distortion is the mean of (M_u (p_c(x)_u - p_c(y)_u))² over the pixels.

    Args:
        category: a class by its index or name; several of them; "auto", the largest region but for the background;
            "all", every class in the prediction but the background (a class of that name).
        over: the pixels that the mean is taken over. "region": those of the region, so that the distortion of a lost
            region is near 1 and λk means the same for a small and a large one, and for a label. "image": all, as in the
            reproduction study (Taslimi et al., ReScience C 2023): then a region that covers a tenth of the photo needs
            a λk that is a tenth.
        least: least share of the photo that a class must cover, for "auto" and "all"; excludes stray pixels.

    Raises:
        OptionError: `over` is neither.
    """

    def __init__(
        self, category: int | str | Iterable[int | str] = AUTO, *, over: Over = "region", least: float = 0.0
    ) -> None:
        if over not in get_args(Over):
            raise OptionError(f"over is 'region' or 'image', not {over!r}")
        self.categories = (category,) if isinstance(category, int | str) else tuple(category)
        if not self.categories:
            raise TargetError("no class to explain: give at least one")
        self.over = over
        self.least = least

    def __repr__(self) -> str:
        return f"Segment({', '.join(map(repr, self.categories))}, over={self.over!r})"

    def ask(self, model: Model, output: Any) -> Rows:
        """One row per photo and class, in the order asked for; for "all" the largest region first.

        Raises:
            AbsentError: the class is not in a photo's prediction.
        """
        given = scores_in(model, check_output(output, len(output)))
        scores = model.scores(given)
        if scores.ndim != 4:
            raise ModelError(
                f"{model.name} gives an output of shape {tuple(given.shape)}, "
                "not the (n, classes, h, w) of a segmentation"
            )
        predicted = scores.argmax(dim=1)
        found = [self._wanted(model, scores.shape[1], prediction) for prediction in predicted]
        absent = {photo: wanted for photo, wanted in enumerate(found) if isinstance(wanted, str)}
        if absent:
            raise AbsentError(absent)
        photos = [photo for photo, wanted in enumerate(found) for _ in wanted]
        targets = [int(category) for wanted in found for category in wanted]
        places = torch.tensor(photos, device=predicted.device)
        region = predicted[places] == torch.tensor(targets, device=predicted.device)[:, None, None]
        return Rows(
            photos=tuple(photos),
            targets=tuple((target,) for target in targets),
            labels=tuple(model.class_name(target) for target in targets),
            decision=_Region(targets, region, self.over, model.probabilities),
            kind="region",
            region=region,
        )

    def _wanted(self, model: Model, classes: int, prediction: Tensor) -> list[int] | str:
        """The classes of a photo to explain, or a message on why there are none."""
        shares = torch.bincount(prediction.flatten(), minlength=classes) / prediction.numel()
        present = [index for index in shares.argsort(descending=True).tolist() if shares[index] > 0]
        objects = [i for i in present if model.class_name(i) != BACKGROUND and shares[i] >= self.least]
        wanted: list[int] = []
        for category in self.categories:
            if category in (AUTO, ALL):
                if not objects:
                    some = f" on {_percent(self.least)} of the photo or more" if self.least else ""
                    return f"nothing but background is predicted{some}"
                wanted += objects if category == ALL else objects[:1]
                continue
            index = model.find_class(category)
            if index >= classes:
                raise TargetError(f"class {index} is outside the model's {classes} classes (0 to {classes - 1})")
            if index not in present:
                listed = ", ".join(f"{model.class_name(one)} {_percent(float(shares[one]))}" for one in present[:8])
                return f"no {model.class_name(index)} in the prediction; there is {listed}"
            wanted.append(index)
        return list(dict.fromkeys(wanted))


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %" if share >= 0.01 else "under 1 %"


class _Region(Decision):
    """The class's probability at each pixel of the region, over the root of the number of pixels: (b, h * w)."""

    def __init__(
        self, targets: Sequence[int], region: Tensor, over: Over, probabilities: Callable[[Tensor], Tensor]
    ) -> None:
        self._targets = torch.tensor(targets, device=region.device)
        self._region = region
        self._probabilities = probabilities
        inside = region.flatten(1).sum(dim=1)
        counted = inside if over == "region" else torch.full_like(inside, region[0].numel())
        self._root = counted.float().sqrt()
        self._share = self._root / inside

    def read(self, output: Any, rows: Tensor) -> Tensor:
        probabilities = self._probabilities(output)
        if probabilities.shape[-2:] != self._region.shape[-2:]:
            raise ModelError(f"the model's maps changed their size to {tuple(probabilities.shape[-2:])}")
        numbers = torch.arange(len(rows), device=probabilities.device)
        chosen = probabilities[numbers, self._targets[rows]]
        # Not a product: the probabilities outside the region need not be finite.
        chosen = chosen.where(self._region[rows], 0).flatten(1)
        return chosen / self._root[rows].unsqueeze(1)

    def score(self, reading: Tensor, rows: Tensor) -> Tensor:
        """The mean probability over the region."""
        return reading.sum(dim=1) * self._share[rows]
