"""All recipes by name."""

from __future__ import annotations

from collections.abc import Sequence

from rdexplain.errors import OptionError, unknown
from rdexplain.work.studies.curves import ACCURACY, FIGURE_5
from rdexplain.work.studies.networks import FIGURE_10
from rdexplain.work.studies.obfuscation import FIGURES, TABLE
from rdexplain.work.studies.panels import FIGURE_4, ON_VGG, RIGHT, WRONG
from rdexplain.work.studies.recipe import Recipe
from rdexplain.work.studies.shearlets import CONCISENESS, HALLUCINATION
from rdexplain.work.studies.starts import STARTGRAD
from rdexplain.work.studies.tasks import FIGURE_8, FIGURE_9
from rdexplain.work.studies.tradeoff import FIGURE_6

_ALL = (FIGURE_4, FIGURE_5, FIGURE_6, FIGURE_8, FIGURE_9, FIGURE_10, *RIGHT, *WRONG, *ON_VGG, *FIGURES)
STUDY: dict[str, Recipe] = {
    recipe.name: recipe
    for recipe in (*sorted(_ALL, key=lambda recipe: int(recipe.name.partition("-")[2])), TABLE, ACCURACY)
}
LATER = {recipe.name: recipe for recipe in (CONCISENESS, HALLUCINATION, STARTGRAD)}
"""Claims of later papers. They are not part of `all`, which stands for the study and its cost."""
RECIPES = STUDY | LATER
GROUPS = {"all": STUDY, "shearletx": LATER}


def find_recipes(names: Sequence[str]) -> list[Recipe]:
    """The recipes of some targets, each once; ``all`` is every one of the study, ``shearletx`` those of later papers.

    Raises:
        OptionError: an unknown target; the message names the nearest ones.
    """
    found: dict[str, Recipe] = {}
    for name in names:
        text = name.lower().replace("_", "-")
        if text not in GROUPS and text not in RECIPES:
            raise OptionError(unknown("target", name, [*RECIPES, *GROUPS]))
        found |= GROUPS[text] if text in GROUPS else {text: RECIPES[text]}
    return list(found.values())
