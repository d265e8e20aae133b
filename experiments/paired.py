"""Differences of two networks' accuracies, paired by seed and image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from nas.statistics import Interval

RESAMPLES = 10_000


def points_ahead(rows: Sequence[Mapping[str, str]], *, ours: str, theirs: str) -> Interval:
    """The points that one network is ahead of another on the average of the seeds, with a 95 % interval.

    Each resample draws seeds, and for each of them images (Efron 1979): the images that only one of both
    networks classifies correctly follow a multinomial distribution.

    Args:
        rows: For each seed, the number of images and of those that only one network classifies correctly.
        ours: Column of the images that only our network classifies correctly.
        theirs: The same of the other network.
    """
    rng = np.random.default_rng(0)
    images = np.array([int(row["images"]) for row in rows])
    only = np.array([[int(row[ours]), int(row[theirs])] for row in rows])
    shares = np.column_stack([only, images - only.sum(1)]) / images[:, None]
    seeds = rng.integers(0, len(rows), (RESAMPLES, len(rows)))
    drawn = rng.multinomial(images[seeds], shares[seeds])
    values = (100 * (drawn[..., 0] - drawn[..., 1]) / images[seeds]).mean(1)
    low, high = np.quantile(values, (0.025, 0.975)).tolist()
    return Interval(value=float((100 * (only[:, 0] - only[:, 1]) / images).mean()), low=low, high=high)
