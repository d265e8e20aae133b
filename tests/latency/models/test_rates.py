"""The rough model's rates."""

import numpy as np
import pytest

from nas.latency.models.rates import fit_rates


def test_rates_are_those_that_made_the_latencies():
    terms = np.random.default_rng(0).uniform(0.5, 1.5, (200, 3)) * [1, 1e6, 1e4]
    rates_ms = np.array([0.2, 3e-7, 1e-5])
    assert fit_rates(terms, terms @ rates_ms) == pytest.approx(rates_ms, rel=0.1)


def test_no_rate_is_negative():
    terms = np.random.default_rng(1).uniform(0.5, 1.5, (100, 2))
    rates_ms = fit_rates(terms, 2 * terms[:, 0] - 0.4 * terms[:, 1])
    assert rates_ms[1] == 0
    assert rates_ms[0] > 1


def test_a_term_that_no_network_has_gets_no_rate():
    terms = np.column_stack([np.ones(20), np.linspace(1, 3, 20), np.zeros(20)])
    rates_ms = fit_rates(terms, terms @ np.array([0.1, 0.4, 0.0]))
    assert rates_ms == pytest.approx([0.1, 0.4, 0.0], rel=0.2, abs=1e-12)
