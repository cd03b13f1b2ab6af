"""A job: a function of options and a progress, which users call with the options as keyword arguments."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable, Iterator
from dataclasses import fields
from typing import Any, Generic, ParamSpec, TypeVar

from rdexplain.errors import OptionError, PhotoError
from rdexplain.text.bar import Bar
from rdexplain.work.options import Option, Options
from rdexplain.work.progress import Progress, Silent

Wanted = TypeVar("Wanted", bound=Options)
Result = TypeVar("Result")
Given = ParamSpec("Given")


class Job(Generic[Wanted, Result]):
    """A function that makes the options from its keyword arguments, and does the work.

    Args:
        options: the class of its options.
        work: does the work.

    Attributes:
        of: `work` itself, for a caller that has the options.
    """

    def __init__(self, options: type[Wanted], work: Callable[[Wanted, Progress], Result]) -> None:
        self.options, self.of = options, work
        self.__name__, self.__module__ = work.__name__, work.__module__
        self.__doc__ = f"{inspect.getdoc(work)}\n\n{_listed(options)}"
        self.__signature__ = _signature(options)

    def __call__(self, *first: Any, progress: Progress | bool | None = None, **given: Any) -> Result:
        names = [name for name, option in self.options.declared().items() if option.positional]
        if len(first) > len(names):
            raise TypeError(f"{self.__name__}() takes {len(names)} positional arguments, not {len(first)}")
        for name, value in zip(names, first, strict=False):
            if name in given:
                raise TypeError(f"{self.__name__}() got {name!r} twice")
            given[name] = value
        with listening(progress) as told:
            found = self.of(self.options.made(given), told)
        if (nothing := getattr(found, "nothing", None)) is not None:
            raise PhotoError(nothing)
        return found

    def __repr__(self) -> str:
        return f"<job {self.__module__}.{self.__name__}>"


def job(options: type[Wanted]) -> Callable[[Callable[[Wanted, Progress], Result]], Job[Wanted, Result]]:
    """Makes a `Job` of the function below it."""
    return lambda work: Job(options, work)


@contextlib.contextmanager
def listening(progress: Progress | bool | None) -> Iterator[Progress]:
    """The listener for a job's progress: a bar on stderr for True, none for None and False."""
    if progress not in (None, False, True):
        missing = [name for name in _TOLD if not callable(getattr(progress, name, None))]
        if missing or isinstance(progress, type):
            what = f"{', '.join(missing)} is missing" if missing else "it is a class: make one of it"
            raise OptionError(f"`progress` is told by its methods {', '.join(_TOLD)}: {what}; subclass rx.Progress")
    if progress is True:
        with Bar() as bar:
            yield _OnABar(bar)
    else:
        yield progress or Silent()


_TOLD = ("stage", "advance", "preview", "done", "failed", "warning")


class _OnABar(Silent):
    def __init__(self, bar: Bar) -> None:
        self.stage, self.advance = bar.stage, bar.advance  # type: ignore[method-assign]


def _signature(options: type[Options]) -> inspect.Signature:
    """What an editor shows: the options with their types and defaults."""
    keyword, either = inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD
    declared = options.declared()
    every = {one.name: one for one in fields(options)}  # type: ignore[arg-type]
    order = [every[name] for names in options.groups().values() for name in names]
    order.sort(key=lambda one: not declared[one.name].positional)
    parameters = [
        inspect.Parameter(
            one.name, either if declared[one.name].positional else keyword, default=one.default, annotation=one.type
        )
        for one in order
    ]
    told = inspect.Parameter("progress", keyword, default=None, annotation="Progress | bool | None")
    return inspect.Signature([*parameters, told])


def _names(option: Option) -> str:
    """The names that an option's value may have: all of them where its metavar has them, else some."""
    if not option.choices or option.listed:
        return ""
    return f"; {'one of' if (option.metavar or '').startswith('{') else 'such as'} {', '.join(option.choices)}"


def _listed(options: type[Options]) -> str:
    declared = options.declared()
    lines = ["Args:"]
    for names in options.groups().values():
        for name in names:
            option = declared[name]
            many = "; or a list" if option.many else ""
            lines.append(f"    {name}: {option.help}{many}{_names(option)}.")
    lines.append("    progress: told how far it is, see `rdexplain.work.progress.Progress`; True is a bar.")
    return "\n".join(lines)
