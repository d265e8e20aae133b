"""Pareto fronts and hypervolume."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nas.search.goals.pareto import Direction, front, hypervolume, hypervolume_curve, non_dominated

BOTH: tuple[Direction, ...] = ("maximize", "minimize")


def _points(size: int) -> st.SearchStrategy[list[list[int]]]:
    return st.lists(st.lists(st.integers(0, 6), min_size=size, max_size=size), min_size=1, max_size=12)


def test_front_keeps_what_nothing_beats_best_first() -> None:
    assert front([[0.7, 5], [0.9, 9], [0.8, 9], [0.6, 1], [0.6, 2]], BOTH) == [1, 0, 3]


def test_front_keeps_the_first_of_equal_points_and_drops_what_is_no_number() -> None:
    assert front([[np.nan, 0], [0.5, 1], [0.5, 1]], BOTH) == [1]
    assert front(np.empty((0, 2)), BOTH) == []


@given(_points(3))
def test_front_equals_its_definition(points: list[list[int]]) -> None:
    directions: tuple[Direction, ...] = ("minimize", "maximize", "minimize")
    losses = np.array(points) * [1, -1, 1]
    beaten = [any((b <= a).all() and (b < a).any() for b in losses) for a in losses]
    expected = {tuple(p) for p, lost in zip(points, beaten, strict=True) if not lost}
    found = [tuple(points[i]) for i in front(points, directions)]
    assert len(found) == len(set(found))
    assert set(found) == expected


@given(
    st.integers(0, 2**32 - 1),
    st.sampled_from([1, 2, 3]),
    st.sampled_from(["curve", "steps", "outlier", "constant", "endless"]),
)
@settings(max_examples=25)
def test_many_points_have_the_front_of_few(seed: int, objectives: int, kind: str) -> None:
    """Not all of many points are sorted; comparing them with each other gives the same front."""
    rng = np.random.default_rng(seed)
    losses = rng.random((1500, objectives))
    if kind == "curve":
        losses[:, -1] = 1 - np.sqrt(losses[:, 0]) + 0.1 * losses[:, -1]
    elif kind == "steps":
        losses = np.floor(8 * losses)
    elif kind == "outlier":
        losses[rng.integers(1500)] *= 1e9
    elif kind == "constant":
        losses[:, 0] = 0.5
    else:
        losses[rng.integers(1500, size=9), rng.integers(objectives)] = np.inf
    is_beaten = np.array([((losses <= p).all(axis=1) & (losses < p).any(axis=1)).any() for p in losses])
    assert (non_dominated(losses) == ~is_beaten).all()
    found = front(losses, ["minimize"] * objectives)
    assert {tuple(losses[i]) for i in found} == set(map(tuple, losses[~is_beaten].tolist()))
    assert all(i == np.flatnonzero((losses == losses[i]).all(axis=1))[0] for i in found)


def test_hypervolume_of_two_steps() -> None:
    assert hypervolume([[0.8, 4], [0.6, 2]], [0.5, 10], BOTH) == pytest.approx(0.3 * 6 + 0.1 * 2)


def test_points_that_are_not_better_than_the_reference_add_nothing() -> None:
    assert hypervolume([[0.5, 1], [0.9, 10], [np.nan, 1]], [0.5, 10], BOTH) == 0.0


@given(st.integers(1, 4).flatmap(_points))
def test_hypervolume_counts_the_cells_that_are_dominated(points: list[list[int]]) -> None:
    size = len(points[0])
    cells = np.stack(np.meshgrid(*[np.arange(7)] * size), -1).reshape(-1, size)
    dominated = np.zeros(len(cells), bool)
    for point in points:
        dominated |= (cells >= point).all(axis=1)
    assert hypervolume(points, [7] * size, ["minimize"] * size) == pytest.approx(dominated.sum())


@given(_points(2))
def test_the_curve_is_the_hypervolume_of_each_beginning(points: list[list[int]]) -> None:
    curve = hypervolume_curve(points, [1, 5], BOTH)
    each = [hypervolume(points[: i + 1], [1, 5], BOTH) for i in range(len(points))]
    assert curve == pytest.approx(each)


def test_the_curve_stands_still_where_an_evaluation_failed() -> None:
    assert hypervolume_curve([[2, 4], [np.nan, np.nan]], [1, 5], BOTH).tolist() == [1.0, 1.0]
