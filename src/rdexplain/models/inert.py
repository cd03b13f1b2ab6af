"""Reads tensors from pickles of whole objects, without running any code that the pickle names.

PyTorch's archives are zip files with a pickle and the tensors' bytes beside it. A pickle of a network names its
classes and functions, and loading it would import and call them, whatever they do. Here every name but those of
PyTorch's own tensor constructors becomes an inert stand-in that keeps what it is given and does nothing.
"""

from __future__ import annotations

import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from rdexplain.errors import ModelError

_TYPES = {
    "FloatStorage": torch.float32,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "DoubleStorage": torch.float64,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
}


class Inert:
    """Stands in for any object, and keeps its state and its items."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        self.items: dict[Any, Any] = {}

    def __call__(self, *arguments: Any, **options: Any) -> Inert:
        return Inert()

    def __setstate__(self, state: Any) -> None:
        # Objects with slots have a pair: the dictionary and the slots.
        for part in state if isinstance(state, tuple) else (state,):
            if isinstance(part, dict):
                self.__dict__.update((key, value) for key, value in part.items() if isinstance(key, str))

    def __setitem__(self, key: Any, value: Any) -> None:
        self.items[key] = value

    def append(self, value: Any) -> None:
        self.items[len(self.items)] = value

    def extend(self, values: Any) -> None:
        for value in values:
            self.append(value)

    def add(self, value: Any) -> None:
        self.append(value)


def read_object(path: Path) -> Any:
    """The object in a PyTorch archive: dicts, lists, numbers and tensors as they are, all else `Inert`.

    Raises:
        ModelError: the file is no such archive, or is damaged.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            return _Reader(archive).load()
    except zipfile.BadZipFile as error:
        raise ModelError(f"{path} is no PyTorch archive (those of PyTorch before 1.6 cannot be read)") from error
    except ModelError:
        raise
    except Exception as error:  # a malicious pickle can raise anything
        raise ModelError(f"{path} is damaged, or no PyTorch archive: {type(error).__name__}") from error


class _Reader(pickle.Unpickler):
    """Reads ``data.pkl``; the tensors' bytes are looked up in the archive."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        pickles = [name for name in archive.namelist() if name.endswith("/data.pkl") or name == "data.pkl"]
        if len(pickles) != 1:
            raise ModelError(f"{archive.filename} is no PyTorch archive: it has no data.pkl")
        self._archive = archive
        self._folder = pickles[0].removesuffix("data.pkl")
        order = f"{self._folder}byteorder"
        if order in archive.namelist() and archive.read(order) != b"little":
            raise ModelError(f"{archive.filename} was written on a machine of another byte order")
        super().__init__(archive.open(pickles[0]))

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _tensor
        if (module, name) == ("torch._utils", "_rebuild_parameter"):
            return _parameter
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if module == "torch" and name in _TYPES:
            return _TYPES[name]
        return Inert

    def persistent_load(self, reference: Any) -> Tensor:
        """A storage, as a flat tensor."""
        _, dtype, key, _, count = reference
        data = bytearray(self._archive.read(f"{self._folder}data/{int(key)}"))
        return torch.frombuffer(data, dtype=dtype, count=count) if count else torch.empty(0, dtype=dtype)


def _tensor(storage: Tensor, offset: int, size: tuple[int, ...], stride: tuple[int, ...], *_: Any) -> Tensor:
    return torch.as_strided(storage, size, stride, offset).clone()


def _parameter(data: Tensor, *_: Any) -> Tensor:
    return data


def state_of(module: Any) -> dict[str, Tensor]:
    """The state dict of a network that was read as `Inert` objects; empty for anything else."""
    return dict(_named_tensors(module, ""))


def _named_tensors(module: Any, prefix: str) -> Iterator[tuple[str, Tensor]]:
    state = getattr(module, "__dict__", {}) if isinstance(module, Inert) else {}
    for group in ("_parameters", "_buffers"):
        for name, value in _items(state.get(group)):
            if isinstance(value, Tensor):
                yield f"{prefix}{name}", value
    for name, child in _items(state.get("_modules")):
        yield from _named_tensors(child, f"{prefix}{name}.")


def _items(group: Any) -> list[tuple[Any, Any]]:
    return list(group.items()) if isinstance(group, dict) else []
