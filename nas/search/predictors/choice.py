"""Which predictor suits the labels, found by cross-validation."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nas.arrays import FloatArray
from nas.search.predictors.base import Predictor, make_predictor

_MOST = 100
"""Labels that are looked at: more would hardly change the choice, and take long."""


def cross_validate(
    predictor: Predictor, inputs: FloatArray, values: FloatArray, *, seed: int, folds: int = 3
) -> float:
    """The root mean square error of predictions for labels that a predictor has not seen.

    Args:
        predictor: What is judged.
        inputs: Features (N, features).
        values: Labels (N,), at least two for each fold.
        seed: Decides which labels are in which fold.
        folds: Parts into which the labels are split; each is predicted from the others.
    """
    fold = np.random.default_rng(seed).permutation(len(values)) % folds
    errors = np.empty(len(values))
    for number in range(folds):
        inside = fold == number
        fitted = predictor.fit(inputs[~inside], values[~inside], seed=seed)
        errors[inside] = fitted.mean(inputs[inside]) - values[inside]
    return float(np.sqrt(np.mean(errors**2)))


def choose_predictor(names: Sequence[str], inputs: FloatArray, values: FloatArray, *, seed: int) -> str:
    """The name of the predictor with the least error in cross-validation, on the newest of the labels."""
    newest = slice(-_MOST, None)
    errors = [
        cross_validate(make_predictor(name), inputs[newest], values[newest], seed=seed) for name in names
    ]
    return names[int(np.argmin(errors))]
