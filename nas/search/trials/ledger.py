"""The store of a search's trials, for one process or several."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import AbstractContextManager

from optuna.trial import FrozenTrial

STUDY = "search"
FACTS = "facts"
CODE, LOST, DIED = "code", "lost", "its worker died"
OUTCOME = "state"
"""The attribute that marks a trial whose evaluation has ended."""


class Ledger(ABC):
    """The trials of one search, in the order of their numbers."""

    @abstractmethod
    def read(self) -> Sequence[FrozenTrial]:
        """Returns all trials, including running ones and those of other processes."""

    @abstractmethod
    def claim(self, trial: FrozenTrial, *, budget: int) -> int | None:
        """Claims a trial's network for this process.

        Args:
            trial: A running trial; its attribute ``code`` is the network's identity.
            budget: Number of evaluations of the search.

        Returns:
            The trial's number, or ``None`` if the network or the last evaluation belongs to another process.

        Raises:
            UserError: If the trial cannot be written.
        """

    @abstractmethod
    def working(self, number: int) -> AbstractContextManager[object]:
        """Shows other processes that this one is working on the trial, while the body runs."""

    @abstractmethod
    def finish(self, number: int | None, trial: FrozenTrial) -> int | None:
        """Writes a finished trial.

        Args:
            number: The number from ``claim``; ``None`` for a trial that needs no claim.
            trial: The trial with all its attributes.

        Returns:
            Its number, or ``None`` if another process took it over because this one seemed dead.

        Raises:
            UserError: If the trial cannot be written.
        """


def has_ended(trial: FrozenTrial) -> bool:
    """Returns whether a trial is an entry of the search, not running, withdrawn or lost."""
    return trial.state.is_finished() and OUTCOME in trial.user_attrs


def share(copy: FrozenTrial, trial: FrozenTrial) -> None:
    """Makes a copy of a finished trial hold the trial's own objects; a finished trial never changes."""
    copy.params, copy.distributions = trial.params, trial.distributions
    copy.user_attrs, copy.system_attrs = trial.user_attrs, trial.system_attrs
