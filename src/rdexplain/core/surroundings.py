"""Switches off inference mode, autocast and the like around a call, so that they do not change its result."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import torch


@contextmanager
def usual_surroundings(device: torch.device) -> Iterator[None]:
    """Inside the block inference mode and autocast are off, and the default device of new tensors is the CPU.

    Autocast would round noise and masks to half precision; a network that needs it can switch it on itself.

    Args:
        device: where the network runs.
    """
    with ExitStack() as stack:
        stack.enter_context(torch.inference_mode(False))
        for kind in {device.type, "cpu"}:
            if torch.amp.is_autocast_available(kind) and torch.is_autocast_enabled(kind):
                stack.enter_context(torch.autocast(kind, enabled=False))
        if torch.get_default_device().type != "cpu":
            stack.enter_context(torch.device("cpu"))
        yield
