"""The search: proposals by an Optuna sampler, evaluated, recorded, and continued after a crash."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, final

from nas.errors import UserError
from nas.search.bounds import check_bounds
from nas.search.goals.goals import Goals
from nas.search.goals.problem import Problem
from nas.search.loop import Loop, Setup, salt_of
from nas.search.proposals import default_initial
from nas.search.results.files import write_control, write_results
from nas.search.results.importance import importances
from nas.search.results.results import SearchResult, summarise
from nas.search.results.winners import Remeasure, check_budgets, winners
from nas.search.samplers import Sampler, make_sampler
from nas.search.trials.evaluation import Evaluation, Known, State
from nas.search.trials.journal import Journal, only_searcher, quiet
from nas.search.trials.shared import Shared, SharedLedger, check_places, place_of
from nas.search.trials.store import Ledger
from nas.search.trials.workers import identity
from nas.space import Architecture, SearchSpace


@final
@dataclass(frozen=True)
class Progress:
    """What a search tells while it runs.

    Attributes:
        evaluation: The newest entry.
        evaluated: Evaluations so far, rejected candidates not counted.
        trials: The budget.
        control: Whether this is the random search that serves as control.
        entries: All entries so far; a list that grows.
    """

    evaluation: Evaluation
    evaluated: int
    trials: int
    control: bool
    entries: Sequence[Evaluation]


Report = Callable[[Progress], None]


def search(
    space: SearchSpace,
    *,
    goals: Goals,
    sampler: Sampler,
    trials: int,
    seed: int,
    folder: Path,
    classes: int = 1000,
    input_channels: int | None = None,
    initial: Sequence[Architecture] | None = None,
    context: Mapping[str, str] | None = None,
    control: bool = False,
    reference: Sequence[float] | None = None,
    progress: Report | None = None,
    shared: Shared | None = None,
    budgets_ms: Sequence[float] = (),
    remeasure: Remeasure | None = None,
) -> SearchResult:
    """Searches a space and writes journal, trials, Pareto front and winners into a folder.

    A search that was killed goes on where it was: finished evaluations are read from the journal, and those
    that follow are the same as without the interruption. No network is evaluated twice, and only evaluations
    use up the budget: repeated proposals are replaced, and candidates that break a bound on a predicted
    objective are told to the sampler as infeasible without being evaluated.

    With ``shared``, any number of processes, on one machine or many, do one search together: whoever calls
    this function, or ``work``, with the same arguments joins. Each one that calls this function writes the
    results when the budget is spent.

    Args:
        space: The search space.
        goals: What is improved and what is bounded; the first objective decides the winner, see
            ``nas.search.results.results.choose_winner``.
        sampler: What proposes networks, see ``nas.search.samplers.make_sampler``.
        trials: Number of evaluations.
        seed: Seed of all random choices.
        folder: Where the files are written.
        classes: Outputs of the networks' classifier.
        input_channels: Channels of the images; the space's by default.
        initial: Networks to evaluate first; smallest, largest and middle by default.
        context: Further facts that must be the same for a search to go on, such as hashes of the weights and
            of the latency table.
        control: Whether to run random search with the same budget and the same initial networks too.
        reference: The reference point of the hypervolume, one value for each objective; by default a bound,
            or the worst value that was found.
        progress: Is called after each proposal, of other processes too.
        shared: Where several processes search together; by default this one does it alone, with a journal in
            the folder.
        budgets_ms: Latencies for each of which the best network within it is named.
        remeasure: Gives a winner's accuracy on images that the search has not seen.

    Raises:
        UserError: If bounds cannot be met (before anything is evaluated), the folder or the storage belongs
            to another search or cannot be used, or no evaluation gave a usable result.
    """
    check_budgets([each.name for each in goals.quantities], budgets_ms)
    setup, facts = _prepare(
        Problem(space, classes, input_channels),
        goals,
        sampler,
        trials,
        seed,
        initial,
        context or {},
        shared,
    )
    with only_searcher(folder, shared=shared is not None), quiet():
        done, other = _run_both(setup, facts, shared, folder, control=control, progress=progress)
        result = summarise(setup.problem, goals, done, others=other, reference=reference)
        chosen = winners(result, budgets_ms=budgets_ms, remeasure=remeasure)
        write_results(folder, result, chosen, importances(result))
        if control:
            write_control(folder, result, other)
    return result


def work(
    space: SearchSpace,
    *,
    goals: Goals,
    sampler: Sampler,
    trials: int,
    seed: int,
    shared: Shared,
    classes: int = 1000,
    input_channels: int | None = None,
    initial: Sequence[Architecture] | None = None,
    context: Mapping[str, str] | None = None,
    control: bool = False,
    progress: Report | None = None,
) -> None:
    """Helps with a search that another process has begun, or begins, until its budget is spent.

    The arguments are those of ``search``; it writes nothing but the storage.

    Raises:
        UserError: As ``search`` does.
    """
    setup, facts = _prepare(
        Problem(space, classes, input_channels),
        goals,
        sampler,
        trials,
        seed,
        initial,
        context or {},
        shared,
    )
    with quiet():
        _run_both(setup, facts, shared, Path(), control=control, progress=progress)


def _prepare(
    problem: Problem,
    goals: Goals,
    sampler: Sampler,
    trials: int,
    seed: int,
    initial: Sequence[Architecture] | None,
    context: Mapping[str, str],
    shared: Shared | None,
) -> tuple[Setup, dict[str, Any]]:
    """Checks the arguments, and gives the search and the facts by which it is known."""
    _check(trials, seed)
    check_bounds(problem, goals, seed=seed)
    first = default_initial(problem.space) if initial is None else initial
    setup = Setup(
        problem=problem,
        goals=goals,
        sampler=sampler,
        trials=trials,
        seed=seed,
        initial=[problem.candidate(arch) for arch in first],
        salt=() if shared is None else salt_of(shared.worker, identity()),
    )
    return setup, _facts(setup, context)


def _check(trials: int, seed: int) -> None:
    if trials < 1:
        raise UserError(f"a search of {trials} trials evaluates nothing; give trials of at least 1")
    if seed < 0:
        raise UserError(f"the search's seed is {seed}; it must be 0 or more")


def _facts(setup: Setup, context: Mapping[str, str]) -> dict[str, Any]:
    problem, space = setup.problem, setup.problem.space
    parts = (space.resolutions, space.stages, space.stem, space.head, space.rounding)
    return {
        "space": f"{space.name} {hashlib.sha256(repr(parts).encode()).hexdigest()[:16]}",
        "classes": problem.classes,
        "input_channels": problem.input_channels or space.input_channels,
        "objectives": [objective.facts for objective in setup.goals.objectives],
        "limits": [limit.facts for limit in setup.goals.limits],
        "sampler": {"name": setup.sampler.NAME, **asdict(setup.sampler)},
        **context,
    }


def _run_both(
    setup: Setup,
    facts: Mapping[str, Any],
    shared: Shared | None,
    folder: Path,
    *,
    control: bool,
    progress: Report | None,
) -> tuple[list[Evaluation], list[Evaluation]]:
    """The search, and then random search with the same budget if it is wanted."""
    if shared is not None:
        name = study_name(setup.problem.space, facts)
        check_places(shared, name=name, control=control, facts=facts, directions=setup.goals.directions)
    ledger = _ledger(setup, facts, shared, folder, control=False)
    done = _run(setup, ledger, known={}, control=False, progress=progress)
    if not control:
        return done, []
    # What was stopped was compared with the search's front; the control has its own.
    known = {each.candidate: each.outcome for each in done if each.outcome.state is not State.STOPPED}
    random = replace(setup, sampler=make_sampler("random"))
    ledger = _ledger(setup, facts, shared, folder, control=True)
    return done, _run(random, ledger, known=known, control=True, progress=progress)


def _ledger(
    setup: Setup, facts: Mapping[str, Any], shared: Shared | None, folder: Path, *, control: bool
) -> Ledger:
    if shared is None:
        path = folder / ("control.log" if control else "journal.log")
        return Journal(path, facts=facts, directions=setup.goals.directions)
    place = place_of(shared, name=study_name(setup.problem.space, facts), control=control)
    return SharedLedger(place, facts=facts, directions=setup.goals.directions)


def study_name(space: SearchSpace, facts: Mapping[str, Any]) -> str:
    """The name of a study in a database, which follows from what its workers must have in common."""
    text = json.dumps(dict(facts), sort_keys=True)
    return f"{space.name}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"


def _run(
    setup: Setup, ledger: Ledger, *, known: Known, control: bool, progress: Report | None
) -> list[Evaluation]:
    """One search with one sampler and one ledger: all its entries, old and new."""
    loop, told = Loop(setup, ledger), None
    while True:
        loop.sync()
        told = _tell(loop, setup, told, control, progress)
        if loop.evaluated >= setup.trials:
            break
        spare = setup.trials - loop.evaluated - loop.running
        proposal = loop.propose() if spare > 0 else None
        if proposal is not None:
            loop.evaluate(*proposal, known)
        elif loop.running:
            time.sleep(0.1)  # others are at the last evaluations, and may die
        else:
            break  # the space is used up
    return loop.ordered()


def _tell(loop: Loop, setup: Setup, told: int | None, control: bool, progress: Report | None) -> int:
    """Tells of all entries that are new; those from before the start are none."""
    if progress is not None and told is not None:
        evaluated = sum(entry.counts for entry in loop.entries[:told])
        for entry in loop.entries[told:]:
            evaluated += entry.counts
            progress(Progress(entry, evaluated, setup.trials, control, loop.entries))
    return len(loop.entries)
