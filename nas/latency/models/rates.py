"""The rates of the rough model: the time of a launch, a multiply-accumulate or a moved element."""

from __future__ import annotations

import numpy as np

from nas.arrays import FloatArray

_RIDGE = 1e-2


def fit_rates(terms: FloatArray, measured_ms: FloatArray) -> FloatArray:
    """Non-negative rates of terms, for which the weighted sum approximates the measured latency.

    Least squares of the relative error, with a weak pull towards terms of equal weight.

    Args:
        terms: (N, K), with small K.
        measured_ms: (N,).
    """
    from scipy.optimize import nnls

    design = terms / measured_ms[:, None]
    mean = design.mean(axis=0)
    # A term that no row has, such as the arithmetic of pools, gets rate 0.
    size = np.where(mean > 0, mean, np.inf)
    count, width = design.shape
    pull = np.sqrt(_RIDGE * count / width)
    rows = np.concatenate([design / size, pull * np.eye(width)])
    targets = np.concatenate([np.ones(count), np.full(width, pull / width)])
    result: FloatArray = nnls(rows, targets)[0] / size
    return result
