"""A search by any number of processes, on one machine or many, with one Optuna storage.

Each network is claimed before it is evaluated: the worker adds a running trial with the network's code to the
study, which is atomic in every storage, and reads the study again. If another trial has the same network, the
one with the lower number keeps it and the other is withdrawn. The same rule assigns the last evaluation of
the budget. Trials of dead workers are released.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, final

from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import FrozenTrial, TrialState, create_trial

from nas.errors import UserError
from nas.processes import identity, is_gone
from nas.search.goals.pareto import Direction
from nas.search.trials.evaluation import State
from nas.search.trials.ledger import CODE, DIED, LOST, OUTCOME, STUDY, Ledger, has_ended
from nas.search.trials.optuna_storage import check_study, is_address, open_storage, open_study, storage_faults
from nas.search.trials.workers import BEAT_S, GRACE_S, Heartbeat, Watch

WORKER, BEAT = "worker", "beat"
WITHDRAWN = "withdrawn: another worker was first"


@final
@dataclass(frozen=True, kw_only=True)
class Shared:
    """The shared storage of several processes.

    Attributes:
        storage: See ``nas.search.trials.optuna_storage.open_storage``.
        study: The study's name, for a storage with a URL; by default, it is derived from the search's inputs.
        worker: The number of this process, from 0; it makes workers with the same seed sample differently.
        beat_s: Interval of a worker's heartbeats.
        grace_s: Time without a heartbeat after which a worker on another machine counts as dead.
    """

    storage: str
    study: str | None = None
    worker: int = 0
    beat_s: float = BEAT_S
    grace_s: float = GRACE_S


def place_of(shared: Shared, *, name: str, control: bool) -> Shared:
    """Returns the storage and study of a search, or of its control.

    Args:
        shared: The configured storage.
        name: The study's name if none is configured.
        control: Whether to return those of the control.
    """
    if is_address(shared.storage):
        study = shared.study or name
        return replace(shared, study=f"{study}-control" if control else study)
    path = Path(shared.storage)
    return replace(shared, storage=str(path.with_name("control.log") if control else path), study=STUDY)


def check_places(
    shared: Shared,
    *,
    name: str,
    control: bool,
    facts: Mapping[str, Any],
    directions: Sequence[Direction],
) -> None:
    """Checks, without writing, that the studies of a search can be created or continued.

    Args:
        shared: The configured storage.
        name: The study's name if none is configured.
        control: Whether the search has a control, with a study of its own.
        facts: What must match between all workers, as JSON values.
        directions: ``"maximize"`` or ``"minimize"`` for each objective.

    Raises:
        UserError: If a storage cannot be used, or a study belongs to another search or program.
    """
    for is_control in (False, True)[: 1 + control]:
        place = place_of(shared, name=name, control=is_control)
        if is_address(place.storage) or Path(place.storage).exists():
            check_study(
                open_storage(place.storage),
                place.study or STUDY,
                directions=directions,
                facts=facts,
                place=place.storage,
            )


@final
class SharedLedger(Ledger):
    """One process's view of a shared study."""

    def __init__(self, shared: Shared, *, facts: Mapping[str, Any], directions: Sequence[Direction]) -> None:
        """Opens or creates the study.

        Args:
            shared: The storage and the study's name.
            facts: What must match between all workers, as JSON values.
            directions: ``"maximize"`` or ``"minimize"`` for each objective.

        Raises:
            UserError: If the storage cannot be used, or the study belongs to another search.
        """
        self._place, self._shared = shared.storage, shared
        self._storage = open_storage(shared.storage)
        name = shared.study or STUDY
        open_study(self._storage, name, directions=directions, facts=facts, place=self._place)
        with storage_faults(self._place):
            self._study_id = self._storage.get_study_id_from_name(name)
        self._watch = Watch(shared.grace_s)
        self._identity = identity()
        self._mine: dict[int, FrozenTrial] = {}

    def read(self) -> Sequence[FrozenTrial]:
        with storage_faults(self._place):
            trials = self._storage.get_all_trials(self._study_id, deepcopy=False)
            lost = [trial for trial in trials if _is_active(trial) and self._is_lost(trial)]
            for trial in lost:
                self._release(trial)
            if lost:
                trials = self._storage.get_all_trials(self._study_id, deepcopy=False)
        return trials

    def claim(self, trial: FrozenTrial, *, budget: int) -> int | None:
        template = create_trial(
            state=TrialState.RUNNING,
            params=trial.params,
            distributions=trial.distributions,
            user_attrs={**trial.user_attrs, WORKER: self._identity, BEAT: 0},
            system_attrs=trial.system_attrs,
        )
        with storage_faults(self._place):
            trial_id = self._storage.create_new_trial(self._study_id, template)
            number = self._storage.get_trial(trial_id).number
            self._mine[number] = template
            if self._is_mine(number, trial.user_attrs[CODE], budget):
                return number
            self._mine.pop(number)
            with suppress(UpdateFinishedTrialError):
                self._end(trial_id, TrialState.FAIL, {LOST: WITHDRAWN})
        return None

    def finish(self, number: int | None, trial: FrozenTrial) -> int | None:
        with storage_faults(self._place):
            if number is None:
                trial_id = self._storage.create_new_trial(self._study_id, trial)
                return self._storage.get_trial(trial_id).number
            claimed, trial_id = self._mine.pop(number), self._id(number)
            with suppress(UpdateFinishedTrialError):
                for key, value in _new(trial.system_attrs, claimed.system_attrs).items():
                    self._storage.set_trial_system_attr(trial_id, key, value)
                self._end(trial_id, trial.state, _new(trial.user_attrs, claimed.user_attrs), trial.values)
                return number
        return None

    def working(self, number: int) -> Heartbeat:
        def beat(count: int) -> None:
            with suppress(UserError, UpdateFinishedTrialError), storage_faults(self._place):
                self._storage.set_trial_user_attr(self._id(number), BEAT, count)

        return Heartbeat(beat, every_s=self._shared.beat_s)

    def _is_mine(self, number: int, code: str, budget: int) -> bool:
        """Returns whether no trial with a lower number has the network or used up the budget."""
        counted = 0
        for other in self.read():
            if other.number == number or not (_is_active(other) or has_ended(other)):
                continue
            if other.user_attrs.get(CODE) == code and (other.number < number or has_ended(other)):
                return False
            counted += other.number < number and other.user_attrs.get(OUTCOME) != State.REJECTED
        return counted < budget

    def _is_lost(self, trial: FrozenTrial) -> bool:
        if trial.number in self._mine:
            return False
        worker = trial.user_attrs.get(WORKER)
        if worker is not None and is_gone(worker):
            return True
        return self._watch.is_silent(trial.number, trial.user_attrs.get(BEAT))

    def _release(self, trial: FrozenTrial) -> None:
        """Ends a dead worker's trial; its result counts if it was written completely."""
        attributes = trial.user_attrs
        with suppress(UpdateFinishedTrialError):  # another worker was first
            if attributes.get(OUTCOME) == State.COMPLETE:
                self._end(self._id(trial.number), TrialState.COMPLETE, {}, attributes["values"])
            else:
                self._end(self._id(trial.number), TrialState.FAIL, {LOST: DIED})

    def _end(
        self,
        trial_id: int,
        state: TrialState,
        attributes: Mapping[str, Any],
        values: Sequence[float] | None = None,
    ) -> None:
        """Writes attributes, the outcome last, and then the state, so that an outcome is always complete."""
        for key in sorted(attributes, key=lambda name: name == OUTCOME):
            self._storage.set_trial_user_attr(trial_id, key, attributes[key])
        self._storage.set_trial_state_values(trial_id, state, values)

    def _id(self, number: int) -> int:
        return self._storage.get_trial_id_from_study_id_trial_number(self._study_id, number)


def _is_active(trial: FrozenTrial) -> bool:
    return trial.state is TrialState.RUNNING


def _new(attributes: Mapping[str, Any], known: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in attributes.items() if key not in known or known[key] != value}
