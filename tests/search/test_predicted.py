"""A search in which everything is predicted."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from nas.errors import UserError
from nas.search import Goals, Objective, Problem, Study, accuracy, latency, make_sampler
from nas.search.goals.objectives import Forecast, predicted_accuracy
from nas.search.goals.problem import Networks
from nas.search.predicted import search_predicted
from nas.space import SearchSpace
from tests.published.small import SPACE
from tests.search.problems import LinearTable, smooth, tiny

NOISE = 0.01


def forecast_accuracy(*, bound: float | None = None, outside: int = 10**9) -> Objective:
    """A predicted accuracy that is extrapolated for more than ``outside`` multiply-accumulates."""

    def extrapolates(networks: Networks) -> Sequence[bool]:
        return [network.macs > outside for network in networks]

    forecast = Forecast(
        about="made-up accuracies",
        data="nothing",
        labels=50,
        error=0.001,
        noise=NOISE,
        kendall_tau=0.9,
        source="nobody",
        extrapolates=extrapolates,
    )
    return predicted_accuracy(lambda n: [smooth(each) for each in n], forecast=forecast, bound=bound)


def study(*objectives: Objective, limits: Sequence[Objective] = (), seed: int = 0) -> Study:
    problem = Problem(tiny(), 10, 3)
    goals = Goals(objectives, limits)
    return Study(
        problem=problem, goals=goals, sampler=make_sampler("random"), trials=1, seed=seed, control=True
    )


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "trials.csv").open() as stream:
        return list(csv.DictReader(stream))


def test_the_files_are_those_of_a_search_and_the_accuracies_are_marked(tmp_path: Path) -> None:
    goals = (forecast_accuracy(outside=1_000_000), latency(LinearTable()))
    result = search_predicted(study(*goals), folder=tmp_path, candidates=600)
    names = {"trials.csv", "pareto.json", "winner.json", "winners.json", "importance.json", "control.json"}
    assert {path.name for path in tmp_path.iterdir()} == names
    table = rows(tmp_path)
    assert len(table) == len({row["code"] for row in table}) == result.evaluated == 600
    macs = {each.candidate.code: each.candidate.network.macs for each in result.evaluations}
    for row in table:
        assert row["prediction"] == ("extrapolated" if macs[row["code"]] > 1_000_000 else "predicted")
    pareto, winner = (json.loads((tmp_path / name).read_text()) for name in ("pareto.json", "winner.json"))
    assert pareto["forecast"]["error"] == winner["forecast"]["error"] == 0.001
    assert {point["prediction"] for point in pareto["front"]} == {"predicted", "extrapolated"}
    assert winner["held_out"] is None
    assert winner["noise"] == NOISE


def test_an_extrapolated_network_wins_only_if_there_is_no_other(tmp_path: Path) -> None:
    free = study(forecast_accuracy(), latency(LinearTable()))
    best = search_predicted(free, folder=tmp_path, candidates=400).winner.candidate.network.macs
    for outside, known in ((best // 2, True), (0, False)):
        limited = study(forecast_accuracy(outside=outside), latency(LinearTable()))
        winner = search_predicted(limited, folder=tmp_path, candidates=400).winner
        assert winner.outcome.extrapolated is not known
        assert (winner.candidate.network.macs <= outside) is known


def test_networks_within_the_predictors_error_are_as_good(tmp_path: Path) -> None:
    result = search_predicted(
        study(forecast_accuracy(), latency(LinearTable())), folder=tmp_path, candidates=600
    )
    equals = [each for each in result.evaluations if each.outcome.values[0] >= result.choice.best - NOISE]
    assert len(equals) == result.choice.equals > 1
    assert result.winner.outcome.values[1] == min(each.outcome.values[1] for each in equals)


def test_it_finds_a_better_front_than_chance_and_the_same_again(tmp_path: Path) -> None:
    goals = (forecast_accuracy(), latency(LinearTable()))
    first, again = (
        search_predicted(study(*goals), folder=tmp_path / name, candidates=400) for name in ("a", "b")
    )
    assert first.evaluations == again.evaluations
    control = json.loads((tmp_path / "a" / "control.json").read_text())
    assert control["search_hypervolume"] > control["hypervolume"] > 0
    assert control["evaluations"] == 400
    other = search_predicted(study(*goals, seed=1), folder=tmp_path / "c", candidates=400)
    assert other.evaluations != first.evaluations


def test_bounds_reject_and_budgets_have_winners(tmp_path: Path) -> None:
    goals = (forecast_accuracy(), latency(LinearTable(), bound_ms=0.4))
    result = search_predicted(study(*goals), folder=tmp_path, candidates=500)
    rejected = [row for row in rows(tmp_path) if row["state"] == "rejected"]
    assert rejected
    assert all("is beyond the bound 0.4" in row["reason"] for row in rejected)
    assert result.evaluated == 500 - len(rejected)
    assert all(each.outcome.values[1] <= 0.4 for each in result.front)


def test_bounds_that_no_network_meets_name_the_nearest(tmp_path: Path) -> None:
    goals = (forecast_accuracy(), latency(LinearTable(), bound_ms=0.01))
    with pytest.raises(
        UserError, match=r"no network of tiny_32 meets latency_ms 0.01; the smallest latency_ms"
    ):
        search_predicted(study(*goals), folder=tmp_path, candidates=100)
    together = (forecast_accuracy(bound=0.74), latency(LinearTable(), bound_ms=0.19))
    with pytest.raises(UserError, match="each bound can be met, but no network was found that meets all"):
        search_predicted(study(*together), folder=tmp_path, candidates=600)
    assert not list(tmp_path.iterdir())


def test_only_some_resolutions_are_searched(tmp_path: Path) -> None:
    goals = (forecast_accuracy(), latency(LinearTable()))
    space = tiny()
    few = space.resolutions[:1]
    result = search_predicted(study(*goals), folder=tmp_path, candidates=300, resolutions=few)
    assert {each.candidate.network.resolution for each in result.evaluations} == set(few)
    with pytest.raises(UserError, match="tiny_32 has no resolution 999; it has"):
        search_predicted(study(*goals), folder=tmp_path, candidates=300, resolutions=[999])


def test_a_small_space_is_searched_whole(tmp_path: Path) -> None:
    path = tmp_path / "shallow.yaml"
    path.write_text(SPACE.lstrip().replace("[1, 2, 3]", "1").replace("size: ", "# "), encoding="utf-8")
    problem = Problem(SearchSpace.load(path), 10, 1)
    goals = Goals([forecast_accuracy(), latency(LinearTable())])
    whole = Study(problem=problem, goals=goals, sampler=make_sampler("random"), trials=1, seed=0)
    result = search_predicted(whole, folder=tmp_path / "out", candidates=10**6, resolutions=[16])
    assert result.evaluated == problem.space.size / 3 == 16


def test_a_quantity_that_needs_an_evaluation_is_refused(tmp_path: Path) -> None:
    goals = (accuracy(lambda networks: [0.5] * len(networks)), latency(LinearTable()))
    with pytest.raises(UserError, match="accuracy is not predicted, so a search by predictions alone"):
        search_predicted(study(*goals), folder=tmp_path, candidates=100)
