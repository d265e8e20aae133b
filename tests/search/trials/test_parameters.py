"""Genes as Optuna parameters."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas.search.goals.problem import Problem
from nas.search.proposals import default_initial, mutant
from nas.search.trials.parameters import Parameters
from tests.search.problems import rng, tiny

SPACE = tiny()
PARAMETERS = Parameters(Problem(SPACE))


@given(st.integers(0, 10**6))
def test_parameters_of_a_candidate_give_it_back(seed: int) -> None:
    candidate = PARAMETERS.problem.candidate(SPACE.sample(rng(seed)))
    params = PARAMETERS.params(candidate, rng(seed))
    assert set(params) == set(PARAMETERS.distributions)
    assert PARAMETERS.candidate(params) == candidate


def test_names_are_those_of_the_dimensions() -> None:
    assert "resolution" in PARAMETERS.distributions
    assert "stage 0 block 1 kernel" in PARAMETERS.distributions


class SeenFor:
    """A container that has seen the first ``count`` networks that are looked up."""

    def __init__(self, count: int) -> None:
        self._left = count

    def __contains__(self, _: object) -> bool:
        self._left -= 1
        return self._left >= 0


@pytest.mark.parametrize(("tries", "least", "most"), [(0, 0.5, 1.5), (4, 1.5, 3), (29, 4, 8)])
def test_mutations_begin_with_one_choice_and_grow_with_each_try(tries: int, least: int, most: int) -> None:
    candidate = PARAMETERS.problem.candidate(SPACE.largest())
    mutants = [mutant(candidate, SeenFor(tries), rng(seed)) for seed in range(50)]
    changes = [np.not_equal(each.row, candidate.row).sum() for each in mutants if each is not None]
    assert len(changes) == 50
    assert least < np.mean(changes) < most


def test_no_mutant_is_found_where_all_have_been_seen() -> None:
    candidate = PARAMETERS.problem.candidate(SPACE.largest())
    assert mutant(candidate, SeenFor(30), rng()) is None
    assert mutant(candidate, SeenFor(5), rng(), tries=6) is not None


def test_the_initial_networks_are_smallest_largest_and_middle() -> None:
    smallest, largest, middle = default_initial(SPACE)
    assert (smallest, largest) == (SPACE.smallest(), SPACE.largest())
    assert middle.resolution == 24
