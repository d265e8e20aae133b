"""The accuracy of each network as all evaluations of a search together show it.

The best of many counts is usually a lucky one. A Gaussian process over the networks' features shares what
the counts say among similar networks: it separates the differences between networks from the binomial noise
of the counts, as far as the images allow. With many images, little noise is left, and the posterior becomes
the count.

Two parts of the noise are distinguished. What scatters from network to network is estimated and smoothed
away. The rest of the binomial noise is common to all networks, because all are evaluated on the same images:
a set of difficult images lowers every accuracy. It does not disturb comparisons, but no number of evaluations
removes it, so the interval includes it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import final

import numpy as np

from nas.arrays import FloatArray
from nas.gaussian import Hyper, Prior, Process, fit_process
from nas.search.goals.goals import Goals
from nas.search.goals.problem import Candidate, Networks
from nas.search.predictors.base import Scaling
from nas.search.predictors.features import Features
from nas.search.predictors.gaussian_process import process_inputs, spread_out
from nas.search.trials.evaluation import Evaluation, State
from nas.statistics import Z95, Count

LEAST = 10
"""The lowest number of evaluations for a process; with fewer, each network's own count has to do."""

SURE = 1.644854
"""Standard deviations below the expected accuracy at which the lower bound lies: 95 % are above it."""

_MOST = 200  # evaluations to which the hyperparameters are fitted
_GROUP = 2000  # evaluations that are smoothed together
_MEDIAN = Hyper(linear=0.3, smooth=0.1, length=1.6, noise=1.0)
_SPREAD = Hyper(linear=1.0, smooth=1.0, length=1.0, noise=0.5)


@final
@dataclass(frozen=True, kw_only=True)
class PosteriorAccuracy:
    """The accuracy of a network, given all evaluations.

    Attributes:
        value: The expected accuracy, 0 to 1.
        interval: The 95 % interval of the accuracy on other images of the same kind.
        deviation: The standard deviation in comparisons with other networks on the same images.
    """

    value: float
    interval: tuple[float, float]
    deviation: float

    @property
    def lower(self) -> float:
        """The lower confidence bound, by which networks are compared: a lucky one alone is less certain."""
        return self.value - SURE * self.deviation

    @property
    def least_difference(self) -> float:
        """The smallest difference between two such accuracies that chance explains in 5 % of cases only."""
        return Z95 * math.sqrt(2) * self.deviation


def posteriors(goals: Goals, evaluations: Sequence[Evaluation]) -> dict[Candidate, PosteriorAccuracy]:
    """Returns the posterior accuracy of each network that a search has evaluated.

    Stopped evaluations count too, with the images that they have seen.

    Args:
        goals: The goals. Without a number of images behind the first objective, nothing is returned.
        evaluations: The entries of the search.
    """
    labelled = labels(goals, evaluations)
    if labelled is None:
        return {}
    networks, accuracies, images = labelled
    features = Features(networks.problem)
    posterior = smoothed(features(networks.rows), accuracies, images, features.weights)
    return dict(zip(networks.candidates, posterior, strict=True))


def labels(goals: Goals, evaluations: Sequence[Evaluation]) -> tuple[Networks, FloatArray, FloatArray] | None:
    """Returns the evaluated networks, their accuracies and their numbers of images.

    ``None`` if there are none, or the first objective is no accuracy on a known number of images.
    """
    first = goals.objectives[0]
    if first.images is None:
        return None
    states = (State.COMPLETE,) if first.stages is None else (State.COMPLETE, State.STOPPED)
    entries = [e for e in evaluations if e.outcome.state in states]
    if not entries:
        return None
    accuracies = np.array([entry.outcome.values[0] for entry in entries])
    images = np.array([_images(entry, first.images) for entry in entries], np.float64)
    return Networks([entry.candidate for entry in entries]), accuracies, images


def _images(entry: Evaluation, images: int) -> int:
    """Returns the images behind an accuracy; a stopped evaluation has seen a part of them."""
    stopped = entry.outcome.state is State.STOPPED and entry.outcome.images is not None
    return entry.outcome.images or images if stopped else images


def smoothed(
    inputs: FloatArray, accuracies: FloatArray, images: FloatArray, weights: FloatArray | None = None
) -> list[PosteriorAccuracy]:
    """Returns the posterior accuracies of networks.

    Args:
        inputs: Features of the networks, (N, features).
        accuracies: Shares of right answers, (N,).
        images: Numbers of images, (N,).
        weights: Weights of the features, (features,); equal ones by default.
    """
    fit = _Smoothing.of(inputs, accuracies, images, weights)
    if fit is None:
        return [_counted(*each) for each in zip(accuracies.tolist(), images.tolist(), strict=True)]
    scaled, deviations = fit.denoised()
    own = fit.scaling.unit * deviations
    common = np.maximum(fit.binomial - fit.scaling.unit**2 * fit.scatter, 0)
    columns = (fit.scaling.unscaled(scaled), own, np.sqrt(own**2 + common))
    return [_from_angle(*row) for row in np.stack(columns, axis=1).tolist()]


def sampled(
    inputs: FloatArray,
    accuracies: FloatArray,
    images: FloatArray,
    weights: FloatArray | None = None,
    *,
    samples: int,
    rng: np.random.Generator,
) -> FloatArray:
    """Draws accuracies of all networks together from their joint posterior.

    Noise that is common to all networks, because they share their images, is left out.

    Args:
        inputs: Features of the networks, (N, features).
        accuracies: Shares of right answers, (N,).
        images: Numbers of images, (N,).
        weights: Weights of the features, (features,); equal ones by default.
        samples: Number of draws.
        rng: The random source.

    Returns:
        Accuracies, (samples, N).
    """
    fit = _Smoothing.of(inputs, accuracies, images, weights)
    noise = rng.standard_normal((samples, len(accuracies)))
    if fit is None:
        alone = smoothed(inputs, accuracies, images)
        drawn = accuracies + noise * [each.deviation for each in alone]
        return np.clip(drawn, 0.0, 1.0)
    scaled, _ = fit.process.denoised(fit.scatter)
    values, vectors = np.linalg.eigh(fit.process.denoised_covariance(fit.scatter))
    root = vectors * np.sqrt(np.maximum(values, 0.0))
    angles = fit.scaling.unscaled(scaled + noise @ root.T)
    result: FloatArray = np.sin(np.clip(angles, 0.0, math.pi / 2)) ** 2
    return result


@final
@dataclass(frozen=True)
class _Smoothing:
    """A process fitted to angles, whose noise is the same for every accuracy (Anscombe 1948).

    Attributes:
        scaling: The scaling of features and angles.
        process: The process, of scaled angles.
        scatter: The part of the noise that differs from network to network, (N,), scaled.
        binomial: The variance of an angle by its number of images, (N,).
    """

    scaling: Scaling
    process: Process
    scatter: FloatArray
    binomial: FloatArray

    @classmethod
    def of(
        cls,
        inputs: FloatArray,
        accuracies: FloatArray,
        images: FloatArray,
        weights: FloatArray | None,
    ) -> _Smoothing | None:
        """Fits the process; ``None`` if there are too few networks, or all are equal."""
        angles = np.arcsin(np.sqrt((accuracies * images + 0.375) / (images + 0.75)))
        if len(angles) < LEAST or not np.ptp(angles):
            return None
        binomial, scaling = 1 / (4 * images + 2), Scaling.of(inputs, angles, weights)
        process = _fitted(scaling, inputs, angles, binomial)
        scatter = np.minimum(process.hyper.noise**2 * process.noise_factors, binomial / scaling.unit**2)
        return cls(scaling, process, scatter, binomial)

    def denoised(self) -> tuple[FloatArray, FloatArray]:
        """The scaled angles without noise, (N,), and their standard deviations, (N,).

        The memory of a process grows with the square of its networks. Many networks are therefore split into
        groups of at most ``_GROUP``, each from the whole of the search: a network's accuracy is smoothed by
        those of its group.
        """
        count, process = len(self.scatter), self.process
        groups = -(-count // _GROUP)
        values, deviations = np.empty(count), np.empty(count)
        for first in range(groups):
            rows = slice(first, None, groups)
            part = replace(
                process,
                linear_inputs=process.linear_inputs[rows],
                smooth_inputs=process.smooth_inputs[rows],
                targets=process.targets[rows],
                noise_factors=process.noise_factors[rows],
            )
            values[rows], deviations[rows] = part.denoised(self.scatter[rows])
        return values, deviations


def _fitted(scaling: Scaling, inputs: FloatArray, angles: FloatArray, binomial: FloatArray) -> Process:
    """Fits a process to scaled angles; its noise is a factor of the binomial variances."""
    (linear, smooth), targets = process_inputs(scaling, inputs), scaling.values(angles)
    least = float(binomial.min())
    median = Hyper(_MEDIAN.linear, _MEDIAN.smooth, _MEDIAN.length, math.sqrt(least) / scaling.unit)
    factors, some = binomial / least, spread_out(len(angles), _MOST)
    hyper = fit_process(
        linear[some],
        smooth[some],
        targets[some],
        prior=Prior(median, _SPREAD),
        robust=False,
        noise_factors=factors[some],
    ).hyper
    return Process(linear, smooth, targets, 0.0, hyper, factors)


def _counted(accuracy: float, images: float) -> PosteriorAccuracy:
    """Returns the accuracy of a network that nothing else says anything about."""
    count = Count(round(accuracy * images), round(images))
    return PosteriorAccuracy(value=accuracy, interval=count.interval(), deviation=count.noise)


def _from_angle(angle: float, own: float, total: float) -> PosteriorAccuracy:
    """Returns the accuracy of a normally distributed angle.

    Args:
        angle: Its mean.
        own: Its standard deviation in comparisons.
        total: Its standard deviation on other images.
    """
    # Moments of sin² x = (1 - cos 2x) / 2 for a normal x.
    first = math.cos(2 * angle) * math.exp(-2 * own**2)
    second = (1 + math.cos(4 * angle) * math.exp(-8 * own**2)) / 2
    ends = (angle - Z95 * total, angle + Z95 * total)
    low, high = (math.sin(min(max(end, 0.0), math.pi / 2)) ** 2 for end in ends)
    deviation = math.sqrt(max(second - first**2, 0.0)) / 2
    return PosteriorAccuracy(value=(1 - first) / 2, interval=(low, high), deviation=deviation)
