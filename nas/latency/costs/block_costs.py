"""From the latencies of probes to the cost of each block."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nas.arrays import FloatArray
from nas.latency.plan.probes import Probe


@dataclass(frozen=True)
class Derived:
    """Costs derived from the latencies of probes.

    Attributes:
        cost_ms: The cost of each block, by key.
        error_ms: Its standard error.
        context_ms: The cost of each context.
    """

    cost_ms: dict[str, float]
    error_ms: dict[str, float]
    context_ms: dict[str, float]


def derive_costs(probes: Sequence[Probe], mean_ms: FloatArray, error_ms: FloatArray) -> Derived:
    """Block costs from the latencies of probes, by weighted least squares.

    Each probe's latency is the cost of its context plus those of its target blocks.

    Args:
        probes: The probes, (P,), which must determine every target block and every context.
        mean_ms: Latency of each probe, (P,).
        error_ms: Its standard error, (P,).
    """
    contexts = list(dict.fromkeys(probe.context for probe in probes))
    keys = list(dict.fromkeys(key for probe in probes for key in probe.target))
    column = {name: i for i, name in enumerate([*contexts, *keys])}
    design = np.zeros((len(probes), len(column)))
    for row, probe in enumerate(probes):
        design[row, column[probe.context]] = 1
        for key in probe.target:
            design[row, column[key]] += 1
    weights = 1 / np.maximum(error_ms, 1e-3 * mean_ms)
    covariance = np.linalg.pinv((design * weights[:, None] ** 2).T @ design)
    solution = covariance @ (design.T @ (weights**2 * mean_ms))
    errors = np.sqrt(np.maximum(np.diag(covariance), 0))
    first = len(contexts)
    return Derived(
        {key: max(float(value), 0.0) for key, value in zip(keys, solution[first:], strict=True)},
        {key: float(value) for key, value in zip(keys, errors[first:], strict=True)},
        {name: float(value) for name, value in zip(contexts, solution[:first], strict=True)},
    )
