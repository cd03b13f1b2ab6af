"""How good an explanation is: rate-distortion curves and the other scores, over photos and methods."""

from rdexplain.evaluation.candidate import Candidate
from rdexplain.evaluation.cascade import Cascade
from rdexplain.evaluation.curves import Curves, rate_distortion, trace
from rdexplain.evaluation.domains import Explained, Importance, in_own, in_pixels, in_wavelets
from rdexplain.evaluation.evaluate import PERCENTAGES, Settings, evaluate
from rdexplain.evaluation.files import load_evaluation, save_evaluation
from rdexplain.evaluation.likeness import Likeness, likeness
from rdexplain.evaluation.ordering import ranks
from rdexplain.evaluation.orders import ORDERS, ordered
from rdexplain.evaluation.quantus import explain_func
from rdexplain.evaluation.results import Curve, CurveKey, Entry, Evaluation, ScoreKey, merge
from rdexplain.evaluation.scores import DEFAULT_SCORES, SCORES
from rdexplain.evaluation.statistics import (
    Comparison,
    Interval,
    area,
    bootstrap,
    compared,
    holm,
    interval,
    log_area,
    p_value,
    paired_difference,
)
from rdexplain.evaluation.subject import Subject, subject
from rdexplain.evaluation.summary import differences, summary

__all__ = [
    "DEFAULT_SCORES",
    "ORDERS",
    "PERCENTAGES",
    "SCORES",
    "Candidate",
    "Cascade",
    "Comparison",
    "Curve",
    "CurveKey",
    "Curves",
    "Entry",
    "Evaluation",
    "Explained",
    "Importance",
    "Interval",
    "Likeness",
    "ScoreKey",
    "Settings",
    "Subject",
    "area",
    "bootstrap",
    "compared",
    "differences",
    "evaluate",
    "explain_func",
    "holm",
    "in_own",
    "in_pixels",
    "in_wavelets",
    "interval",
    "likeness",
    "load_evaluation",
    "log_area",
    "merge",
    "ordered",
    "p_value",
    "paired_difference",
    "ranks",
    "rate_distortion",
    "save_evaluation",
    "subject",
    "summary",
    "trace",
]
