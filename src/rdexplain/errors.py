"""Errors a user can mend: each message is one line that says what is wrong and what to do."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Iterable


class RDExplainError(Exception):
    """Base of every error that rdexplain raises on purpose."""


class PhotoError(RDExplainError, ValueError):
    """A photo that cannot be found or read."""


class ModelError(RDExplainError, ValueError):
    """A model that cannot be loaded, or whose output does not fit the task."""


class TargetError(RDExplainError, ValueError):
    """A target that the model does not have."""


class OptionError(RDExplainError, ValueError):
    """An invalid value of an option, or options that exclude each other."""


class SolverError(RDExplainError, RuntimeError):
    """The optimisation cannot go on.

    ``photos`` holds the positions, in the call, of the photos to blame.
    """

    def __init__(self, message: str, photos: Iterable[int] = ()) -> None:
        super().__init__(message)
        self.photos = tuple(photos)

    @classmethod
    def of(cls, photos: Iterable[int], reason: SolverError) -> SolverError:
        """An error that names the photos to blame. Its cause says the same without their places in the call."""
        blamed = sorted(set(photos))
        error = cls(f"image {', '.join(map(str, blamed))} of the batch: {reason}", blamed)
        error.__cause__ = reason
        return error


class OutputError(RDExplainError):
    """Results that cannot be written."""


def one_line(error: object) -> str:
    """The text of an error on one line; the name of its class where it has none."""
    return " ".join(str(error).split()) or type(error).__name__


def describe(error: OSError) -> str:
    """An error of the operating system in words, with its file."""
    reason = error.strerror or str(error) or type(error).__name__
    return reason if error.filename is None else f"{os.fspath(error.filename)!s}: {reason}"


def unknown(kind: str, name: str, choices: Iterable[str], otherwise: str | None = None) -> str:
    """The text of an error about a name that is none of `choices`, with the nearest ones.

    Args:
        otherwise: said where none is near, in place of the choices.
    """
    known = sorted(set(choices))
    # The dashes of options are alike in all of them.
    lowered = {choice.lower().lstrip("-"): choice for choice in known}
    text = name.lower().lstrip("-")
    # Names that hold the whole word come first: "Egyptian cat" is nearer to "cat" than "coat" is.
    holding = [choice for choice in lowered if text and text in re.split(r"[\W_]+", choice)]
    close = difflib.get_close_matches(text, lowered, n=3, cutoff=0.6 if len(text) > 3 else 0.5)
    # A name that is much less near than the nearest is not meant.
    close = [one for one in close if _likeness(text, one) > _likeness(text, close[0]) - 0.1]
    near = [lowered[match] for match in dict.fromkeys([*sorted(holding, key=len), *close])][:3]
    if near:
        hint = f"did you mean {' or '.join(near)}?"
    elif otherwise is not None:
        hint = otherwise
    elif len(known) <= 12:
        hint = f"choose from {', '.join(known)}"
    else:
        hint = f"there are {len(known)}, such as {', '.join(known[:3])}"
    return f"unknown {kind} {name!r}: {hint}"


def _likeness(one: str, other: str) -> float:
    return difflib.SequenceMatcher(None, other, one).ratio()
