"""The interface of sources of accuracy, and their registry."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from nas.cli.steps.context import Context
from nas.registry import Registry
from nas.search import Objective
from nas.search.goals.goals import Goals
from nas.search.results.winners import Remeasure

if TYPE_CHECKING:
    from nas.scoring.scorer import Judge


class Accuracies(Protocol):
    """The accuracies of a search; ``nas.scoring.Scorer`` has this interface."""

    def accuracy(self, *, bound: float | None = None) -> Objective:
        """Makes the objective of the accuracy; ``bound`` is the lowest one allowed."""

    def balanced_accuracy(self, *, bound: float | None = None) -> Objective:
        """Makes the objective of the mean accuracy over the classes."""

    def int8_accuracy(self, *, bound: float | None = None) -> Objective:
        """Makes the objective of the accuracy after quantisation."""

    def calibrated_accuracy(self, *, bound: float | None = None) -> Objective:
        """Makes the objective of the accuracy that is expected after training alone."""

    def remeasure(self, goals: Goals) -> Remeasure | None:
        """Makes a function that counts a winner's images hidden from the search, if there are any."""

    def judge(self, goals: Goals) -> Judge | None:
        """Makes a function that evaluates a trained network on these images, if there are any."""


class AccuracySource(ABC):
    """A source of accuracies, made from a run's configuration.

    Attributes:
        evaluates: Whether networks are evaluated one by one, with a journal, rather than predicted.
        reads_images: Whether the accuracies depend on the run's images.
    """

    NAME: ClassVar[str]
    evaluates: ClassVar[bool]
    reads_images: ClassVar[bool]

    def __init__(self, context: Context) -> None:
        self.context = context

    @abstractmethod
    def check(self) -> None:
        """Raises a ``UserError`` if a setting is invalid; does no work."""

    @abstractmethod
    def sizes(self) -> tuple[int, int]:
        """The classes and input channels of the networks."""

    @abstractmethod
    def settings(self) -> dict[str, Any]:
        """The settings that decide the accuracies, besides those of the search."""

    @abstractmethod
    def inputs(self) -> dict[str, Path]:
        """The files that decide the accuracies, by what they are."""

    @abstractmethod
    def facts(self) -> Mapping[str, str]:
        """What must match for a search to resume."""

    @abstractmethod
    def resolutions(self) -> tuple[int, ...]:
        """The input resolutions to search; empty for all of the space."""

    @abstractmethod
    def open(self) -> Accuracies:
        """Reads what the accuracies come from."""


_SOURCES: Registry[type[AccuracySource]] = Registry(
    "source of accuracy (search.accuracy)", package="nas.cli.steps.search.accuracy"
)
register = _SOURCES.register
"""Class decorator that registers a source under its ``NAME``."""


def source_names() -> tuple[str, ...]:
    """The names of all sources."""
    return _SOURCES.names()


def accuracy_source(context: Context) -> AccuracySource:
    """Returns the source that the configuration names.

    Raises:
        UserError: If the name is unknown.
    """
    return _SOURCES.find(context.config.search.accuracy)(context)
