"""The rough model's rates: what a launch, a multiply-accumulate, an element moved take on a device."""

from __future__ import annotations

import numpy as np

from nas.arrays import FloatArray

_RIDGE = 1e-2


def fit_rates(terms: FloatArray, measured_ms: FloatArray) -> FloatArray:
    """Rates of terms, none negative, that bring their sum near the measured latency.

    Least squares of the relative error, with a weak pull towards terms of equal weight.

    Args:
        terms: (N, K), of which there are few.
        measured_ms: (N,).
    """
    design = terms / measured_ms[:, None]
    size = design.mean(axis=0)
    count, width = design.shape
    pull = np.sqrt(_RIDGE * count / width)
    rows = np.concatenate([design / size, pull * np.eye(width)])
    targets = np.concatenate([np.ones(count), np.full(width, pull / width)])
    result: FloatArray = _non_negative(rows, targets) / size
    return result


def _non_negative(rows: FloatArray, targets: FloatArray) -> FloatArray:
    """Least squares with no negative coefficient: the best of all subsets, of which there are few."""
    width = rows.shape[1]
    best, least = np.zeros(width), np.inf
    for number in range(1, 2**width):
        chosen = [i for i in range(width) if number >> i & 1]
        solution, *_ = np.linalg.lstsq(rows[:, chosen], targets, rcond=None)
        error = float(((rows[:, chosen] @ solution - targets) ** 2).sum())
        if solution.min() >= 0 and error < least:
            best, least = np.zeros(width), error
            best[chosen] = solution
    return best
