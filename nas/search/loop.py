"""The loop of a search: proposes and evaluates networks, and remembers those it has seen."""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import final

import numpy as np
from optuna.trial import FrozenTrial, Trial, TrialState

from nas.search.bounds import predict_or_reject
from nas.search.goals.pareto import as_losses
from nas.search.goals.problem import Candidate
from nas.search.proposals import fresh, mutant
from nas.search.reachable import find_best, violations
from nas.search.samplers.planning.fixed_space import FixedSpace
from nas.search.study import Study
from nas.search.trials.evaluation import (
    Evaluation,
    Known,
    Outcome,
    State,
    complete,
    from_attributes,
    numbered,
    to_attributes,
)
from nas.search.trials.ledger import CODE, DIED, LOST, Ledger, has_ended
from nas.search.trials.mirror import Mirror
from nas.search.trials.parameters import Parameters
from nas.statistics import Count

PATIENCE = 20
"""Number of rejected proposals in a row after which a network that breaks no bound is proposed instead."""


@final
@dataclass(frozen=True, kw_only=True)
class Proposal:
    """A network to evaluate.

    Attributes:
        trial: Its trial in the study in memory.
        candidate: The network.
        origin: See ``nas.search.trials.evaluation.Evaluation``.
    """

    trial: Trial
    candidate: Candidate
    origin: str


@final
class Loop:
    """The state of a running search: the study in memory and the networks seen."""

    def __init__(self, study: Study, ledger: Ledger, *, salt: tuple[int, ...] = ()) -> None:
        """Starts with an empty memory, which ``sync`` fills.

        Args:
            study: The search.
            ledger: The store of its trials.
            salt: Numbers unique to this process among several; empty for a single process.
        """
        self.study, self._ledger, self._salt = study, ledger, salt
        self._problem, self._goals = study.problem, study.goals
        self._parameters = Parameters(study.problem)
        self._mirror = Mirror(study.goals.directions)
        self._trials = self._mirror.study
        self.entries: list[Evaluation] = []
        self.evaluated = 0
        self._entered: set[Candidate] = set()
        self._seen: set[Candidate] = set()
        self._again: list[tuple[Candidate, str]] = []
        self._front: list[Evaluation] = []
        self._worst: list[float] = []
        self._rejections = self._asked = 0

    @property
    def running(self) -> int:
        """Number of evaluations running in other processes."""
        return self._mirror.running

    def sync(self) -> None:
        """Adds the results of other processes and, on the first call, of earlier runs."""
        for trial in self._mirror.update(self._ledger.read()):
            candidate = self._parameters.candidate(trial.params)
            if has_ended(trial):
                self._enter(from_attributes(trial.user_attrs, len(self.entries), candidate))
            elif not trial.state.is_finished():
                self._seen.add(candidate)
            elif trial.user_attrs.get(LOST) == DIED and candidate not in self._entered:
                self._seen.discard(candidate)
                self._again.append((candidate, trial.user_attrs["origin"]))

    def ordered(self) -> list[Evaluation]:
        """Returns all entries in the ledger's order, which is the same for all processes.

        When the budget is spent, the last evaluation is the last entry. Other processes may still reject
        networks while this one ends, and each would see other ones.
        """
        entries: dict[Candidate, Evaluation] = {}
        for trial in filter(has_ended, self._ledger.read()):
            candidate = self._parameters.candidate(trial.params)
            entries.setdefault(candidate, from_attributes(trial.user_attrs, len(entries), candidate))
        found = list(entries.values())
        while self.evaluated >= self.study.trials and found and not found[-1].counts:
            found.pop()
        return [numbered(entry, position) for position, entry in enumerate(found)]

    # -- proposals ----------------------------------------------------------------------------------------

    def propose(self) -> Proposal | None:
        """Proposes a network not seen before; ``None`` if none is left."""
        self._asked += 1
        while self._again:
            candidate, origin = self._again.pop()
            if candidate not in self._seen:
                return self._given(candidate, origin, purpose=0)
        pending = next((each for each in self.study.first if each not in self._seen), None)
        if pending is not None:
            return self._given(pending, "initial", purpose=0)
        if self._rejections >= PATIENCE:
            return self._replacement(None)
        trial = self._ask(self._seeds(0))
        candidate = self._parameters.candidate(trial.params)
        if candidate not in self._seen:
            return Proposal(trial=trial, candidate=candidate, origin="sampler")
        self._trials.tell(trial, state=TrialState.FAIL)  # a repeat; never written to the ledger
        return self._replacement(candidate)

    def _replacement(self, repeated: Candidate | None) -> Proposal | None:
        rng = np.random.default_rng(self._seeds(1))
        candidate = mutant(repeated, self._seen, rng) if repeated is not None else None
        candidate = candidate or self._fresh(rng)
        return None if candidate is None else self._given(candidate, "replacement", purpose=2)

    def _fresh(self, rng: np.random.Generator) -> Candidate | None:
        broken = partial(violations, self._goals)
        feasible = [each.candidate for each in self.entries if each.counts]
        feasible = feasible or [find_best(self._problem, broken, seed=self.study.seed)[0]]
        return fresh(self._problem, seen=self._seen, feasible=feasible, violations=broken, rng=rng)

    def _given(self, candidate: Candidate, origin: str, *, purpose: int) -> Proposal:
        """Enqueues a candidate as the sampler's own proposal."""
        seed = self._seeds(purpose)
        self._trials.enqueue_trial(self._parameters.params(candidate, np.random.default_rng(seed)))
        return Proposal(trial=self._ask(seed), candidate=candidate, origin=origin)

    def _ask(self, seed: int) -> Trial:
        """Asks the sampler for a proposal."""
        inner = self.study.sampler.build(self._problem, goals=self._goals, seed=seed)
        self._trials.sampler = FixedSpace(inner, self._parameters.distributions)
        return self._trials.ask(self._parameters.distributions)

    def _seeds(self, purpose: int) -> int:
        """Returns a seed derived from the journal's length, so that a resumed search gives the same result.

        Several processes are never reproducible, so each of their attempts gets a new seed.
        """
        salt = (*self._salt, self._asked) if self._salt else ()
        sequence = np.random.SeedSequence([self.study.seed, len(self.entries), purpose, *salt])
        return int(sequence.generate_state(1)[0])

    # -- evaluations --------------------------------------------------------------------------------------

    def evaluate(self, proposal: Proposal, known: Known) -> Evaluation | None:
        """Evaluates a proposal and records it; ``None`` if it belongs to another process."""
        candidate, start = proposal.candidate, time.perf_counter()
        outcome = known[candidate] if candidate in known else predict_or_reject(candidate, self._goals)
        number = None
        if not (isinstance(outcome, Outcome) and outcome.state is State.REJECTED):
            number = self._claim(proposal)
            if number is None:
                self._trials.tell(proposal.trial, state=TrialState.FAIL)
                return None
        if not isinstance(outcome, Outcome):
            assert number is not None
            with self._ledger.working(number):
                outcome = complete(candidate, self._goals, outcome, rival=self._rival)
        seconds = time.perf_counter() - start
        evaluation = Evaluation(len(self.entries), candidate, outcome, proposal.origin, seconds)
        trial = self._tell(proposal.trial, evaluation)
        number = self._ledger.finish(number, trial)
        if number is None:
            return None
        self._mirror.adopt(number, trial)
        self._enter(evaluation)
        return evaluation

    def _claim(self, proposal: Proposal) -> int | None:
        proposal.trial.set_user_attr(CODE, proposal.candidate.code)
        proposal.trial.set_user_attr("origin", proposal.origin)
        claimed = self._mirror.trial(proposal.trial.number)
        number = self._ledger.claim(claimed, budget=self.study.trials)
        if number is not None:
            self._mirror.adopt(number, claimed)
        return number

    def _tell(self, trial: Trial, evaluation: Evaluation) -> FrozenTrial:
        for name, value in to_attributes(evaluation).items():
            trial.set_user_attr(name, value)
        outcome = evaluation.outcome
        for quantity, value in zip(self._goals.quantities, outcome.quantities, strict=True):
            if quantity.bound is not None:
                # Optuna's GP requires every constraint of every trial. Quantities that were not evaluated
                # break none: the trial is infeasible by the bound that rejected it, or it failed.
                broken = quantity.violation(value) if math.isfinite(value) else 0.0
                trial.set_constraint(quantity.name, broken)
        if outcome.state is State.FAILED:
            return self._trials.tell(trial, state=TrialState.FAIL)
        return self._trials.tell(trial, self._filled(outcome))

    def _filled(self, outcome: Outcome) -> list[float]:
        """Fills missing values for Optuna, which requires a number for every objective, even if infeasible.

        Samplers rank infeasible trials by their violation, so the number does not matter; it is the worst so
        far. The journal also keeps the true values.
        """
        worst = self._worst or [0.0] * len(outcome.values)
        return [
            value if math.isfinite(value) else last for value, last in zip(outcome.values, worst, strict=True)
        ]

    def _rival(self, values: Sequence[float], position: int) -> Count | None:
        """Returns the best accuracy of the networks that are as good in all other objectives, if known."""
        count = len(self._goals.objectives)
        if position >= count or not self._front:
            return None
        others = [other for other in range(count) if other != position]
        mine = as_losses(values[:count], self._goals.directions)[0, others]
        theirs = as_losses([each.outcome.values for each in self._front], self._goals.directions)[:, others]
        # comparisons with NaN, a value not evaluated yet, are false
        outcomes = [self._front[i].outcome for i in np.flatnonzero((theirs <= mine).all(axis=1))]
        counts = [Count(round(o.values[position] * o.images), o.images) for o in outcomes if o.images]
        return max(counts, key=lambda each: each.value, default=None)

    def _enter(self, evaluation: Evaluation) -> None:
        self._seen.add(evaluation.candidate)
        if evaluation.candidate in self._entered:
            return
        self._entered.add(evaluation.candidate)
        self.entries.append(evaluation)
        evaluation.candidate.release()  # of 20,000 networks, it would be 120 MB
        self.evaluated += evaluation.counts
        self._rejections = 0 if evaluation.counts else self._rejections + 1
        if evaluation.outcome.state is State.COMPLETE:
            self._compare(evaluation)

    def _compare(self, evaluation: Evaluation) -> None:
        """Updates the worst values and, of the counted accuracies, the front."""
        outcome, directions = evaluation.outcome, self._goals.directions
        worse = [min if direction == "maximize" else max for direction in directions]
        pairs = zip(worse, self._worst or outcome.values, outcome.values, strict=True)
        self._worst = [worst(old, new) for worst, old, new in pairs]
        if not (evaluation.usable and outcome.images):
            return
        mine = as_losses(outcome.values, directions)
        theirs = as_losses([each.outcome.values for each in self._front], directions)
        if not (theirs <= mine).all(axis=1).any():
            kept = np.flatnonzero(~(mine <= theirs).all(axis=1))
            self._front = [*(self._front[i] for i in kept), evaluation]


def salt_of(worker: int, identity: str) -> tuple[int, ...]:
    """Returns numbers unique to one of several processes, for its seeds."""
    return worker, int(hashlib.sha256(identity.encode()).hexdigest()[:8], 16)
