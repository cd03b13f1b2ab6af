"""Converts the text of an option to its value.

An invalid text raises `OptionError` with a whole sentence, or `ValueError` with the part of the sentence after the
option's name: "must be above 0, not '-1'".
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from itertools import pairwise
from pathlib import Path

from rdexplain.errors import OptionError, unknown


def one_of(kind: str, names: Iterable[str]) -> Callable[[str], str]:
    """One of a few names, in any case, with hyphens or underscores; an error with the nearest names."""
    known = {_plain(name): name for name in names}

    def value(text: str) -> str:
        if _plain(text) not in known:
            raise OptionError(unknown(kind, text, known.values()))
        return known[_plain(text)]

    return value


def several_of(kind: str, names: Iterable[str]) -> Callable[[str], tuple[str, ...]]:
    """Some of a few names with commas between them, each once, in the order given."""
    name = one_of(kind, names)

    def value(text: str) -> tuple[str, ...]:
        return tuple(dict.fromkeys(name(part.strip()) for part in text.split(",") if part.strip())) or (name(text),)

    return value


def names(text: str) -> tuple[str, ...]:
    """Names of any kind with commas between them, each once, in the order given."""
    found = tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
    if not found:
        raise ValueError(f"must be names with commas between them, not {text!r}")
    return found


def name_or_file(kind: str, names: Iterable[str], suffix: str) -> Callable[[str], str | Path]:
    """One of a few names, or a file: a text with the suffix, or the path of an existing file."""
    name = one_of(kind, names)

    def value(text: str) -> str | Path:
        return Path(text) if text.endswith(suffix) or Path(text).is_file() else name(text)

    return value


def whole(least: int) -> Callable[[str], int]:
    """A whole number of at least `least`."""

    def value(text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            number = least - 1
        if number < least:
            raise ValueError(f"must be a whole number of at least {least}, not {text!r}")
        return number

    return value


def number(text: str, least: float = -math.inf) -> float:
    """A finite number."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and value >= least):
        bound = "" if least == -math.inf else f" of at least {least:g}"
        raise ValueError(f"must be a number{bound}, not {text!r}")
    return value


def not_negative(text: str) -> float:
    """A number of at least 0."""
    return number(text, 0)


def positive(text: str) -> float:
    """A number above 0."""
    if (value := number(text)) <= 0:
        raise ValueError(f"must be above 0, not {text!r}")
    return value


def probability(text: str) -> float:
    """A number from 0 to 1."""
    if not 0 <= (value := number(text)) <= 1:
        raise ValueError(f"must lie between 0 and 1, not {text!r}")
    return value


def likelihood(text: str) -> float:
    """A number above 0 and up to 1."""
    if not 0 < (value := number(text)) <= 1:
        raise ValueError(f"must be above 0 and at most 1, not {text!r}")
    return value


def per_channel(text: str) -> tuple[float, ...]:
    """A number, or three with commas between them: `0.485,0.456,0.406`."""
    try:
        values = tuple(float(part) for part in text.split(","))
    except ValueError:
        values = ()
    if len(values) not in (1, 3) or not all(map(math.isfinite, values)):
        raise ValueError(f"must be a number, or three such as 0.485,0.456,0.406, not {text!r}")
    return values * 3 if len(values) == 1 else values


def part(text: str) -> tuple[int, int]:
    """K/N, or K,N: the K-th, from 1, of N parts."""
    first, _, last = text.replace(",", "/").partition("/")
    if not (first.isdecimal() and last.isdecimal() and 1 <= int(first) <= int(last)):
        raise ValueError(f"must be K/N with K from 1 to N, such as 1/4, not {text!r}")
    return int(first), int(last)


def several_or_all(kind: str, names: tuple[str, ...], none: bool = False) -> Callable[[str], tuple[str, ...]]:
    """Some of a few names with commas between them, or `all`, or, where that makes sense, `none`."""
    some = several_of(kind, names)

    def value(text: str) -> tuple[str, ...]:
        if text.lower() == "all":
            return names
        if none and text.lower() in ("none", ""):
            return ()
        return some(text)

    return value


MOST = 10_000
"""Most percentages: a mistyped step must not fill the memory."""


def percentages(text: str) -> tuple[float, ...]:
    """`0,5,10,100`, or `0:100:5`: from, to and step."""
    if ":" in text:
        parts = [number(part) for part in text.split(":")]
        if len(parts) != 3 or parts[2] <= 0:
            raise ValueError(f"must be FROM:TO:STEP, such as 0:100:5, not {text!r}")
        start, stop, step = parts
        if (stop - start) / step > MOST:
            raise ValueError(f"must be at most {MOST} percentages, not {text!r}")
        values = tuple(start + step * place for place in range(int((stop - start) / step + 1e-9) + 1))
    else:
        values = tuple(number(part) for part in text.split(","))
    rises = all(a < b for a, b in pairwise(values))
    if len(values) < 2 or not rises or values[0] < 0 or values[-1] > 100:
        raise ValueError(f"must be at least two rising numbers from 0 to 100, not {text!r}")
    return values


def _plain(name: str) -> str:
    return name.lower().replace("_", "-").replace(" ", "-")
