"""The studies of CartoonX, figure by figure: recipes, a runner that can be resumed, and verdicts."""

from rdexplain.work.studies.catalogue import RECIPES, find_recipes
from rdexplain.work.studies.plan import Known, Plan, Scale
from rdexplain.work.studies.recipe import Findings, Recipe, Unit, Verdict
from rdexplain.work.studies.runner import reproduce

__all__ = ["RECIPES", "Findings", "Known", "Plan", "Recipe", "Scale", "Unit", "Verdict", "find_recipes", "reproduce"]
