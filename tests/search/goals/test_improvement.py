"""Which points add the most hypervolume."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas.arrays import FloatArray
from nas.search.goals.improvement import most_improving
from nas.search.goals.pareto import hypervolume
from tests.search.problems import rng


def volume(losses: FloatArray, everything: FloatArray) -> float:
    ideal, worst = everything.min(axis=0), everything.max(axis=0)
    reference = ideal + 1.1 * (worst - ideal)
    return hypervolume(losses, reference, ["minimize"] * losses.shape[1])


@given(st.integers(0, 10**6), st.sampled_from([1, 2, 3]))
def test_the_first_one_adds_as_much_as_any_other(seed: int, objectives: int) -> None:
    known, losses = rng(seed).random((5, objectives)), rng(seed + 1).random((20, objectives))
    everything = np.concatenate([known, losses])
    gains = [volume(np.vstack([known, point]), everything) - volume(known, everything) for point in losses]
    chosen = most_improving(losses, known, 1)
    if not chosen:
        assert max(gains) < 0.02 * volume(everything, everything)
    else:
        assert gains[chosen[0]] >= max(gains) - 0.02 * volume(everything, everything)


def test_points_are_chosen_beside_each_other_and_not_on_the_same_spot() -> None:
    known = np.array([[1.0, 0.0], [0.0, 1.0]])
    losses = np.array([[0.5, 0.40], [0.5, 0.41], [0.15, 0.7], [0.9, 0.9], [2.0, 2.0]])
    assert most_improving(losses, known, 5) == [0, 2]


@pytest.mark.parametrize("objectives", [1, 2, 3])
def test_nothing_is_chosen_where_nothing_is_gained(objectives: int) -> None:
    known = np.zeros((1, objectives))
    assert most_improving(np.ones((4, objectives)), known, 3) == []
    assert most_improving(np.ones((0, objectives)), known, 3) == []


def test_without_anything_known_the_best_one_is_first() -> None:
    losses = np.array([[3.0, 3.0], [1.0, 1.0], [2.0, 2.0]])
    assert most_improving(losses, np.empty((0, 2)), 3) == [1]
