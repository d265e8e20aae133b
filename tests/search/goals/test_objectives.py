"""Objectives of a user's own, and the checks of their functions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from nas.errors import UserError
from nas.network import NetworkSpec
from nas.search import Goals, Networks, Objective, Problem, accuracy, macs, params, search
from nas.space import SearchSpace
from tests.search.problems import Scorer, objectives, tiny_study


def blocks(networks: Sequence[NetworkSpec]) -> list[int]:
    return [len(network.blocks) for network in networks]


def test_a_function_of_a_batch_of_networks_is_an_objective(tmp_path: Path) -> None:
    sizes: list[int] = []

    def widest(networks: Networks) -> list[float]:
        sizes.append(len(networks))
        return [max(block.out_shape.channels for block in network.blocks) for network in networks]

    goals = Goals([Objective("widest", "maximize", widest), macs()])
    result = search(tiny_study(goals, trials=12), folder=tmp_path)
    assert sizes == [1] * 12, "what costs something is evaluated one network at a time"
    for each in result.evaluations:
        network = each.candidate.network
        assert each.outcome.values == (max(b.out_shape.channels for b in network.blocks), network.macs)
    assert (tmp_path / "trials.csv").read_text().startswith("number,state,feasible,widest,macs,")


@pytest.mark.parametrize("channels", [None, 1, 4])
def test_costs_are_those_of_networks_for_the_images_of_the_problem(channels: int | None) -> None:
    problem = Problem(SearchSpace.load("tiny_24"), 10, channels)
    some = [problem.space.largest(), problem.space.smallest()]
    candidates = problem.candidates(problem.space.encode(some))
    networks = Networks(candidates)
    assert list(macs().evaluate(networks)) == [each.network.macs for each in candidates]
    assert list(params().evaluate(networks)) == [each.network.params for each in candidates]


def test_a_predicted_objective_of_one_s_own_rejects_before_anything_is_evaluated(tmp_path: Path) -> None:
    scorer = Scorer()
    depth = Objective("depth", "minimize", blocks, bound=13, predicted=True)
    search(tiny_study(Goals([*objectives(scorer), depth]), trials=12), folder=tmp_path)
    assert len(scorer.asked) == 12
    assert max(blocks(scorer.asked)) <= 13


def test_only_bounds_on_predicted_quantities_reject_networks() -> None:
    goals = Goals([*objectives(), accuracy(Scorer(), name="measured", bound=0.5)], [macs(bound=1e6)])
    assert [each.name for each in goals.bounded] == ["macs"]


def test_networks_are_a_sequence(tmp_path: Path) -> None:
    problem = tiny_study(trials=1).problem
    candidates = problem.candidates(problem.space.encode([problem.space.smallest(), problem.space.largest()]))
    networks = Networks(candidates)
    assert list(networks) == [each.network for each in candidates]
    assert list(networks[1:]) == [candidates[1].network]
    assert networks[0] is candidates[0].network
    assert networks.rows.tolist() == [list(each.row) for each in candidates]


@pytest.mark.parametrize(
    ("function", "shown"),
    [
        (lambda networks: 0.5, "0.5"),
        (lambda networks: [], r"\[\]"),
        (lambda networks: [[0.5]], r"\[\[0.5\]\]"),
        (lambda networks: ["good"], r"\['good'\]"),
        (lambda networks: None, "None"),
    ],
)
def test_anything_but_one_number_for_each_network_is_refused(
    tmp_path: Path, function: Callable[[Any], Any], shown: str
) -> None:
    goals = Goals([Objective("mine", "maximize", function)])
    with pytest.raises(UserError, match=f"objective mine gave {shown} for 1 networks; its function must"):
        search(tiny_study(goals, trials=1), folder=tmp_path)
