"""The supernet's error by cost: figures that follow from the rows."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from nas.training.trust import BAND, THIRDS, Compared, ranking, thirds
from tests.training.test_trust import IMAGES
from tests.training.test_trust import compared as row_of


def compared(macs: int, inherited: int, alone: int) -> Compared:
    return row_of("random", macs=macs, inherited=inherited, alone=alone)


def accuracies() -> st.SearchStrategy[list[Compared]]:
    row = st.builds(compared, st.integers(1, 10**6), st.integers(0, IMAGES), st.integers(0, IMAGES))
    return st.lists(row, min_size=2, max_size=12)


def test_thirds_are_groups_of_rising_cost_with_signed_gaps() -> None:
    rows = [compared(macs, 500, 500 + 10 * (macs - 3)) for macs in (6, 1, 4, 2, 5, 3)]
    found = thirds(rows, resamples=50, seed=0)
    assert [third.name for third in found] == list(THIRDS)
    assert [third.macs for third in found] == [(1, 2), (3, 4), (5, 6)]
    assert [third.gap_points.value for third in found] == pytest.approx([-1.5, 0.5, 2.5])


def test_two_networks_make_two_groups() -> None:
    found = thirds([compared(macs, 500, 500) for macs in (1, 2)], resamples=5, seed=0)
    assert [third.networks for third in found] == [1, 1]


@given(accuracies())
def test_over_all_pairs_it_is_tau_b(rows: list[Compared]) -> None:
    found = ranking(rows, resamples=5, seed=0)
    alone = [row.alone for row in rows]
    for judged, values in (
        (found.kendall_tau, [row.inherited for row in rows]),
        (found.macs_kendall_tau, [row.macs for row in rows]),
    ):
        expected = float(stats.kendalltau(values, alone).statistic)
        assert judged.value == pytest.approx(expected, nan_ok=True)
    assert found.pairs == len(rows) * (len(rows) - 1) // 2


@given(accuracies())
def test_pairs_of_equal_cost_by_definition(rows: list[Compared]) -> None:
    agreeing, first, second, pairs = 0.0, 0, 0, 0
    for n, one in enumerate(rows):
        for other in rows[:n]:
            if max(one.macs, other.macs) / min(one.macs, other.macs) > (1 + BAND) / (1 - BAND) * (1 + 1e-12):
                continue
            by_supernet, by_training = (
                np.sign(one.inherited - other.inherited),
                np.sign(one.alone - other.alone),
            )
            pairs += 1
            agreeing += by_supernet * by_training
            first += by_supernet != 0
            second += by_training != 0
    found = ranking(rows, band=BAND, resamples=5, seed=0)
    assert found.pairs == pairs
    expected = agreeing / math.sqrt(first * second) if first * second else math.nan
    assert found.kendall_tau.value == pytest.approx(expected, nan_ok=True)


def test_a_supernet_that_knows_more_than_macs_has_an_advantage() -> None:
    rng = np.random.default_rng(0)
    macs = (10 ** rng.uniform(5, 7, 60)).astype(int)
    alone = 300 + 50 * np.log10(macs) + rng.normal(0, 40, 60)
    rows = [compared(int(m), int(a + rng.normal(0, 5)), int(a)) for m, a in zip(macs, alone, strict=True)]
    found = ranking(rows, resamples=500, seed=0)
    assert found.advantage.value == found.kendall_tau.value - found.macs_kendall_tau.value
    assert found.advantage.low > 0
    near = ranking(rows, band=BAND, resamples=500, seed=0)
    assert near.kendall_tau.low > 0.5
    assert near.macs_kendall_tau.low < 0.3
    by_chance = [dataclasses.replace(row, inherited_correct=int(rng.integers(IMAGES))) for row in rows]
    assert ranking(by_chance, resamples=500, seed=0).advantage.high < 0


def test_the_interval_covers_what_other_networks_give() -> None:
    """The 95 % interval of one sample contains the figure of a very large one in most repetitions."""
    rng = np.random.default_rng(1)

    def sample(count: int) -> list[Compared]:
        macs = (10 ** rng.uniform(5, 6, count)).astype(int)
        alone = 300 + 60 * np.log10(macs) + rng.normal(0, 30, count)
        inherited = alone + rng.normal(0, 30, count)
        return [compared(int(m), int(i), int(a)) for m, i, a in zip(macs, inherited, alone, strict=True)]

    truth = ranking(sample(1500), resamples=1, seed=0).advantage.value
    found = [ranking(sample(40), resamples=300, seed=n).advantage for n in range(60)]
    assert sum(each.low <= truth <= each.high for each in found) >= 52
