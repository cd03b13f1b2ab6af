"""torchvision's own weights: choosing an entry, and loading it from the cache or the network."""

from __future__ import annotations

import contextlib
import http.client
import io
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from rdexplain.errors import ModelError, one_line, unknown
from rdexplain.models.checkpoint import is_random, read_state
from rdexplain.models.classes import ClassName
from rdexplain.models.source import Availability

_PREFERRED = "IMAGENET1K_V1"


@dataclass(frozen=True)
class Weights:
    """The weights for a torchvision network.

    Attributes:
        network: the name without a version.
        entry: the entry of torchvision's weights, for its preset and class names.
        state: the state dict; None for random weights.
        origin: where it comes from, for provenance.
    """

    network: str
    entry: Any
    state: Mapping[str, Tensor] | None
    origin: str

    @property
    def name(self) -> str:
        """What the model is called in results."""
        return f"{self.network} (random)" if self.state is None else self.network


def find_weights(name: str, weights: str | Path | None, classes: tuple[ClassName, ...] | None) -> Weights:
    """The weights for the name of a network and the user's choice.

    Args:
        name: torchvision's, with or without ``@VERSION``.
        weights: None, the name of an entry, "random", or a file with a state dict.
        classes: the class names; another number than published needs random weights or a file.

    Raises:
        ModelError: no such entry; the weights cannot be loaded.
    """
    name, _, version = name.partition("@")
    if isinstance(weights, str) and weights in versions(name):
        if version and version != weights:
            raise ModelError(f"{name}@{version} and weights {weights} contradict each other")
        version, weights = weights, None
    entry = find_entry(name, version)
    if weights is None:
        published = len(entry.meta["categories"])
        if classes is not None and len(classes) != published:
            raise ModelError(f"{len(classes)} class names for the {published} classes of {name}")
        return Weights(name, entry, _published_state(name, entry), entry.name)
    if is_random(weights):
        return Weights(name, entry, None, "random")
    if not Path(weights).expanduser().is_file():
        raise ModelError(f"no weights file {weights}; the versions of {name} are {', '.join(versions(name))}")
    return Weights(name, entry, read_state(weights), str(weights))


def versions(name: str) -> list[str]:
    """Names of the entries with classes (VGG-16's IMAGENET1K_FEATURES has none), and "DEFAULT"."""
    import torchvision

    entries = torchvision.models.get_model_weights(name)
    return [entry.name for entry in entries if entry.meta.get("categories")] + ["DEFAULT"]


def find_entry(name: str, version: str = "") -> Any:
    """An entry by its version; without one IMAGENET1K_V1 where there is one, else torchvision's default."""
    import torchvision

    entries, known = torchvision.models.get_model_weights(name), versions(name)
    if not version:
        version = _PREFERRED if _PREFERRED in known else "DEFAULT"
    if version not in known:
        raise ModelError(unknown(f"version of {name}", version, known))
    return entries[version]


def cached_file(entry: Any) -> Path:
    """Where torchvision keeps, or would keep, the weights."""
    return Path(torch.hub.get_dir(), "checkpoints", entry.url.rsplit("/", 1)[-1])


def _published_state(name: str, entry: Any) -> Mapping[str, Tensor]:
    """The published state dict, from torch.hub's folder; downloaded if need be, with its hash checked."""
    file = cached_file(entry)
    try:
        # torch.hub announces downloads on stdout, where a command's result may go: a terminal shows them on stderr.
        with contextlib.redirect_stdout(sys.stderr if sys.stderr.isatty() else io.StringIO()):
            return entry.get_state_dict(
                progress=sys.stderr.isatty(), check_hash=True, map_location="cpu", weights_only=True
            )
    except (OSError, http.client.HTTPException) as error:
        reason = one_line(getattr(error, "reason", None) or error)
    except Exception as error:  # a damaged file can raise anything
        if file.is_file():
            raise ModelError(f"{file} is damaged, delete it: {one_line(error)}") from error
        if "invalid hash value" not in str(error):
            raise
        reason = "the download is damaged"
    raise ModelError(
        f"the weights of {name} are missing ({reason}): put {file.name} from {entry.url} into {file.parent}, "
        "or give it with `weights`"
    )


def availability(entry: Any) -> Availability:
    """Whether the weights are on this machine."""
    return "cached" if cached_file(entry).is_file() else "to download"
