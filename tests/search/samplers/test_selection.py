"""Who survives: fronts, room, niches."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas.arrays import FloatArray
from nas.search.goals import pareto
from nas.search.goals.pareto import front, hypervolume
from nas.search.samplers.planning.niching import (
    _associate,
    _normalised,
    niched_survivors,
    reference_directions,
)
from nas.search.samplers.planning.selection import crowding, ranks, survivors
from tests.search.problems import rng

points = st.lists(st.tuples(*[st.integers(0, 5)] * 3), min_size=1, max_size=15)


def feasible(losses: FloatArray) -> FloatArray:
    return np.zeros(len(losses))


@given(points)
def test_fronts_equal_their_definition(values: list[tuple[int, ...]]) -> None:
    losses = np.array(values, np.float64)
    found, left, number = ranks(losses, feasible(losses)), list(range(len(losses))), 0
    while left:
        front = [
            i
            for i in left
            if not any((losses[j] <= losses[i]).all() and (losses[j] < losses[i]).any() for j in left)
        ]
        assert {i for i in left if found[i] == number} == set(front)
        left, number = [i for i in left if i not in front], number + 1


@given(points, st.integers(1, 3), st.integers(1, 20), st.integers(1, 4))
def test_the_fronts_of_the_best_do_not_depend_on_how_many_are_wanted(
    values: list[tuple[int, ...]], objectives: int, count: int, block: int
) -> None:
    losses = np.array(values, np.float64)[:, :objectives]
    broken = np.where(losses[:, 0] == 5, losses[:, -1], 0.0)
    whole = ranks(losses, broken)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pareto, "_BLOCK", block)
        some = ranks(losses, broken, enough=count)
        kept = survivors(losses, broken, count)
    best = np.argsort(whole, kind="stable")[:count]
    assert some[best].tolist() == whole[best].tolist()
    expected = np.lexsort((-crowding(losses, whole), whole))[:count]
    assert kept.tolist() == expected.tolist()


def test_a_hundred_thousand_points_need_no_table_of_all_pairs() -> None:
    losses = rng().random((100_000, 2))
    kept = survivors(losses, feasible(losses), 20)
    best = front(losses, ["minimize", "minimize"])
    assert set(kept.tolist()) <= set(best) or set(kept.tolist()) >= set(best)


def test_what_breaks_a_bound_comes_last_the_worst_at_the_end() -> None:
    losses = np.array([[0.0], [5.0], [1.0], [9.0], [2.0]])
    assert ranks(losses, np.array([0.3, 0.0, 0.1, 0.0, 0.1])).tolist() == [3, 0, 2, 1, 2]


def test_ends_of_a_front_have_the_most_room() -> None:
    losses = np.array([[0, 4], [1, 3], [1.5, 2.5], [4, 0]], np.float64)
    room = crowding(losses, np.zeros(4, np.int64))
    assert np.isinf(room[[0, 3]]).all()
    assert room[2] > room[1] > 0
    assert survivors(losses, feasible(losses), 3).tolist() == [0, 3, 2]


def test_survivors_are_sorted_and_no_more_than_asked_for() -> None:
    losses = rng().random((40, 2))
    kept = survivors(losses, feasible(losses), 10)
    fronts = ranks(losses, feasible(losses))
    assert len(set(kept.tolist())) == 10
    assert (np.diff(fronts[kept]) >= 0).all()
    assert fronts[kept].max() <= np.sort(fronts)[9]
    assert len(survivors(losses, feasible(losses), 100)) == 40


@pytest.mark.parametrize(("objectives", "count"), [(1, 5), (2, 7), (3, 20), (4, 30)])
def test_directions_cover_the_simplex_evenly(objectives: int, count: int) -> None:
    directions = reference_directions(objectives, count)
    assert len(directions) >= (count if objectives > 1 else 1)
    assert directions.sum(axis=1) == pytest.approx(np.ones(len(directions)))
    assert len(np.unique(directions.round(9), axis=0)) == len(directions)
    assert (directions.max(axis=0) == 1).all() and (directions.min() >= 0)


def test_niching_keeps_what_stands_alone() -> None:
    """Fifty points are crowded around the middle of a plane; three stand at its corners."""
    crowd = 1 / 3 + 0.01 * rng().standard_normal((50, 3))
    losses = np.concatenate([crowd / crowd.sum(axis=1, keepdims=True), np.eye(3)])
    kept = niched_survivors(losses, feasible(losses), 12, rng())
    assert {50, 51, 52} <= set(kept.tolist())
    assert len(set(kept.tolist())) == 12


def test_niching_takes_better_fronts_first_and_broken_bounds_last() -> None:
    losses = np.concatenate([np.eye(3), 2 * np.eye(3), np.zeros((2, 3))])
    broken = np.array([0, 0, 0, 0, 0, 0, 0.1, 0.2])
    kept = niched_survivors(losses, broken, 5, rng()).tolist()
    assert set(kept[:3]) == {0, 1, 2}
    assert set(kept[3:]) < {3, 4, 5}
    assert niched_survivors(losses, broken, 7, rng()).tolist()[6] == 6


@pytest.mark.parametrize("seed", range(5))
def test_niching_ignores_the_losses_of_equally_broken_bounds(seed: int) -> None:
    losses = np.concatenate([np.eye(3), 4 - np.eye(3)])
    broken = np.array([0, 0, 0, 0.1, 0.1, 0.1])
    assert niched_survivors(losses, broken, 5, rng(seed)).tolist() == [0, 1, 2, 3, 4]


def test_niching_spreads_over_a_sphere_better_than_chance() -> None:
    drawn = np.abs(rng().standard_normal((300, 3)))
    losses = drawn / np.linalg.norm(drawn, axis=1, keepdims=True)
    kept = niched_survivors(losses, feasible(losses), 15, rng())
    by_chance = [losses[rng(seed).permutation(300)[:15]] for seed in range(20)]
    volumes = [hypervolume(each, [1.1] * 3, ["minimize"] * 3) for each in by_chance]
    assert hypervolume(losses[kept], [1.1] * 3, ["minimize"] * 3) > np.quantile(volumes, 0.9)


def test_niching_survives_equal_points() -> None:
    losses = np.ones((6, 2))
    assert len(set(niched_survivors(losses, feasible(losses), 3, rng()).tolist())) == 3


def test_a_point_belongs_to_the_direction_that_it_lies_on_however_long_that_is() -> None:
    niche, distance = _associate(np.array([[1.0, 1.0], [0.9, 0.0]]), np.array([[1.0, 0.0], [0.5, 0.5]]))
    assert niche.tolist() == [1, 0]
    np.testing.assert_allclose(distance, 0, atol=1e-7)


def test_losses_are_normalised_by_the_plane_through_the_points_nearest_to_the_axes() -> None:
    losses = np.array([[2, 0, 0], [0, 4, 0], [0, 0, 8], [3, 3, 3]], np.float64)
    assert _normalised(losses + 7) == pytest.approx(losses / [2, 4, 8])
