"""The latency of a network, derived only from measurements of whole networks.

A rough cost model (one rate each for launches, arithmetic and traffic, or the table of a similar device) is
scaled to the measurements. A Gaussian process on physical features then predicts a network's relative
deviation from it. Relative deviations make errors relative and the rough model a prior, which holds where
measurements are few. Once fitted, a prediction is

    latency = rough latency · (1 + smooth function of the rough model's terms) + Σ of features · slopes
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, final

import numpy as np

from nas.arrays import FloatArray
from nas.blocks import BlockSpec
from nas.errors import UserError
from nas.gaussian import Hyper, Process, fit_process
from nas.latency.models.base import LatencyModel, read_model, register, write_model
from nas.latency.models.features import (
    COLUMN,
    COLUMNS,
    KINDS,
    PIXELS,
    ROOFLINE,
    TOKENS,
    many_features,
    network_features,
)
from nas.latency.models.rates import fit_rates

if TYPE_CHECKING:
    from nas.space.lowering import Lowered

TRUSTED = 0.05
"""A prediction with a relative standard deviation above this is marked as an estimate: ±10 % is then less
than two of them."""

_RATES = [COLUMN[name] for name in ("networks", "operations", "macs", "moved")]
_SMOOTH = [COLUMN[name] for name in (*ROOFLINE, PIXELS)]
_USED = sorted({*_RATES, *_SMOOTH})
_WEIGHTS = np.array(
    [1.0 if name in ROOFLINE else 0.15 if name in (*KINDS, *TOKENS) else 0.05 for name in COLUMNS]
)
"""How much the rates of features may deviate, relative to each other: devices differ most in their roofline,
then in kinds of operations, then between levels."""

_FURTHEST = 4.0  # from the rough latency, so that networks unlike all measured ones get positive latencies
_SCALING = ("mean", "log_mean", "log_deviation")


@dataclass(frozen=True)
class Scaling:
    """The scaling of the features of a space's networks.

    Attributes:
        mean: Their means over random networks, (F,).
        log_mean: Means of the logarithms of the smooth part's inputs, (B,).
        log_deviation: Their standard deviations, (B,).
    """

    mean: FloatArray
    log_mean: FloatArray
    log_deviation: FloatArray

    @classmethod
    def of(cls, features: FloatArray) -> Scaling:
        """The scaling of random networks with these features, (N, F)."""
        mean = features.mean(axis=0)
        logs = _logs(features, mean)
        return cls(mean, logs.mean(axis=0), np.maximum(logs.std(axis=0), 1e-3))

    def smooth(self, features: FloatArray) -> FloatArray:
        """The smooth part's inputs, (N, B), of features (N, F)."""
        result: FloatArray = (_logs(features, self.mean) - self.log_mean) / self.log_deviation
        return result

    @cached_property
    def weights(self) -> FloatArray:
        """The factors of the features, (F,); 0 for those that no network has."""
        size = np.sqrt(len(ROOFLINE))
        result: FloatArray = np.where(self.mean > 0, _WEIGHTS / np.maximum(self.mean, 1e-300), 0) / size
        return result


def _logs(features: FloatArray, mean: FloatArray) -> FloatArray:
    """Logarithms of the smooth part's inputs, (N, B), finite even if a network has none of a quantity."""
    least = np.where(mean > 0, 1e-3 * mean, 1.0)
    return np.asarray(np.log(features[:, _SMOOTH] + least[_SMOOTH]))


@final
@register
@dataclass(frozen=True, eq=False)
class NetworkModel(LatencyModel):
    """Latency from the physical features of a network, fitted on whole networks.

    Attributes:
        features: Features of the fitted networks, (N, F).
        measured_ms: Their latencies, (N,).
        scaling: The scaling of features.
        rates_ms: The rough model: ms per unit of the features in ``_RATES``, or the one factor of a sibling's
            predictions.
        sibling: The model of a similar device.
        sibling_ms: Its predictions for the fitted networks, (N,).
        mean: The process's mean.
        hyper: Its hyperparameters.
        noise_factors: Factors of the noise variance of each measurement, (N,).
    """

    KIND: ClassVar[str] = "networks"

    features: FloatArray
    measured_ms: FloatArray
    scaling: Scaling
    rates_ms: FloatArray
    sibling: LatencyModel | None
    sibling_ms: FloatArray
    mean: float
    hyper: Hyper
    noise_factors: FloatArray

    def __eq__(self, other: object) -> bool:
        return isinstance(other, NetworkModel) and self.to_dict({}) == other.to_dict({})

    def __hash__(self) -> int:
        return hash(self.measured_ms.tobytes())

    def about(self) -> str:
        text = f"derived from {len(self.measured_ms)} whole networks"
        return text if self.sibling is None else f"{text} and a similar device's table"

    def missing(self, blocks: Iterable[BlockSpec]) -> tuple[BlockSpec, ...]:
        return () if self.sibling is None else self.sibling.missing(blocks)

    def is_estimate(self, blocks: Sequence[BlockSpec]) -> bool:
        return self.deviation(blocks) > TRUSTED

    def deviation(self, blocks: Sequence[BlockSpec]) -> float:
        """The relative standard deviation of the prediction."""
        features = network_features(blocks)[None]
        rough_ms = self._rough_ms(features, self._sibling_ms(blocks))
        inputs = _inputs(features, rough_ms, usual_ms=self._usual_ms, scaling=self.scaling)
        share = 1 + self._process.predict(*inputs)
        return float(self._process.deviation(*inputs)[0] / max(float(share[0]), 1e-9))

    def predict(self, blocks: Sequence[BlockSpec]) -> float:
        projected = network_features(blocks)[None] @ self._projection
        return float(self._latency_ms(projected, self._sibling_ms(blocks))[0])

    def predict_many(self, lowered: Lowered) -> FloatArray:
        sibling_ms = np.zeros(0) if self.sibling is None else self.sibling.predict_many(lowered)
        return self._latency_ms(many_features(lowered, self._projection), sibling_ms)

    def predict_features(self, features: FloatArray, sibling_ms: FloatArray) -> FloatArray:
        """The latencies, (N,), of networks with these features, (N, F), in ms."""
        return self._latency_ms(features @ self._projection, sibling_ms)

    def _latency_ms(self, projected: FloatArray, sibling_ms: FloatArray) -> FloatArray:
        """Latencies (N,) from features times ``_projection``, (N, K)."""
        features = np.zeros((len(projected), len(COLUMNS)))
        features[:, _USED] = projected[:, :-1]
        smooth = self._process.smooth(self.scaling.smooth(features))
        rough_ms = self._rough_ms(features, sibling_ms)
        latency_ms = rough_ms * (1 + self.mean + smooth) + projected[:, -1]
        return np.clip(latency_ms, rough_ms / _FURTHEST, rough_ms * _FURTHEST)

    def _rough_ms(self, features: FloatArray, sibling_ms: FloatArray) -> FloatArray:
        return _terms(features, sibling_ms) @ self.rates_ms

    def _sibling_ms(self, blocks: Sequence[BlockSpec]) -> FloatArray:
        return np.array([] if self.sibling is None else [self.sibling.predict(blocks)])

    @cached_property
    def _usual_ms(self) -> float:
        """The rough latency of a usual network, the unit of the features."""
        return float(self._rough_ms(self.features, self.sibling_ms).mean())

    @cached_property
    def _process(self) -> Process:
        rough_ms = self._rough_ms(self.features, self.sibling_ms)
        inputs = _inputs(self.features, rough_ms, usual_ms=self._usual_ms, scaling=self.scaling)
        targets = self.measured_ms / rough_ms - 1
        return Process(*inputs, targets, self.mean, self.hyper, self.noise_factors)

    @cached_property
    def _projection(self) -> FloatArray:
        """Selects the features that are needed themselves, and sums the linear ones, (F, K)."""
        slopes_ms = self._process.coefficients * self.scaling.weights * self._usual_ms
        return np.column_stack([np.eye(len(COLUMNS))[:, _USED], slopes_ms])

    def parts(self, blocks: Sequence[BlockSpec]) -> None:
        return None

    def scaled(self, factor: float) -> NetworkModel:
        measured_ms = self.measured_ms * factor
        if self.sibling is None:
            return dataclasses.replace(self, measured_ms=measured_ms, rates_ms=self.rates_ms * factor)
        return dataclasses.replace(
            self,
            measured_ms=measured_ms,
            sibling=self.sibling.scaled(factor),
            sibling_ms=self.sibling_ms * factor,
        )

    def keys(self) -> tuple[str, ...]:
        return () if self.sibling is None else self.sibling.keys()

    def to_dict(self, number: Mapping[str, int]) -> dict[str, Any]:
        return {
            "columns": list(COLUMNS),
            "features": self.features.tolist(),
            "measured_ms": self.measured_ms.tolist(),
            "scaling": {
                name: value.tolist() for name, value in vars(self.scaling).items() if name in _SCALING
            },
            "rates_ms": self.rates_ms.tolist(),
            "sibling": None if self.sibling is None else write_model(self.sibling, number),
            "sibling_ms": self.sibling_ms.tolist(),
            "mean": self.mean,
            "hyper": asdict(self.hyper),
            "noise_factors": self.noise_factors.tolist(),
        }

    @classmethod
    def from_dict(cls, value: Mapping[str, Any], keys: Sequence[str]) -> NetworkModel:
        counted = len(value["columns"])
        if value["columns"] != list(COLUMNS[:counted]):
            raise UserError(
                "the table rests on other features than this version counts; fit it again, "
                "or use the version of hwnas that wrote it"
            )
        return cls(
            features=_with_new_columns(np.array(value["features"])),
            measured_ms=np.array(value["measured_ms"]),
            scaling=Scaling(
                mean=_with_new_columns(np.array(value["scaling"]["mean"])),
                log_mean=np.array(value["scaling"]["log_mean"]),
                log_deviation=np.array(value["scaling"]["log_deviation"]),
            ),
            rates_ms=np.array(value["rates_ms"]),
            sibling=None if value["sibling"] is None else read_model(value["sibling"], keys),
            sibling_ms=np.array(value["sibling_ms"]),
            mean=value["mean"],
            hyper=Hyper(**value["hyper"]),
            noise_factors=np.array(value["noise_factors"]),
        )


def _with_new_columns(features: FloatArray) -> FloatArray:
    """Features (…, F) with zeros for columns newer than a file, whose networks had no such operation."""
    missing = len(COLUMNS) - features.shape[-1]
    return np.pad(features, [(0, 0)] * (features.ndim - 1) + [(0, missing)])


def fit_network_model(
    features: FloatArray,
    measured_ms: FloatArray,
    *,
    scaling: Scaling,
    sibling: LatencyModel | None = None,
    sibling_ms: FloatArray | None = None,
) -> NetworkModel:
    """Fits a model on whole networks.

    Args:
        features: Their features, (N, F).
        measured_ms: Their latencies, (N,).
        scaling: From random networks of the space.
        sibling: The model of a similar device, if any.
        sibling_ms: Its predictions for these networks, (N,).
    """
    known_ms = np.zeros(0) if sibling_ms is None else sibling_ms
    terms = _terms(features, known_ms)
    rates_ms = fit_rates(terms, measured_ms)
    rough_ms = terms @ rates_ms
    inputs = _inputs(features, rough_ms, usual_ms=float(rough_ms.mean()), scaling=scaling)
    process = fit_process(*inputs, measured_ms / rough_ms - 1)
    return NetworkModel(
        features=features,
        measured_ms=measured_ms,
        scaling=scaling,
        rates_ms=rates_ms,
        sibling=sibling,
        sibling_ms=known_ms,
        mean=process.mean,
        hyper=process.hyper,
        noise_factors=process.noise_factors,
    )


def shares(features: FloatArray, scaling: Scaling) -> FloatArray:
    """Inputs of the linear part, (N, F), before any measurement, as if all rates weighed the same."""
    rough = (features[:, _RATES] / scaling.mean[_RATES]).mean(axis=1)
    return _inputs(features, rough, usual_ms=1.0, scaling=scaling)[0]


def _terms(features: FloatArray, sibling_ms: FloatArray) -> FloatArray:
    """The terms of the rough model, each with a rate, (N, K)."""
    return sibling_ms[:, None] if len(sibling_ms) else features[:, _RATES]


def _inputs(
    features: FloatArray, rough_ms: FloatArray, *, usual_ms: float, scaling: Scaling
) -> tuple[FloatArray, FloatArray]:
    """Inputs of the process: features as shares of the rough latency, and those of the smooth part."""
    return features * scaling.weights * (usual_ms / rough_ms[:, None]), scaling.smooth(features)
