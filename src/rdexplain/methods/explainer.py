"""Explainers: networks that give a mask at once, each trained for one explained network."""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as safetensors_bytes
from torch import Tensor

from rdexplain.core.explainer.look import look
from rdexplain.core.explainer.network import ExplainerNetwork
from rdexplain.core.objective import Objective
from rdexplain.core.representations import Representation
from rdexplain.errors import OptionError, RDExplainError
from rdexplain.models import Model
from rdexplain.models.decisions import Decision
from rdexplain.models.fingerprint import fingerprint
from rdexplain.results.storage import write_whole

EASIER = 20.0
"""A mask is predicted for λk over this. At the λk of the optimisation it would be so sparse that a few coefficients
that are missed lose the decision; a mask that holds it is a better start, since masks shrink more easily than they
grow."""
LEAST, MOST = 0.2, 5.0
"""λk that explainers learn, after that division; a lower or a higher one is taken for these."""
FORMAT = 1
KIND = "explainer"


class Explaining(Protocol):
    """The part of a method that an explainer has to fit."""

    name: str
    model: Model
    representation: Representation


@dataclass(frozen=True)
class Explainer:
    """Predicts the mask of every band from one pass forward and backward of the network that it was trained for.

    Attributes:
        network: the explainer's own network.
        about: what it was trained for and how, ready for JSON: ``method``, ``model`` (its name), ``fingerprint``,
            ``mean``, ``std``, ``representation``, and for people ``size``, ``photos``, ``seed`` and so on.
    """

    network: ExplainerNetwork
    about: Mapping[str, Any]

    def __repr__(self) -> str:
        return f"Explainer({self.about['method']}, {self.about['model']}, {self.about.get('size')} px)"

    @property
    def digest(self) -> str:
        """A hash of what its network has learnt."""
        total = hashlib.sha256()
        for tensor in self.network.state_dict().values():
            total.update(tensor.detach().cpu().half().numpy().tobytes())
        return total.hexdigest()[:12]

    def mask(self, objective: Objective, decision: Decision, sparsity: float) -> Tensor:
        """The predicted masks (R, k) of an objective's rows, in [0, 1]; one network evaluation for each row.

        Args:
            decision: whose reading is explained.
            sparsity: λk of the optimisation; the masks are for a smaller one, see `EASIER`.
        """
        seen = look(objective, decision)
        network, weight = self.network, next(self.network.parameters())
        if (weight.dtype, weight.device) != (seen.planes.dtype, seen.planes.device):
            # A copy: other threads may use the explainer as it is.
            network = copy.deepcopy(network).to(seen.planes)
        with torch.no_grad():
            easier = min(max(sparsity / EASIER, LEAST), MOST)
            conditions = seen.conditions(torch.full_like(seen.certainty, easier))
            found: Tensor = network(seen, conditions, objective.transform).sigmoid()
        return found

    def check(self, method: Explaining) -> None:
        """Refuse a method, a network or a representation that it was not trained for.

        Raises:
            OptionError: with what it was trained for instead.
        """
        wanted = described(method)
        for name, said in (("method", "method"), ("model", "network"), ("representation", "representation")):
            if self.about[name] != wanted[name]:
                raise OptionError(
                    f"the explainer is for the {said} {_shown(self.about[name])}, not {_shown(wanted[name])}"
                )
        for name in ("fingerprint", "mean", "std"):
            if self.about[name] != wanted[name]:
                what = "other weights of" if name == "fingerprint" else f"another normalisation ({name}) of"
                raise OptionError(f"the explainer is for {what} {method.model.name}: train one for these")

    def save(self, path: str | Path) -> Path:
        """Write it as a .safetensors file, in half precision."""
        state = {name: tensor.half().contiguous() for name, tensor in self.network.state_dict().items()}
        header = {"format": FORMAT, "kind": KIND, "levels": self.network.levels, **self.about}
        write_whole(Path(path), safetensors_bytes(state, {"rdexplain": json.dumps(header)}))
        return Path(path)


def described(method: Explaining) -> dict[str, Any]:
    """What an explainer of a method is for.

    Raises:
        OptionError: the network is no ``nn.Module``, so that it could not be known again.
    """
    known = fingerprint(method.model)
    if known is None:
        raise OptionError(f"an explainer is for an nn.Module, and {method.model.name} is none")
    record = method.model.record()
    about = {
        "method": method.name,
        "model": method.model.name,
        "fingerprint": known,
        "mean": record["mean"],
        "std": record["std"],
        "representation": method.representation.options(),
    }
    return dict(json.loads(json.dumps(about)))


def is_explainer(path: str | Path) -> bool:
    """Whether a file says that it holds an explainer."""
    try:
        return _header(Path(path)).get("kind") == KIND
    except RDExplainError:
        return False


def load_explainer(path: str | Path) -> Explainer:
    """Read what `rdexplain train-explainer` wrote.

    Raises:
        RDExplainError: the file is missing, is no explainer, is damaged, or was written by a newer version.
    """
    file = Path(path)
    about = _header(file)
    if about.pop("kind", None) != KIND:
        raise RDExplainError(f"{file} is no explainer: rdexplain train-explainer makes one")
    if about.pop("format", 0) > FORMAT:
        raise RDExplainError(f"{file} was written by a newer rdexplain: upgrade to read it")
    try:
        network = ExplainerNetwork(int(about.pop("levels")))
        with safe_open(file, framework="pt") as content:
            network.load_state_dict({name: content.get_tensor(name).float() for name in content.keys()})  # noqa: SIM118
        if not all(name in about for name in ("method", "model", "fingerprint", "mean", "std", "representation")):
            raise ValueError("it does not say what it is for")
    except (KeyError, TypeError, ValueError, RuntimeError, SafetensorError) as error:
        raise RDExplainError(f"{file} is no explainer, or is damaged: {' '.join(str(error).split())[:120]}") from error
    network.eval().requires_grad_(False)
    return Explainer(network, about)


def _header(file: Path) -> dict[str, Any]:
    try:
        with safe_open(file, framework="pt") as content:
            metadata = content.metadata() or {}
        return dict(json.loads(metadata.get("rdexplain", "{}")))
    except FileNotFoundError as error:
        raise RDExplainError(f"no such explainer: {file}") from error
    except (SafetensorError, OSError, TypeError, ValueError) as error:
        raise RDExplainError(f"{file} cannot be read as an explainer: {' '.join(str(error).split())}") from error


def _shown(value: Any) -> str:
    return " ".join(f"{value}".split()) if not isinstance(value, dict) else ", ".join(map(str, value.values()))
