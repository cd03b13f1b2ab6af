"""The options that all rate-distortion methods share, and their values with all defaults filled in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, TypedDict

import torch

from rdexplain.core.initial import Init, check_init
from rdexplain.core.noise import Noise
from rdexplain.core.path import Bound, steps_of
from rdexplain.core.solver import Settings
from rdexplain.errors import OptionError, unknown
from rdexplain.methods.checks import check_number, check_whole
from rdexplain.methods.explainer import Explainer
from rdexplain.methods.orders import ORDERS
from rdexplain.methods.presets import EXPLAINER, Preset, Presets, find_preset
from rdexplain.models.decisions.distortions import Distortion, find_distortion


class SharedOptions(TypedDict, total=False):
    """The options that all rate-distortion methods take.

    Attributes:
        preset: name of a preset, which gives the options that are None or missing.
        steps, draws, step_size: optimiser steps, noise draws a step, Adam's step size.
        sparsity: λk, the weight of the mean mask value.
        spatial: weight of the spatial penalty, the mean brightness of the picture of what is kept; 0 for none.
        max_distortion, rate: in place of the sparsity, the sparsest mask within a distortion, or the least distorted
            one within a mean mask value; λk is then found for each row, in about four times the evaluations.
        noise: "gaussian", "uniform" or "zero".
        noise_scaling: "original", "linear", "inverse_linear" or "exponential".
        distortion: "label", "maximise_label", "l2", "l2_root", "weighted_l2", "weighted_l2_root" or "kl".
        init: "ones", "coarse", "random", "gradient", "sensitivity", a mask, or an `Explainer`, as the preset "instant"
            needs it.
        order: what the order of the components that a mask does not tell apart comes from: "time" (default), "path" or
            "none", see `methods.orders`.
        seed: of the noise.
        internal_batch_size: images in one forward pass; bounds the memory, not the result.
        batch_invariant: whether every row (a photo and a target) is solved by itself, so that its mask is the same to
            the last bit alone, in any batch and in any run. By default it is on a CPU, where that costs nothing at 256
            pixels, and not on a GPU, which is full only with many rows at once.
        accelerate: whether the network may run as a private copy that is faster and equal up to rounding.
        device: where to run; by default where the model is. The model itself is never moved.
    """

    preset: str
    steps: int | None
    draws: int | None
    step_size: float | None
    sparsity: float | None
    spatial: float | None
    max_distortion: float | None
    rate: float | None
    noise: str
    noise_scaling: str
    distortion: str
    init: Init | Explainer | None
    order: str
    seed: int
    internal_batch_size: int | None
    batch_invariant: bool | None
    accelerate: bool
    device: str | torch.device | None


@dataclass(frozen=True)
class Own:
    """A method's own defaults, for options that the user does not give.

    Attributes:
        sparsity, spatial, noise: as in `SharedOptions`.
        grey: whether its noise is grey, see `Noise`.
        smooth: as in `solver.Settings`.
    """

    sparsity: float
    spatial: float = 0.0
    noise: str = "gaussian"
    grey: bool = False
    smooth: float = 0.0


@dataclass(frozen=True)
class Options:
    """`SharedOptions` with all defaults filled in; the attributes mean the same."""

    preset: str
    settings: Settings
    bound: Bound | None
    antithetic: bool
    noise: Noise
    distortion: Distortion
    init: Init | Explainer
    order: str
    seed: int
    internal_batch_size: int | None
    batch_invariant: bool | None
    accelerate: bool
    retry: bool
    fresh: int | None

    @property
    def steps(self) -> int:
        """All steps, those of the search for λ among them."""
        return steps_of(self.settings, self.bound is not None)

    def record(self) -> dict[str, Any]:
        """Ready for JSON."""
        return {
            "preset": self.preset,
            **asdict(self.settings),
            "max_distortion": self._most("distortion"),
            "rate": self._most("rate"),
            "betas": list(self.settings.betas),
            "antithetic": self.antithetic,
            "noise": self.noise.kind,
            "grey_noise": self.noise.grey,
            "noise_scaling": self.noise.scaling,
            "distortion": self.distortion.name,
            "init": self._init,
            "order": self.order,
            "internal_batch_size": self.internal_batch_size,
            "batch_invariant": self.batch_invariant,
            "accelerate": self.accelerate,
        }

    @property
    def _init(self) -> str:
        if isinstance(self.init, Explainer):
            return f"{EXPLAINER} {self.init.digest}"
        return self.init if isinstance(self.init, str) else "given"

    def _most(self, quantity: str) -> float | None:
        return self.bound.most if self.bound is not None and self.bound.quantity == quantity else None


def resolve(given: Mapping[str, Any], presets: Presets, own: Own, owner: str) -> Options:
    """The options of a method.

    Args:
        given: `SharedOptions`.
        presets: the method's presets.
        own: the method's own defaults.
        owner: the method's name, for messages.

    Raises:
        TypeError: an unknown option.
        OptionError: an invalid value.
    """
    for name in given:
        if name not in SharedOptions.__annotations__:
            raise TypeError(f"{owner} has no option {name!r}; it has {', '.join(SharedOptions.__annotations__)}")
    name = given.get("preset", "fast")
    preset = find_preset(name, presets, owner)
    size = given.get("internal_batch_size")
    return Options(
        preset=name,
        settings=_settings(preset, given, own),
        bound=_bound(given),
        antithetic=preset.antithetic,
        noise=Noise(given.get("noise", own.noise), _underscored(given.get("noise_scaling", "original")), own.grey),
        distortion=find_distortion(_underscored(given.get("distortion", preset.distortion))),
        init=_start(given.get("init"), preset, name),
        order=_order(_or(given.get("order"), "time")),
        seed=check_whole("seed", given.get("seed", 0), 0),
        internal_batch_size=None if size is None else check_whole("internal_batch_size", size, 1),
        batch_invariant=given.get("batch_invariant"),
        accelerate=bool(given.get("accelerate", True)),
        retry=preset.retry and given.get("max_distortion") is None and given.get("rate") is None,
        fresh=preset.fresh,
    )


def _start(init: Init | Explainer | None, preset: Preset, name: str) -> Init | Explainer:
    if isinstance(init, Explainer):
        return init
    if preset.init == EXPLAINER:
        raise OptionError(
            f"preset {name} needs an explainer: give `init` the file that rdexplain train-explainer has written"
        )
    return check_init(_or(init, preset.init))


def _order(name: str) -> str:
    if name not in ORDERS:
        raise OptionError(unknown("order", str(name), ORDERS))
    return name


def _bound(given: Mapping[str, Any]) -> Bound | None:
    names = ("sparsity", "max_distortion", "rate")
    there = [name for name in names if given.get(name) is not None]
    if len(there) > 1:
        raise OptionError(f"give one of `{'` and `'.join(there)}`: each decides how sparse the mask is")
    if not there or there == ["sparsity"]:
        return None
    quantity = "rate" if there == ["rate"] else "distortion"
    return Bound(quantity, check_number(there[0], given[there[0]]))


def _settings(preset: Preset, given: Mapping[str, Any], own: Own) -> Settings:
    return Settings(
        steps=check_whole("steps", _or(given.get("steps"), preset.steps), 0),
        draws=check_whole("draws", _or(given.get("draws"), preset.draws), 1),
        step_size=check_number("step_size", _or(given.get("step_size"), preset.step_size)),
        sparsity=check_number("sparsity", _or(given.get("sparsity"), own.sparsity)),
        schedule=preset.schedule,
        betas=preset.betas,
        warmup=preset.warmup,
        emphasis=preset.emphasis,
        power=preset.power,
        block=preset.block,
        anchor=preset.anchor,
        guard=preset.guard,
        cut=preset.cut,
        spatial=check_number("spatial", _or(given.get("spatial"), own.spatial)),
        smooth=own.smooth,
    )


def _or(value: Any, default: Any) -> Any:
    return default if value is None else value


def _underscored(name: Any) -> Any:
    """Names are spelled with underscores; people also write hyphens and blanks."""
    return name.replace("-", "_").replace(" ", "_") if isinstance(name, str) else name
