"""Decisions and tasks: which numbers of a model's output are explained."""

from rdexplain.models.decisions.base import AbsentError as AbsentError
from rdexplain.models.decisions.base import Decision as Decision
from rdexplain.models.decisions.base import Rows as Rows
from rdexplain.models.decisions.base import Task as Task
from rdexplain.models.decisions.base import check_label as check_label
from rdexplain.models.decisions.labels import Above as Above
from rdexplain.models.decisions.labels import Contrast as Contrast
from rdexplain.models.decisions.labels import Label as Label
from rdexplain.models.decisions.labels import Probabilities as Probabilities
from rdexplain.models.decisions.labels import Target as Target
from rdexplain.models.decisions.objects import Detect as Detect
from rdexplain.models.decisions.outputs import check_output as check_output
from rdexplain.models.decisions.outputs import check_target as check_target
from rdexplain.models.decisions.regions import Segment as Segment
from rdexplain.models.decisions.values import Value as Value
