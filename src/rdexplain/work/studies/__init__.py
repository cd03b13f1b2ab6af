"""The studies of CartoonX, figure by figure: recipes, a runner that can be resumed, and verdicts."""

from rdexplain.work.studies.catalogue import RECIPES, find_recipes
from rdexplain.work.studies.plan import Known, Plan, Scale
from rdexplain.work.studies.recipe import Findings, Recipe, Unit
from rdexplain.work.studies.runner import reproduce
from rdexplain.work.studies.verdict import Verdict

__all__ = ["RECIPES", "Findings", "Known", "Plan", "Recipe", "Scale", "Unit", "Verdict", "find_recipes", "reproduce"]
