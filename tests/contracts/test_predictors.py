"""What every registered predictor must do."""

from __future__ import annotations

import numpy as np
import pytest

from nas.arrays import FloatArray
from nas.search.predictors import make_predictor, predictor_names
from nas.statistics import kendall_tau
from tests.search.problems import rng

pytestmark = pytest.mark.parametrize("name", predictor_names())


def data(count: int, seed: int = 0) -> tuple[FloatArray, FloatArray]:
    """Features of different scales, one of them constant, and an accuracy that is nearly linear in them."""
    unit = rng(seed).random((count, 6))
    values = (
        0.7 + 0.1 * unit[:, 0] + 0.05 * unit[:, 1] - 0.04 * unit[:, 2] ** 2 + 0.02 * unit[:, 3] * unit[:, 4]
    )
    return np.hstack([unit * [1, 100, 1e6, 1, 1e-3, 1], np.full((count, 1), 7.0)]), values


def test_ranks_what_it_has_not_seen(name: str) -> None:
    fitted = make_predictor(name).fit(*data(80), seed=0)
    inputs, values = data(200, seed=1)
    assert kendall_tau(fitted.mean(inputs), values) > 0.8
    assert np.sqrt(np.mean((fitted.mean(inputs) - values) ** 2)) < 0.5 * values.std()


def test_is_surer_near_its_labels_than_far_away(name: str) -> None:
    inputs, values = data(60)
    fitted = make_predictor(name).fit(inputs, values, seed=0)
    far = inputs.mean(axis=0) + 8 * (inputs - inputs.mean(axis=0))
    near = fitted.std(inputs)
    assert near.shape == (60,)
    assert (near >= 0).all()
    assert fitted.std(far).mean() > 2 * near.mean()
    assert fitted.std(data(60, seed=1)[0]).mean() > near.mean()


def test_equal_seeds_give_equal_regressions(name: str) -> None:
    inputs, values = data(40)
    first, second = (make_predictor(name).fit(inputs, values, seed=5) for _ in range(2))
    assert (first.mean(inputs) == second.mean(inputs)).all()
    assert (first.std(inputs) == second.std(inputs)).all()


def test_follows_the_scale_of_the_labels(name: str) -> None:
    inputs, values = data(40)
    fitted = make_predictor(name).fit(inputs, values, seed=0)
    scaled = make_predictor(name).fit(inputs, 100 * values - 3, seed=0)
    difference = scaled.mean(inputs) - (100 * fitted.mean(inputs) - 3)
    assert np.abs(difference).mean() < 0.05 * 100 * values.std()
    assert scaled.std(inputs).mean() == pytest.approx(100 * fitted.std(inputs).mean(), rel=0.2)


def test_equal_labels_are_predicted_as_they_are(name: str) -> None:
    inputs, _ = data(10)
    fitted = make_predictor(name).fit(inputs, np.full(10, 0.4), seed=0)
    assert fitted.mean(inputs) == pytest.approx(np.full(10, 0.4), abs=1e-6)
    assert np.isfinite(fitted.std(inputs)).all()


def test_two_labels_are_enough(name: str) -> None:
    inputs, values = data(2)
    fitted = make_predictor(name).fit(inputs, values, seed=0)
    assert np.isfinite(fitted.mean(data(5)[0])).all()
    assert np.isfinite(fitted.std(data(5)[0])).all()


def test_more_labels_than_features_and_fewer_are_both_fine(name: str) -> None:
    wide = np.hstack([data(20)[0], rng(9).random((20, 60))])
    fitted = make_predictor(name).fit(wide, data(20)[1], seed=0)
    assert np.isfinite(fitted.mean(wide)).all()
