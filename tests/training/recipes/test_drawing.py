"""Which networks a recipe draws."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from nas.errors import UserError
from nas.space import Architecture, SearchSpace
from nas.training.architectures import POOL, AttentiveDraw, Draw, make_draw
from nas.training.recipes import make_recipe
from nas.training.recipes.fairnas import fair_round, fair_rows
from nas.training.recipes.progressive_shrinking import ProgressiveShrinking, draw_within


@pytest.fixture(scope="module")
def space() -> SearchSpace:
    return SearchSpace.load("tiny_24")


# -- strict fairness ----------------------------------------------------------------------------------------


@given(
    counts=st.lists(st.integers(1, 6), min_size=1, max_size=8),
    rows=st.integers(1, 12),
    seed=st.integers(0, 2**32 - 1),
)
def test_every_choice_is_drawn_equally_often(counts: list[int], rows: int, seed: int) -> None:
    drawn = fair_rows(counts, rows, np.random.default_rng(seed))
    assert drawn.shape == (rows, len(counts))
    for column, count in zip(drawn.T, counts, strict=True):
        times = np.bincount(column, minlength=count)
        assert len(times) == count and times.max() - times.min() <= 1
        if rows == count:
            assert (times == 1).all()


def test_a_round_holds_every_operation_of_every_place_once() -> None:
    space = SearchSpace.load("cell")
    longest = max(len(d.choices) for d in space.dimensions if d.stage >= 0)
    rows = space.encode(fair_round(space, np.random.default_rng(0)))
    assert len(rows) == longest
    for column, dimension in zip(rows.T, space.dimensions, strict=True):
        if dimension.stage >= 0 and len(dimension.choices) == longest:
            assert sorted(column) == list(range(longest)), str(dimension)


def test_rounds_differ() -> None:
    space, rng = SearchSpace.load("cell"), np.random.default_rng(0)
    assert fair_round(space, rng) != fair_round(space, rng)


# -- progressive shrinking ----------------------------------------------------------------------------------


FROZEN = (
    {"kernel", "depth", "expand", "width", "kind"},
    {"depth", "expand", "width", "kind"},
    {"expand", "width", "kind"},
    set[str](),
)
"""What stays as in the largest network, by phase."""


@given(phase=st.integers(0, 3), seed=st.integers(0, 2**32 - 1))
def test_nothing_is_drawn_outside_of_the_phase(phase: int, seed: int) -> None:
    space = SearchSpace.load("tiny_24")
    arch = draw_within(space, np.random.default_rng(seed), phase=phase)
    for mine, largest in zip(arch.stages, space.largest().stages, strict=True):
        full = dict(largest)
        for name, value in mine:
            whole = full.get(name, value)
            kept = whole[: len(value)] if isinstance(whole, tuple) and isinstance(value, tuple) else whole
            assert name not in FROZEN[phase] or value == kept, (phase, name)


def test_each_phase_frees_more() -> None:
    space, rng = SearchSpace.load("tiny_24"), np.random.default_rng(0)
    seen = [
        {name for _ in range(60) for name in changed(space, draw_within(space, rng, phase=phase))}
        for phase in range(4)
    ]
    assert seen[0] == {"resolution"}
    assert seen[1] == {"resolution", "kernel"}
    assert seen[2] == {"resolution", "kernel", "depth"}
    assert seen[3] == {"resolution", "kernel", "depth", "expand", "width", "kind"}


def changed(space: SearchSpace, arch: Architecture) -> set[str]:
    """The names whose values differ from the largest network's."""
    row, largest = space.encode([arch, space.largest()])
    both = (row >= 0) & (largest >= 0)
    return {d.name for d, differs in zip(space.dimensions, both & (row != largest), strict=True) if differs}


def test_phases_begin_where_they_are_set() -> None:
    recipe = ProgressiveShrinking(phases=(0.25, 0.5, 0.75))
    assert [recipe.phase(p) for p in (0.0, 0.24, 0.25, 0.5, 0.74, 0.75, 0.99)] == [0, 0, 1, 2, 2, 3, 3]


# -- attentive sampling -------------------------------------------------------------------------------------


def draw(space: SearchSpace, keep: str, *, candidates: int = 4) -> Draw:
    rng = np.random.default_rng(0)
    return make_draw("attentive", space=space, rng=rng, candidates=candidates, keep=keep)


@pytest.mark.parametrize(("keep", "position"), [("best", 2), ("worst", 0)])
def test_attentive_sampling_keeps_by_the_loss(space: SearchSpace, keep: str, position: int) -> None:
    asked: list[Sequence[Architecture]] = []

    def judge(archs: Sequence[Architecture]) -> torch.Tensor:
        asked.append(archs)
        return torch.tensor([3.0, 2.0, 1.0, 1.5])

    attentive, rng = draw(space, keep), np.random.default_rng(1)
    for _ in range(20):
        assert attentive(rng, judge) == asked[-1][position]
    assert len(asked) == 20


def test_candidates_have_like_macs_and_targets_are_those_of_the_space(space: SearchSpace) -> None:
    attentive, rng = draw(space, "best"), np.random.default_rng(1)
    assert isinstance(attentive, AttentiveDraw)
    macs = space.costs(attentive.pool)["macs"]
    drawn = np.array([macs[attentive.near(rng)] for _ in range(400)])
    assert (np.diff(macs) >= 0).all() and len(macs) == POOL
    spread = (drawn.max(1) - drawn.min(1)) / macs.mean()
    assert np.median(spread) < 0.02
    uniform = space.costs(space.sample_many(2000, rng))["macs"]
    for share in (0.1, 0.5, 0.9):
        assert np.quantile(drawn, share) == pytest.approx(np.quantile(uniform, share), rel=0.15)


def test_uniform_sampling_asks_for_no_loss(space: SearchSpace) -> None:
    def judge(archs: Sequence[Architecture]) -> torch.Tensor:
        raise AssertionError("nothing is judged")

    rng = np.random.default_rng(0)
    uniform = make_draw("uniform", space=space, rng=rng, candidates=3, keep="best")
    drawn = Counter(dict(uniform(rng, judge).stages[1])["depth"] for _ in range(300))
    assert set(drawn) == {1, 2, 3} and min(drawn.values()) > 60


# -- what the user may get wrong ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("sandwhich", {}, "unknown training recipe 'sandwhich'; did you mean sandwich"),
        ("sandwich", {"randoms": 1}, "unknown option of training recipe sandwich 'randoms'"),
        ("sandwich", {"random_subnets": -1}, "random_subnets of training recipe sandwich is -1.*at least 0"),
        ("progressive_shrinking", {"random_subnets": 0}, "is 0; it must be a whole number of at least 1"),
        ("sandwich", {"distill": "true"}, "unknown distillation 'true'"),
        ("progressive_shrinking", {"distill": "sort"}, "unknown distillation 'sort'; did you mean soft"),
        ("sandwich", {"sampling": "uniformly"}, "unknown sampling 'uniformly'; did you mean uniform"),
        (
            "sandwich",
            {"project_after": 1.5},
            "project_after is 1.5; give the completed share of the training, 0 to 1",
        ),
        ("sandwich", {"attentive_keep": "bets"}, "unknown attentive_keep 'bets'; did you mean best"),
        ("sandwich", {"attentive_candidates": 1}, "attentive_candidates is 1; give 2 to 64"),
        ("sandwich", {"dropout": 1.0}, "dropout is 1.0; it is a share of at least 0 and below 1"),
        ("progressive_shrinking", {"drop_connect": -0.1}, "drop_connect is -0.1; it is a share"),
        (
            "progressive_shrinking",
            {"phases": [0.5, 0.3, 0.7]},
            r"phases is \[0.5, 0.3, 0.7\]; give three rising",
        ),
    ],
)
def test_settings_that_do_not_fit(name: str, options: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=message):
        make_recipe(name, options)
