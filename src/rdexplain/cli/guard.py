"""The one place where errors become a line on stderr and an exit status."""

from __future__ import annotations

import contextlib
import os
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator

from rdexplain.errors import RDExplainError, describe
from rdexplain.text.say import say

FINE, SOME_FAILED, ERROR, INTERRUPTED, CLOSED_PIPE = 0, 1, 2, 130, 141


def guarded(work: Callable[[], int], debug: bool, named: Callable[[str], str]) -> int:
    """The exit status of `work`. Notes that were added to an error follow its text in parentheses.

    Args:
        debug: whether an error's traceback is shown.
        named: from a message to one with options as the command line calls them.
    """
    try:
        with _one_line_warnings(named), _any_name_printable():
            status = work()
            sys.stdout.flush()
            return status
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else FINE if stop.code is None else ERROR
    except BrokenPipeError:  # `rdexplain models | head` has read enough
        _discard_stdout()
        return CLOSED_PIPE
    except KeyboardInterrupt as error:
        status, text = INTERRUPTED, "interrupted"
        problem: BaseException = error
    except RDExplainError as error:
        status, text = ERROR, f"error: {error}"
        problem = error
    except OSError as error:
        status, text = ERROR, f"error: {describe(error)}"
        problem = error
        if error.filename is None:
            _discard_stdout()
    except Exception as error:
        status = ERROR
        text = f"unexpected error ({type(error).__name__}: {error}): run again with --debug for the traceback"
        problem = error
    if debug:
        traceback.print_exception(problem)
    notes = "; ".join(getattr(problem, "__notes__", ()))
    say(named(f"{text} ({notes})" if notes else text))
    return status


@contextlib.contextmanager
def _one_line_warnings(named: Callable[[str], str]) -> Iterator[None]:
    """Warnings as lines like the errors, not as Python shows them; the solver's are shown each time."""
    with warnings.catch_warnings():
        warnings.filterwarnings("always", message="out of memory", category=RuntimeWarning)
        warnings.showwarning = lambda message, *_, **__: say(named(f"warning: {message}"))
        yield


@contextlib.contextmanager
def _any_name_printable() -> Iterator[None]:
    """File names need not be Unicode, and a terminal's encoding need not have every letter."""
    reconfigure = getattr(sys.stdout, "reconfigure", None)
    if reconfigure is None:
        yield
        return
    before = sys.stdout.errors
    reconfigure(errors="backslashreplace")
    try:
        yield
    finally:
        # Changing it back flushes, which fails again where it has failed before.
        with contextlib.suppress(OSError, ValueError):
            reconfigure(errors=before)


def _discard_stdout() -> None:
    """Nobody can read stdout any more: what is still buffered would make Python complain when it exits."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        nothing = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nothing, sys.stdout.fileno())
        os.close(nothing)
