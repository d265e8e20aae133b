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
    from scipy.optimize import nnls

    design = terms / measured_ms[:, None]
    size = design.mean(axis=0)
    count, width = design.shape
    pull = np.sqrt(_RIDGE * count / width)
    rows = np.concatenate([design / size, pull * np.eye(width)])
    targets = np.concatenate([np.ones(count), np.full(width, pull / width)])
    result: FloatArray = nnls(rows, targets)[0] / size
    return result
