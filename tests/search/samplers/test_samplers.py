"""The registry of samplers."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from nas.errors import UserError
from nas.search import Goals, Problem, Study, make_sampler, sampler_names, search
from nas.search.goals.objectives import accuracy, macs
from nas.search.trials.evaluation import State
from nas.space import SearchSpace


def test_the_control_is_registered() -> None:
    assert {"nsga2", "random", "tpe"} <= set(sampler_names())


def test_an_unknown_sampler_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(UserError, match="unknown sampler 'nsga-2'; did you mean nsga2"):
        make_sampler("nsga-2")


def test_the_removed_sampler_is_answered_with_its_replacement() -> None:
    with pytest.raises(UserError, match="sampler 'evolution' was removed; use nsga2 instead"):
        make_sampler("evolution")


@pytest.mark.parametrize(("name", "option"), [("nsga2", "population"), ("tpe", "startup")])
@pytest.mark.parametrize("value", [0, 2.5, True, "many"])
def test_sizes_are_whole_numbers(name: str, option: str, value: object) -> None:
    with pytest.raises(UserError, match=f"{option} of sampler {name} is .*; it must be a whole number"):
        make_sampler(name, {option: value})


def test_importing_the_search_loads_no_torch() -> None:
    code = "import sys, nas.search, nas.scaling; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_gp_goes_on_where_a_bound_was_broken_before_another_was_looked_at(tmp_path: Path) -> None:
    bounded = [
        accuracy(lambda networks: [min(1.0, n.macs / 4e6) for n in networks], bound=0.05),
        macs(bound=1_000_000),  # the largest network is rejected by it, and its accuracy stays unknown
    ]
    study = Study(
        problem=Problem(SearchSpace.load("tiny_24"), 10, 1),
        goals=Goals(bounded),
        sampler=make_sampler("gp", {"startup": 4}),
        trials=6,
        seed=0,
    )
    result = search(study, folder=tmp_path)
    assert result.evaluated == 6
    assert any(each.outcome.state is State.REJECTED for each in result.evaluations)
