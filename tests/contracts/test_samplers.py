"""What every registered sampler must do."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from nas.errors import UserError
from nas.search import Problem, SearchResult, Study, make_sampler, sampler_names, search
from nas.space import SearchSpace
from tests.search.problems import CLASSES, Scorer, tiny, two_goals

pytestmark = pytest.mark.parametrize("name", sampler_names())


OPTIONS = {"gp": {"startup": 4}}


def budget(name: str) -> int:
    return 9 if name == "gp" else 30


@cache
def space_of(name: str) -> SearchSpace:
    """The tiny space; a part of it for Optuna's Gaussian process, which is slow with 20 choices."""
    return SearchSpace.load(Path(__file__).parent / "few_choices.yaml") if name == "gp" else tiny()


def run(
    name: str, folder: Path, *, seed: int = 0, trials: int | None = None, scorer: Scorer | None = None
) -> SearchResult:
    study = Study(
        problem=Problem(space_of(name), CLASSES),
        goals=two_goals(scorer, bound_ms=0.6),
        sampler=make_sampler(name, OPTIONS.get(name)),
        trials=budget(name) if trials is None else trials,
        seed=seed,
    )
    return search(study, folder=folder)


def codes(result: SearchResult) -> list[str]:
    return [evaluation.candidate.code for evaluation in result.evaluations]


Finished = Callable[[str], tuple[SearchResult, Scorer]]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """One search with each sampler, which several tests look at."""

    @cache
    def search_once(name: str) -> tuple[SearchResult, Scorer]:
        scorer = Scorer()
        return run(name, tmp_path_factory.mktemp(name), scorer=scorer), scorer

    return search_once


def test_spends_its_budget_on_different_networks_within_the_bound(name: str, finished: Finished) -> None:
    result, scorer = finished(name)
    assert len(set(codes(result))) == len(result.evaluations)
    assert result.evaluated == len(scorer.asked) == budget(name)
    assert max(0.1 + 0.5e-6 * network.macs for network in scorer.asked) <= 0.6


def test_most_networks_are_its_own_proposals(name: str, finished: Finished) -> None:
    origins = [evaluation.origin for evaluation in finished(name)[0].evaluations]
    assert origins.count("sampler") > len(origins) / 2


def test_equal_seeds_give_equal_searches_and_others_others(
    name: str, finished: Finished, tmp_path: Path
) -> None:
    assert codes(run(name, tmp_path / "equal")) == codes(finished(name)[0])
    other = codes(run(name, tmp_path / "other", seed=4, trials=8))
    assert other != codes(finished(name)[0])[: len(other)]


def test_goes_on_as_if_it_had_not_been_interrupted(name: str, finished: Finished, tmp_path: Path) -> None:
    for trials in (5, budget(name) - 1, budget(name)):
        parts = run(name, tmp_path, trials=trials)
    assert codes(parts) == codes(finished(name)[0])


def test_an_unknown_option_is_refused(name: str) -> None:
    with pytest.raises(UserError, match=f"unknown option of sampler {name} 'sped'"):
        make_sampler(name, {"sped": 3})
