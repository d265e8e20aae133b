"""Search guided by an accuracy predictor."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from nas.arrays import IntArray
from nas.search import Goals, Problem, accuracy, macs, params
from nas.search.goals.objectives import evaluate_many
from nas.search.goals.pareto import front, hypervolume
from nas.search.goals.problem import Networks
from nas.search.proposals import default_initial
from nas.search.samplers.planning.guided import Guided, _known
from nas.search.samplers.planning.history import History
from nas.search.samplers.planning.pool import Pool
from nas.search.samplers.planning.surrogate import Scores, Surrogate
from tests.search.problems import CLASSES, Scorer, rng, tiny, two_goals

PROBLEM = Problem(tiny(), CLASSES)
GP = "gaussian_process"


def history_of(rows: IntArray, goals: Goals, running: IntArray | None = None) -> History:
    candidates = PROBLEM.candidates(rows)
    values = np.stack([evaluate_many(each, candidates) for each in goals.quantities], axis=1)
    running = rows[:0] if running is None else running
    return History(
        rows=rows,
        values=values,
        losses=goals.losses(values),
        violations=goals.violations(values),
        running=running,
        seen=frozenset(map(tuple, np.concatenate([rows, running]).tolist())),
    )


def some(count: int, seed: int = 0) -> IntArray:
    return np.unique(PROBLEM.space.sample_many(count, rng(seed)), axis=0)


def guided(goals: Goals, *, batch: int = 10) -> Guided:
    return Guided(PROBLEM, goals, GP, startup=15, batch=batch, candidates=1000)


def test_it_begins_with_networks_drawn_by_chance() -> None:
    goals = two_goals()
    plan = guided(goals).plan(history_of(some(5), goals, running=some(3, 1)), rng())
    assert len(plan) == 15 - 5 - 3


def test_a_plan_is_better_than_what_it_was_learned_from() -> None:
    goals = two_goals()
    history = history_of(some(40), goals)
    plan = guided(goals).plan(history, rng())
    assert len(plan) == 10
    assert not history.seen & set(map(tuple, plan.tolist()))
    by_chance = [history_of(PROBLEM.space.sample_many(10, rng(seed)), goals).losses for seed in range(5)]

    def volume(added: np.ndarray) -> float:
        losses = np.concatenate([history.losses, added])
        return hypervolume(losses, [-0.4, 1.5], ["minimize"] * 2)

    assert volume(history_of(plan, goals).losses) > max(volume(each) for each in by_chance)


def test_exact_objectives_are_exact_and_not_uncertain() -> None:
    goals = Goals([accuracy(Scorer()), macs(), params()])
    surrogate = Surrogate.fit(PROBLEM, goals, history_of(some(30), goals), predictor=GP, seed=0)
    fresh = some(20, 5)
    losses, exact = surrogate.score(fresh).losses, history_of(fresh, goals).losses
    assert (losses[:, 1:] == exact[:, 1:]).all()
    assert np.corrcoef(losses[:, 0], exact[:, 0])[0, 1] > 0.9
    deviations = surrogate.deviations(fresh)
    assert (deviations[:, 0] > 0).all()
    assert (deviations[:, 1:] == 0).all()


def test_only_what_keeps_its_bounds_is_planned_predicted_ones_included() -> None:
    goals = Goals([macs(), accuracy(Scorer(), bound=0.75)])
    plan = guided(goals).plan(history_of(some(60), goals), rng())
    found = history_of(plan, goals)
    assert np.mean(found.violations <= 0) >= 0.7
    goals = two_goals(bound_ms=0.5)
    plan = guided(goals).plan(history_of(some(60), goals), rng())
    assert (history_of(plan, goals).violations == 0).all()


def test_running_networks_count_as_what_they_are_expected_to_be() -> None:
    """A second worker's plan adds more to the expected front than one that only avoids these networks."""
    goals = two_goals()
    rows = some(40)
    first = guided(goals).plan(history_of(rows, goals), rng())
    history = history_of(rows, goals, running=first)
    second = guided(goals).plan(history, rng())
    avoiding = guided(goals).plan(replace(history, running=rows[:0]), rng())
    for plan in (second, avoiding):
        assert not set(map(tuple, first.tolist())) & set(map(tuple, plan.tolist()))
    surrogate = Surrogate.fit(PROBLEM, goals, history, predictor=GP, seed=0)

    def volume(added: IntArray) -> float:
        losses = [history.losses, *(surrogate.score(rows).losses for rows in (first, added))]
        return hypervolume(np.concatenate(losses), [-0.4, 1.5], ["minimize"] * 2)

    assert volume(second) > volume(avoiding)


def test_only_networks_within_the_bounds_have_to_be_improved_upon() -> None:
    goals = two_goals(bound_ms=0.5)
    history = history_of(some(40), goals)
    surrogate = Surrogate.fit(PROBLEM, goals, history, predictor=GP, seed=0)
    within = history.violations <= 0
    assert 0 < within.sum() < len(within)
    assert _known(surrogate, history).tolist() == history.losses[within].tolist()


def test_every_fifth_network_is_there_to_learn_from() -> None:
    goals = two_goals()
    history = history_of(some(40), goals)
    surrogate = Surrogate.fit(PROBLEM, goals, history, predictor=GP, seed=0)
    rows = guided(goals).plan(history, rng())
    uncertain = surrogate.deviations(rows)[:, 0]
    assert uncertain[[4, 9]].mean() > np.delete(uncertain, [4, 9]).mean()


def test_objectives_that_are_all_exact_need_no_labels() -> None:
    goals = Goals([macs(), params()])
    history = history_of(some(60), goals)
    plan = guided(goals).plan(history, rng())
    rows = np.concatenate([history.rows, plan])
    best = front(history_of(rows, goals).values, ["minimize"] * 2)
    assert max(best) >= len(history.rows)


def test_plans_grow_with_what_is_known() -> None:
    goals = two_goals()
    assert len(guided(goals, batch=4).plan(history_of(some(100), goals), rng())) >= 8


def test_a_pool_gives_no_network_twice_and_none_that_breaks_a_bound() -> None:
    goals = two_goals(bound_ms=0.3)
    history = history_of(PROBLEM.space.encode(default_initial(PROBLEM.space)), goals)
    rows = Pool(PROBLEM, goals).random(50, history, rng())
    assert len(np.unique(rows, axis=0)) == len(rows) == 50
    assert not history.seen & set(map(tuple, rows.tolist()))
    assert evaluate_many(goals.objectives[1], PROBLEM.candidates(rows)).max() <= 0.3
    assert Networks(PROBLEM.candidates(rows)).rows.tolist() == rows.tolist()


@pytest.mark.parametrize(("bound_ms", "others"), [(0.19, 5), (0.01, 0)])
def test_a_pool_that_finds_little_gives_little(bound_ms: float, others: int) -> None:
    """Of 10 million networks, six are within 0.19 ms, mutants of the smallest, and none within 0.01 ms."""
    goals = two_goals(bound_ms=bound_ms)
    history = history_of(PROBLEM.space.encode([PROBLEM.space.smallest()]), goals)
    assert len(Pool(PROBLEM, goals).random(20, history, rng())) == others


def test_evolution_scores_as_many_networks_as_it_may(monkeypatch: pytest.MonkeyPatch) -> None:
    goals = two_goals()
    surrogate = Surrogate.fit(PROBLEM, goals, history_of(some(40), goals), predictor=GP, seed=0)
    score, counts = Surrogate.score, []

    def counted(self: Surrogate, rows: IntArray) -> Scores:
        counts.append(len(rows))
        return score(self, rows)

    monkeypatch.setattr(Surrogate, "score", counted)
    start = some(100, 1)
    best = surrogate.evolve(start, population=50, candidates=len(start) + 60, rng=rng())
    assert counts[0] == len(start)
    assert 30 < sum(counts[1:]) <= 60, "children that are known already are not scored"
    assert len(best) == 50
