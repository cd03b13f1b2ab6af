"""Names of files, which may be any bytes, as text for people."""

from __future__ import annotations

import unicodedata

NOT_UNICODE = "its name is not valid UTF-8: rename it"
_SPELT_OUT = ("Cc", "Cs", "Zl", "Zp")
"""Control characters, surrogates, and what separates lines and paragraphs."""


def is_unicode(name: str) -> bool:
    """Whether a name is text. Other bytes are kept as surrogates, which neither figures nor tables take."""
    return not any("\ud800" <= character <= "\udfff" for character in name)


def printable(name: str) -> str:
    """A name in one line, with what cannot be written or breaks lines spelt out: `a\\nb.jpg`, `bad\\udcff.jpg`."""
    return "".join(repr(one)[1:-1] if unicodedata.category(one) in _SPELT_OUT else one for one in name)
