"""The importance of each choice of the space for each objective."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nas.arrays import FloatArray, IntArray
from nas.search.goals.problem import Networks
from nas.search.results.results import SearchResult
from nas.search.trials.evaluation import State

LEAST = 10
"""The lowest number of evaluations for which importances are computed."""

_RIDGE = 1.0


def importances(result: SearchResult) -> dict[str, dict[str, float]]:
    """Returns each dimension's share of the explained variation of each objective, the largest first.

    An additive model, with one amount per choice of each dimension, is fitted to the evaluations by ridge
    regression. A dimension's share is the covariance of its amounts with the model's value, divided by the
    variance of that value. Being absent counts as a choice of its own. Interactions between choices are
    ignored, and a search evaluates good networks more often than others: the shares describe the evaluated
    networks only.
    """
    entries = [each for each in result.evaluations if each.outcome.state is State.COMPLETE]
    if len(entries) < LEAST:
        return {}
    rows = Networks([entry.candidate for entry in entries]).rows
    columns = [_one_hot(rows[:, gene]) for gene in range(rows.shape[1])]
    names = [str(dimension) for dimension in result.problem.space.dimensions]
    return {
        objective.name: _ranked(names, _shares(columns, [e.outcome.values[i] for e in entries]))
        for i, objective in enumerate(result.goals.objectives)
    }


def _one_hot(positions: IntArray) -> FloatArray:
    """Returns a centred column for each choice that occurs, (N, choices)."""
    hot = (positions[:, None] == np.unique(positions)[None, :]).astype(np.float64)
    centred: FloatArray = hot - hot.mean(axis=0)
    return centred


def _shares(columns: Sequence[FloatArray], values: Sequence[float]) -> FloatArray:
    """Returns each dimension's share, (dimensions,); all 0 if nothing varies."""
    x, y = np.hstack(columns), np.asarray(values) - np.mean(values)
    weights = np.linalg.solve(x.T @ x + _RIDGE * np.eye(x.shape[1]), x.T @ y)
    ends = np.cumsum([column.shape[1] for column in columns])[:-1]
    amounts = np.stack([c @ w for c, w in zip(columns, np.split(weights, ends), strict=True)])
    covariances = np.maximum(amounts @ amounts.sum(axis=0), 0.0)
    total = float(covariances.sum())
    return covariances / total if total > 0 else np.zeros(len(columns))


def _ranked(names: Sequence[str], shares: FloatArray) -> dict[str, float]:
    order = np.argsort(-shares, kind="stable")
    return {names[i]: round(float(shares[i]), 4) for i in order.tolist()}
