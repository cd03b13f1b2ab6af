"""The claims of the study on figures 8 and 9, as numbers: an explanation keeps its own object and blurs the rest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from rdexplain.evaluation.statistics import compared
from rdexplain.render.words import method_title
from rdexplain.work.studies.recipe import Row
from rdexplain.work.studies.verdict import Verdict, judge, together, untestable, words

PUBLISHED = "pictures"


@dataclass(frozen=True)
class Claims:
    """The claims of a figure.

    Attributes:
        place: where an explanation should lie, in words.
        others: where the other explained regions or objects of the photo lie, in words.
        alone: the reason to give where no photo has others.
    """

    place: str
    others: str
    alone: str

    def judged(
        self,
        method: str,
        at_once: bool,
        photos: Sequence[Sequence[Row]],
        scaled: Sequence[str],
        without: int,
        seed: int,
    ) -> list[Verdict]:
        """Verdicts by the mean over each photo's objects, with intervals over photos.

        Args:
            method: the method of the explanations.
            at_once: whether all of a photo's objects are explained by one mask.
            photos: rows of `scenes.explain_scene`, photo by photo.
            scaled: where the run falls short of the protocol, in words.
            without: how many photos have nothing to explain.
            seed: of the intervals.
        """
        name = method_title(method) + (" of all anchors" if at_once else "")
        place = "the detected objects' boxes" if at_once else self.place
        rows = [row for photo in photos for row in photo]
        if not rows:
            return [untestable(f"{name} keeps {place}", PUBLISHED, "nothing could be explained")]
        collapsed = sum(row["collapsed"] for row in rows)
        tail = f"; {collapsed} of {len(rows)} masks collapsed" if collapsed else ""
        found = []
        for rival, claim, what in (
            ("area_inside", "more than its share of the area", "of the area"),
            ("photo_inside", "more than the photo's energy does", "of the photo's energy"),
        ):
            kept, usual = _means(photos, "kept_inside"), _means(photos, rival)
            gain = compared([a - b for a, b in zip(kept, usual, strict=True)], seed=seed)
            text = (
                f"{_percent(kept)} of the kept energy there, {_percent(usual)} {what}; difference {words(gain)}{tail}"
            )
            found.append(judge(f"{name}: the kept energy lies in {place}, {claim}", PUBLISHED, text, gain, scaled, 1))
        if not at_once:
            found.append(self._against_others(name, photos, scaled, tail, seed))
        found = together(found)
        if without:
            said = f"; {without} photo{'s' if without > 1 else ''} with nothing to explain left out"
            found = [replace(one, why=one.why + said) for one in found]
        return found

    def _against_others(
        self, name: str, photos: Sequence[Sequence[Row]], scaled: Sequence[str], tail: str, seed: int
    ) -> Verdict:
        claim = f"{name} keeps {self.place} and blurs {self.others}"
        both = ("retained_of_own", "retained_of_others")
        some = [
            found for photo in photos if (found := [row for row in photo if all(row[key] is not None for key in both)])
        ]
        if not some:
            return untestable(claim, PUBLISHED, self.alone)
        own, others = (_means(some, key) for key in both)
        gain = compared([a - b for a, b in zip(own, others, strict=True)], seed=seed)
        text = f"it keeps {_percent(own)} of its energy, {_percent(others)} of theirs; difference {words(gain)}{tail}"
        return judge(claim, PUBLISHED, text, gain, scaled, 1)


def _means(photos: Sequence[Sequence[Row]], key: str) -> list[float]:
    """The mean over each photo's rows."""
    return [sum(row[key] for row in photo) / len(photo) for photo in photos]


def _percent(shares: Sequence[float]) -> str:
    return f"{100 * sum(shares) / len(shares):.1f} %"
