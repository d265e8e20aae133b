"""Genes as Optuna parameters."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from nas.search.goals.problem import Problem
from nas.search.proposals import default_initial
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


def test_the_initial_networks_are_smallest_largest_and_middle() -> None:
    smallest, largest, middle = default_initial(SPACE)
    assert (smallest, largest) == (SPACE.smallest(), SPACE.largest())
    assert middle.resolution == 24
