"""What a model decided: which numbers of its output are explained."""

from rdexplain.decisions.base import AbsentError as AbsentError
from rdexplain.decisions.base import Decision as Decision
from rdexplain.decisions.base import Rows as Rows
from rdexplain.decisions.base import Task as Task
from rdexplain.decisions.base import check_label as check_label
from rdexplain.decisions.labels import Above as Above
from rdexplain.decisions.labels import Contrast as Contrast
from rdexplain.decisions.labels import Label as Label
from rdexplain.decisions.labels import Probabilities as Probabilities
from rdexplain.decisions.labels import Target as Target
from rdexplain.decisions.objects import Detect as Detect
from rdexplain.decisions.outputs import check_output as check_output
from rdexplain.decisions.outputs import check_target as check_target
from rdexplain.decisions.regions import Segment as Segment
from rdexplain.decisions.values import Value as Value

__all__ = [
    "Above",
    "AbsentError",
    "Contrast",
    "Decision",
    "Detect",
    "Label",
    "Probabilities",
    "Rows",
    "Segment",
    "Target",
    "Task",
    "Value",
    "check_label",
    "check_output",
    "check_target",
]
