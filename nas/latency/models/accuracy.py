"""The error of predicted latencies: figures of merit, and baselines."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from nas import statistics
from nas.arrays import FloatArray

BAND = 0.10
_RANKED = 5  # minimum networks in a band, for a meaningful order


@dataclass(frozen=True)
class Figures:
    """Figures of merit of predicted latencies.

    Attributes:
        mape: Mean absolute percentage error, as a share: 0.02 is 2 %.
        within_5: Share of networks within ±5 %.
        within_10: Share of networks within ±10 %.
        spearman: Spearman's rank correlation.
        kendall: Kendall's τ (τ-b).
        spearman_in_bands: Mean of Spearman's rank correlation among the networks whose measured latencies lie
            within ±10 % of a network's, over all networks; ``None`` if there are too few. It matters for a
            search with a bound on the latency.
    """

    mape: float
    within_5: float
    within_10: float
    spearman: float
    kendall: float
    spearman_in_bands: float | None


@dataclass(frozen=True)
class Accuracy:
    """The error of a table on whole networks that its model has not seen.

    Attributes:
        networks: Number of networks.
        table: The table's figures.
        macs: Those of a straight line through multiply-accumulates, fitted on the same networks as the model.
        uncorrected: Those of the model's starting point, the plain sum of costs or the scaled table of a
            similar device; ``None`` without one.
        noise_floor: Those of one half of the rounds against the other; ``None`` without rounds.
        cross_validated: Whether each network was predicted by a model fitted on the others, instead of by the
            table itself.
    """

    networks: int
    table: Figures
    macs: Figures
    uncorrected: Figures | None = None
    noise_floor: Figures | None = None
    cross_validated: bool = False

    def about(self) -> str:
        """The error in one sentence, with the baselines."""
        beside = [f"MACs alone {self.macs.mape:.1%}"]
        if self.noise_floor is not None:
            beside.insert(0, f"noise floor {self.noise_floor.mape:.1%}")
        how = ", cross-validated" if self.cross_validated else ""
        return (
            f"error on {self.networks} networks it has not seen{how}: {self.table.mape:.1%} "
            f"({', '.join(beside)})"
        )

    def to_dict(self) -> dict[str, Any]:
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Accuracy:
        figures = {
            name: None if value[name] is None else Figures(**value[name])
            for name in ("table", "macs", "uncorrected", "noise_floor")
        }
        return cls(**{**value, **figures})


def compare(predicted: FloatArray, measured: FloatArray) -> Figures:
    """The figures of predictions (N,) against measurements (N,)."""
    errors = np.abs(predicted / measured - 1)
    return Figures(
        float(errors.mean()),
        float((errors <= 0.05).mean()),
        float((errors <= 0.10).mean()),
        spearman(predicted, measured),
        kendall(predicted, measured),
        spearman_in_bands(predicted, measured),
    )


def spearman(first: FloatArray, second: FloatArray) -> float:
    """Spearman's rank correlation; 1 if there is nothing to rank."""
    return _or_one(statistics.spearman(first, second))


def kendall(first: FloatArray, second: FloatArray) -> float:
    """Kendall's τ-b; 1 if there is nothing to rank."""
    return _or_one(statistics.kendall_tau(first, second))


def _or_one(value: float) -> float:
    return 1.0 if math.isnan(value) else value


def spearman_in_bands(predicted: FloatArray, measured: FloatArray, *, band: float = BAND) -> float | None:
    """The mean, over networks, of the rank correlation among those within ±``band`` of its latency."""
    correlations = []
    for centre in measured:
        near = np.abs(measured / centre - 1) <= band
        if near.sum() >= _RANKED:
            correlations.append(spearman(predicted[near], measured[near]))
    return float(np.mean(correlations)) if correlations else None


def fit_line(x: FloatArray, measured_ms: FloatArray) -> Callable[[FloatArray], FloatArray]:
    """The straight line through (x, latency) with the least relative squared error."""
    design = np.column_stack([np.ones(len(x)), x]) / measured_ms[:, None]
    solution = np.linalg.lstsq(design, np.ones(len(x)), rcond=None)[0]
    return lambda new: solution[0] + solution[1] * new
