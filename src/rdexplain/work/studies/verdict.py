"""Verdicts: a claim, the interval over photos that decides it, and what is left when claims are counted."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from rdexplain.evaluation.statistics import Comparison, Interval, holm

Outcome = Literal["holds", "does not hold", "cannot be tested here"]
FEWEST = 6
"""Photos that a verdict needs: with fewer, even differences of one sign alone come by chance in over 5 % of cases."""


@dataclass(frozen=True)
class Verdict:
    """A claim, and whether it holds.

    Attributes:
        claim: in words.
        published: what the study, or its published data, says.
        ours: what was measured, in words.
        interval: 95 % bootstrap interval over photos of the number behind it, and its p-value; None where there is
            none.
        outcome: ``holds``, ``does not hold`` or ``cannot be tested here``.
        why: the reason of the outcome.
        scaled: where the run falls short of the protocol, in words.
        holm: the p-value corrected for the verdicts that belong `together`; None where there is none.
        family: how many those are.
    """

    claim: str
    published: str
    ours: str
    interval: Comparison | None
    outcome: Outcome
    why: str
    scaled: tuple[str, ...] = ()
    holm: float | None = None
    family: int = 0

    @property
    def after_holm(self) -> Outcome:
        """The outcome where the interval alone is not enough: the corrected p-value must be below 0.05 as well."""
        found = self.interval
        if found is None or self.holm is None or found.low == found.high == 0 or self.holm < 0.05:
            return self.outcome
        return "cannot be tested here"


def judge(
    claim: str,
    published: str,
    ours: str,
    found: Comparison | None,
    scaled: Sequence[str] = (),
    sign: int = -1,
) -> Verdict:
    """A verdict on a claim that a number is below zero (`sign` -1) or above it (1).

    It holds where the whole interval over photos is on that side, and does not where it is on the other; where the
    interval contains zero, or there are fewer than `FEWEST` photos, it cannot be tested.
    """
    if found is None or not math.isfinite(found.mean):
        return Verdict(
            claim, published, ours, None, "cannot be tested here", "there is nothing to compare", tuple(scaled)
        )
    low, high = sorted((sign * found.low, sign * found.high))
    outcome: Outcome = "cannot be tested here"
    if found.photos < FEWEST:
        why = f"too few photos: {found.photos}, where an interval means something from {FEWEST} on"
    elif low > 0:
        outcome, why = "holds", f"the whole interval over {found.photos} photos says so"
    elif high < 0:
        outcome, why = "does not hold", f"the whole interval over {found.photos} photos says the opposite"
    elif low == high == 0:
        outcome, why = "does not hold", f"there is no difference in any of {found.photos} photos"
    else:
        why = f"the interval over {found.photos} photos holds zero: more photos are needed"
    return Verdict(claim, published, ours, found, outcome, why, tuple(scaled))


def together(verdicts: Sequence[Verdict]) -> list[Verdict]:
    """Verdicts of one family, with p-values corrected for their number by `statistics.holm`: the claims that a target
    makes of one number, such as the area of one curve in one domain, about several methods. Those without an interval
    do not count.
    """
    found = holm([math.nan if one.interval is None else one.interval.p for one in verdicts])
    made = sum(p == p for p in found)
    return [replace(one, holm=p, family=made) if p == p else one for one, p in zip(verdicts, found, strict=True)]


def untestable(claim: str, published: str, why: str) -> Verdict:
    """A verdict on a claim that nothing here can decide."""
    return Verdict(claim, published, "", None, "cannot be tested here", why)


def words(found: Interval | Comparison) -> str:
    """An interval in words."""
    if not math.isfinite(found.low):
        return f"{found.mean:.4g}"
    return f"{found.mean:.4g} [{found.low:.4g}, {found.high:.4g}]"
