"""timm's image classifiers: ``timm/NAME``, with timm's own weights, normalisation and input size.

There are more than a thousand: ``timm.list_models()`` lists them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rdexplain.errors import ModelError, one_line, unknown
from rdexplain.models.checkpoint import is_random, load_state, own_random_state, read_state
from rdexplain.models.classes import ClassName
from rdexplain.models.imagenet import imagenet_classes
from rdexplain.models.model import Model

PREFIX = "timm/"


def matches(name: str) -> bool:
    """Whether the name begins with ``timm/``."""
    return name.startswith(PREFIX)


def load(name: str, *, weights: str | Path | None = None, classes: tuple[ClassName, ...] | None = None) -> Model:
    """The classifier.

    Args:
        name: ``timm/`` and timm's name, with or without a tag: ``timm/resnet50.a1_in1k``.
        weights: None for the pretrained ones, from timm's cache or its hub; a file with a state dict; or "random".
        classes: the class names; without them ImageNet's where there are 1000.

    Raises:
        ModelError: no such network; the weights cannot be loaded or do not fit.
    """
    import timm

    short = name.removeprefix(PREFIX)
    if not timm.is_model(short.partition(".")[0]):
        raise ModelError(unknown("model of timm", short, timm.list_models()))
    options: dict[str, Any] = {} if classes is None else {"num_classes": len(classes)}
    if weights is None:
        network = _pretrained(name, short, options)
    else:
        with own_random_state():
            network = timm.create_model(short, pretrained=False, **options)
        if not is_random(weights):
            load_state(network, read_state(weights), str(weights), name)
    settings = network.pretrained_cfg
    known = imagenet_classes() if network.num_classes == len(imagenet_classes()) else None
    return Model(
        network.eval(),
        name=f"{name} (random)" if is_random(weights) else name,
        mean=settings["mean"],
        std=settings["std"],
        input_size=settings["input_size"][-1],
        fixed_size=bool(settings.get("fixed_input_size")),
        classes=known if classes is None else classes,
        weights=str(settings.get("tag") or "pretrained") if weights is None else str(weights),
        activation="softmax",
    )


def _pretrained(name: str, short: str, options: dict[str, Any]) -> Any:
    import timm

    try:
        return timm.create_model(short, pretrained=True, **options)
    except Exception as error:  # the hub, its cache and a missing network fail in many ways
        raise ModelError(
            f"the weights of {name} cannot be had ({one_line(error)[:160]}): give a file with `weights`, or random"
        ) from error
