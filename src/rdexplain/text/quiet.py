"""Silences warnings."""

from __future__ import annotations

import contextlib
import threading
import warnings
from collections.abc import Iterator

# Silencing warnings swaps a process-wide list: two threads that did it at once could leave it swapped.
_lock = threading.RLock()


@contextlib.contextmanager
def quietly(message: str = "") -> Iterator[None]:
    """Silence warnings whose text begins with a pattern; all of them by default."""
    with _lock, warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=message)
        yield
