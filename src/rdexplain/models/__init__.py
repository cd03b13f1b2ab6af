"""Vision models to explain, loaded by name or wrapped around your own network; all take images in [0, 1]."""

from rdexplain.models.accelerate import accelerated as accelerated
from rdexplain.models.classes import ClassName as ClassName
from rdexplain.models.frozen import frozen as frozen
from rdexplain.models.model import Model as Model
from rdexplain.models.model import as_model as as_model
from rdexplain.models.registry import list_models as list_models
from rdexplain.models.registry import load_model as load_model
from rdexplain.models.source import ModelInfo as ModelInfo

__all__ = ["ClassName", "Model", "ModelInfo", "accelerated", "as_model", "frozen", "list_models", "load_model"]
