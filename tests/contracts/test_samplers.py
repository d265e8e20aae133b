"""What every registered sampler must do."""

from __future__ import annotations

from pathlib import Path

import pytest

from nas.errors import UserError
from nas.search import Problem, SearchResult, Study, make_sampler, sampler_names, search
from tests.search.problems import CLASSES, Scorer, tiny, two_goals

pytestmark = pytest.mark.parametrize("name", sampler_names())


def run(
    name: str, folder: Path, *, seed: int = 0, trials: int = 30, scorer: Scorer | None = None
) -> SearchResult:
    study = Study(
        problem=Problem(tiny(), CLASSES),
        goals=two_goals(scorer, bound_ms=0.6),
        sampler=make_sampler(name),
        trials=trials,
        seed=seed,
    )
    return search(study, folder=folder)


def codes(result: SearchResult) -> list[str]:
    return [evaluation.candidate.code for evaluation in result.evaluations]


def test_spends_its_budget_on_different_networks_within_the_bound(name: str, tmp_path: Path) -> None:
    scorer = Scorer()
    result = run(name, tmp_path, scorer=scorer)
    assert len(set(codes(result))) == len(result.evaluations)
    assert result.evaluated == len(scorer.asked) == 30
    assert max(0.1 + 0.5e-6 * network.macs for network in scorer.asked) <= 0.6


def test_most_networks_are_its_own_proposals(name: str, tmp_path: Path) -> None:
    origins = [evaluation.origin for evaluation in run(name, tmp_path).evaluations]
    assert origins.count("sampler") > len(origins) / 2


def test_equal_seeds_give_equal_searches_and_others_others(name: str, tmp_path: Path) -> None:
    first, second, third = (run(name, tmp_path / str(i), seed=seed) for i, seed in enumerate((3, 3, 4)))
    assert codes(first) == codes(second) != codes(third)


def test_goes_on_as_if_it_had_not_been_interrupted(name: str, tmp_path: Path) -> None:
    whole = run(name, tmp_path / "whole")
    for trials in (7, 23, 30):
        parts = run(name, tmp_path / "parts", trials=trials)
    assert codes(parts) == codes(whole)


def test_an_unknown_option_is_refused(name: str) -> None:
    with pytest.raises(UserError, match=f"unknown option of sampler {name} 'sped'"):
        make_sampler(name, {"sped": 3})
