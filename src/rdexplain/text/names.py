"""Names of files, which may be any bytes, as printable text."""

from __future__ import annotations

import unicodedata

NOT_UNICODE = "its name is not valid UTF-8: rename it"
_SPELT_OUT = ("Cc", "Cs", "Zl", "Zp")
"""Unicode categories that are escaped: control characters, surrogates, separators of lines and paragraphs."""


def is_unicode(name: str) -> bool:
    """Whether a name is valid Unicode. Python keeps other bytes as surrogates, which figures and tables reject."""
    return not any("\ud800" <= character <= "\udfff" for character in name)


def printable(name: str) -> str:
    """A name in one line, with unprintable characters and line breaks escaped: `a\\nb.jpg`, `bad\\udcff.jpg`."""
    return "".join(repr(one)[1:-1] if unicodedata.category(one) in _SPELT_OUT else one for one in name)
