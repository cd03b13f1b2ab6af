"""Loads weights from a file into a network, without running code from the file."""

from __future__ import annotations

import pickle
import warnings
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor, nn

from rdexplain.errors import ModelError, one_line

# Training scripts wrap the state dict, and DataParallel and torch.compile wrap the network.
_WRAPPERS = ("state_dict", "model")
_PREFIXES = ("module.", "_orig_mod.")


@contextmanager
def own_random_state() -> Iterator[None]:
    """Seeds the CPU generator with 0 inside the block and restores the global random state afterwards."""
    with torch.random.fork_rng(devices=[]):
        # torch.manual_seed would seed every GPU too, and those are not forked.
        torch.default_generator.manual_seed(0)
        yield


def is_random(weights: str | Path | None) -> bool:
    """Whether `weights` asks for randomly initialised weights: "none" or "random"."""
    return isinstance(weights, str) and weights.lower() in ("none", "random")


def read_state(path: str | Path) -> dict[str, Tensor]:
    """The state dict in a safetensors file or in a PyTorch file that holds only tensors.

    Raises:
        ModelError: the file is missing or damaged, holds something else, or is a pickle that would run code.
    """
    path = Path(path).expanduser()
    if not path.is_file():
        raise ModelError(f"no weights file {path}")
    try:
        if path.suffix == ".safetensors":
            return safetensors.torch.load_file(path)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about TorchScript archives, which end in the RuntimeError below
            content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise ModelError(
            f"{path} is damaged, or a pickle with code, which is never run: save the network's state_dict()"
        ) from error
    except Exception as error:  # a damaged file can raise anything, such as a KeyError of the unpickler
        reason = one_line(error) if isinstance(error, OSError | RuntimeError) else "it is no file of weights"
        raise ModelError(f"cannot read the weights in {path}: {reason}") from error
    return _unwrapped(content, path)


def load_state(network: nn.Module, state: Mapping[str, Tensor], source: str, name: str) -> None:
    """Put a state dict into a network.

    A batch norm's ``num_batches_tracked`` may be missing, as in old files: it is not used in eval mode.

    Raises:
        ModelError: names or shapes differ; the message names the weights by `source` and the network by `name`.
    """
    own = network.state_dict()
    for prefix in _PREFIXES:
        if all(key.startswith(prefix) for key in state) and not all(key.startswith(prefix) for key in own):
            state = renamed(state, lambda key, prefix=prefix: key.removeprefix(prefix))  # type: ignore[misc]
    state = renamed(state, lambda key: key)
    # A safetensors file has no metadata: modules that check the version of their state dict get the current one.
    current: dict[str, Any] = getattr(own, "_metadata", {}).get("", {})
    state._metadata.setdefault("", current)  # type: ignore[attr-defined]
    try:
        missing, unexpected = network.load_state_dict(state, strict=False)
    except RuntimeError as error:
        mismatch = next((line for line in str(error).splitlines() if "size mismatch" in line), str(error))
        raise ModelError(f"{source} does not fit {name}: {one_line(mismatch).rstrip('.')}") from error
    missing = [key for key in missing if not key.endswith("num_batches_tracked")]
    if missing or unexpected:
        parts = [
            f"{label} {', '.join(keys[:2])}{f' and {len(keys) - 2} more' if len(keys) > 2 else ''}"
            for label, keys in (("without", missing), ("with an unexpected", unexpected))
            if keys
        ]
        raise ModelError(f"{source} does not fit {name}: it comes {' and '.join(parts)}")


def renamed(state: Mapping[str, Tensor], rename: Callable[[str], str]) -> OrderedDict[str, Tensor]:
    """A copy with renamed keys, with the metadata (version numbers of the modules' state dicts) renamed alike."""
    copy = OrderedDict((rename(key), tensor) for key, tensor in state.items())
    metadata = getattr(state, "_metadata", {})
    # `rename` expects a module's prefix to end in a dot, as in keys; the paths in the metadata have none.
    moved = {rename(f"{path}.").removesuffix(".") if path else "": value for path, value in metadata.items()}
    copy._metadata = moved  # type: ignore[attr-defined]
    return copy


def _unwrapped(content: Any, path: Path) -> dict[str, Tensor]:
    for wrapper in _WRAPPERS:
        if isinstance(content, Mapping) and isinstance(content.get(wrapper), Mapping):
            content = content[wrapper]
    if not isinstance(content, dict) or not content:
        raise ModelError(f"{path} holds no state dict but a {type(content).__name__}")
    strange = next((key for key, value in content.items() if not isinstance(value, Tensor)), None)
    if strange is not None:
        raise ModelError(f"{path} holds no state dict: {strange!r} is a {type(content[strange]).__name__}")
    return content
