"""What a search makes of its evaluations: parts of accuracy, winners, importances, status, the cache."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from nas.errors import UserError
from nas.network import NetworkSpec
from nas.network.memory import peak_activation_bytes, weight_bytes
from nas.search import (
    Count,
    Goals,
    Objective,
    Problem,
    SearchResult,
    State,
    accuracy,
    latency,
    macs,
    memory,
    search,
    size,
)
from nas.search.goals.objectives import evaluate_many
from nas.search.results.importance import importances
from nas.search.results.results import summarise
from nas.search.results.status import status
from nas.space import SearchSpace
from tests.search.problems import CLASSES, LinearTable, Scorer, objectives, rng, smooth, tiny, tiny_study

IMAGES = 1000


def run(
    folder: Path,
    goals: Sequence[Objective],
    *,
    limits: Sequence[Objective] = (),
    trials: int = 30,
    budgets_ms: Sequence[float] = (),
    remeasure: Callable[[NetworkSpec], Count] | None = None,
    control: bool = False,
) -> SearchResult:
    study = tiny_study(Goals(goals, limits), trials=trials, budgets_ms=budgets_ms, control=control)
    return search(study, folder=folder, remeasure=remeasure)


class Staged:
    """Accuracies on a tenth and on all of the images."""

    def __init__(self) -> None:
        self.images = 0

    def __call__(self, network: NetworkSpec) -> Iterator[Count]:
        for total in (IMAGES // 10, IMAGES):
            self.images += total
            yield Count(round(total * _spread(network)), total)


def _spread(network: NetworkSpec) -> float:
    """Accuracies far enough apart to be told apart on a few images."""
    return min(1.0, max(0.0, 8 * (smooth(network) - 0.5)))


def staged(stages: Staged) -> list[Objective]:
    score = accuracy(lambda networks: [_spread(n) for n in networks], images=IMAGES, stages=stages)
    return [score, latency(LinearTable())]


def test_networks_that_are_clearly_worse_are_stopped_early_and_the_front_is_the_same(tmp_path: Path) -> None:
    stages = Staged()
    early = run(tmp_path / "early", staged(stages), trials=60)
    whole = run(
        tmp_path / "whole", [accuracy(lambda n: [_spread(x) for x in n]), staged(stages)[1]], trials=60
    )
    stopped = [each for each in early.evaluations if each.outcome.state is State.STOPPED]
    assert len(stopped) > 5
    assert all(each.outcome.images == IMAGES // 10 and not each.usable for each in stopped)
    assert "is clearly below" in stopped[0].outcome.reason
    assert [e.candidate for e in early.front] == [e.candidate for e in whole.front]
    assert early.evaluated == 60
    with (tmp_path / "early" / "trials.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert sum(row["state"] == "stopped" and row["images"] == "100" for row in rows) == len(stopped)
    by_code = {each.candidate.code: early.posteriors.get(each.candidate) for each in early.evaluations}
    for row in rows:
        known = by_code[row["code"]]
        written = (row["posterior"], row["deviation"])
        assert written == ("", "") if known is None else written == (repr(known.value), repr(known.deviation))


def test_nothing_is_stopped_that_no_network_as_fast_beats(tmp_path: Path) -> None:
    result = run(tmp_path, staged(Staged()), trials=40)
    for each in result.evaluations:
        if each.outcome.state is State.STOPPED:
            better = [
                other
                for other in result.evaluations
                if other.usable
                and other.outcome.values[1] <= each.outcome.values[1]
                and other.outcome.values[0] > each.outcome.values[0]
            ]
            assert better


def test_nothing_is_stopped_before_its_other_objectives_are_known(tmp_path: Path) -> None:
    measured = Objective("measured_ms", "minimize", lambda networks: [1e-6 * n.macs for n in networks])
    result = run(tmp_path / "last", [staged(Staged())[0], measured], trials=20)
    assert all(each.outcome.state is State.COMPLETE for each in result.evaluations)
    result = run(tmp_path / "first", [measured, staged(Staged())[0]], trials=20)
    assert any(each.outcome.state is State.STOPPED for each in result.evaluations)


def test_a_search_with_stopped_networks_goes_on(tmp_path: Path) -> None:
    first = run(tmp_path, staged(Staged()), trials=40)
    stages = Staged()
    again = run(tmp_path, staged(stages), trials=40)
    assert again.evaluations == first.evaluations
    assert stages.images == 0


def test_the_control_is_not_judged_by_the_front_of_the_search(tmp_path: Path) -> None:
    stages = Staged()
    result = run(tmp_path, staged(stages), trials=30, control=True)
    stopped = sum(each.outcome.state is State.STOPPED for each in result.evaluations)
    assert stopped
    control = json.loads((tmp_path / "control.json").read_text())
    assert control["hypervolume"] == pytest.approx(
        result.hypervolume[-1]
    )  # the same networks in the same order


def test_limits_reject_what_breaks_them_and_are_no_objectives(tmp_path: Path) -> None:
    bound = float(tiny().network(tiny().largest(), classes=CLASSES).macs) / 4
    scorer = Scorer()
    result = run(tmp_path, objectives(scorer), limits=[macs(bound=bound)], trials=15)
    assert all(network.macs <= bound for network in scorer.asked)
    assert len(result.winner.outcome.values) == 2
    assert result.winner.outcome.limits[0] == result.winner.candidate.network.macs <= bound
    winner = json.loads((tmp_path / "winner.json").read_text())
    assert winner["values"]["macs"] == result.winner.candidate.network.macs
    again = run(tmp_path, objectives(scorer), limits=[macs(bound=bound)], trials=15)
    assert again.evaluations == result.evaluations


def test_a_network_that_breaks_a_bound_is_not_on_the_front(tmp_path: Path) -> None:
    found = run(tmp_path, objectives())
    best = min(found.front, key=lambda each: each.outcome.values[1])
    broken = replace(best, outcome=replace(best.outcome, state=State.STOPPED))
    others = [broken if each == best else each for each in found.evaluations]
    assert broken not in summarise(found.problem, found.goals, others).front


def test_an_accuracy_can_be_a_limit(tmp_path: Path) -> None:
    goals = [latency(LinearTable())]
    result = run(tmp_path, goals, limits=[accuracy(Scorer(), bound=0.6)], trials=20)
    assert result.winner.outcome.limits[0] >= 0.6
    usable = [e for e in result.evaluations if e.outcome.limits[0] >= 0.6]
    assert result.winner.outcome.values[0] == min(e.outcome.values[0] for e in usable)


def test_limits_need_bounds_and_must_be_possible(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="limits \\['macs'\\] have no bound"):
        run(tmp_path, objectives(), limits=[macs()])
    with pytest.raises(UserError, match="meets macs 10; the smallest macs that can be met is"):
        run(tmp_path, objectives(), limits=[macs(bound=10)])


def test_each_budget_has_a_winner_or_says_that_it_has_none(tmp_path: Path) -> None:
    result = run(tmp_path, objectives(), budgets_ms=[2.0, 0.01, 0.5])
    none, middle, wide = json.loads((tmp_path / "winners.json").read_text())
    assert (none["budget_ms"], none["found"]) == (0.01, False)
    within = [e.outcome.values for e in result.evaluations if e.outcome.values[1] <= 0.5]
    assert middle["values"]["accuracy"] == max(value for value, _ in within)
    assert middle["values"]["latency_ms"] <= 0.5 < wide["values"]["latency_ms"]
    with pytest.raises(UserError, match="give positive numbers"):
        run(tmp_path, objectives(), budgets_ms=[0])
    with pytest.raises(UserError, match="the search has none; add latency"):
        run(tmp_path, [macs()], budgets_ms=[1])


def test_within_each_budget_the_fastest_of_those_that_are_as_good_wins(tmp_path: Path) -> None:
    """Every network is right on half of the images, which chance decides."""
    score = accuracy(lambda networks: [rng(n.macs).binomial(100, 0.5) / 100 for n in networks], images=100)
    result = run(tmp_path, [score, latency(LinearTable())], budgets_ms=[0.5, 2.0])
    for value in (
        json.loads((tmp_path / "winner.json").read_text()),
        *json.loads((tmp_path / "winners.json").read_text()),
    ):
        budget = value["budget_ms"] or 1e9
        within = [e for e in result.evaluations if e.outcome.values[1] <= budget]
        best = max((result.posteriors[e.candidate] for e in within), key=lambda each: each.lower)
        assert (value["best"], value["noise"]) == (best.lower, best.deviation)
        as_good = [e for e in within if result.posteriors[e.candidate].lower >= best.lower - best.deviation]
        assert value["equals"] == len(as_good) > 1
        assert value["values"]["latency_ms"] == min(e.outcome.values[1] for e in as_good)
        posterior = result.posteriors[result.evaluations[value["number"]].candidate]
        assert value["posterior"] == {
            "objective": "accuracy",
            "accuracy": posterior.value,
            "interval": list(posterior.interval),
            "lower": posterior.lower,
            "images": 100,
            "evaluations": 30,
            "least_difference": posterior.least_difference,
        }
        assert posterior.interval[0] < 0.5 < posterior.interval[1]
    state = status(result.goals, result.evaluations, [0.5])
    assert state.best == result.choice.value


def test_winners_are_measured_again_once_each(tmp_path: Path) -> None:
    asked: list[NetworkSpec] = []

    def remeasure(network: NetworkSpec) -> Count:
        asked.append(network)
        return Count(40, 50)

    run(tmp_path, objectives(), budgets_ms=[1e3, 0.01], remeasure=remeasure)
    winner = json.loads((tmp_path / "winner.json").read_text())
    assert winner["held_out"] == {
        "objective": "accuracy",
        "accuracy": 0.8,
        "interval": pytest.approx([0.6696, 0.8876], abs=1e-4),
        "correct": 40,
        "images": 50,
    }
    assert len(asked) == 1


def test_the_choice_that_matters_is_found(tmp_path: Path) -> None:
    score = accuracy(
        lambda networks: [network.resolution / 64 + 0.001 * smooth(network) for network in networks]
    )
    found = importances(run(tmp_path, [score, latency(LinearTable())], trials=300))["accuracy"]
    assert next(iter(found)) == "resolution"
    assert found["resolution"] > 0.9
    assert sum(found.values()) == pytest.approx(1, abs=0.01)
    assert importances(run(tmp_path / "few", objectives(), trials=5)) == {}


def test_the_status_tells_of_front_and_budgets(tmp_path: Path) -> None:
    result = run(tmp_path, objectives())
    found = status(result.goals, result.evaluations, [0.5, 0.01])
    assert found.front == len(result.front)
    assert found.hypervolume == pytest.approx(result.hypervolume[-1])
    assert found.best == result.winner.outcome.values[0]
    assert found.metrics("search").keys() == {
        "search/best",
        "search/front",
        "search/hypervolume",
        "search/best_within_0.5_ms",
    }
    assert status(result.goals, []).best is None


def test_sizes_and_memory_of_many_networks_are_those_of_each() -> None:
    for name in ("tiny_32", "mixed_32"):
        space = SearchSpace.load(name)
        problem = Problem(space, CLASSES)
        candidates = problem.candidates(space.sample_many(30, rng()))
        for precision in ("fp32", "int8"):
            assert list(evaluate_many(size(precision=precision), candidates)) == [
                weight_bytes(each.network, precision) for each in candidates
            ]
            assert list(evaluate_many(memory(precision=precision), candidates)) == [
                peak_activation_bytes(each.network, precision) for each in candidates
            ]


def test_accuracies_that_overlap_are_not_told_apart() -> None:
    assert Count(10, 100).is_clearly_below(Count(500, 1000))
    assert not Count(48, 100).is_clearly_below(Count(500, 1000))
    chance = np.random.default_rng(0)
    wrong = sum(
        Count(int(a), 100).is_clearly_below(Count(int(b), 400))
        for a, b in zip(chance.binomial(100, 0.8, 4000), chance.binomial(400, 0.8, 4000), strict=True)
    )
    assert wrong / 4000 < 0.02
