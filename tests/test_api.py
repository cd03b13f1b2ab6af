"""The public names and how they are called: a change is seen, and meant.

To take a change in: RDEXPLAIN_NEW_API=1 pytest tests/test_api.py
"""

from __future__ import annotations

import inspect
import os
import re
from pathlib import Path

import rdexplain as rx

FILE = Path(__file__).with_name("api.txt")


def called(value):
    """How something is called, without addresses and what depends on Python's version."""
    text = str(inspect.signature(value)).replace("typing.", "")
    text = re.sub(r"(?<=PosixPath\()|(?<=WindowsPath\()", "", text)
    return re.sub(r" at 0x[0-9a-f]+", "", text)


def lines():
    """Each public name with its signature, and those of a class's public methods and properties."""
    for name in sorted(rx.__all__):
        value = getattr(rx, name)
        if not callable(value):
            yield name
            continue
        if not inspect.isclass(value):
            yield f"{name}{called(value)}"
            continue
        made = not (getattr(value, "_is_protocol", False) or issubclass(value, BaseException))
        yield f"class {name}{called(value) if made else ''}"
        for part in sorted(part for part in dir(value) if not part.startswith("_")):
            member = inspect.getattr_static(value, part)
            if isinstance(member, property):
                yield f"    {part}"
            elif inspect.isfunction(member) or isinstance(member, staticmethod | classmethod):
                yield f"    {part}{called(getattr(value, part))}"


def test_the_public_names_are_those_that_were_meant():
    found = [line.rstrip() for line in lines()]
    if os.environ.get("RDEXPLAIN_NEW_API"):
        FILE.write_text("\n".join(found) + "\n")
    assert found == FILE.read_text().splitlines()
