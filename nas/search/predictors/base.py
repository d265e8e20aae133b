"""The interface of accuracy predictors, and their registry."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np

from nas.arrays import FloatArray
from nas.registry import Registry


class Fitted(ABC):
    """A fitted regression."""

    @abstractmethod
    def mean(self, inputs: FloatArray) -> FloatArray:
        """Expected values, (N,), of features (N, features)."""

    @abstractmethod
    def std(self, inputs: FloatArray) -> FloatArray:
        """Their standard deviations, (N,), without the noise of labels."""


@dataclass(frozen=True, kw_only=True)
class Predictor(ABC):
    """The settings of a regression, as a frozen dataclass.

    A new predictor is a new file in this folder with a registered subclass.
    """

    NAME: ClassVar[str]

    @abstractmethod
    def fit(self, inputs: FloatArray, values: FloatArray, *, seed: int) -> Fitted:
        """Fits features (N, features) to values (N,), for any N of at least 2.

        Equal arguments must give equal regressions. Columns may be constant and of any scale.
        """


_PREDICTORS: Registry[type[Predictor]] = Registry(
    "predictor",
    package="nas.search.predictors",
    replaced=dict.fromkeys(("auto", "boosting", "mlp", "ridge"), "gaussian_process"),
)
register = _PREDICTORS.register
"""Class decorator that registers a predictor under its ``NAME``."""


def predictor_names() -> tuple[str, ...]:
    """The names of all registered predictors."""
    return _PREDICTORS.names()


def make_predictor(name: str) -> Predictor:
    """Makes a predictor by its name, with its defaults.

    Raises:
        UserError: If the name is unknown.
    """
    return _PREDICTORS.find(name)()


@final
@dataclass(frozen=True)
class Scaling:
    """Standardises features and values to mean 0 and deviation 1.

    Attributes:
        columns: Positions of the features that are not constant.
        center: Their means, (columns,).
        width: Their deviations, (columns,).
        offset: Mean of the values.
        unit: Deviation of the values; 0 if all are equal, and then that value is predicted.
        weights: Shares of the features in distances between networks, (columns,), with mean 1.
    """

    columns: np.ndarray
    center: FloatArray
    width: FloatArray
    offset: float
    unit: float
    weights: FloatArray

    @classmethod
    def of(cls, inputs: FloatArray, values: FloatArray, weights: FloatArray | None = None) -> Scaling:
        """Computes the scaling from labelled networks.

        Args:
            inputs: Features, (N, features).
            values: Labels, (N,).
            weights: Weights of the features, (features,); equal ones by default.
        """
        center, width = inputs.mean(axis=0), inputs.std(axis=0)
        columns = np.flatnonzero(width > 1e-9 * np.maximum(1.0, np.abs(center)))
        shares = np.ones(len(columns)) if weights is None else weights[columns]
        shares = shares / shares.mean() if len(shares) else shares
        return cls(
            columns, center[columns], width[columns], float(values.mean()), float(values.std()), shares
        )

    def inputs(self, inputs: FloatArray) -> FloatArray:
        """Features (N, features) to (N, columns)."""
        return (inputs[:, self.columns] - self.center) / self.width * np.sqrt(self.weights)

    def values(self, values: FloatArray) -> FloatArray:
        """Values (N,) to values of mean 0 and deviation 1."""
        return (values - self.offset) / (self.unit or 1.0)

    def unscaled(self, values: FloatArray) -> FloatArray:
        """The inverse of ``values``."""
        return values * self.unit + self.offset
