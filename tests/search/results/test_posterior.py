"""The posterior accuracy of networks: less noise than in their counts, and honest intervals."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from nas.arrays import FloatArray
from nas.search import Evaluation, Goals, Objective, Outcome, Problem, State, accuracy, latency
from nas.search.predictors.features import Features
from nas.search.results import posterior
from nas.search.results.posterior import LEAST, PosteriorAccuracy, posteriors, smoothed
from nas.search.results.results import choose_winner
from nas.statistics import Count, kendall_tau
from tests.search.problems import CLASSES, LinearTable, Scorer, rng, smooth, tiny

NETWORKS = 80


@pytest.fixture(scope="module")
def problem() -> Problem:
    return Problem(tiny(), CLASSES)


@pytest.fixture(scope="module")
def rows(problem: Problem) -> np.ndarray:
    return np.unique(problem.space.sample_many(2 * NETWORKS, rng(1)), axis=0)[:NETWORKS]


@pytest.fixture(scope="module")
def inputs(problem: Problem, rows: np.ndarray) -> FloatArray:
    return Features(problem)(rows)


@pytest.fixture(scope="module")
def truth(problem: Problem, rows: np.ndarray) -> FloatArray:
    return np.array([smooth(each.network) for each in problem.candidates(rows)])


def values(found: list[PosteriorAccuracy]) -> FloatArray:
    return np.array([each.value for each in found])


@pytest.mark.parametrize("images", [100, 400])
def test_the_winner_is_better_and_its_accuracy_honest(
    inputs: FloatArray, truth: FloatArray, images: int
) -> None:
    by_count, by_posterior, covered = [], [], []
    for seed in range(12):
        counts = rng(seed).binomial(images, truth) / images
        found = smoothed(inputs, counts, np.full(NETWORKS, float(images)))
        lucky, winner = int(counts.argmax()), int(values(found).argmax())
        by_count.append((truth[lucky], counts[lucky] - truth[lucky]))
        by_posterior.append((truth[winner], found[winner].value - truth[winner]))
        low, high = found[winner].interval
        covered.append(low <= truth[winner] <= high)
    (count, count_bias), (posterior, bias) = np.mean(by_count, axis=0), np.mean(by_posterior, axis=0)
    error = np.sqrt(0.25 / images)
    assert posterior > count
    assert abs(bias) < 0.5 * error < 0.7 * error < count_bias
    assert sum(covered) >= 10


def test_images_that_all_networks_share_widen_the_interval_but_not_comparisons(
    inputs: FloatArray, truth: FloatArray
) -> None:
    """All networks are 4 points worse on these images; nothing scatters from network to network."""
    images = np.full(NETWORKS, 150.0)
    found = smoothed(inputs, truth - 0.04, images)
    for each, true in zip(found, truth.tolist(), strict=True):
        assert each.interval[0] <= true <= each.interval[1]
        assert each.deviation < 0.5 * Count(round(150 * true), 150).noise


def test_with_many_images_it_is_the_count(inputs: FloatArray, truth: FloatArray) -> None:
    """Also for differences that no feature explains."""
    own = truth + 0.01 * rng(2).standard_normal(NETWORKS)
    found = smoothed(inputs, own, np.full(NETWORKS, 1e7))
    assert values(found) == pytest.approx(own, abs=3e-4)
    assert max(each.deviation for each in found) < 2e-4


def test_few_evaluations_are_taken_as_they_are(inputs: FloatArray) -> None:
    few = np.linspace(0.3, 1.0, LEAST - 1)
    for accuracies in (few, np.full(LEAST, 0.5)):
        images = np.full(len(accuracies), 50.0)
        for each, value in zip(
            smoothed(inputs[: len(images)], accuracies, images), accuracies.tolist(), strict=True
        ):
            count = Count(round(50 * value), 50)
            assert (each.value, each.deviation) == (value, count.noise)
            assert each.interval == count.interval()


def test_extreme_accuracies_stay_within_their_range(inputs: FloatArray) -> None:
    for value in (0.0, 1.0):
        accuracies = np.full(NETWORKS, value)
        accuracies[0] = 0.5
        for each in smoothed(inputs, accuracies, np.full(NETWORKS, 20.0)):
            assert 0 <= each.interval[0] <= each.value <= each.interval[1] <= 1
            assert each.deviation > 0


def test_fewer_images_count_for_less(inputs: FloatArray, truth: FloatArray) -> None:
    images = np.full(NETWORKS, 400.0)
    images[::2] = 20
    found = smoothed(inputs, rng(3).binomial(images.astype(int), truth) / images, images)
    deviations = np.array([each.deviation for each in found])
    assert deviations[::2].mean() > 1.1 * deviations[1::2].mean()


def test_many_networks_are_smoothed_in_groups_about_as_well(
    inputs: FloatArray, truth: FloatArray, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = np.full(NETWORKS, 400.0)
    counts = rng().binomial(400, truth) / 400
    together = smoothed(inputs, counts, images)
    monkeypatch.setattr(posterior, "_GROUP", NETWORKS // 2)
    apart = smoothed(inputs, counts, images)
    errors = [np.abs(each - truth).mean() for each in (values(together), values(apart), counts)]
    assert errors[0] < errors[1] < 0.8 * errors[2]
    deviations = [np.mean([each.deviation for each in found]) for found in (together, apart)]
    assert deviations[0] < deviations[1]  # each group knows less
    intervals = [each.interval for each in apart]
    assert np.mean([low <= right <= high for (low, high), right in zip(intervals, truth, strict=True)]) > 0.9


def entries(problem: Problem, rows: np.ndarray, accuracies: FloatArray) -> list[Evaluation]:
    outcomes = [Outcome(State.COMPLETE, (value, 1.0), True, images=100) for value in accuracies.tolist()]
    return [
        Evaluation(number, candidate, outcome, "sampler", 0.0)
        for number, (candidate, outcome) in enumerate(zip(problem.candidates(rows), outcomes, strict=True))
    ]


def goals(*, staged: bool = False) -> Goals:
    first = accuracy(Scorer(), images=100, stages=(lambda network: iter(())) if staged else None)
    return Goals([first, latency(LinearTable())])


def test_stopped_evaluations_count_with_the_images_that_they_have_seen(
    problem: Problem, rows: np.ndarray, truth: FloatArray
) -> None:
    done = entries(problem, rows, truth)
    stopped = [
        replace(each, outcome=replace(each.outcome, state=State.STOPPED, feasible=False, images=20))
        if each.number % 2
        else each
        for each in done
    ]
    found = posteriors(goals(staged=True), stopped)
    assert len(found) == NETWORKS
    few, many = (
        np.mean([found[each.candidate].deviation for each in stopped if each.number % 2 == odd])
        for odd in (1, 0)
    )
    assert few > many
    assert len(posteriors(goals(), stopped)) == NETWORKS // 2


def test_a_lucky_count_does_not_win(problem: Problem, rows: np.ndarray, truth: FloatArray) -> None:
    """The network with the lowest accuracy has the best count, by one image."""
    order = np.argsort(truth)
    counts = np.round(100 * truth) / 100
    counts[order[0]] = counts.max() + 0.01
    done = entries(problem, rows, counts)
    choice = choose_winner(goals(), done, posteriors(goals(), done))
    assert choice.evaluation.number != order[0]
    assert choice.posterior is not None
    assert choice.value == choice.posterior.value
    assert choose_winner(goals(), done, {}).evaluation.number == order[0]


def test_other_first_objectives_have_no_posterior(
    problem: Problem, rows: np.ndarray, truth: FloatArray
) -> None:
    done = entries(problem, rows, truth)
    unknown = Goals([Objective("speed", "maximize", lambda networks: [0.0] * len(networks))])
    assert posteriors(unknown, done) == {}
    assert posteriors(goals(), []) == {}
    choice = choose_winner(goals(), done, {})
    assert (choice.posterior, choice.noise, choice.value) == (None, 0.0, float(truth.max()))


def test_of_equally_accurate_networks_the_more_certain_one_counts_for_more(
    problem: Problem, rows: np.ndarray, truth: FloatArray
) -> None:
    """Two networks have nearly the same posterior accuracy; one is known much better."""
    done = entries(problem, rows, np.minimum(truth, 0.5))
    sure, unsure = done[3], done[7]  # equally fast, as all are
    own = {each.candidate: PosteriorAccuracy(value=0.5, interval=(0.4, 0.6), deviation=0.01) for each in done}
    own[sure.candidate] = PosteriorAccuracy(value=0.800, interval=(0.7, 0.9), deviation=0.005)
    own[unsure.candidate] = PosteriorAccuracy(value=0.805, interval=(0.7, 0.9), deviation=0.030)
    choice = choose_winner(goals(), done, own)
    assert choice.evaluation is sure and choice.is_best and choice.equals == 1
    assert choice.best == pytest.approx(0.8 - 1.645 * 0.005, abs=1e-5)
    assert choice.value == 0.8


def test_few_noisy_counts_are_read_by_total_costs_first(
    problem: Problem, inputs: FloatArray, truth: FloatArray
) -> None:
    """With the weights of the features, the posterior is nearer to the truth and ranks no worse than MACs."""
    weights, images = Features(problem).weights, np.full(NETWORKS, 100.0)
    totals = np.array([label.kind == "total" for label in Features(problem).labels])
    assert weights[totals].sum() == pytest.approx(weights[~totals].sum())
    errors, ranks = [], []
    for seed in range(8):
        counts = rng(seed).binomial(100, truth) / images
        found = [values(smoothed(inputs, counts, images, each)) for each in (None, weights)]
        errors.append([np.sqrt(np.mean((each - truth) ** 2)) for each in found])
        ranks.append(kendall_tau(found[1], truth))
    equal, weighted = np.mean(errors, axis=0)
    assert weighted < 0.95 * equal
    assert np.mean(ranks) > kendall_tau(inputs[:, totals.argmax()], truth) - 0.02
