"""Messages on stderr."""

from __future__ import annotations

import contextlib
import sys

from rdexplain.text.names import printable


def say(text: str) -> None:
    """Print a line to stderr; characters that cannot be printed are escaped."""
    line = printable(" ".join(f"rdexplain: {text}".split()))
    with contextlib.suppress(OSError, ValueError):
        print(line.encode("utf-8", "backslashreplace").decode(), file=sys.stderr, flush=True)
