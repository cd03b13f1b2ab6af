"""Turns errors into one line on stderr and an exit status."""

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
        named: replaces the names of options in a message by their flags.
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
    """Show warnings as one line each; those of the solver about memory every time, not only once."""
    with warnings.catch_warnings():
        warnings.filterwarnings("always", message="out of memory", category=RuntimeWarning)
        warnings.showwarning = lambda message, *_, **__: say(named(f"warning: {message}"))
        yield


@contextlib.contextmanager
def _any_name_printable() -> Iterator[None]:
    """Escape characters that stdout cannot print: those of its encoding, and of file names that are no Unicode."""
    reconfigure = getattr(sys.stdout, "reconfigure", None)
    if reconfigure is None:
        yield
        return
    before = sys.stdout.errors
    reconfigure(errors="backslashreplace")
    try:
        yield
    finally:
        # Setting it back flushes stdout, which may fail a second time.
        with contextlib.suppress(OSError, ValueError):
            reconfigure(errors=before)


def _discard_stdout() -> None:
    """Send the rest of stdout to nowhere: it is closed, and Python would complain about its buffer when it exits."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        nothing = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nothing, sys.stdout.fileno())
        os.close(nothing)
