"""Predictors: their registry, and published networks."""

from __future__ import annotations

import csv

import numpy as np
import pytest

from nas.errors import UserError
from nas.search import Problem, make_sampler
from nas.search.predictors import make_predictor, predictor_names
from nas.search.predictors.features import Features
from nas.search.predictors.gaussian_process import GaussianProcess, _Fitted
from nas.space import SearchSpace
from nas.statistics import kendall_tau
from tests.search.problems import rng
from tests.space.test_ofa_published import FILE, architecture


def test_an_unknown_predictor_is_refused_with_the_nearest_name() -> None:
    assert "gaussian_process" in predictor_names()
    for make in (make_predictor, lambda name: make_sampler("predictor", {"predictor": name})):
        with pytest.raises(UserError, match="unknown predictor 'gaussian'; did you mean gaussian_process"):
            make("gaussian")


@pytest.mark.parametrize("name", ["auto", "boosting", "mlp", "ridge"])
def test_a_predictor_of_an_earlier_version_names_its_replacement(name: str) -> None:
    message = f"predictor '{name}' was removed; use gaussian_process instead"
    with pytest.raises(UserError, match=message):
        make_sampler("predictor", {"predictor": name})


@pytest.mark.skipif(not FILE.exists(), reason="needs ../shared/data/ofa_mbv3_imagenet_top1.csv")
@pytest.mark.parametrize(("labels", "least"), [(50, 0.91), (100, 0.93), (200, 0.945)])
def test_few_published_accuracies_are_enough_to_rank_the_others(labels: int, least: float) -> None:
    with FILE.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    space = SearchSpace.load("ofa_mobilenet_v3")
    inputs = Features(Problem(space))(space.encode([architecture(row) for row in rows]))
    values = np.array([float(row["imagenet_top1_percent"]) for row in rows])
    found = []
    for seed in range(5):
        known, rest = np.split(rng(seed).permutation(len(rows)), [labels])
        fitted = make_predictor("gaussian_process").fit(inputs[known], values[known], seed=seed)
        found.append(kendall_tau(fitted.mean(inputs[rest]), values[rest]))
    assert np.mean(found) >= least


def test_every_label_counts_once_in_whatever_order() -> None:
    """The last label is far off: if it counted twice for the noise, it would not be taken for noise."""
    random = rng(1)
    inputs, new = random.random((20, 2)), rng(2).random((5, 2))
    values = inputs.sum(axis=1) + 0.5 * random.standard_normal(20)
    values[-1] += 10
    forwards = GaussianProcess().fit(inputs, values, seed=0)
    backwards = GaussianProcess().fit(inputs[::-1], values[::-1], seed=0)
    np.testing.assert_allclose(backwards.mean(new), forwards.mean(new))
    np.testing.assert_allclose(backwards.std(new), forwards.std(new))


def test_of_more_labels_than_it_can_hold_it_uses_some_of_the_whole_search() -> None:
    inputs, new = rng(1).random((60, 2)), rng(2).random((5, 2))
    values = inputs.sum(axis=1)
    fitted = GaussianProcess(labels=20).fit(inputs, values, seed=0)
    assert isinstance(fitted, _Fitted) and len(fitted.process.targets) == 20
    np.testing.assert_allclose(fitted.mean(new), new.sum(axis=1), atol=0.03)
    assert (fitted.std(new) > GaussianProcess().fit(inputs, values, seed=0).std(new)).all()
