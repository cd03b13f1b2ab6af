"""What the workers of `evaluate` have in common: pieces of work, and their results."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from rdexplain.evaluation import Evaluation, Settings


class Piece(NamedTuple):
    """Photos that are evaluated together, or one explanation.

    Attributes:
        place: the index among all pieces.
        names: of the photos, or of the explanation.
    """

    place: int
    names: tuple[str, ...]


@dataclass
class Found:
    """The result of a piece.

    Attributes:
        place: the piece's.
        evaluation: of its photos by all methods, or of its explanation.
        done: number of photos or explanations in `evaluation`.
        failures: what went wrong, by photo or explanation.
        options: of the methods, ready for JSON.
    """

    place: int
    evaluation: Evaluation = field(default_factory=Evaluation)
    done: int = 0
    failures: dict[str, str] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Measuring:
    """The recipe that both kinds of workers share; see `engines.Recipe`.

    Attributes:
        model: the arguments of `load_model`, except the device.
        methods: their names.
        settings: what is measured.
        batches: how the network is run, as `evaluation.subject` takes it.
    """

    model: dict[str, Any]
    methods: tuple[str, ...]
    settings: Settings
    batches: dict[str, Any]

    def parts(self, task: Piece) -> list[Piece]:
        """A piece for each photo."""
        return [Piece(task.place, (name,)) for name in task.names]

    def given_up(self, task: Piece, reason: str) -> Found:
        """The result of a photo on which workers crash."""
        return Found(task.place, failures={name: f"{name}: {reason}" for name in task.names})
