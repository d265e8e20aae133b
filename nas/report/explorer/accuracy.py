"""An additive model of the accuracy, from the evaluations of a run's search: a page can add its amounts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from nas.arrays import FloatArray, IntArray
from nas.report.files import PARETO, TRIALS, WINNER, in_words, read_search
from nas.report.page.candidates import read_candidates
from nas.space import Architecture, SearchSpace

LEAST = 20
"""The fewest evaluations for a model."""

_RIDGE, _FOLDS = 1.0, 5


def additive_model(run_dir: Path, space: SearchSpace) -> dict[str, Any] | None:
    """Fits one amount for each choice of each dimension by ridge regression.

    Returns:
        ``name``, which accuracy it is, in words; ``mean``; ``amounts``, a list for each dimension, first for
        "not read", then for each choice; and ``error``, the mean absolute error of five-fold
        cross-validation, the noise of the images included.
        ``None`` with too few evaluations.

    Raises:
        UserError: If a file of the search cannot be read, or holds an architecture of another space.
    """
    if not all((run_dir / path).is_file() for path in (PARETO, WINNER, TRIALS)):
        return None
    names = read_search(run_dir).names
    found, _ = read_candidates(run_dir, names)
    usable = [each for each in found if each.state == "evaluated"]
    if len(usable) < LEAST:
        return None
    rows = space.encode([space.canonical(Architecture.from_code(each.code)) for each in usable])
    values = np.array([each.point[0] for each in usable])
    features = _one_hot(space, rows)
    folds = np.arange(len(values)) % _FOLDS
    errors = np.concatenate(
        [
            _predicted(features[folds != k], values[folds != k], features[folds == k]) - values[folds == k]
            for k in range(_FOLDS)
        ]
    )
    mean = float(values.mean())
    sizes = [len(each.choices) + 1 for each in space.dimensions]
    amounts = np.split(_weights(features, values - mean), np.cumsum(sizes)[:-1])
    return {
        "name": in_words(names[0]),
        "mean": mean,
        "amounts": [each.tolist() for each in amounts],
        "error": float(np.abs(errors).mean()),
    }


def _one_hot(space: SearchSpace, rows: IntArray) -> FloatArray:
    """Returns a column for each choice of each dimension and for its absence, (N, columns)."""
    sizes = [len(each.choices) + 1 for each in space.dimensions]
    columns = [np.eye(size)[rows[:, gene] + 1] for gene, size in enumerate(sizes)]
    hot: FloatArray = np.hstack(columns).astype(np.float64)
    return hot


def _weights(features: FloatArray, values: FloatArray) -> FloatArray:
    square = features.T @ features + _RIDGE * np.eye(features.shape[1])
    return np.linalg.solve(square, features.T @ values).astype(np.float64)


def _predicted(features: FloatArray, values: FloatArray, others: FloatArray) -> FloatArray:
    mean = float(values.mean())
    predicted: FloatArray = mean + others @ _weights(features, values - mean)
    return predicted
