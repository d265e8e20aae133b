"""Where the trials of a search are kept, by one process alone or by several together."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import AbstractContextManager

from optuna.trial import FrozenTrial

STUDY = "search"
FACTS = "facts"
CODE, LOST, DIED = "code", "lost", "its worker died"
OUTCOME = "state"
"""The attribute that a trial has once its evaluation has ended."""


class Ledger(ABC):
    """The trials of one search, in the order of their numbers."""

    @abstractmethod
    def read(self) -> Sequence[FrozenTrial]:
        """All trials, those of other processes and those under way included."""

    @abstractmethod
    def claim(self, trial: FrozenTrial, *, budget: int) -> int | None:
        """Announces that this process evaluates a trial's network.

        Args:
            trial: A running trial; its attribute ``code`` is the network's identity.
            budget: How many evaluations the search has.

        Returns:
            The trial's number, or ``None`` if the network or the last evaluation belongs to another process.

        Raises:
            UserError: If it cannot be written.
        """

    @abstractmethod
    def working(self, number: int) -> AbstractContextManager[object]:
        """Shows others that this process still works on the trial, while the body runs."""

    @abstractmethod
    def finish(self, number: int | None, trial: FrozenTrial) -> int | None:
        """Writes a finished trial.

        Args:
            number: What ``claim`` gave; ``None`` for a trial that needed no claim.
            trial: The trial with all its attributes.

        Returns:
            Its number, or ``None`` if it has been given to another process, as this one seemed to be dead.

        Raises:
            UserError: If it cannot be written.
        """


def has_ended(trial: FrozenTrial) -> bool:
    """Whether a trial is an entry of the search, and not under way, withdrawn or lost."""
    return trial.state.is_finished() and OUTCOME in trial.user_attrs
