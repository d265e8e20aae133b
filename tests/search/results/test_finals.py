"""The finals of a search: who gets there, how long they are trained, and who wins."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas.errors import UserError
from nas.search import Evaluation, Goals, Outcome, Problem, State, accuracy, latency
from nas.search.predictors.features import Features
from nas.search.results.finals import Answers, Tune, choose_finalists, compete, schedule
from nas.search.results.posterior import posteriors
from nas.search.results.results import choose_winner, summarise
from nas.statistics import Count
from tests.search.problems import CLASSES, LinearTable, Scorer, rng, smooth, tiny

IMAGES = 200


@pytest.fixture(scope="module")
def problem() -> Problem:
    return Problem(tiny(), CLASSES)


def goals() -> Goals:
    return Goals([accuracy(Scorer(), images=IMAGES), latency(LinearTable())])


def entries(problem: Problem, *, count: int = 60, seed: int = 1) -> list[Evaluation]:
    """A search's evaluations on few images, every tenth of them outside the bounds."""
    rows = np.unique(problem.space.sample_many(2 * count, rng(seed)), axis=0)[:count]
    times = LinearTable().predict_many(problem.space, rows, classes=CLASSES, input_channels=None)
    noise = rng(seed)
    return [
        Evaluation(
            number,
            candidate,
            Outcome(
                State.COMPLETE,
                (noise.binomial(IMAGES, smooth(candidate.network)) / IMAGES, float(time)),
                number % 10 > 0,
                images=IMAGES,
            ),
            "sampler",
            0.0,
        )
        for number, (candidate, time) in enumerate(zip(problem.candidates(rows), times, strict=True))
    ]


def chosen(evaluations: Sequence[Evaluation], *, most: int, seed: int = 0) -> list[Evaluation]:
    first = choose_winner(goals(), evaluations, posteriors(goals(), evaluations)).evaluation
    return choose_finalists(goals(), evaluations, first, most=most, seed=seed)


def judged(accuracies: Mapping[int, Callable[[int], float]], images: int = 1000) -> Tune:
    """Finalists whose accuracy is a function of their epochs, right on the same images first."""

    def tune(finalist: Evaluation, begin: int, end: int) -> Answers:
        assert begin < end
        right = round(images * accuracies[finalist.number](end))
        return Answers(marks=(np.arange(images) < right).astype(float), count=Count(right, images))

    return tune


@given(finalists=st.integers(2, 40), epochs=st.integers(1, 60))
def test_each_round_has_half_of_the_networks_and_about_twice_the_epochs(finalists: int, epochs: int) -> None:
    try:
        rounds = schedule(finalists, epochs)
    except UserError as error:
        least = int(str(error).rpartition(" ")[2])
        assert epochs < least and schedule(finalists, least)
        return
    assert rounds[0].networks == finalists and rounds[-1].networks == 2
    assert rounds[-1].epochs == epochs
    earlier = 0
    for now, after in zip(rounds, [*rounds[1:], None], strict=True):
        assert now.epochs > earlier
        earlier = now.epochs
        if after is not None:
            assert after.networks == -(-now.networks // 2)
            assert now.epochs == -(-after.epochs // 2)
    assert finalists == 2 or rounds[0].epochs < epochs


def test_finalists_are_usable_different_and_include_the_searchs_choice(problem: Problem) -> None:
    done = entries(problem)
    finalists = chosen(done, most=5)
    assert finalists[0] is choose_winner(goals(), done, posteriors(goals(), done)).evaluation
    assert len({each.number for each in finalists}) == 5
    assert all(each.usable for each in finalists)
    assert finalists == chosen(done, most=5)
    assert finalists[:3] == chosen(done, most=3)


def test_there_are_fewer_finalists_if_fewer_networks_are_usable(problem: Problem) -> None:
    done = entries(problem)
    few = [each if each.number in (3, 5) else replace(each, outcome=_outside(each)) for each in done]
    assert {each.number for each in chosen(few, most=4)} == {3, 5}


def _outside(evaluation: Evaluation) -> Outcome:
    return replace(evaluation.outcome, feasible=False)


def test_finalists_are_good(problem: Problem) -> None:
    """The best of them is as good as the best of as many by posterior, and none is below the median."""
    gained = []
    for seed in range(3):
        done = [each for each in entries(problem, count=100, seed=seed) if each.usable]
        posterior = posteriors(goals(), done)
        true = np.array([smooth(each.candidate.network) for each in done])
        best = sorted(range(len(done)), key=lambda i: -posterior[done[i].candidate].value)[:4]
        places = [done.index(each) for each in chosen(done, most=4)]
        gained.append(true[places].max() - true[best].max())
        assert true[places].min() > np.median(true)
    assert np.mean(gained) > -0.003


def test_finalists_differ_where_the_search_cannot_tell_networks_apart(problem: Problem) -> None:
    """All are equally accurate; the finalists are less alike than the best by posterior."""
    ratios = []
    for seed in range(3):
        done = [
            replace(each, outcome=replace(each.outcome, values=(value, 1.0)))
            for each, value in zip(
                entries(problem, seed=seed), rng(seed).binomial(IMAGES, 0.8, 60) / IMAGES, strict=True
            )
            if each.usable
        ]
        inputs = Features(problem)(np.array([each.candidate.row for each in done]))
        inputs = (inputs - inputs.mean(0)) / np.maximum(inputs.std(0), 1e-9)
        posterior = posteriors(goals(), done)
        best = sorted(range(len(done)), key=lambda i: -posterior[done[i].candidate].value)[:4]
        places = [done.index(each) for each in chosen(done, most=4)]
        ratios.append(_spread(inputs[places]) / _spread(inputs[best]))
    assert np.mean(ratios) > 1.05, ratios


def _spread(points: np.ndarray) -> float:
    return float(np.linalg.norm(points[:, None] - points, axis=-1).sum())


def test_few_evaluations_have_finals_too(problem: Problem) -> None:
    done = entries(problem, count=6)
    assert len(chosen(done, most=3)) == 3


def test_the_better_half_goes_on_and_the_best_wins(problem: Problem) -> None:
    """Network 2 is the best after 2 epochs only; 4 would be the best after 4, but is out by then."""
    finalists = entries(problem)[1:5]
    growth = {1: (0.80, 0.82), 2: (0.90, 0.91), 3: (0.85, 0.95), 4: (0.70, 0.99)}
    finals = compete(
        goals(),
        finalists,
        epochs=4,
        tune=judged({number: lambda epochs, pair=pair: pair[epochs == 4] for number, pair in growth.items()}),
    )
    assert [(each.networks, each.epochs) for each in finals.rounds] == [(4, 2), (2, 4)]
    assert [each.evaluation.number for each in finals.finalists] == [3, 2, 1, 4]
    assert [len(each.rounds) for each in finals.finalists] == [2, 2, 1, 1]
    assert finals.winner.is_best and finals.equals == 1
    difference, deviation = finals.finalists[1].behind or (0.0, 0.0)
    assert difference == pytest.approx(0.04)
    assert deviation == pytest.approx(np.sqrt(0.04 * 0.96 / 1000), rel=0.01)
    assert finals.finalists[2].behind is None


@pytest.mark.parametrize("lead", [0, 1, 30])
def test_within_the_deviation_of_the_difference_the_faster_wins(problem: Problem, lead: int) -> None:
    """One image more among 1,000 is chance; 30 more on the same images are not."""
    slow, fast = sorted(entries(problem)[1:3], key=lambda each: -each.outcome.values[1])
    accuracies = {slow.number: lambda _: 0.9 + lead / 1000, fast.number: lambda _: 0.9}
    finals = compete(goals(), [slow, fast], epochs=1, tune=judged(accuracies))
    assert (finals.winner.evaluation is slow) == (lead == 30)
    assert finals.equals == (1 if lead == 30 else 2)


def test_the_winner_of_the_finals_is_that_of_the_search(problem: Problem) -> None:
    done = entries(problem)
    before = summarise(problem, goals(), done)
    finalists = choose_finalists(goals(), done, before.winner, most=2, seed=0)
    accuracies = {each.number: lambda _, i=i: 0.5 + 0.3 * i for i, each in enumerate(finalists)}
    after = before.decided(compete(goals(), finalists, epochs=2, tune=judged(accuracies)))
    assert after.winner is finalists[1] is not before.winner
    assert after.choice.posterior == before.posteriors[after.winner.candidate]


def test_errors_of_the_supernet_that_similar_networks_share_are_expected(problem: Problem) -> None:
    """So many images leave no noise, and yet the finalists are not simply those with the best counts."""
    many = Goals([accuracy(Scorer(), images=10**7), latency(LinearTable())])
    noise = rng(0).uniform(0, 1e-4, 60)
    done = [
        replace(
            each,
            outcome=replace(
                each.outcome, values=(0.8 + noise[each.number] - 0.2 * (each.number % 2), 1.0), images=10**7
            ),
        )
        for each in entries(problem)
        if each.usable
    ]
    best = sorted(done, key=lambda each: -each.outcome.values[0])[:4]
    finalists = choose_finalists(many, done, best[0], most=4, seed=0)
    assert all(each.outcome.values[0] > 0.7 for each in finalists)
    assert {each.number for each in finalists} != {each.number for each in best}
    inputs = Features(problem)(np.array([each.candidate.row for each in done]))
    inputs = (inputs - inputs.mean(0)) / np.maximum(inputs.std(0), 1e-9)
    spread = [_spread(inputs[[done.index(each) for each in some]]) for some in (finalists, best)]
    assert spread[0] > spread[1]
