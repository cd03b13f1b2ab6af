"""torchvision's classifiers by their names, with torchvision's own weights, normalisation and class names.

The weights are those of the entry ``IMAGENET1K_V1`` where a network has it, because the published CartoonX
studies used it; torchvision's own default is often the newer V2. ``resnet50@IMAGENET1K_V2`` or
``weights="IMAGENET1K_V2"`` (or ``DEFAULT``) asks for another. They are downloaded on first use to PyTorch's
hub folder (``TORCH_HOME``).
"""

from __future__ import annotations

import contextlib
import http.client
import io
import re
import sys
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from rdexplain.errors import ModelError, unknown
from rdexplain.models.checkpoint import is_random, load_state, one_line, own_random_state, read_state, renamed
from rdexplain.models.classes import ClassName, as_class_names
from rdexplain.models.imagenet import imagenet_classes
from rdexplain.models.model import Model
from rdexplain.models.source import ModelInfo

_PREFERRED = "IMAGENET1K_V1"
# These take one size only. The others, Swin among them, were found to take any that is not too small.
_FIXED_SIZE = ("vit_", "maxvit_")
_AUXILIARY = {"googlenet": "aux", "inception_v3": "AuxLogits"}
_DENSENET_KEY = re.compile(r"(.*denselayer\d+\.(?:norm|relu|conv))\.([12]\..*)")


def matches(name: str) -> bool:
    """Whether torchvision has a classifier of that name, with or without ``@VERSION``."""
    return name.partition("@")[0] in _names()


def load(name: str, *, weights: str | Path | None = None, classes: tuple[ClassName, ...] | None = None) -> Model:
    """The classifier.

    Args:
        name: torchvision's, such as ``resnet50`` or ``resnet50@IMAGENET1K_V2``.
        weights: None, the name of an entry, "random", or a file with a state dict.
        classes: names of another number of classes, with random weights or those of a file.

    Raises:
        ModelError: no such entry; the weights cannot be had or do not fit.
    """
    name, _, version = name.partition("@")
    if isinstance(weights, str) and weights in _versions(name):
        if version and version != weights:
            raise ModelError(f"{name}@{version} and weights {weights} contradict each other")
        version, weights = weights, None
    entry = _entry(name, version)
    preset = entry.transforms()
    size = preset.crop_size[0]
    published = _class_names(entry)
    if weights is None:
        if classes is not None and len(classes) != len(published):
            raise ModelError(f"{len(classes)} class names for the {len(published)} classes of {name}")
        state, origin = _published_state(name, entry), entry.name
    elif is_random(weights):
        state, origin = None, "random"
    else:
        if not Path(weights).expanduser().is_file():
            raise ModelError(f"no weights file {weights}; the versions of {name} are {', '.join(_versions(name))}")
        state, origin = read_state(weights), str(weights)
    network = _build(name, size, len(published if classes is None else classes), state)
    if state is not None:
        load_state(network, _current_keys(name, state), origin, name)
    return Model(
        network.eval(),
        name=f"{name} (random)" if state is None else name,
        mean=preset.mean,
        std=preset.std,
        input_size=size,
        fixed_size=name.startswith(_FIXED_SIZE),
        classes=published if classes is None else classes,
        weights=origin,
    )


def list_models() -> Iterable[ModelInfo]:
    """Every classifier with the weights that its plain name loads."""
    for name in _names():
        entry = _entry(name)
        available = "cached" if _cached_file(entry).is_file() else "to download"
        size = entry.transforms().crop_size[0]
        yield ModelInfo(name, "torchvision", size, available, len(entry.meta["categories"]))  # type: ignore[arg-type]


@cache
def _names() -> tuple[str, ...]:
    import torchvision

    return tuple(torchvision.models.list_models(module=torchvision.models))


def _versions(name: str) -> list[str]:
    """The entries with a classifier: VGG-16's IMAGENET1K_FEATURES has none."""
    import torchvision

    entries = torchvision.models.get_model_weights(name)
    return [entry.name for entry in entries if entry.meta.get("categories")] + ["DEFAULT"]


def _entry(name: str, version: str = "") -> Any:
    import torchvision

    entries, versions = torchvision.models.get_model_weights(name), _versions(name)
    if not version:
        version = _PREFERRED if _PREFERRED in versions else "DEFAULT"
    if version not in versions:
        raise ModelError(unknown(f"version of {name}", version, versions))
    return entries[version]


def _class_names(entry: Any) -> tuple[ClassName, ...]:
    categories, imagenet = entry.meta["categories"], imagenet_classes()
    return imagenet if [entry.name for entry in imagenet] == categories else as_class_names(categories)


def _cached_file(entry: Any) -> Path:
    return Path(torch.hub.get_dir(), "checkpoints", entry.url.rsplit("/", 1)[-1])


def _published_state(name: str, entry: Any) -> Mapping[str, Tensor]:
    """torchvision's own path: from the hub folder, and into it first if need be, with the hash checked."""
    file = _cached_file(entry)
    try:
        # torch.hub says on stdout that it downloads, where a command's result may be. People at a terminal see it.
        with contextlib.redirect_stdout(sys.stderr if sys.stderr.isatty() else io.StringIO()):
            return entry.get_state_dict(
                progress=sys.stderr.isatty(), check_hash=True, map_location="cpu", weights_only=True
            )
    except (OSError, http.client.HTTPException) as error:
        reason = one_line(getattr(error, "reason", None) or error)
    except Exception as error:  # a damaged file can end in any
        if file.is_file():
            raise ModelError(f"{file} is damaged, delete it: {one_line(error)}") from error
        if "invalid hash value" not in str(error):
            raise
        reason = "the download is damaged"
    raise ModelError(
        f"the weights of {name} are missing ({reason}): put {file.name} from {entry.url} into {file.parent}, "
        "or give it with --weights FILE"
    )


def _build(name: str, size: int, outputs: int, state: Mapping[str, Tensor] | None) -> nn.Module:
    """The network as torchvision builds it for its own weights."""
    import torchvision

    options: dict[str, Any] = {"num_classes": outputs}
    if name.startswith("vit_"):
        options["image_size"] = size  # the positional embedding depends on it
    if name in _AUXILIARY:
        # The published weights expect Inception's normalisation, made from ImageNet's inside the network.
        # Auxiliary classifiers serve training only, but the published weights hold them.
        auxiliary = any(key.startswith(_AUXILIARY[name]) for key in state or ())
        options |= {"transform_input": True, "init_weights": False, "aux_logits": auxiliary}
    with own_random_state():
        return torchvision.models.get_model(name, weights=None, **options)


def _current_keys(name: str, state: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    """The keys of today: DenseNet's published weights have ``norm.1`` for what is ``norm1`` now."""
    if not name.startswith("densenet"):
        return state
    return renamed(state, lambda key: _DENSENET_KEY.sub(r"\1\2", key))
