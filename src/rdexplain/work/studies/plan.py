"""What a reproduction runs: the protocol, the network, the photos, and how far it was scaled down."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

Protocol = Literal["corrected", "published"]


@dataclass(frozen=True)
class Known:
    """A photo, with its predicted and its true class.

    Attributes:
        source: as `images.load_photo` takes it.
        key: its noise key in hexadecimal, which depends on the pixels.
        predicted: the class with the largest probability; None where no classifier was run.
        truth: the class that the WordNet id in the file's name stands for; None where it has none.
    """

    source: str
    key: str
    predicted: int | None
    truth: int | None

    @property
    def right(self) -> bool | None:
        """Whether the network is right; None where the true class is unknown."""
        return None if self.truth is None else self.predicted == self.truth


@dataclass(frozen=True)
class TaskNetwork:
    """The network of figure 8 or 9.

    Attributes:
        name: as on the command line.
        weights: a file, or None for its own.
        size: side of the square photos, in pixels, if the network takes any size.
    """

    name: str
    weights: str | None = None
    size: int = 256

    def __str__(self) -> str:
        return f"{self.name}{f' with {self.weights}' if self.weights else ''} at {self.size} pixels"


SEGMENTER, DETECTOR = TaskNetwork("deeplabv3_resnet50"), TaskNetwork("yolov5s", size=480)
"""The networks of the study."""


@dataclass(frozen=True)
class Scale:
    """How far the protocol is scaled down to fit a budget.

    Attributes:
        photos: largest number for each recipe; None for the protocol's number.
        effort: factor on optimiser steps, noise draws and samples, in (0, 1].
        stride: every `stride`-th percentage of a curve is measured, and always the first and the last.
    """

    photos: int | None = None
    effort: float = 1.0
    stride: int = 1

    def __post_init__(self) -> None:
        if not (self.photos is None or self.photos >= 1) or not 0 < self.effort <= 1 or self.stride < 1:
            raise ValueError(f"no scale: {self}")


@dataclass(frozen=True)
class Plan:
    """Everything that the numbers of a reproduction depend on.

    Attributes:
        protocol: ``corrected`` or ``published``.
        model: the network's name, as on the command line.
        models: the networks of figure 10.
        size: side of the square photos, in pixels.
        seed: of all noise.
        photos: those that can be read.
        scale: see `Scale`.
        scales: by group of recipes, in place of `scale`.
        segmenter, detector: the networks of figures 8 and 9.
        scenes: the photos of figures 8 and 9; None for `photos`.
        order: a name of `evaluation.ORDERS`: how equally important components are ranked in curves, unless the
            protocol has a rule of its own.
    """

    protocol: Protocol
    model: str
    models: tuple[str, ...]
    size: int
    seed: int
    photos: tuple[Known, ...]
    scale: Scale = Scale()
    scales: Mapping[str, Scale] = field(default_factory=dict)
    segmenter: TaskNetwork = SEGMENTER
    detector: TaskNetwork = DETECTOR
    scenes: tuple[Known, ...] | None = None
    order: str = "kept"

    def of(self, group: str) -> Plan:
        """The plan at the scale of a group of recipes."""
        return replace(self, scale=self.scales.get(group, self.scale))

    @property
    def published(self) -> bool:
        return self.protocol == "published"

    def first(self, wanted: int, photos: Sequence[Known] | None = None, skip: int = 0) -> tuple[Known, ...]:
        """The photos after the first `skip`, at most `wanted`, or fewer where the plan is scaled down."""
        some = self.photos if photos is None else photos
        most = wanted if self.scale.photos is None else min(wanted, self.scale.photos)
        return tuple(some[skip : skip + most])

    def times(self, count: int, least: int = 1) -> int:
        """A number of steps, draws or samples, scaled by the effort."""
        return count if self.scale.effort >= 1 else min(count, max(least, round(count * self.scale.effort)))

    def percentages(self, every: Sequence[float]) -> tuple[float, ...]:
        """The percentages of a curve, thinned out by the stride."""
        return tuple(sorted({*every[:: self.scale.stride], every[0], every[-1]}))

    def scaled(self, got: int, wanted: int, curves: bool = False) -> list[str]:
        """Where a run with `got` photos falls short of the protocol, in words."""
        short = [f"{got} of {wanted} photos"] if got < wanted else []
        if self.scale.effort < 1:
            short.append(f"{100 * self.scale.effort:.3g} % of the steps and draws")
        if curves and self.scale.stride > 1:
            short.append(f"every {self.scale.stride}th percentage")
        return short

    def record(self) -> dict[str, Any]:
        """The plan, ready for JSON."""
        record = asdict(self) | {"photos": [asdict(photo) for photo in self.photos], "models": list(self.models)}
        return record | {"segmenter": str(self.segmenter), "detector": str(self.detector)}


def find_difference(old: dict[str, Any], new: dict[str, Any]) -> str | None:
    """What differs between the records of two requests, in words; None where nothing does.

    Photos are compared last: with another protocol or network, their predicted classes differ too.
    """
    for name in sorted(old.keys() | new.keys(), key=lambda name: (name in ("photos", "scenes"), name)):
        if old.get(name) != new.get(name):
            before, after = old.get(name), new.get(name)
            if name in ("photos", "scenes") and isinstance(before, list) and isinstance(after, list):
                return f"{name} ({len(before)} there, {len(after)} now, not the same)"
            return f"{name} ({before} there, {after} now)"
    return None
