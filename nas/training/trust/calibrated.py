"""A supernet's accuracies, calibrated by a few networks that were trained alone.

A supernet ranks networks of equal cost better than their cost does, and over a wide range of costs often
worse (``nas trust``). A dozen networks with both accuracies decide how much to believe each: the accuracy
when trained alone is a linear function of the supernet's accuracy, of the logarithm of the
multiply-accumulates (MACs) and of that of the parameters. Which of the three belong to it is averaged over,
by the evidence for each of the seven sets (Hoeting et al. 1999, "Bayesian Model Averaging: A Tutorial"), so
that what is noise gets little weight, even with few networks.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, combinations
from typing import Any, final

import numpy as np
from numpy.typing import ArrayLike

from nas.arrays import FloatArray, IntArray
from nas.statistics import Interval
from nas.training.trust.by_cost import taus
from nas.training.trust.comparison import Compared

LEAST = 8
"""The lowest number of networks to calibrate with."""

FEATURES = ("accuracy with the supernet's weights", "log MACs", "log parameters")

_SCALES = (1.0, 10.0, 100.0)
"""Variances of a standardised coefficient, in units of the noise variance; averaged over."""


@final
@dataclass(frozen=True, kw_only=True)
class Calibrated:
    """The accuracies of networks when trained alone, as they are predicted.

    Attributes:
        mean: Expected accuracies, 0 to 1, (N,).
        deviation: Their standard deviations, with what the features do not explain, (N,).
    """

    mean: FloatArray
    deviation: FloatArray


@final
@dataclass(frozen=True, kw_only=True)
class Calibration:
    """The mapping from a supernet's accuracies and costs to accuracies when trained alone.

    Attributes:
        inputs: Features of the networks that it was fitted to, (N, 3), see ``features``.
        alone: Their accuracies when trained alone, 0 to 1, (N,).
    """

    inputs: FloatArray
    alone: FloatArray

    def __post_init__(self) -> None:
        assert len(self.alone) >= 2, "a calibration needs networks"

    @property
    def shares(self) -> dict[str, float]:
        """The probability of each feature to belong to the function, 0 to 1."""
        models, weights = self._weighted
        return {
            name: float(sum(w for w, m in zip(weights, models, strict=True) if i in m.columns))
            for i, name in enumerate(FEATURES)
        }

    @property
    def slope(self) -> float:
        """The change of the prediction with the supernet's accuracy."""
        middle = self.inputs.mean(axis=0)
        low, high = self.predict(np.stack([middle, middle + np.eye(len(middle))[0]])).mean.tolist()
        return float(high - low)

    def predict(self, inputs: FloatArray) -> Calibrated:
        """Predicts the accuracies of networks with features (M, 3) when trained alone."""
        models, weights = self._weighted
        parts = [model.predict(self._scaled(inputs)) for model in models]
        means, variances = (np.stack(part) for part in zip(*parts, strict=True))
        mean = weights @ means
        variance = weights @ (variances + (means - mean) ** 2)
        offset, unit = self.alone.mean(), self.alone.std()
        return Calibrated(mean=offset + unit * mean, deviation=unit * np.sqrt(variance))

    def _scaled(self, inputs: FloatArray) -> FloatArray:
        widths = self.inputs.std(axis=0)
        scaled: FloatArray = (inputs - self.inputs.mean(axis=0)) / np.where(widths > 0, widths, 1.0)
        return scaled

    @cached_property
    def _weighted(self) -> tuple[list[_Model], FloatArray]:
        """The models, and the probability of each."""
        models = list(self._models())
        logs = np.array([model.evidence for model in models])
        weights = np.exp(logs - logs.max())
        return models, weights / weights.sum()

    def _models(self) -> Iterator[_Model]:
        x, unit = self._scaled(self.inputs), self.alone.std() or 1.0
        y = (self.alone - self.alone.mean()) / unit
        sets = chain.from_iterable(combinations(range(x.shape[1]), size) for size in (1, 2, 3))
        for columns in sets:
            for scale in _SCALES:
                yield _Model(x[:, columns], y, columns, scale)


@final
@dataclass(frozen=True)
class _Model:
    """Bayesian linear regression with an unknown noise variance (Bishop 2006, "Pattern
    Recognition and Machine Learning", exercises 3.12, 3.13 and 3.23); the mean is known.

    Attributes:
        x: Standardised features, (N, columns).
        y: Standardised values, (N,).
        columns: Which features these are.
        scale: Prior variance of a coefficient, in units of the noise variance.
    """

    x: FloatArray
    y: FloatArray
    columns: tuple[int, ...]
    scale: float

    @property
    def _precision(self) -> FloatArray:
        result: FloatArray = self.x.T @ self.x + np.eye(self.x.shape[1]) / self.scale
        return result

    @property
    def _coefficients(self) -> FloatArray:
        return np.asarray(np.linalg.solve(self._precision, self.x.T @ self.y), np.float64)

    @property
    def _residual(self) -> float:
        """What is left of the squares, with the prior's share; it scales the noise variance."""
        return float(self.y @ self.y - self.y @ self.x @ self._coefficients)

    @property
    def evidence(self) -> float:
        """The logarithm of the marginal likelihood, up to a constant that all models share."""
        _, volume = np.linalg.slogdet(self.scale * self._precision)
        return float(-0.5 * volume - 0.5 * (len(self.y) - 1) * math.log(self._residual + _TINY))

    def predict(self, inputs: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Means and variances, (M,), of values with standardised features (M, 3)."""
        x = inputs[:, self.columns]
        noise = self._residual / max(len(self.y) - 3, 1)  # the variance of Student's t
        spread = np.einsum("nc,nc->n", x, np.linalg.solve(self._precision, x.T).T)
        return x @ self._coefficients, noise * (1 + 1 / len(self.y) + spread)


_TINY = 1e-9  # keeps the logarithm finite where the features explain everything


def features(inherited: ArrayLike, macs: ArrayLike, params: ArrayLike) -> FloatArray:
    """Returns the features (N, 3) of networks.

    Args:
        inherited: Accuracies with the supernet's weights, 0 to 1, (N,).
        macs: Multiply-accumulates, (N,).
        params: Numbers of parameters, (N,).
    """
    columns = (np.asarray(inherited, np.float64), np.log(macs), np.log(params))
    return np.stack(columns, axis=1)


def left_out(inputs: FloatArray, alone: FloatArray, groups: IntArray) -> FloatArray:
    """Predicts each network's accuracy from the networks of the other groups.

    Args:
        inputs: Features of the networks, (N, 3).
        alone: Their accuracies when trained alone, (N,).
        groups: The group of each network, (N,), at least two different ones.

    Returns:
        Expected accuracies, (N,).
    """
    predicted = np.empty(len(alone))
    for group in np.unique(groups):
        out = groups == group
        predicted[out] = Calibration(inputs=inputs[~out], alone=alone[~out]).predict(inputs[out]).mean
    return predicted


def bands_of(macs: ArrayLike, count: int) -> IntArray:
    """Returns the band of each network, (N,): ``count`` bands of rising MACs with equally many networks."""
    ranks = np.argsort(np.argsort(macs, kind="stable"), kind="stable")
    return ranks * count // len(ranks)


@final
@dataclass(frozen=True, kw_only=True)
class Calibrating:
    """What a calibration is worth on networks that it has not seen.

    Attributes:
        networks: Number of networks.
        bands: Number of bands of MACs.
        shares: The probability of each feature to belong to the calibration by all networks.
        supernet: Kendall's τ-b between the supernet's accuracies and those of training alone.
        macs: The same of the MACs.
        one_out: τ-b of the calibration by all other networks.
        band_out: τ-b of the calibration by the networks of all other bands.
        advantage: ``band_out`` minus ``macs``, with an interval of its own, since both vary together.
        over_supernet: ``one_out`` minus ``supernet``, likewise.
        error_points: Root mean square error of ``one_out``, in percentage points.
        band_error_points: The same of ``band_out``.
    """

    networks: int
    bands: int
    shares: dict[str, float]
    supernet: Interval
    macs: Interval
    one_out: Interval
    band_out: Interval
    advantage: Interval
    over_supernet: Interval
    error_points: float
    band_error_points: float

    def to_dict(self) -> dict[str, Any]:
        """The figures as JSON values."""
        intervals = ("supernet", "macs", "one_out", "band_out", "advantage", "over_supernet")
        return {
            "networks": self.networks,
            "bands": self.bands,
            "shares": self.shares,
            **{name: getattr(self, name).to_dict() for name in intervals},
            "error_points": self.error_points,
            "band_error_points": self.band_error_points,
        }


BANDS = 4
"""Bands of MACs, unless the comparison has bands of its own. Each is left out once."""


def calibrating(
    rows: Sequence[Compared], *, resamples: int, seed: int, bands: int | None = None
) -> Calibrating | None:
    """Tests the calibration by networks that it has not seen; ``None`` with fewer than ``LEAST`` networks.

    Args:
        rows: The networks with both accuracies.
        resamples: Number of bootstrap resamples, the same for all figures.
        seed: Determines the resamples.
        bands: Number of bands of MACs; ``None`` takes ``BANDS``.
    """
    if len(rows) < LEAST:
        return None
    macs, alone = np.array([row.macs for row in rows]), np.array([row.alone for row in rows])
    inherited, count = np.array([row.inherited for row in rows]), max(2, bands or BANDS)
    inputs = features(inherited, macs, [row.params for row in rows])
    one = left_out(inputs, alone, np.arange(len(rows)))
    band = left_out(inputs, alone, bands_of(macs, count))
    scores = {"supernet": inherited, "macs": macs, "one_out": one, "band_out": band}
    found = taus(scores, alone, resamples=resamples, seed=seed, minus=("band_out", "macs"))
    over = taus(scores, alone, resamples=resamples, seed=seed, minus=("one_out", "supernet"))
    return Calibrating(
        networks=len(rows),
        bands=count,
        shares=Calibration(inputs=inputs, alone=alone).shares,
        error_points=100 * float(np.sqrt(np.mean((one - alone) ** 2))),
        band_error_points=100 * float(np.sqrt(np.mean((band - alone) ** 2))),
        over_supernet=over["advantage"],
        **found,
    )
