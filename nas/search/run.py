"""Runs a search: an Optuna sampler proposes networks, which are evaluated and recorded; it can resume."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import final

from nas.processes import identity
from nas.search.loop import Loop, salt_of
from nas.search.reachable import check_bounds_reachable
from nas.search.results.files import write_control, write_results
from nas.search.results.importance import importances
from nas.search.results.results import SearchResult, summarise
from nas.search.results.winners import Remeasure, winners
from nas.search.samplers import make_sampler
from nas.search.study import Study
from nas.search.trials.evaluation import Evaluation, Known, State
from nas.search.trials.journal import Journal, only_searcher, quiet
from nas.search.trials.ledger import Ledger
from nas.search.trials.shared_ledger import Shared, SharedLedger, check_places, place_of


@final
@dataclass(frozen=True)
class Progress:
    """The progress that a search reports.

    Attributes:
        evaluation: The newest entry.
        evaluated: Number of evaluations so far, without rejected candidates.
        trials: The budget.
        control: Whether this is the control, a random search.
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

    An interrupted search resumes: finished evaluations are read from the journal, and the following ones are
    the same as without the interruption. No network is evaluated twice, and only evaluations use up the
    budget: repeated proposals are replaced, and candidates that break a bound on a predicted objective are
    reported to the sampler as infeasible without an evaluation.

    With ``shared``, any number of processes on any number of machines search together: each process that
    calls this function, or ``work``, with the same study joins. Each caller of this function writes the
    results when the budget is spent.

    Args:
        study: The search.
        folder: Folder of the results.
        shared: Storage for several processes; by default, this process searches alone, with a journal in the
            folder.
        progress: Called after each proposal, including those of other processes.
        remeasure: Returns a winner's accuracy on images hidden from the search.

    Raises:
        UserError: If bounds cannot be met (checked before any evaluation), the folder or the storage belongs
            to another search or cannot be used, or no evaluation gave a usable result.
    """
    _check(study)
    with only_searcher(folder, shared=shared is not None), quiet():
        done, control = _run_both(study, folder, shared, progress)
        result = summarise(study.problem, study.goals, done, others=control, reference=study.reference)
        selection = winners(result, budgets_ms=study.budgets_ms, remeasure=remeasure)
        write_results(folder, result, selection, importances(result))
        if study.control:
            write_control(folder, result, control)
    return result


def work(study: Study, *, shared: Shared, progress: Report = lambda _: None) -> None:
    """Joins a search as a worker until its budget is spent, whether or not another process has started it.

    It writes to the storage only.

    Args:
        study: The search.
        shared: The shared storage.
        progress: Called after each proposal, including those of other processes.

    Raises:
        UserError: As in ``search``.
    """
    _check(study)
    with quiet():
        _run_both(study, Path(), shared, progress)


def _check(study: Study) -> None:
    """Raises a ``UserError`` if the study's bounds or initial networks are invalid."""
    check_bounds_reachable(study.problem, study.goals, seed=study.seed)
    study.first  # noqa: B018 - checks itself when made


def _run_both(
    study: Study, folder: Path, shared: Shared | None, progress: Report
) -> tuple[list[Evaluation], list[Evaluation]]:
    """Runs the search and, if configured, random search with the same budget."""
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
    # Stopped evaluations were compared with the search's front; the control has its own.
    known = {each.candidate: each.outcome for each in done if each.outcome.state is not State.STOPPED}
    ledger = _ledger(study, folder, shared, control=True)
    random = replace(study, sampler=make_sampler("random"))
    return done, _run(Loop(random, ledger, salt=_salt(shared)), known=known, control=True, progress=progress)


def _ledger(study: Study, folder: Path, shared: Shared | None, *, control: bool) -> Ledger:
    """Opens the store of the trials; search and control have the same facts."""
    facts, directions = study.facts, study.goals.directions
    if shared is None:
        path = folder / ("control.log" if control else "journal.log")
        return Journal(path, facts=facts, directions=directions)
    place = place_of(shared, name=study.name, control=control)
    return SharedLedger(place, facts=facts, directions=directions)


def _salt(shared: Shared | None) -> tuple[int, ...]:
    """Returns numbers unique to one of several processes; empty for a single process."""
    return () if shared is None else salt_of(shared.worker, identity())


def _run(loop: Loop, *, known: Known, control: bool, progress: Report) -> list[Evaluation]:
    """Runs one search with one sampler and one ledger; returns all its entries, old and new."""
    loop.sync()
    reported, trials = len(loop.entries), loop.study.trials
    while loop.evaluated < trials:
        spare = trials - loop.evaluated - loop.running
        proposal = loop.propose() if spare > 0 else None
        if proposal is not None:
            loop.evaluate(proposal, known)
        elif loop.running:
            time.sleep(0.1)  # other processes run the last evaluations, and may die
        else:
            break  # the space is exhausted
        loop.sync()
        reported = _report(loop, reported, control, progress)
    return loop.ordered()


def _report(loop: Loop, reported: int, control: bool, progress: Report) -> int:
    """Reports the entries from a position onwards; returns the position after the last."""
    new = loop.entries[reported:]
    evaluated = loop.evaluated - sum(entry.counts for entry in new)
    for entry in new:
        evaluated += entry.counts
        progress(Progress(entry, evaluated, loop.study.trials, control, loop.entries))
    return len(loop.entries)
