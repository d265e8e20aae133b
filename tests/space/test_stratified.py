"""Which networks are measured."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from nas.errors import UserError
from nas.space import SearchSpace
from nas.space.stratified import banded, candidates, stratified


@pytest.fixture(scope="module")
def space() -> SearchSpace:
    return SearchSpace.load("tiny_32")


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


SIZES = pytest.mark.parametrize("sizes", [{}, {"classes": 10, "input_channels": 1}])


def log_macs(space: SearchSpace, rows: np.ndarray, **sizes: int) -> np.ndarray:
    return np.log(space.costs(rows, **sizes)["macs"].astype(float))


@SIZES
def test_each_equal_step_in_log_macs_gives_a_network(
    space: SearchSpace, rng: np.random.Generator, sizes: dict[str, int]
) -> None:
    archs = stratified(space, 24, rng, **sizes)
    chosen, every = (log_macs(space, rows, **sizes) for rows in (space.encode(archs), candidates(space, rng)))
    counts, _ = np.histogram(chosen, bins=8, range=(every.min(), every.max()))
    assert len(set(archs)) == 24
    assert counts.min() >= 2
    assert counts.max() <= 4


def test_the_order_is_random(space: SearchSpace, rng: np.random.Generator) -> None:
    macs = log_macs(space, space.encode(stratified(space, 24, rng)))
    assert abs(np.corrcoef(macs, np.arange(24))[0, 1]) < 0.5


def test_candidates_are_many_and_distinct(space: SearchSpace, rng: np.random.Generator) -> None:
    rows = candidates(space, rng)
    assert len(np.unique(rows, axis=0)) == len(rows) > 1500
    assert {arch.resolution for arch in space.decode(rows)} == set(space.resolutions)


def test_resolutions_are_kept_to(space: SearchSpace, rng: np.random.Generator) -> None:
    archs = stratified(space, 8, rng, resolutions=[20, 24])
    assert {arch.resolution for arch in archs} == {20, 24}
    assert len(archs) == 8


def test_a_space_of_one_resolution_has_nothing_to_leave_out(
    space: SearchSpace, rng: np.random.Generator
) -> None:
    fixed = dataclasses.replace(space, resolutions=(32,))
    assert len(stratified(fixed, 8, rng, resolutions=[32])) == 8


def test_a_small_space_gives_what_it_has(space: SearchSpace, rng: np.random.Generator) -> None:
    stages = tuple(
        dataclasses.replace(
            stage,
            depths=stage.depths[:1],
            shared={name: choices[:1] for name, choices in stage.shared.items()},
            per_block={name: choices[:1] for name, choices in stage.per_block.items()},
        )
        for stage in space.stages[1:]
    )
    small = dataclasses.replace(space, stages=(dataclasses.replace(space.stages[0], depths=(1,)), *stages))
    archs = stratified(small, 500, rng)
    assert 4 <= len(archs) == len(set(archs)) == small.size < 500
    assert stratified(small, 0, rng) == []


@SIZES
def test_bands_hold_networks_of_nearly_equal_macs(
    space: SearchSpace, rng: np.random.Generator, sizes: dict[str, int]
) -> None:
    archs = banded(space, 48, rng, bands=4, width=0.15, **sizes)
    assert len(set(archs)) == 48
    bands = space.costs(space.encode(archs), **sizes)["macs"].reshape(4, 12)
    assert (bands.max(axis=1) / bands.min(axis=1) <= 1.15 / 0.85).all()
    assert (bands[:-1].max(axis=1) < bands[1:].min(axis=1)).all()


def test_a_band_with_too_few_networks_is_an_error(space: SearchSpace, rng: np.random.Generator) -> None:
    with pytest.raises(UserError, match=r"\d+ of \d+ random networks of tiny_32 have .* and 1000 are needed"):
        banded(space, 4000, rng, bands=4, width=0.15)
