"""Mutation by block and crossover by stage."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas.search.samplers.planning.operators import Operators
from nas.space import SearchSpace
from tests.search.problems import rng, tiny

SPACES = (tiny(), SearchSpace.load("ofa_mobilenet_v3"))

spaces = st.sampled_from(SPACES)
seeds = st.integers(0, 10**6)


def places(space: SearchSpace, row: np.ndarray, other: np.ndarray) -> set[tuple[int, int]]:
    """The blocks, stages and resolution in which both networks read a choice, and not the same one."""
    return {
        (d.stage, d.index)
        for d, a, b in zip(space.dimensions, row, other, strict=True)
        if a != b and a >= 0 and b >= 0
    }


@given(spaces, seeds)
def test_a_child_has_each_stage_from_one_parent(space: SearchSpace, seed: int) -> None:
    first, second = space.sample_many(20, rng(seed)), space.sample_many(20, rng(seed + 1))
    children = Operators(space).crossover(first, second, rng(seed))
    assert (space.canonical_rows(children) == children).all()
    for stage in range(-1, len(space.stages)):
        genes = [d.stage == stage for d in space.dimensions]
        of_first = (children[:, genes] == first[:, genes]).all(axis=1)
        of_second = (children[:, genes] == second[:, genes]).all(axis=1)
        assert (of_first | of_second).all()


def test_children_mix_their_parents() -> None:
    space = tiny()
    first = space.encode([space.smallest()] * 50)
    second = space.encode([space.largest()] * 50)
    children = Operators(space).crossover(first, second, rng())
    assert len(np.unique(children, axis=0)) > 5


@given(spaces, seeds)
def test_mutants_are_canonical_networks_that_differ_from_their_parents(space: SearchSpace, seed: int) -> None:
    parents = space.sample_many(30, rng(seed))
    mutants = Operators(space).mutate(parents, rng(seed))
    assert (space.encode(space.decode(mutants)) == mutants).all()
    assert (mutants != parents).any(axis=1).all()


def test_one_place_changes_on_average() -> None:
    space = SPACES[1]
    parents = space.sample_many(2000, rng())
    mutants = Operators(space).mutate(parents, rng(1))
    counts = [len(places(space, a, b)) for a, b in zip(parents, mutants, strict=True)]
    assert 1.0 <= np.mean(counts) < 2.0
    assert max(counts) <= 7


def test_every_choice_can_be_reached() -> None:
    space = tiny()
    rows, operators, generator = space.encode([space.smallest()]), Operators(space), rng()
    rows = np.repeat(rows, 200, axis=0)
    for _ in range(60):
        rows = operators.mutate(rows, generator)
    for column, d in enumerate(space.dimensions):
        assert set(rows[:, column].tolist()) >= set(range(len(d.choices))), str(d)


def test_better_parents_have_more_children() -> None:
    space = tiny()
    parents = space.encode([space.smallest(), space.largest()])
    children = Operators(space).offspring(np.repeat(parents, 10, axis=0), 1000, rng())
    small = space.costs(children, classes=10)["macs"] < np.median(space.costs(parents, classes=10)["macs"])
    assert small.mean() > 0.6


def test_a_space_without_choices_stays_as_it_is(tmp_path: pytest.TempPathFactory) -> None:
    path = tmp_path / "one.yaml"  # type: ignore[operator]
    path.write_text(
        "name: one\nresolution: [16]\nstem: [{kind: conv, width: 8, stride: 2}]\n"
        "stages: [{kind: inverted_residual, depth: 1, width: 8}]\nhead: [{kind: pool}]\n"
    )
    space = SearchSpace.load(path)
    rows = space.sample_many(3, rng())
    assert Operators(space).mutate(rows, rng()).shape == (3, 0)
