"""The search: proposals by an Optuna sampler, evaluated, recorded, and continued after a crash."""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, final

import numpy as np
import optuna
from optuna.trial import FrozenTrial, Trial, TrialState

from nas.errors import UserError
from nas.search.candidate import Candidate, Problem
from nas.search.evaluation import (
    Evaluation,
    Known,
    Outcome,
    State,
    evaluate,
    from_attributes,
    to_attributes,
)
from nas.search.feasibility import check_bounds, find_best, violations
from nas.search.fixed_space import FixedSpace
from nas.search.journal import Journal, only_searcher, quiet
from nas.search.objectives import Objective
from nas.search.parameters import Parameters
from nas.search.proposals import default_initial, fresh, mutant
from nas.search.results import SearchResult, summarise, write_control, write_results
from nas.search.samplers import Sampler, make_sampler
from nas.space import Architecture, SearchSpace

PATIENCE = 20
"""After so many rejected proposals in a row, a network that breaks no bound is put in their place."""


@final
@dataclass(frozen=True)
class Progress:
    """What a search tells while it runs.

    Attributes:
        evaluation: The newest entry.
        evaluated: Evaluations so far, rejected candidates not counted.
        trials: The budget.
        control: Whether this is the random search that serves as control.
    """

    evaluation: Evaluation
    evaluated: int
    trials: int
    control: bool


def search(
    space: SearchSpace,
    *,
    objectives: Sequence[Objective],
    sampler: Sampler,
    trials: int,
    seed: int,
    folder: Path,
    classes: int = 1000,
    input_channels: int | None = None,
    initial: Sequence[Architecture] | None = None,
    context: Mapping[str, str] | None = None,
    noise: float = 0.0,
    control: bool = False,
    reference: Sequence[float] | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> SearchResult:
    """Searches a space and writes journal, trials, Pareto front and winner into a folder.

    A search that was killed goes on where it was: finished evaluations are read from the journal, and those
    that follow are the same as without the interruption. No network is evaluated twice, and only evaluations
    use up the budget: repeated proposals are replaced, and candidates that break a bound on a predicted
    objective are told to the sampler as infeasible without being evaluated.

    Args:
        space: The search space.
        objectives: The first one decides the winner.
        sampler: What proposes networks, see ``nas.search.samplers.make_sampler``.
        trials: Number of evaluations.
        seed: Seed of all random choices.
        folder: Where the files are written.
        classes: Outputs of the networks' classifier.
        input_channels: Channels of the images; the space's by default.
        initial: Networks to evaluate first; smallest, largest and middle by default.
        context: Further facts that must be the same for a search to go on, such as hashes of the weights and
            of the latency table.
        noise: Differences of the first objective that mean nothing, e.g. its standard error; among networks
            that are as good, the winner is the best in the next objective.
        control: Whether to run random search with the same budget and the same initial networks too.
        reference: The reference point of the hypervolume, one value for each objective; by default a bound,
            or the worst value that was found.
        progress: Is called after each proposal.

    Raises:
        UserError: If bounds cannot be met (before anything is evaluated), the folder belongs to another
            search, or no evaluation gave a usable result.
    """
    problem = Problem(space, classes, input_channels)
    _check(objectives, trials, seed)
    check_bounds(problem, objectives, seed=seed)
    first = default_initial(space) if initial is None else initial
    run = partial(
        _run,
        problem,
        objectives=objectives,
        trials=trials,
        seed=seed,
        initial=[problem.candidate(arch) for arch in first],
        facts=_facts(problem, objectives, context or {}),
        progress=progress,
    )
    with only_searcher(folder), quiet():
        done = run(path=folder / "journal.log", sampler=sampler, known={}, control=False)
        known = {each.candidate: each.outcome for each in done}
        random = make_sampler("random")
        other = run(path=folder / "control.log", sampler=random, known=known, control=True) if control else []
        result = summarise(problem, objectives, done, others=other, noise=noise, reference=reference)
        write_results(folder, result)
        if control:
            write_control(folder, result, other)
    return result


def _check(objectives: Sequence[Objective], trials: int, seed: int) -> None:
    names = [objective.name for objective in objectives]
    if not names or len(set(names)) < len(names):
        raise UserError(f"a search needs objectives with different names, not {names}")
    if trials < 1:
        raise UserError(f"a search of {trials} trials evaluates nothing; give trials of at least 1")
    if seed < 0:
        raise UserError(f"the search's seed is {seed}; it must be 0 or more")


def _facts(problem: Problem, objectives: Sequence[Objective], context: Mapping[str, str]) -> dict[str, Any]:
    space = problem.space
    parts = (space.resolutions, space.stages, space.stem, space.head, space.rounding)
    return {
        "space": f"{space.name} {hashlib.sha256(repr(parts).encode()).hexdigest()[:16]}",
        "classes": problem.classes,
        "input_channels": problem.input_channels or space.input_channels,
        "objectives": [objective.facts for objective in objectives],
        **context,
    }


def _run(
    problem: Problem,
    *,
    objectives: Sequence[Objective],
    sampler: Sampler,
    trials: int,
    seed: int,
    initial: Sequence[Candidate],
    facts: Mapping[str, Any],
    progress: Callable[[Progress], None] | None,
    path: Path,
    known: Known,
    control: bool,
) -> list[Evaluation]:
    """One search with one sampler and one journal: all its entries, old and new."""
    journal = Journal(path, facts=facts, directions=[objective.direction for objective in objectives])
    loop = _Loop(problem, objectives, sampler, seed, journal)
    while loop.evaluated < trials:
        proposal = loop.propose(initial)
        if proposal is None:  # the space is used up
            break
        trial, origin = proposal
        evaluation = loop.evaluate(trial, origin, known)
        if progress is not None:
            progress(Progress(evaluation, loop.evaluated, trials, control))
    return loop.entries


@final
class _Loop:
    """The state of a running search: the study in memory, and what has been seen."""

    def __init__(
        self,
        problem: Problem,
        objectives: Sequence[Objective],
        sampler: Sampler,
        seed: int,
        journal: Journal,
    ) -> None:
        self._problem, self._objectives, self._sampler = problem, objectives, sampler
        self._seed, self._journal = seed, journal
        self._parameters = Parameters(problem)
        self._study = optuna.create_study(directions=[objective.direction for objective in objectives])
        self.entries: list[Evaluation] = []
        self._seen: set[Candidate] = set()
        self.evaluated = 0
        self._rejections = 0
        for trial in journal.trials():
            self._study.add_trial(trial)
            candidate = self._parameters.candidate(trial.params)
            self._enter(from_attributes(trial.user_attrs, len(self.entries), candidate))

    def propose(self, initial: Sequence[Candidate]) -> tuple[Trial, str] | None:
        """A trial with a network not seen before, and where it comes from; ``None`` if none is left."""
        pending = next((candidate for candidate in initial if candidate not in self._seen), None)
        if pending is not None:
            return self._ask(0, pending), "initial"
        if self._rejections >= PATIENCE:
            return self._replacement(None)
        trial = self._ask(0)
        candidate = self._parameters.candidate(trial.params)
        if candidate not in self._seen:
            return trial, "sampler"
        self._study.tell(trial, state=TrialState.FAIL)  # a repeat; never written to the journal
        return self._replacement(candidate)

    def _replacement(self, repeated: Candidate | None) -> tuple[Trial, str] | None:
        rng = np.random.default_rng(self._seeds(1))
        candidate = mutant(repeated, self._seen, rng) if repeated is not None else None
        candidate = candidate or self._fresh(rng)
        return None if candidate is None else (self._ask(2, candidate), "replacement")

    def _fresh(self, rng: np.random.Generator) -> Candidate | None:
        broken = partial(violations, self._objectives)
        feasible = [each.candidate for each in self.entries if each.counts]
        feasible = feasible or [find_best(self._problem, broken, seed=self._seed)[0]]
        return fresh(self._problem, seen=self._seen, feasible=feasible, violations=broken, rng=rng)

    def _ask(self, purpose: int, candidate: Candidate | None = None) -> Trial:
        """Asks the sampler, or gives it a candidate as its own proposal."""
        seed = self._seeds(purpose)
        if candidate is not None:
            params = self._parameters.params(candidate, np.random.default_rng(seed))
            self._study.enqueue_trial(params)
        inner = self._sampler.build(self._problem, objectives=self._objectives, seed=seed)
        self._study.sampler = FixedSpace(inner, self._parameters.distributions)
        return self._study.ask(self._parameters.distributions)

    def _seeds(self, purpose: int) -> int:
        """A seed that follows from the journal's length: a resumed search does the same as another."""
        sequence = np.random.SeedSequence([self._seed, len(self.entries), purpose])
        return int(sequence.generate_state(1)[0])

    def evaluate(self, trial: Trial, origin: str, known: Known) -> Evaluation:
        """Evaluates a proposal and writes it to the journal."""
        candidate = self._parameters.candidate(trial.params)
        start = time.perf_counter()
        outcome = evaluate(candidate, self._objectives, known)
        seconds = time.perf_counter() - start
        evaluation = Evaluation(len(self.entries), candidate, outcome, origin, seconds)
        self._journal.append(self._tell(trial, evaluation))
        self._enter(evaluation)
        return evaluation

    def _tell(self, trial: Trial, evaluation: Evaluation) -> FrozenTrial:
        for name, value in to_attributes(evaluation).items():
            trial.set_user_attr(name, value)
        for objective, value in zip(self._objectives, evaluation.outcome.values, strict=True):
            if objective.bound is not None and math.isfinite(value):
                trial.set_constraint(objective.name, objective.violation(value))
        if evaluation.outcome.state is State.FAILED:
            return self._study.tell(trial, state=TrialState.FAIL)
        return self._study.tell(trial, self._filled(evaluation.outcome))

    def _filled(self, outcome: Outcome) -> list[float]:
        """Values for Optuna, which wants a number for every objective of an infeasible trial too.

        Samplers rank infeasible trials by their violation, so it does not matter which number stands for what
        was not evaluated; it is the worst that was found. The journal keeps the true values beside it.
        """
        return [
            value if math.isfinite(value) else self._worst(position)
            for position, value in enumerate(outcome.values)
        ]

    def _worst(self, position: int) -> float:
        found = [e.outcome.values[position] for e in self.entries if e.outcome.state is State.COMPLETE]
        worst = min if self._objectives[position].direction == "maximize" else max
        return worst(found, default=0.0)

    def _enter(self, evaluation: Evaluation) -> None:
        self.entries.append(evaluation)
        self._seen.add(evaluation.candidate)
        self.evaluated += evaluation.counts
        self._rejections = 0 if evaluation.counts else self._rejections + 1
