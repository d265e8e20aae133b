"""Gradient-boosted trees (Friedman 2001), several of them on bootstrap samples."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Any, ClassVar, final

import numpy as np

from nas.arrays import FloatArray
from nas.search.predictors.base import Fitted, Predictor, register


@final
@register
@dataclass(frozen=True, kw_only=True)
class Boosting(Predictor):
    """scikit-learn's gradient boosting; the spread of its members is the uncertainty.

    Attributes:
        members: Regressions, each fitted to rows drawn with replacement.
        trees: Trees of each.
        depth: Depth of a tree.
        rate: Share of each tree that is added.
        share: Share of the features that a split looks at.
    """

    NAME: ClassVar[str] = "boosting"

    members: int = 3
    trees: int = 80
    depth: int = 3
    rate: float = 0.15
    share: float = 0.3

    def fit(self, inputs: FloatArray, values: FloatArray, *, seed: int) -> Fitted:
        rng = np.random.default_rng(seed)
        regressor = importlib.import_module("sklearn.ensemble").GradientBoostingRegressor
        models = []
        for _ in range(self.members):
            rows = rng.integers(0, len(values), len(values))
            model = regressor(
                n_estimators=self.trees,
                max_depth=self.depth,
                learning_rate=self.rate,
                max_features=self.share,
                random_state=int(rng.integers(2**31)),
            )
            models.append(model.fit(inputs[rows], values[rows]))
        return _Members(models)


@final
@dataclass(frozen=True)
class _Members(Fitted):
    models: list[Any]

    def mean(self, inputs: FloatArray) -> FloatArray:
        mean: FloatArray = self._all(inputs).mean(axis=0)
        return mean

    def std(self, inputs: FloatArray) -> FloatArray:
        spread: FloatArray = self._all(inputs).std(axis=0, ddof=1)
        return spread

    def _all(self, inputs: FloatArray) -> FloatArray:
        return np.array([model.predict(inputs) for model in self.models], np.float64)
