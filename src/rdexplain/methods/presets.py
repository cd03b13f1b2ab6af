"""Presets: how long and how the mask is optimised."""

from __future__ import annotations

from dataclasses import dataclass, replace

from rdexplain.errors import OptionError, unknown

EXPLAINER = "explainer"
"""The start of a preset that needs an `Explainer`."""


@dataclass(frozen=True)
class Preset:
    """Defaults of the options that a preset sets.

    Attributes:
        steps, draws, step_size, schedule, betas, warmup, emphasis, power, block, anchor, guard, cut: as in
            `solver.Settings`.
        init: as in `initial.initial_mask`.
        distortion: a name of `distortions.DISTORTIONS`.
        antithetic: as in `objective.Objective`.
        retry: whether a row whose mask is worse than the empty one is solved once more.
        fresh: draws on which the finished mask is measured; None for `outcome.FRESH_DRAWS`.
    """

    steps: int
    draws: int
    step_size: float
    schedule: str
    betas: tuple[float, float]
    init: str
    antithetic: bool = False
    warmup: float = 0.0
    emphasis: float = 1.0
    power: int = 1
    block: int = 0
    anchor: float = 0.0
    guard: float | None = None
    cut: bool = False
    retry: bool = False
    distortion: str = "label"
    fresh: int | None = None


PAPER = Preset(
    steps=2000,
    draws=64,
    step_size=0.001,
    schedule="constant",
    betas=(0.9, 0.999),
    init="ones",
)
"""The published procedure (Kolek et al., arXiv 2110.03485), 128,000 network evaluations a photo."""


SHEARLETX_PAPER = Preset(
    steps=300,
    draws=16,
    step_size=0.1,
    schedule="constant",
    betas=(0.9, 0.999),
    init="ones",
    distortion="maximise_label",
)
"""The published procedure of ShearletX and WaveletX (Kolek et al., arXiv 2211.12857), 4,800 network evaluations."""


def quick(steps: int, init: str) -> Preset:
    """The optimiser that reaches the published quality at a fraction of its evaluations; docs/speed.md compares."""
    return Preset(
        steps=steps,
        draws=4,
        step_size=0.1,
        schedule="cosine",
        betas=(0.7, 0.999),
        init=init,
        antithetic=True,
        warmup=1 / 6,
        emphasis=3.0,
        power=2,
        block=2,
        anchor=0.5,
        guard=0.5,
        cut=True,
        retry=True,
    )


DRAFT_STEPS = 145
"""With the draws of the guard, the start and the anchor 300 network evaluations a photo."""
FAST_STEPS = 177
"""With the draws of the guard, the cut and the anchor 781 network evaluations a photo."""
BEST_STEPS = 777
"""3,181 network evaluations."""


DRAFT = replace(
    quick(DRAFT_STEPS, "sensitivity"),
    draws=2,
    step_size=0.15,
    emphasis=5.0,
    cut=False,
)
"""For wavelets, in bolder steps from a start that knows what matters to first order; docs/speed.md compares."""


PENALISED_STEPS = 97
"""With the draws of the guard, the cut and the anchor 461 network evaluations a photo, where `paper` has 4,800."""


def penalised(steps: int, step_size: float) -> Preset:
    """The optimiser for the published weights of ShearletX and its kin; docs/speed.md compares.

    Their distortion is of the size of 1 and their prices are small, so that masks may move in bolder steps.
    """
    return replace(quick(steps, "ones"), step_size=step_size)


INSTANT = Preset(
    steps=0,
    draws=4,
    step_size=0.1,
    schedule="cosine",
    betas=(0.7, 0.999),
    init=EXPLAINER,
    fresh=16,
)
"""What an explainer predicts, as it is: one network evaluation, and few to measure it, which would take longer."""


def smooth(preset: Preset) -> Preset:
    """A preset for smooth masks: no blocks, since neighbours move together anyway, and no cut, which makes edges."""
    return replace(preset, block=0, cut=False)


Presets = dict[str, Preset]


def presets_of(paper: Preset, init: str) -> Presets:
    """A method's presets: as it was published, and the two quick ones from a start `init`."""
    return {"paper": paper, "fast": quick(FAST_STEPS, init), "best": quick(BEST_STEPS, init)}


def penalised_presets_of(step_size: float, smoothed: bool = False) -> Presets:
    """The presets of a method of Kolek et al., CVPR 2023: as published, and the two quick ones."""
    quicks = {"fast": penalised(PENALISED_STEPS, step_size), "best": penalised(BEST_STEPS, step_size)}
    return {"paper": SHEARLETX_PAPER} | {name: smooth(one) if smoothed else one for name, one in quicks.items()}


def find_preset(name: str, presets: Presets, owner: str) -> Preset:
    """A preset of the method `owner` by its name, or OptionError with the nearest names."""
    if name not in presets:
        raise OptionError(unknown("preset", str(name), presets, f"{owner} has {', '.join(presets)}"))
    return presets[name]
