"""The journal of a search by one process: each trial is on disk as soon as it has finished.

It is an ordinary Optuna journal storage, which Optuna's dashboard and plots can open. The search itself runs
on a study in memory, which is ten times as fast, and copies each finished trial to the journal.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from sys import intern
from typing import Any, final

import optuna
from optuna.distributions import BaseDistribution
from optuna.trial import FrozenTrial

from nas.errors import UserError
from nas.locks import locked
from nas.search.goals.pareto import Direction
from nas.search.trials.ledger import STUDY, Ledger, share
from nas.search.trials.optuna_storage import open_storage, open_study, storage_faults


@final
class Journal(Ledger):
    """The finished trials of one search, in the order in which they finished, written by one process only."""

    def __init__(self, path: Path, *, facts: Mapping[str, Any], directions: Sequence[Direction]) -> None:
        """Opens or creates a journal.

        Args:
            path: The file, in an existing folder.
            facts: What must match for a search to resume, as JSON values.
            directions: ``"maximize"`` or ``"minimize"`` for each objective.

        Raises:
            UserError: If the file cannot be read or written, or belongs to another search.
        """
        self._place = str(path)
        self._storage = open_storage(self._place)
        self._study = open_study(self._storage, STUDY, directions=directions, facts=facts, place=self._place)
        self._study_id = self._storage.get_study_id_from_name(STUDY)
        self._distributions: dict[str, BaseDistribution] = {}
        self._trials = self._study.get_trials(deepcopy=False)
        for trial in self._trials:
            self._share(trial)

    def read(self) -> list[FrozenTrial]:
        return self._trials

    def _share(self, trial: FrozenTrial) -> None:
        """Lets a trial share the description of its parameters and equal strings with the others.

        Optuna makes them for each trial, which takes three quarters of the memory.
        """
        if trial.distributions == self._distributions:
            trial.distributions = self._distributions
        elif trial.distributions:
            self._distributions = trial.distributions
        trial.params = {intern(name): _interned(value) for name, value in trial.params.items()}
        trial.user_attrs = {intern(name): _interned(value) for name, value in trial.user_attrs.items()}

    def claim(self, trial: FrozenTrial, *, budget: int) -> int | None:
        return len(self._trials)

    def working(self, number: int) -> AbstractContextManager[object]:
        return nullcontext()

    def finish(self, number: int | None, trial: FrozenTrial) -> int | None:
        with storage_faults(self._place):
            self._study.add_trial(trial)
            number = len(self._trials)
            written = self._storage.get_trial(
                self._storage.get_trial_id_from_study_id_trial_number(self._study_id, number)
            )
        self._share(trial)
        share(written, trial)
        # Nobody else writes: asking Optuna for the list at each trial would take time of the square of all.
        self._trials.append(written)
        return number


def _interned(value: Any) -> Any:
    return intern(value) if isinstance(value, str) else value


@contextmanager
def only_searcher(folder: Path, *, shared: bool = False) -> Iterator[None]:
    """Locks a folder for one search; the system releases the lock when the process ends, in any way.

    Args:
        folder: The search's folder; it is created if missing.
        shared: Whether to share the folder with other processes that also share it.

    Raises:
        UserError: If another process is searching in the folder.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        stream = (folder / ".lock").open("wb")
    except OSError as error:
        raise UserError(f"{folder} cannot be written ({error}); choose a writable run_dir") from None
    busy = f"another search is running in {folder}; wait for it, or choose another run_dir"
    with stream, locked(stream, shared=shared, busy=busy):
        yield


@contextmanager
def quiet() -> Iterator[None]:
    """Keeps Optuna from logging each trial."""
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(before)
