"""Plans: how they stand in a study, and how trials take from them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import optuna
import pytest
from optuna.trial import Trial, TrialState, create_trial

from nas.arrays import IntArray
from nas.search import Problem, Sampler, make_sampler
from nas.search.goals.objectives import evaluate_one
from nas.search.goals.problem import Candidate
from nas.search.samplers.planning.evolution import _ranked
from nas.search.samplers.planning.history import History, Reader, read_history
from nas.search.samplers.planning.pool import Pool
from nas.search.samplers.planning.sampler import PlannedSampler, Planner
from nas.search.trials.evaluation import Evaluation, Outcome, State, to_attributes
from nas.search.trials.parameters import Parameters
from tests.search.problems import CLASSES, objectives, rng, tiny, two_goals

PROBLEM = Problem(tiny(), CLASSES)
PARAMETERS = Parameters(PROBLEM)
OURS = ("nsga2", "nsga3", "predictor")


class Counting(Planner):
    """Plans of three networks each; remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[History] = []

    def plan(self, history: History, rng: np.random.Generator) -> IntArray:
        self.asked.append(history)
        return Pool(PROBLEM, two_goals()).random(3, history, rng)


class Empty(Planner):
    def plan(self, history: History, rng: np.random.Generator) -> IntArray:
        return history.rows[:0]


@contextmanager
def study_of(planner: Planner, seed: int = 0) -> Iterator[optuna.Study]:
    goals = two_goals()
    sampler = PlannedSampler(PROBLEM, planner, goals=goals, seed=seed)
    yield optuna.create_study(directions=list(goals.directions), sampler=sampler)


def ask(study: optuna.Study) -> tuple[Trial, Candidate]:
    trial = study.ask(PARAMETERS.distributions)
    return trial, PARAMETERS.candidate(trial.params)


def tell(study: optuna.Study, trial: Trial, state: State = State.COMPLETE) -> None:
    candidate = PARAMETERS.candidate(trial.params)
    values = tuple(evaluate_one(each, candidate) for each in objectives())
    outcome = Outcome(state, values, feasible=state is State.COMPLETE)
    for name, value in to_attributes(Evaluation(trial.number, candidate, outcome, "sampler", 0.1)).items():
        trial.set_user_attr(name, value)
    if state is State.FAILED:
        study.tell(trial, state=TrialState.FAIL)
    else:
        study.tell(trial, values)


def test_a_plan_is_used_up_before_the_next_is_made() -> None:
    planner = Counting()
    with study_of(planner) as study:
        for _ in range(7):
            tell(study, ask(study)[0])
    assert [len(history.rows) for history in planner.asked] == [0, 3, 6]
    codes = [PARAMETERS.candidate(trial.params).code for trial in study.trials]
    assert len(set(codes)) == 7


def test_a_plan_survives_the_process() -> None:
    with study_of(Counting()) as whole:
        for _ in range(3):
            tell(whole, ask(whole)[0])
    with study_of(Counting()) as first:
        tell(first, ask(first)[0])
    again = Counting()
    with study_of(again, seed=99) as second:
        second.add_trials(first.trials)
        for _ in range(2):
            tell(second, ask(second)[0])
    assert not again.asked
    assert [trial.user_attrs["code"] for trial in second.trials] == [
        trial.user_attrs["code"] for trial in whole.trials
    ]


def test_what_others_have_taken_is_skipped() -> None:
    with study_of(Counting()) as study:
        _, first = ask(study)
        codes = study.trials[0].system_attrs["nas:plan"]
        sampler = study.sampler
        assert isinstance(sampler, PlannedSampler)
        second = PROBLEM.candidates(np.array([sampler._row(codes[1])]))[0]
        study.enqueue_trial(PARAMETERS.params(second, rng()))
        assert ask(study)[1] == second
        assert ask(study)[1] not in {first, second}


def test_a_stranger_without_choices_takes_nothing() -> None:
    with study_of(Counting()) as study:
        ask(study)
        study.add_trial(create_trial(state=TrialState.FAIL))
        codes = study.trials[0].system_attrs["nas:plan"]
        trial, _ = ask(study)
    assert study.trials[trial.number].system_attrs["nas:code"] == codes[1]


def test_an_empty_plan_leaves_it_to_chance() -> None:
    with study_of(Empty()) as study:
        _, candidate = ask(study)
    assert "nas:plan" not in study.trials[0].system_attrs
    assert PROBLEM.space.parse(candidate.code) == candidate.architecture


def test_codes_of_rows_can_be_read_back() -> None:
    sampler = PlannedSampler(PROBLEM, Empty(), goals=two_goals(), seed=0)
    rows = PROBLEM.space.sample_many(50, rng()).tolist()
    codes = [sampler._code(row) for row in rows]
    assert [sampler._row(code) for code in codes] == rows
    assert len(set(codes)) == len({tuple(row) for row in rows})


def test_the_history_tells_apart_what_was_found_what_failed_and_what_is_under_way() -> None:
    with study_of(Counting()) as study:
        for state in (State.COMPLETE, State.FAILED, State.COMPLETE):
            tell(study, ask(study)[0], state)
        _, running = ask(study)
    goals = two_goals(bound_ms=0.2)
    history = read_history(study.trials, PARAMETERS, goals)
    assert len(history.seen) == 4
    assert [tuple(row) for row in history.running.tolist()] == [running.row]
    assert len(history.rows) == len(history.complete) == 2
    assert history.losses[:, 0].tolist() == [-study.trials[i].values[0] for i in (0, 2)]
    expected = [max(0.0, goals.objectives[1].violation(study.trials[i].values[1])) for i in (0, 2)]
    assert history.violations == pytest.approx(expected)


@pytest.mark.parametrize("seed", range(5))
def test_a_history_read_bit_by_bit_is_that_of_all_trials(seed: int) -> None:
    """In any order of asking and telling, with trials that fail, and with the asking trial left out.

    All are compared in the end: a history that was read stays as it was.
    """
    random, goals = rng(seed), two_goals()
    reader, running, read = Reader(PARAMETERS, goals), list[Trial](), list[tuple[History, History]]()
    with study_of(Counting()) as study:
        for _ in range(40):
            if running and random.random() < 0.5:
                trial = running.pop(int(random.integers(len(running))))
                tell(study, trial, State.FAILED if random.random() < 0.2 else State.COMPLETE)
            else:
                running.append(ask(study)[0])
            if random.random() < 0.4:
                own = running[-1].number if running else -1
                others = [trial for trial in study.trials if trial.number != own]
                read.append((reader.read(study.trials, without=own), read_history(others, PARAMETERS, goals)))
    assert len(read) > 5
    for found, expected in read:
        assert found.seen == expected.seen
        for name in ("rows", "values", "losses", "violations"):
            np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))
        assert sorted(found.running.tolist()) == sorted(expected.running.tolist())


def test_other_goals_read_a_study_anew() -> None:
    asked = Counting()
    with study_of(asked) as study:
        for _ in range(4):
            tell(study, ask(study)[0])
        bounded = two_goals(bound_ms=0.2)
        study.sampler = PlannedSampler(PROBLEM, asked, goals=bounded, seed=1)
        for _ in range(3):
            tell(study, ask(study)[0])
    before, after = asked.asked[1], asked.asked[2]
    assert not before.violations.any()
    expected = [max(0.0, bounded.objectives[1].violation(trial.values[1])) for trial in study.trials[:6]]
    assert after.violations == pytest.approx(expected) and any(expected)


def test_losses_that_are_missing_count_as_the_worst_known_ones() -> None:
    rows = PROBLEM.space.sample_many(3, rng())
    values = np.array([[np.nan, 1.0], [2.0, np.nan], [5.0, 3.0]])
    history = History(
        rows=rows,
        values=values,
        losses=values,
        violations=np.zeros(3),
        running=rows[:0],
        seen=frozenset(map(tuple, rows.tolist())),
    )
    assert history.complete.tolist() == [2]
    assert _ranked(history).tolist() == [[5, 1], [2, 3], [5, 3]]


@pytest.mark.parametrize("name", OURS)
@pytest.mark.parametrize("known", [0, 60])
def test_workers_that_ask_at_the_same_time_get_different_networks(name: str, known: int) -> None:
    goals, made = two_goals(), make_sampler(name)
    study = optuna.create_study(directions=list(goals.directions))
    for number in range(known):
        study.sampler = made.build(PROBLEM, goals=goals, seed=number)
        tell(study, ask(study)[0])
    found = []
    for number in range(12):
        study.sampler = made.build(PROBLEM, goals=goals, seed=1000 + number)
        found.append(ask(study)[1])
    before = {PARAMETERS.candidate(trial.params) for trial in study.trials[:known]}
    assert len(set(found)) == 12
    assert not before & set(found)


@pytest.mark.parametrize("name", OURS)
def test_what_would_be_rejected_is_not_proposed(name: str) -> None:
    goals = two_goals(bound_ms=0.5)
    made: Sampler = make_sampler(name)
    study = optuna.create_study(directions=list(goals.directions))
    for number in range(30):
        study.sampler = made.build(PROBLEM, goals=goals, seed=number)
        trial, candidate = ask(study)
        assert evaluate_one(goals.objectives[1], candidate) <= 0.5
        tell(study, trial)
