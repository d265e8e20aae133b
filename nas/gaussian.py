"""Regression with a Gaussian process of few hyperparameters, for latencies and accuracies.

The kernel is linear + squared exponential (Rasmussen and Williams 2006, "Gaussian Processes for Machine
Learning", sections 2.1 and 4.2): the linear part models how shares of the whole differ from the assumed ones,
the smooth part what no sum can express. Hyperparameters maximise the marginal likelihood (section 5.4.1)
times log-normal priors, which dominate when there are few points. Disturbances only increase latencies,
sometimes by a lot, so their noise is Student's t, fitted by expectation-maximisation over the weight of each
measurement (Lange et al. 1989, "Robust Statistical Modeling Using the t Distribution").
"""

from __future__ import annotations

from dataclasses import astuple, dataclass, replace
from functools import cached_property

import numpy as np

from nas.arrays import FloatArray

_DEGREES = 3.0  # of freedom of the noise
_ROUNDS = 6  # of expectation-maximisation
_CHUNK = 256
_STEPS = (1.0, 0.5, 0.25, 0.12)  # of the search, in log hyperparameters


@dataclass(frozen=True)
class Hyper:
    """Hyperparameters. Targets are relative, so standard deviations are shares.

    Attributes:
        linear: Standard deviation of a coefficient.
        smooth: Standard deviation of the smooth part.
        length: Its length scale. Each input has unit variance.
        noise: Standard deviation of the noise.
    """

    linear: float
    smooth: float
    length: float
    noise: float


@dataclass(frozen=True)
class Prior:
    """The medians of the hyperparameters, and the standard deviations of their logarithms."""

    median: Hyper
    spread: Hyper


PRIOR = Prior(Hyper(0.3, 0.01, 1.0, 0.02), Hyper(0.5, 0.5, 0.3, 0.5))
"""Rates differ by about 30 % from the assumed ones, sums are off by 1 %, measurements by 2 %, each within a
factor of 1.6. The length scale is in units of the square root of the number of inputs."""


@dataclass(frozen=True)
class Process:
    """A fitted process.

    Attributes:
        linear_inputs: Inputs of the linear part, (N, A).
        smooth_inputs: Inputs of the smooth part, (N, B); no columns for a process without one.
        targets: Measured values, (N,).
        mean: The prediction far from all measurements.
        hyper: The hyperparameters.
        noise_factors: Factors of the noise variance of each measurement, (N,).
    """

    linear_inputs: FloatArray
    smooth_inputs: FloatArray
    targets: FloatArray
    mean: float
    hyper: Hyper
    noise_factors: FloatArray

    @cached_property
    def factor(self) -> FloatArray:
        """The Cholesky factor of the measurements' covariance, (N, N)."""
        covariance: FloatArray = self.hyper.linear**2 * self.linear_inputs @ self.linear_inputs.T
        for start in range(0, len(covariance), _CHUNK):
            rows = slice(start, start + _CHUNK)
            covariance[rows] += _smooth_kernel(self.smooth_inputs[rows], self.smooth_inputs, self.hyper)
        _add_to_diagonal(covariance, self.hyper.noise**2 * self.noise_factors)
        return _factor(covariance)

    @cached_property
    def dual(self) -> FloatArray:
        """The weight of each measurement in a prediction, (N,)."""
        return _solve(self.factor, self.targets - self.mean)

    @cached_property
    def coefficients(self) -> FloatArray:
        """The linear part's coefficients, (A,)."""
        result: FloatArray = self.hyper.linear**2 * self.linear_inputs.T @ self.dual
        return result

    def smooth(self, inputs: FloatArray) -> FloatArray:
        """The smooth part, (M,), at inputs (M, B)."""
        result = np.zeros(len(inputs))
        for start in range(0, len(inputs), _CHUNK):  # keeps a kernel in the cache
            rows = slice(start, start + _CHUNK)
            result[rows] = _smooth_kernel(inputs[rows], self.smooth_inputs, self.hyper) @ self.dual
        return result

    def predict(self, linear_inputs: FloatArray, smooth_inputs: FloatArray) -> FloatArray:
        """The expected targets, (M,)."""
        return self.mean + linear_inputs @ self.coefficients + self.smooth(smooth_inputs)

    def deviation(self, linear_inputs: FloatArray, smooth_inputs: FloatArray) -> FloatArray:
        """The standard deviations of the predictions, (M,), without noise."""
        known = np.zeros(len(linear_inputs))
        for start in range(0, len(known), _CHUNK):
            rows = slice(start, start + _CHUNK)
            cross = _solve_lower(self.factor, self._cross(linear_inputs[rows], smooth_inputs[rows]).T)
            known[rows] = (cross**2).sum(axis=0)
        prior = self.hyper.linear**2 * (linear_inputs**2).sum(axis=1)
        prior += self.hyper.smooth**2 * bool(smooth_inputs.shape[1])
        result: FloatArray = np.sqrt(np.maximum(prior - known, 0))
        return result

    def denoised(self, noise: FloatArray) -> tuple[FloatArray, FloatArray]:
        """The measured values without noise, (N,), and their standard deviations, (N,).

        Args:
            noise: Variances of the noise, (N,), at most those that the process was fitted with. The rest of
                the fitted noise counts as true differences that the inputs do not explain.
        """
        inverse = np.diag(_solve(self.factor, np.eye(len(self.targets))))
        deviation: FloatArray = np.sqrt(np.maximum(noise - noise**2 * inverse, 0))
        return self.targets - noise * self.dual, deviation

    def denoised_covariance(self, noise: FloatArray) -> FloatArray:
        """The covariance (N, N) of the values of :meth:`denoised`, with the same argument."""
        inverse = _solve(self.factor, np.eye(len(self.targets)))
        result: FloatArray = np.diag(noise) - noise[:, None] * inverse * noise
        return result

    def _cross(self, linear_inputs: FloatArray, smooth_inputs: FloatArray) -> FloatArray:
        result: FloatArray = self.hyper.linear**2 * linear_inputs @ self.linear_inputs.T
        result += _smooth_kernel(smooth_inputs, self.smooth_inputs, self.hyper)
        return result

    def _likely_mean(self) -> float:
        """The mean with the highest likelihood (generalised least squares)."""
        ones = _solve(self.factor, np.ones(len(self.targets)))
        return float(ones @ self.targets / ones.sum())

    def reweighted(self) -> Process:
        """One step of expectation-maximisation: new noise factors, then the mean."""
        inverse = _solve(self.factor, np.eye(len(self.targets)))
        noise = self.hyper.noise**2 * self.noise_factors
        residuals = noise * self.dual
        variance = np.maximum(noise - noise**2 * np.diag(inverse), 0)  # of the process at the measurements
        scaled = (residuals**2 + variance) / self.hyper.noise**2
        return replace(self, mean=self._likely_mean(), noise_factors=(_DEGREES + scaled) / (_DEGREES + 1))


def fit_process(
    linear_inputs: FloatArray,
    smooth_inputs: FloatArray,
    targets: FloatArray,
    *,
    prior: Prior = PRIOR,
    robust: bool = True,
    noise_factors: FloatArray | None = None,
) -> Process:
    """Fits a process to measurements.

    Args:
        linear_inputs: (N, A), each about as large as its share of the whole.
        smooth_inputs: (N, B), each of unit variance; no columns for a process without a smooth part.
        targets: Relative deviations from the assumed values, (N,).
        prior: The prior of the hyperparameters.
        robust: Whether the noise is Student's t and the mean estimated, instead of normal noise and mean 0.
        noise_factors: Known factors of the noise variance of each measurement, (N,), for normal noise.
    """
    length = prior.median.length * float(np.sqrt(max(smooth_inputs.shape[1], 1)))
    prior = replace(prior, median=replace(prior.median, length=length))
    if not robust:
        known = np.ones(len(targets)) if noise_factors is None else noise_factors
        return _with_best_hyper(
            Process(linear_inputs, smooth_inputs, targets, 0.0, prior.median, known), prior
        )
    middle = float(np.median(targets))
    spread = 1.4826 * float(np.median(np.abs(targets - middle))) + 1e-4
    factors = (_DEGREES + ((targets - middle) / spread) ** 2) / (_DEGREES + 1)
    process = Process(linear_inputs, smooth_inputs, targets, middle, prior.median, factors)
    for _ in range(_ROUNDS):
        process = _with_best_hyper(process, prior).reweighted()
    return _with_best_hyper(process, prior)


def _with_best_hyper(process: Process, prior: Prior) -> Process:
    """The process with the hyperparameters of highest posterior density, by a search along the axes."""
    likelihood = _Likelihood(process, prior)
    best = np.log(astuple(process.hyper))
    value = likelihood(best)
    for step in _STEPS:
        improved = True
        while improved:
            improved = False
            for axis in range(len(best)):
                for change in (step, -step):
                    candidate = best.copy()
                    candidate[axis] += change
                    density = likelihood(candidate)
                    if density > value + 1e-3:
                        best, value, improved = candidate, density, True
    return replace(process, hyper=Hyper(*np.exp(best).tolist()))


class _Likelihood:
    """The logarithm of the marginal likelihood times the prior, up to a constant."""

    def __init__(self, process: Process, prior: Prior) -> None:
        self._gram = process.linear_inputs @ process.linear_inputs.T
        self._distance = _squared_distances(process.smooth_inputs, process.smooth_inputs)
        self._has_smooth = bool(process.smooth_inputs.shape[1])
        self._targets = process.targets - process.mean
        self._factors = process.noise_factors
        self._middle, self._spread = np.log(astuple(prior.median)), np.array(astuple(prior.spread))

    def __call__(self, logs: FloatArray) -> float:
        hyper = Hyper(*np.exp(logs).tolist())
        covariance = hyper.linear**2 * self._gram
        _add_to_diagonal(covariance, hyper.noise**2 * self._factors)
        if self._has_smooth:
            covariance += hyper.smooth**2 * np.exp(self._distance / (-2 * hyper.length**2))
        factor = _factor(covariance)
        whitened = _solve_lower(factor, self._targets)
        fit = -0.5 * whitened @ whitened - np.log(np.diag(factor)).sum()
        return float(fit - 0.5 * (((logs - self._middle) / self._spread) ** 2).sum())


def _smooth_kernel(first: FloatArray, second: FloatArray, hyper: Hyper) -> FloatArray:
    if not first.shape[1]:
        return np.zeros((len(first), len(second)))
    kernel: FloatArray = _squared_distances(first, second)
    kernel *= -0.5 / hyper.length**2
    np.exp(kernel, out=kernel)
    kernel *= hyper.smooth**2
    return kernel


def _squared_distances(first: FloatArray, second: FloatArray) -> FloatArray:
    result: FloatArray = -2 * first @ second.T
    result += (first**2).sum(axis=1)[:, None]
    result += (second**2).sum(axis=1)
    return np.maximum(result, 0, out=result)


def _add_to_diagonal(matrix: FloatArray, values: FloatArray | float) -> None:
    """Changes the matrix in place: with 2,000 measurements, each copy would take 32 MB."""
    matrix[np.diag_indices(len(matrix))] += values


def _factor(covariance: FloatArray) -> FloatArray:
    """The Cholesky factor of a covariance, in its memory; the covariance's diagonal gets a jitter first."""
    from scipy.linalg import cholesky  # here, because it takes 0.15 s

    _add_to_diagonal(covariance, 1e-8 * float(np.trace(covariance)) / len(covariance))
    # Transposed, because LAPACK overwrites only what is in its own order.
    return np.asarray(cholesky(covariance.T, lower=True, overwrite_a=True, check_finite=False))


def _solve_lower(factor: FloatArray, right: FloatArray) -> FloatArray:
    from scipy.linalg import solve_triangular

    return np.asarray(solve_triangular(factor, right, lower=True, check_finite=False))


def _solve(factor: FloatArray, right: FloatArray) -> FloatArray:
    from scipy.linalg import cho_solve

    return np.asarray(cho_solve((factor, True), right, check_finite=False))
