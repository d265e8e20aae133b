"""Runs a search: proposals by an Optuna sampler, evaluated, recorded, and continued after a crash."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import final

from nas.search.bounds import check_bounds
from nas.search.loop import Loop, salt_of
from nas.search.results.files import write_control, write_results
from nas.search.results.importance import importances
from nas.search.results.results import SearchResult, summarise
from nas.search.results.winners import Remeasure, winners
from nas.search.samplers import make_sampler
from nas.search.study import Study
from nas.search.trials.evaluation import Evaluation, Known, State
from nas.search.trials.journal import Journal, only_searcher, quiet
from nas.search.trials.shared import Shared, SharedLedger, check_places, place_of
from nas.search.trials.store import Ledger
from nas.search.trials.workers import identity


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
    study: Study,
    *,
    folder: Path,
    shared: Shared | None = None,
    progress: Report = lambda _: None,
    remeasure: Remeasure | None = None,
) -> SearchResult:
    """Searches a space and writes journal, trials, Pareto front and winners into a folder.

    A search that was killed goes on where it was: finished evaluations are read from the journal, and those
    that follow are the same as without the interruption. No network is evaluated twice, and only evaluations
    use up the budget: repeated proposals are replaced, and candidates that break a bound on a predicted
    objective are reported to the sampler as infeasible without being evaluated.

    With ``shared``, any number of processes, on one machine or many, do one search together: whoever calls
    this function, or ``work``, with the same study joins. Each one that calls this function writes the
    results when the budget is spent.

    Args:
        study: The search.
        folder: Where the files are written.
        shared: Where several processes search together; by default this one does it alone, with a journal in
            the folder.
        progress: Is called after each proposal, of other processes too.
        remeasure: Gives a winner's accuracy on images that the search has not seen.

    Raises:
        UserError: If bounds cannot be met (before anything is evaluated), the folder or the storage belongs
            to another search or cannot be used, or no evaluation gave a usable result.
    """
    _check(study)
    with only_searcher(folder, shared=shared is not None), quiet():
        done, control = _run_both(study, folder, shared, progress)
        result = summarise(study.problem, study.goals, done, others=control, reference=study.reference)
        chosen = winners(result, budgets_ms=study.budgets_ms, remeasure=remeasure)
        write_results(folder, result, chosen, importances(result))
        if study.control:
            write_control(folder, result, control)
    return result


def work(study: Study, *, shared: Shared, progress: Report = lambda _: None) -> None:
    """Helps with a search that another process has begun, or begins, until its budget is spent.

    It writes nothing but the storage.

    Args:
        study: The search.
        shared: Where the processes search together.
        progress: Is called after each proposal, of other processes too.

    Raises:
        UserError: As ``search`` does.
    """
    _check(study)
    with quiet():
        _run_both(study, Path(), shared, progress)


def _check(study: Study) -> None:
    """Raises a ``UserError`` if the study's bounds or first networks cannot be."""
    check_bounds(study.problem, study.goals, seed=study.seed)
    study.first  # noqa: B018 - checks itself


def _run_both(
    study: Study, folder: Path, shared: Shared | None, progress: Report
) -> tuple[list[Evaluation], list[Evaluation]]:
    """The search, and then random search with the same budget if it is wanted."""
    if shared is not None:
        check_places(
            shared,
            name=study.name,
            control=study.control,
            facts=study.facts,
            directions=study.goals.directions,
        )
    ledger = _ledger(study, folder, shared, control=False)
    done = _run(Loop(study, ledger, salt=_salt(shared)), known={}, control=False, progress=progress)
    if not study.control:
        return done, []
    # What was stopped was compared with the search's front; the control has its own.
    known = {each.candidate: each.outcome for each in done if each.outcome.state is not State.STOPPED}
    ledger = _ledger(study, folder, shared, control=True)
    random = replace(study, sampler=make_sampler("random"))
    return done, _run(Loop(random, ledger, salt=_salt(shared)), known=known, control=True, progress=progress)


def _ledger(study: Study, folder: Path, shared: Shared | None, *, control: bool) -> Ledger:
    """Where the trials are kept; search and control have the same facts."""
    facts, directions = study.facts, study.goals.directions
    if shared is None:
        path = folder / ("control.log" if control else "journal.log")
        return Journal(path, facts=facts, directions=directions)
    place = place_of(shared, name=study.name, control=control)
    return SharedLedger(place, facts=facts, directions=directions)


def _salt(shared: Shared | None) -> tuple[int, ...]:
    """Numbers by which one of several processes draws differently from the others; none for one alone."""
    return () if shared is None else salt_of(shared.worker, identity())


def _run(loop: Loop, *, known: Known, control: bool, progress: Report) -> list[Evaluation]:
    """One search with one sampler and one ledger: all its entries, old and new."""
    loop.sync()
    reported, trials = len(loop.entries), loop.study.trials
    while loop.evaluated < trials:
        spare = trials - loop.evaluated - loop.running
        proposal = loop.propose() if spare > 0 else None
        if proposal is not None:
            loop.evaluate(proposal, known)
        elif loop.running:
            time.sleep(0.1)  # others are at the last evaluations, and may die
        else:
            break  # the space is used up
        loop.sync()
        reported = _report(loop, reported, control, progress)
    return loop.ordered()


def _report(loop: Loop, reported: int, control: bool, progress: Report) -> int:
    """Reports entries from a position on; returns the position after the last."""
    new = loop.entries[reported:]
    evaluated = loop.evaluated - sum(entry.counts for entry in new)
    for entry in new:
        evaluated += entry.counts
        progress(Progress(entry, evaluated, loop.study.trials, control, loop.entries))
    return len(loop.entries)
