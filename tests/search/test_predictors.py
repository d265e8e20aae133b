"""Predictors: their registry, the choice between them, and published networks."""

from __future__ import annotations

import csv

import numpy as np
import pytest

from nas.errors import UserError
from nas.search import Problem, make_sampler
from nas.search.predictors import make_predictor, predictor_names
from nas.search.predictors.choice import choose_predictor, cross_validate
from nas.search.samplers.planning.features import Features
from nas.space import SearchSpace
from nas.statistics import kendall_tau
from tests.search.problems import rng
from tests.space.test_ofa_published import FILE, architecture


def test_the_kinds_are_registered() -> None:
    assert {"boosting", "gaussian_process", "ridge"} <= set(predictor_names())


def test_an_unknown_predictor_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(UserError, match="unknown predictor 'rigde'; did you mean ridge"):
        make_predictor("rigde")
    with pytest.raises(UserError, match="unknown predictor 'autos'; did you mean auto"):
        make_sampler("predictor", {"predictor": "autos"})


def test_a_predictor_of_an_earlier_version_names_its_replacement() -> None:
    with pytest.raises(UserError, match="predictor 'mlp' was removed; use gaussian_process instead"):
        make_predictor("mlp")
    with pytest.raises(UserError, match="predictor 'mlp' was removed; use gaussian_process instead"):
        make_sampler("predictor", {"predictor": "mlp"})


def test_cross_validation_judges_what_was_not_seen() -> None:
    inputs = rng().random((60, 40))
    noise = rng(1).random(60)
    assert cross_validate(make_predictor("ridge"), inputs, noise, seed=0) > 0.8 * noise.std()
    assert cross_validate(make_predictor("ridge"), inputs, inputs[:, 0], seed=0) < 0.1


def test_the_predictor_that_suits_the_labels_is_chosen() -> None:
    inputs = rng().random((120, 3))
    linear, step = inputs @ [1.0, 2.0, 3.0], (inputs[:, 0] > 0.5) * 1.0 + (inputs[:, 1] > 0.3)
    names = ("ridge", "boosting")
    assert choose_predictor(names, inputs, linear, seed=0) == "ridge"
    assert choose_predictor(names, inputs, step, seed=0) == "boosting"


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
