"""Histograms of values that arrive in parts: the range of the values need not be known before."""

from __future__ import annotations

from typing import final

import numpy as np
from numpy.typing import NDArray

BINS = 4096
"""Bins on each side of zero."""


@final
class Histogram:
    """Counts values in bins of equal width. The width doubles until all values fit.

    Attributes:
        low: The smallest value.
        high: The largest value.
    """

    def __init__(self) -> None:
        self.low, self.high = np.inf, -np.inf
        self._counts = np.zeros(2 * BINS, np.int64)
        self._limit = 0.0

    def add(self, values: NDArray[np.float32]) -> None:
        """Counts values of any shape."""
        low, high = float(values.min()), float(values.max())
        self.low, self.high = min(self.low, low), max(self.high, high)
        self._widen(max(-low, high))
        self._counts += np.histogram(values, bins=2 * BINS, range=(-self._limit, self._limit))[0]

    def _widen(self, reach: float) -> None:
        if self._limit == 0:
            self._limit = max(reach, 1e-6)
        while self._limit < reach:
            pairs = self._counts.reshape(BINS, 2).sum(1)
            self._counts[:] = 0
            self._counts[BINS // 2 : BINS // 2 + BINS] = pairs
            self._limit *= 2

    def percentile(self, percent: float) -> tuple[float, float]:
        """The range that holds ``percent`` of the values, with as many below as above it.

        Its ends are the outer edges of bins, and never outside ``low`` and ``high``.
        """
        edges = np.linspace(-self._limit, self._limit, 2 * BINS + 1)
        below = np.cumsum(self._counts)
        outside = below[-1] * (1 - percent / 100) / 2
        first = int(np.searchsorted(below, outside, side="right"))
        last = int(np.searchsorted(below, below[-1] - outside, side="left"))
        return max(self.low, float(edges[first])), min(self.high, float(edges[last + 1]))
