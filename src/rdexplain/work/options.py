"""Options of a job, declared once for the command line, configuration files, Python and forms."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, Field, dataclass, field, fields, replace
from numbers import Number
from pathlib import Path
from typing import Any, ClassVar, Self

from rdexplain.errors import OptionError, unknown


@dataclass(frozen=True)
class Option:
    """The declaration of an option, beside its name and its type.

    Attributes:
        help: one line for people, in which other options stand between backticks.
        flag_help: the help of a switch's flag, where the flag does the opposite of the option's name.
        kind: converts a text to the value, see `rdexplain.work.values`; None for a switch.
        metavar: the name of the value in the help.
        flags: on the command line, if not the name with hyphens.
        choices: names that the value may have, to complete a command line with.
        many: whether it may be given several times; its value is a list.
        listed: whether several values may be one value, with commas between them on the command line.
        objects: whether a Python caller may pass an object, such as a network or a mask, which is used as it is.
        gives: the value that a switch's flag sets.
        positional: whether the command line takes it without a flag.
        of_method: whether a method's constructor takes it, under the same name.
        only: the methods that have it; empty for all.
        key: whether a configuration file may hold it.
    """

    help: str
    kind: Callable[[str], Any] | None = None
    metavar: str | None = None
    flags: tuple[str, ...] = ()
    choices: tuple[str, ...] = ()
    many: bool = False
    listed: bool = False
    objects: bool = False
    gives: bool = True
    flag_help: str | None = None
    positional: bool = False
    of_method: bool = False
    only: tuple[str, ...] = ()
    key: bool = True

    def value(self, name: str, given: Any) -> Any:
        """The option's value from what a caller gives.

        Raises:
            OptionError: it is not a valid value.
        """
        if self.kind is None:
            if not isinstance(given, bool):
                raise OptionError(f"`{name}` must be true or false, not {given!r}")
            return given
        if self.objects and not isinstance(given, str | Path):
            return given
        several = _several(name, given)
        if self.many:
            return [self._read(name, one) for one in ([_text(name, given)] if several is None else several)]
        if several is None:
            return self._read(name, _text(name, given))
        if not self.listed:
            raise OptionError(f"`{name}` takes one value, not {'a list' if isinstance(given, list) else 'several'}")
        return self._read(name, ",".join(several))

    def _read(self, name: str, text: str) -> Any:
        if not text and not self.listed:
            raise OptionError(f"`{name}` is empty")
        assert self.kind is not None
        try:
            return self.kind(text)
        except OptionError:
            raise
        except ValueError as error:
            raise OptionError(f"`{name}` {error}") from error


def option(
    help: str, kind: Callable[[str], Any] | None = None, metavar: str | None = None, default: Any = None, **more: Any
) -> Any:
    """A field of `Options`; `more` are further attributes of `Option`."""
    return field(default=default, metadata={"option": Option(help, kind, metavar, **more)})


class Options:
    """Base of dataclasses whose fields are all made by `option`. Values are checked when an object is made.

    Raises:
        OptionError: an invalid value. The option's name is between backticks in the text.
    """

    title: ClassVar[str] = ""
    """Heading, in the help, of the options that the class itself adds."""
    given: ClassVar[frozenset[str]] = frozenset()
    """Names of the options that were given, if `made` made the object."""

    def __init_subclass__(cls, title: str = "", **more: Any) -> None:
        super().__init_subclass__(**more)
        cls.title = title

    def __post_init__(self) -> None:
        for one in fields(self):  # type: ignore[arg-type]
            given = getattr(self, one.name)
            missing = given is None or given is one.default
            value = one.default if missing else option_of(one).value(one.name, given)
            object.__setattr__(self, one.name, value)

    @classmethod
    def made(cls, given: Mapping[str, Any]) -> Self:
        """Options with the given values, and the defaults of the others.

        Raises:
            OptionError: an unknown option, or an invalid value.
        """
        known = cls.declared()
        for name in given:
            if name not in known:
                raise OptionError(unknown("option", name, known))
        options = cls(**given)
        object.__setattr__(options, "given", frozenset(given))
        return options

    @classmethod
    def field(cls, name: str, default: Any = MISSING, help: tuple[str, str] | None = None) -> Any:
        """One of the fields for another class.

        Args:
            default: in place of the field's own, if given.
            help: a text in the field's help, and its replacement.
        """
        (one,) = (one for one in fields(cls) if one.name == name)  # type: ignore[arg-type]
        declared = option_of(one)
        if help is not None:
            declared = replace(declared, help=declared.help.replace(*help))
        return field(default=one.default if default is MISSING else default, metadata={"option": declared})

    @classmethod
    def declared(cls) -> dict[str, Option]:
        """All options, by name."""
        return {one.name: option_of(one) for one in fields(cls)}  # type: ignore[arg-type]

    @classmethod
    def groups(cls) -> dict[str, list[str]]:
        """The names of the options by their headings, in the order of the help."""
        found: dict[str, list[str]] = {}
        placed: set[str] = set()
        for part in (*(one for one in cls.__bases__ if issubclass(one, Options)), cls):
            own = [name for name in inspect.get_annotations(part) if name in cls.declared()]
            names = [name for name in own if name not in placed]
            if names:
                found.setdefault(part.title, []).extend(names)
                placed.update(names)
        return found


def _several(name: str, given: Any) -> list[str] | None:
    """The texts of the entries of a list, an array or another iterable; None for a single value."""
    if (
        isinstance(given, str | Path | bytes | Mapping)
        or not isinstance(given, Iterable)
        or getattr(given, "ndim", 1) == 0
    ):
        return None
    found = [_text(name, one) for one in given]
    return sorted(found) if isinstance(given, set | frozenset) else found


def _text(name: str, given: Any) -> str:
    """A value as text, as on a command line.

    Raises:
        OptionError: it is neither a text, nor a path, nor a number.
    """
    if getattr(given, "ndim", None) == 0:  # a number of NumPy's, or a tensor
        given = given.item()
    if not isinstance(given, str | Path | Number):
        raise OptionError(f"`{name}` takes texts and numbers, not {type(given).__name__}")
    return str(given)


def option_of(one: Field[Any]) -> Option:
    """The declaration of a field."""
    assert one.default is not MISSING
    found: Option = one.metadata["option"]
    return found
