"""Accuracies as counts, which know how far they can be trusted."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import final

Z95 = 1.959964
"""Quantile of the normal distribution for a 95 % interval."""

_Z_CLEARLY = 1.644854
"""Two 90 % intervals that do not touch: with equal accuracies that happens in 1 to 2 of 100 comparisons."""


@final
@dataclass(frozen=True)
class Count:
    """Images that were classified rightly, out of a number of images."""

    correct: int
    total: int

    @property
    def value(self) -> float:
        """The accuracy, 0 to 1."""
        return self.correct / self.total

    def interval(self, *, z: float = Z95) -> tuple[float, float]:
        """The interval of the accuracy, 0 to 1; 95 % by default."""
        return wilson(self.correct, self.total, z=z)

    @property
    def noise(self) -> float:
        """The largest difference to another accuracy on these images that chance explains.

        It is the standard error, but at least one image: the standard error of 50 right out of 50 is 0.
        """
        return max(math.sqrt(self.value * (1 - self.value) / self.total), 1 / self.total)

    def is_clearly_below(self, other: Count) -> bool:
        """Whether chance alone hardly explains that this accuracy is the lower one."""
        return self.interval(z=_Z_CLEARLY)[1] < other.interval(z=_Z_CLEARLY)[0]


def wilson(correct: float, total: int, *, z: float = Z95) -> tuple[float, float]:
    """The score interval of a share (Wilson 1927); 95 % by default.

    Args:
        correct: Successes.
        total: Trials, at least 1.
        z: Quantile of the normal distribution.

    Returns:
        Its two ends, 0 to 1. The share is never outside, whatever rounding does: of no successes the lower
        end is 0, of nothing else the upper end is 1.
    """
    share = correct / total
    centre = share + z * z / (2 * total)
    half = z * math.sqrt(share * (1 - share) / total + z * z / (4 * total * total))
    scale = 1 + z * z / total
    # For a share of 0 or 1 the formula gives just that, but in floating point one ulp more or less.
    return max(0.0, min(share, (centre - half) / scale)), min(1.0, max(share, (centre + half) / scale))
