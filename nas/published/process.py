"""A Gaussian process for accuracies: linear, jointly smooth, and smooth within each stage.

The covariance of two networks is (Rasmussen and Williams 2006, "Gaussian Processes for Machine Learning",
sections 4.2 and 5.1; Duvenaud et al. 2011, "Additive Gaussian Processes")

    Σ_g l_g² ⟨x_g, x'_g⟩  +  a² exp(−½ Σ_g |x_g − x'_g|² / s_g²)  +  b²/S Σ_s exp(−½ |x_s − x'_s|² / r²)

over the groups g and the stages s of their features. Each group has its own scales, which the process of
``nas.gaussian`` has not; the sum over stages shares what is learned about one stage between all networks that
have it. The 2 G + 4 hyperparameters maximise the marginal likelihood times log-normal priors.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import final

import numpy as np

from nas.arrays import FloatArray, IntArray

_LINEAR, _JOINT, _LENGTH, _STAGES, _STAGE_LENGTH, _NOISE = 0.5, 0.5, 1.6, 0.5, 1.0, 0.1
"""Medians of the priors, of targets with deviation 1; each logarithm has a deviation of 1."""

_JITTER = 1e-6
_STEPS = 60
_CHUNK = 512


@final
@dataclass(frozen=True)
class Inputs:
    """Features of N networks, each column of mean 0 and deviation 1.

    Attributes:
        groups: (N, columns) for each group; together they are all features.
        stages: (N, columns) for each stage.
    """

    groups: tuple[FloatArray, ...]
    stages: tuple[FloatArray, ...]

    @property
    def count(self) -> int:
        """The number of networks."""
        return len(self.groups[0])

    def take(self, positions: IntArray | slice) -> Inputs:
        """The inputs of some networks."""
        return Inputs(tuple(x[positions] for x in self.groups), tuple(x[positions] for x in self.stages))


@final
@dataclass(frozen=True)
class Hyper:
    """Hyperparameters: standard deviations and length scales.

    Attributes:
        linear: One deviation for each group.
        joint: Deviation of the jointly smooth part.
        lengths: Its length scale in each group, in units of the root of the group's columns.
        staged: Deviation of the part that is smooth within each stage.
        stage_length: Its length scale.
        noise: Deviation of the noise.
    """

    linear: FloatArray
    joint: float
    lengths: FloatArray
    staged: float
    stage_length: float
    noise: float

    @classmethod
    def of(cls, logs: FloatArray) -> Hyper:
        """From the logarithms of all hyperparameters in this order."""
        values = np.exp(logs)
        groups = (len(values) - 4) // 2
        joint, staged, stage_length, noise = (float(values[i]) for i in (groups, -3, -2, -1))
        lengths = values[groups + 1 : 2 * groups + 1]
        return cls(values[:groups], joint, lengths, staged, stage_length, noise)


@final
@dataclass(frozen=True)
class AdditiveProcess:
    """A fitted process.

    Attributes:
        inputs: Of the labelled networks.
        targets: Their values, (N,), of mean 0 and deviation 1.
        hyper: The hyperparameters.
    """

    inputs: Inputs
    targets: FloatArray
    hyper: Hyper

    @classmethod
    def fit(cls, inputs: Inputs, targets: FloatArray, *, subset: IntArray) -> AdditiveProcess:
        """Fits the hyperparameters to the networks of ``subset``; the process then uses all."""
        return cls(inputs, targets, _best_hyper(inputs.take(subset), targets[subset]))

    def mean(self, inputs: Inputs) -> FloatArray:
        """The expected targets, (M,)."""
        return self._by_chunk(inputs, lambda cross: cross @ self._dual)

    def deviation(self, inputs: Inputs) -> FloatArray:
        """The standard deviations of the expected targets, (M,), without noise."""
        linear = sum(
            (x**2).sum(axis=1) * deviation**2 / x.shape[1]
            for x, deviation in zip(inputs.groups, self.hyper.linear, strict=True)
        )
        prior = linear + self.hyper.joint**2 + self.hyper.staged**2
        explained = self._by_chunk(inputs, lambda cross: ((cross @ self._whitening.T) ** 2).sum(axis=1))
        result: FloatArray = np.sqrt(np.maximum(prior - explained, 0.0))
        return result

    def left_out(self) -> tuple[FloatArray, FloatArray]:
        """Each label's expected value and deviation, (N,), if it were unknown (section 5.4.2)."""
        variance = 1 / (self._whitening**2).sum(axis=0)
        noise = self.hyper.noise**2 + _JITTER
        return self.targets - self._dual * variance, np.sqrt(np.maximum(variance - noise, 0.0))

    @cached_property
    def _whitening(self) -> FloatArray:
        """The inverse of the Cholesky factor of the labels' covariance, (N, N)."""
        covariance = _covariance(self.inputs, self.inputs, self.hyper)
        covariance += (self.hyper.noise**2 + _JITTER) * np.eye(len(self.targets))
        return np.asarray(np.linalg.inv(np.linalg.cholesky(covariance)))

    @cached_property
    def _dual(self) -> FloatArray:
        """The weight of each label in a prediction, (N,)."""
        result: FloatArray = self._whitening.T @ (self._whitening @ self.targets)
        return result

    def _by_chunk(self, inputs: Inputs, of: Callable[[FloatArray], FloatArray]) -> FloatArray:
        """Applies a function to the covariances (chunk, N) of a few networks at a time with the labels."""
        starts = range(0, inputs.count, _CHUNK)
        chunks = (inputs.take(slice(start, start + _CHUNK)) for start in starts)
        results = [of(_covariance(chunk, self.inputs, self.hyper)) for chunk in chunks]
        return np.concatenate(results) if results else np.zeros(0)


def _covariance(first: Inputs, second: Inputs, hyper: Hyper) -> FloatArray:
    """The covariances of two sets of networks, (N, M), without noise."""
    roots = [np.sqrt(x.shape[1]) for x in first.groups]
    linear = [
        np.hstack([x * w / r for x, w, r in zip(each.groups, hyper.linear, roots, strict=True)])
        for each in (first, second)
    ]
    joint = [
        np.hstack([x / w / r for x, w, r in zip(each.groups, hyper.lengths, roots, strict=True)])
        for each in (first, second)
    ]
    result: FloatArray = linear[0] @ linear[1].T
    result += hyper.joint**2 * np.exp(-0.5 * _squared_distances(*joint))
    share = hyper.staged**2 / max(len(first.stages), 1)
    for x, y in zip(first.stages, second.stages, strict=True):
        result += share * np.exp(_squared_distances(x, y) / (-2 * x.shape[1] * hyper.stage_length**2))
    return result


def _best_hyper(inputs: Inputs, targets: FloatArray) -> Hyper:
    """The hyperparameters of highest posterior density."""
    from scipy.optimize import minimize  # here, since predictions need no SciPy

    density = _Density(inputs, targets)
    found = minimize(density, density.middle, jac=True, method="L-BFGS-B", options={"maxiter": _STEPS})
    return Hyper.of(found.x)


class _Density:
    """The negative logarithm of the marginal likelihood times the prior, and its gradient."""

    def __init__(self, inputs: Inputs, targets: FloatArray) -> None:
        self._grams = [x @ x.T / x.shape[1] for x in inputs.groups]
        self._distances = [_squared_distances(x, x) / x.shape[1] for x in inputs.groups]
        self._staged = [_squared_distances(x, x) / x.shape[1] for x in inputs.stages]
        self._targets = targets
        groups = len(inputs.groups)
        medians = [_LINEAR] * groups + [_JOINT] + [_LENGTH] * groups + [_STAGES, _STAGE_LENGTH, _NOISE]
        self.middle: FloatArray = np.log(medians)

    def __call__(self, logs: FloatArray) -> tuple[float, FloatArray]:
        covariance, slopes = self._covariance(Hyper.of(logs))
        factor = np.linalg.cholesky(covariance + _JITTER * np.eye(len(covariance)))
        whitening = np.linalg.inv(factor)
        whitened = whitening @ self._targets
        dual = whitening.T @ whitened
        value = 0.5 * whitened @ whitened + np.log(np.diag(factor)).sum()
        excess = whitening.T @ whitening - np.outer(dual, dual)
        gradient = np.array([0.5 * np.vdot(excess, slope) for slope in slopes])
        away = logs - self.middle
        return float(value + 0.5 * away @ away), gradient + away

    def _covariance(self, hyper: Hyper) -> tuple[FloatArray, list[FloatArray]]:
        """The covariance with noise, (N, N), and its derivative by each hyperparameter's logarithm."""
        linear = [2 * w**2 * gram for w, gram in zip(hyper.linear, self._grams, strict=True)]
        scaled = [d / s**2 for s, d in zip(hyper.lengths, self._distances, strict=True)]
        joint = hyper.joint**2 * np.exp(-0.5 * sum(scaled))
        near = [d / hyper.stage_length**2 for d in self._staged]
        share = hyper.staged**2 / max(len(near), 1)
        kernels = [share * np.exp(-0.5 * d) for d in near]
        nothing = np.zeros_like(joint)
        staged, noise = sum(kernels, nothing), hyper.noise**2 * np.eye(len(joint))
        by_length = sum((k * d for k, d in zip(kernels, near, strict=True)), nothing)
        slopes = [*linear, 2 * joint, *(joint * d for d in scaled), 2 * staged, by_length, 2 * noise]
        return 0.5 * sum(linear, nothing) + joint + staged + noise, slopes


def _squared_distances(first: FloatArray, second: FloatArray) -> FloatArray:
    result: FloatArray = -2 * first @ second.T
    result += (first**2).sum(axis=1)[:, None]
    result += (second**2).sum(axis=1)
    return np.maximum(result, 0, out=result)
