"""A mirror of a ledger: its trials in a study in memory, on which samplers are ten times as fast."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import final

import optuna
from optuna.storages import InMemoryStorage
from optuna.trial import FrozenTrial, TrialState

from nas.search.goals.pareto import Direction
from nas.search.trials.ledger import has_ended, share


@final
class Mirror:
    """The study, and the state of each of the ledger's trials.

    Numbers in the ledger and in the study may differ: proposals that were not evaluated are in the study
    only, and withdrawn trials are in the ledger only.
    """

    def __init__(self, directions: Sequence[Direction]) -> None:
        self._storage = InMemoryStorage()
        self.study = optuna.create_study(storage=self._storage, directions=list(directions))
        self._study_id = self._storage.get_study_id_from_name(self.study.study_name)
        self._ids: dict[int, int] = {}
        self._ended: set[int] = set()
        self._running: set[int] = set()
        self._settled = 0  # the ledger's first trials that have ended, which are not looked at again

    @property
    def running(self) -> int:
        """Number of trials known to be running."""
        return len(self._running)

    def update(self, trials: Sequence[FrozenTrial]) -> Iterator[FrozenTrial]:
        """Copies new trials from the ledger, and yields each trial that has started or ended."""
        for trial in trials[self._settled :]:
            if trial.number in self._ended or not trial.params:
                continue
            finished = trial.state.is_finished()
            if trial.number not in self._ids:
                if not finished or has_ended(trial):
                    self._ids[trial.number] = self._storage.create_new_trial(self._study_id, trial)
                    self._running.add(trial.number)
                    if finished:
                        share(self._storage.get_trial(self._ids[trial.number]), trial)
            elif not finished:
                continue
            else:
                self._settle(self._ids[trial.number], trial)
            if finished:
                self._end(trial.number)
            yield trial
        while self._settled < len(trials) and trials[self._settled].number in self._ended:
            self._settled += 1

    def adopt(self, number: int, trial: FrozenTrial) -> None:
        """Links a trial of the study to ``number`` in the ledger, as ended if the trial is finished."""
        self._ids[number] = self._storage.get_trial_id_from_study_id_trial_number(
            self._study_id, trial.number
        )
        self._running.add(number)
        if trial.state.is_finished():
            share(self._storage.get_trial(self._ids[number]), trial)
            self._end(number)

    def trial(self, number: int) -> FrozenTrial:
        """Returns a trial by its number in the study."""
        trial_id = self._storage.get_trial_id_from_study_id_trial_number(self._study_id, number)
        return self._storage.get_trial(trial_id)

    def _end(self, number: int) -> None:
        self._ended.add(number)
        self._running.discard(number)

    def _settle(self, trial_id: int, trial: FrozenTrial) -> None:
        """Ends a trial that another process has ended."""
        own = self._storage.get_trial(trial_id)
        if own.state.is_finished():
            return
        for key, value in trial.user_attrs.items():
            self._storage.set_trial_user_attr(trial_id, key, value)
        for key, value in trial.system_attrs.items():
            self._storage.set_trial_system_attr(trial_id, key, value)
        state = trial.state if has_ended(trial) else TrialState.FAIL
        self._storage.set_trial_state_values(trial_id, state, trial.values)
