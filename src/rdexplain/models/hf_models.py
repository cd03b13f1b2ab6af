"""Image classifiers of transformers, ``hf/NAME``: a name on the hub or a folder, with its normalisation."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from rdexplain.errors import ModelError, one_line
from rdexplain.models.checkpoint import is_random, load_state, own_random_state, read_state
from rdexplain.models.classes import ClassName, as_class_names
from rdexplain.models.model import Model
from rdexplain.text.extras import how_to_install

PREFIX = "hf/"


def matches(name: str) -> bool:
    """Whether the name begins with ``hf/``."""
    return name.startswith(PREFIX)


def load(name: str, *, weights: str | Path | None = None, classes: tuple[ClassName, ...] | None = None) -> Model:
    """The classifier; code that comes with the weights is never run.

    Args:
        name: ``hf/`` and a name on the hub (``hf/google/vit-base-patch16-224``), or a folder of `save_pretrained`.
        weights: None for its own; a file with a state dict; or "random".
        classes: the class names, in place of the configuration's.

    Raises:
        ModelError: transformers is not installed; the network cannot be loaded, or is no image classifier.
    """
    try:
        from transformers import AutoConfig, AutoModelForImageClassification
    except ImportError as error:
        raise ModelError(f"{name} needs transformers: {how_to_install('hf')}") from error
    place = name.removeprefix(PREFIX)
    try:
        config = AutoConfig.from_pretrained(place, trust_remote_code=False)
        if weights is None:
            network = AutoModelForImageClassification.from_pretrained(place, trust_remote_code=False)
        else:
            with own_random_state():
                network = AutoModelForImageClassification.from_config(config)
    except Exception as error:  # the hub, its cache and a folder fail in many ways
        raise ModelError(
            f"{name} cannot be had as an image classifier ({one_line(error)[:160]}): "
            "put it into transformers' cache, or give a folder as hf/FOLDER"
        ) from error
    if weights is not None and not is_random(weights):
        load_state(network, read_state(weights), str(weights), name)
    labels = [config.id2label[index] for index in sorted(config.id2label)]
    settings = _preprocessing(place)
    size = _size(config)
    return Model(
        network.eval(),
        name=f"{name} (random)" if is_random(weights) else name,
        mean=settings.get("image_mean"),
        std=settings.get("image_std"),
        input_size=size,
        # Position embeddings fit one size; a convolutional network's configuration states none.
        fixed_size=size is not None and hasattr(config, "patch_size"),
        classes=as_class_names(labels) if classes is None else classes,
        weights=place if weights is None else str(weights),
        activation="sigmoid" if config.problem_type == "multi_label_classification" else "softmax",
    )


def _size(config: Any) -> int | None:
    size = getattr(config, "image_size", None)
    if isinstance(size, list | tuple):
        size = size[0] if len(set(size)) == 1 else None
    return size if isinstance(size, int) else None


def _preprocessing(place: str) -> dict[str, Any]:
    """Mean and std in preprocessor_config.json, for images in [0, 1]; empty where there are none or they are off."""
    from transformers.utils import cached_file

    try:
        file = cached_file(place, "preprocessor_config.json")
        settings = json.loads(Path(file or "").read_text()) if file else {}
    except (OSError, ValueError):
        return {}
    normalise = settings.get("do_normalize", True)
    mean, std = (_triple(settings.get(key) if normalise else None) for key in ("image_mean", "image_std"))
    # The processor multiplies bytes by `rescale_factor`; here the images are in [0, 1].
    rescales, of_bytes = settings.get("do_rescale", True), mean is not None and max(mean) > 1
    scale = 255 * settings.get("rescale_factor", 1 / 255) if rescales else 255 if of_bytes else 1
    offset = 1 if settings.get("rescale_offset") else 0
    if mean is None and std is None and scale == 1 and not offset:
        return {}
    return {
        "image_mean": [(value + offset) / scale for value in mean or (0, 0, 0)],
        "image_std": [value / scale for value in std or (1, 1, 1)],
    }


def _triple(values: Any) -> list[float] | None:
    """Three numbers, from one per channel or one for all."""
    return (
        None if values is None else [float(value) for value in (values if isinstance(values, list) else [values] * 3)]
    )
