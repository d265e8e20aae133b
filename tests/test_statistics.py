"""Agreement of orders: by definition, and by what must hold for any values."""

from __future__ import annotations

import itertools
import math
from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from nas.statistics import Interval, bootstrap, kendall_tau, precision_at_top, spearman

few = st.integers(0, 4)  # so few values that many are tied
pairs = st.lists(st.tuples(few, few), min_size=2, max_size=12)


def columns(both: list[tuple[int, int]]) -> tuple[list[int], list[int]]:
    return [a for a, _ in both], [b for _, b in both]


def tau_b(a: list[int], b: list[int]) -> float:
    """Pairs in the same order less those in the opposite one, as a share of those that are not tied."""
    signs = np.array(
        [(np.sign(a[i] - a[j]), np.sign(b[i] - b[j])) for i, j in itertools.combinations(range(len(a)), 2)]
    )
    untied = np.prod(np.count_nonzero(signs, axis=0))
    return float(signs.prod(axis=1).sum() / math.sqrt(untied)) if untied else math.nan


def average_ranks(values: list[int]) -> list[float]:
    return [sum(o < v for o in values) + (sum(o == v for o in values) + 1) / 2 for v in values]


@given(pairs)
def test_kendall_is_tau_b(both: list[tuple[int, int]]) -> None:
    a, b = columns(both)
    assert kendall_tau(a, b) == pytest.approx(tau_b(a, b), nan_ok=True)


@given(pairs)
def test_spearman_correlates_average_ranks(both: list[tuple[int, int]]) -> None:
    a, b = columns(both)
    if len(set(a)) == 1 or len(set(b)) == 1:
        assert math.isnan(spearman(a, b))
    else:
        expected = np.corrcoef(average_ranks(a), average_ranks(b))[0, 1]
        assert spearman(a, b) == pytest.approx(expected)


def test_rank_correlations_by_hand() -> None:
    assert kendall_tau([1, 2, 3, 4], [1, 2, 4, 3]) == pytest.approx(4 / 6)
    assert kendall_tau([1, 1, 2], [1, 2, 3]) == pytest.approx(2 / math.sqrt(6))
    assert spearman([1, 2, 3, 4], [1, 2, 4, 3]) == pytest.approx(0.8)
    assert kendall_tau(np.arange(5), np.arange(5) ** 3) == pytest.approx(1)
    assert spearman(np.arange(5), -np.arange(5)) == pytest.approx(-1)


def test_precision_counts_those_that_both_put_on_top() -> None:
    first, second = [9, 8, 7, 1, 2, 3], [9, 1, 8, 7, 2, 3]
    assert precision_at_top(first, second, top=1) == 1
    assert precision_at_top(first, second, top=2) == 1 / 2
    assert precision_at_top(first, second, top=3) == pytest.approx(2 / 3)
    assert precision_at_top(first, second, top=6) == 1


@given(pairs, st.data())
def test_precision_is_the_mean_over_all_ways_of_breaking_ties(
    both: list[tuple[int, int]], data: st.DataObject
) -> None:
    both = both[:5]
    top = data.draw(st.integers(1, len(both)))
    a, b = columns(both)

    def tops(values: list[int]) -> list[set[int]]:
        orders = itertools.permutations(range(len(values)))
        return [set(sorted(order, key=lambda i: -values[i])[:top]) for order in orders]  # a stable sort

    found = [len(x & y) / top for x, y in itertools.product(tops(a), tops(b))]
    assert precision_at_top(a, b, top=top) == pytest.approx(np.mean(found))


def test_the_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    """τ of two normal variables with correlation ρ is 2/π · arcsin ρ."""
    rng, rho = np.random.default_rng(0), 0.8
    truth = 2 / math.pi * math.asin(rho)
    hits = 0
    for seed in range(60):
        a = rng.normal(size=40)
        b = rho * a + math.sqrt(1 - rho**2) * rng.normal(size=40)
        found = bootstrap(kendall_tau, a, b, seed=seed, resamples=200, level=0.9)
        assert found.low <= found.value <= found.high
        hits += found.low <= truth <= found.high
    assert 0.75 <= hits / 60 <= 1.0


def test_the_interval_equals_scipys_percentile_bootstrap() -> None:
    a, b = np.random.default_rng(0).normal(size=(2, 25))
    found = bootstrap(spearman, a, a + b, seed=0, resamples=4000)
    theirs = stats.bootstrap(
        (a, a + b), spearman, paired=True, vectorized=False, method="percentile", n_resamples=4000, rng=1
    ).confidence_interval
    assert (found.low, found.high) == pytest.approx((theirs.low, theirs.high), abs=0.03)


def test_the_seed_alone_decides_and_more_things_give_a_narrower_interval() -> None:
    a, b = np.random.default_rng(0).normal(size=(2, 200))
    assert bootstrap(kendall_tau, a, a + b, seed=3) == bootstrap(kendall_tau, a, a + b, seed=3)
    many = bootstrap(kendall_tau, a, a + b, seed=3, resamples=300)
    few_ = bootstrap(kendall_tau, a[:20], (a + b)[:20], seed=3, resamples=300)
    assert many.high - many.low < 0.5 * (few_.high - few_.low)


def test_nothing_to_rank_is_not_a_number_and_null_in_json() -> None:
    found = bootstrap(kendall_tau, [1, 1, 1], [1, 2, 3], seed=0, resamples=50)
    assert found.to_dict() == {"value": None, "low": None, "high": None}
    assert Interval(value=0.5, low=0.0, high=1.0).to_dict() == {"value": 0.5, "low": 0.0, "high": 1.0}


def test_draws_that_leave_it_undefined_are_passed_over() -> None:
    """Of three things, some draws hold one of them thrice: there is no τ in these."""
    found = bootstrap(kendall_tau, [1, 2, 3], [1, 2, 3], seed=0, resamples=200)
    assert (found.value, found.low, found.high) == pytest.approx((1, 1, 1))


def test_precision_has_an_interval_too() -> None:
    a, b = np.random.default_rng(0).normal(size=(2, 40))
    found = bootstrap(partial(precision_at_top, top=8), a, a + 0.3 * b, seed=0, resamples=300)
    assert 0.4 < found.low < found.value <= found.high <= 1
