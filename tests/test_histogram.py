"""Histograms of values that arrive in parts."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas.quantization.histogram import BINS, Histogram


def histogram(*parts: np.ndarray) -> Histogram:
    result = Histogram()
    for part in parts:
        result.add(part.astype(np.float32))
    return result


@pytest.mark.parametrize("percent", [50.0, 90.0, 99.0])
@pytest.mark.parametrize("order", [1, -1])
def test_a_percentile_of_parts_is_that_of_all_values(percent: float, order: int) -> None:
    rng = np.random.default_rng(0)
    parts = [rng.normal(1, spread, (50, 40)) for spread in (0.1, 1, 9)][::order]  # the width has to double
    low, high = histogram(*parts).percentile(percent)
    outside = (100 - percent) / 2
    exact = np.percentile(np.concatenate(parts), [outside, 100 - outside])
    width = 2 * np.abs(np.concatenate(parts)).max() / BINS
    assert (low, high) == pytest.approx(tuple(exact), abs=3 * width)


@given(st.lists(st.floats(-1e4, 1e4, width=32), min_size=1, max_size=20), st.floats(1, 100))
def test_a_range_lies_within_the_values(values: list[float], percent: float) -> None:
    result = histogram(*(np.array([value]) for value in values))
    low, high = result.percentile(percent)
    assert min(values) == result.low <= low <= high <= result.high == max(values)
    assert result.percentile(100) == (min(values), max(values))


def test_rare_outliers_are_cut_off() -> None:
    values = np.append(np.linspace(0, 1, 100_000), [-500, 1000])
    low, high = histogram(values).percentile(99.99)
    assert -0.5 < low <= 0
    assert 0.99 < high < 1.5


def test_values_that_are_all_zero_have_an_empty_range() -> None:
    assert histogram(np.zeros(5), np.zeros(5)).percentile(99) == (0, 0)
