"""A Gaussian process, see ``nas.gaussian``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np

from nas.arrays import FloatArray, IntArray
from nas.gaussian import Hyper, Prior, Process, fit_process
from nas.search.predictors.base import Fitted, Predictor, Scaling, register

_PRIOR = Prior(Hyper(linear=0.5, smooth=0.5, length=1.6, noise=0.1), Hyper(1.0, 1.0, 1.0, 1.0))
"""Of values with deviation 1, give or take a factor of 2.7 each."""


@final
@register
@dataclass(frozen=True, kw_only=True)
class GaussianProcess(Predictor):
    """A linear kernel for the effect of costs plus a squared exponential kernel for the rest.

    For speed, the hyperparameters are fitted to at most ``subset`` labels. The process then uses all, up to
    ``labels``: its memory grows with their square, and its time with their cube.

    Attributes:
        subset: Number of labels for the hyperparameters.
        labels: Most labels for the process. It takes them evenly from the whole search.
    """

    NAME: ClassVar[str] = "gaussian_process"

    subset: int = 200
    labels: int = 2000

    def fit(self, inputs: FloatArray, values: FloatArray, *, seed: int) -> Fitted:
        known = spread_out(len(values), self.labels)
        inputs, values = inputs[known], values[known]
        scaling = Scaling.of(inputs, values)
        (linear, smooth), targets = process_inputs(scaling, inputs), scaling.values(values)
        some = spread_out(len(targets), self.subset)
        hyper = fit_process(linear[some], smooth[some], targets[some], prior=_PRIOR, robust=False).hyper
        return _Fitted(scaling, Process(linear, smooth, targets, 0.0, hyper, np.ones(len(targets))))


def spread_out(count: int, most: int) -> IntArray:
    """At most ``most`` of ``count`` positions, evenly spread."""
    if count <= most:
        return np.arange(count)
    return np.unique(np.linspace(0, count - 1, most).astype(np.int64))


def process_inputs(scaling: Scaling, inputs: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Inputs of the linear part, whose variances add up to 1, and of the smooth part."""
    points = scaling.inputs(inputs)
    return points / np.sqrt(max(1, points.shape[1])), points


@final
@dataclass(frozen=True)
class _Fitted(Fitted):
    scaling: Scaling
    process: Process

    def mean(self, inputs: FloatArray) -> FloatArray:
        return self.scaling.unscaled(self.process.predict(*process_inputs(self.scaling, inputs)))

    def std(self, inputs: FloatArray) -> FloatArray:
        return self.scaling.unit * self.process.deviation(*process_inputs(self.scaling, inputs))
