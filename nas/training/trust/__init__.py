"""Checking a supernet: does it rank networks as training them alone does, and better than their cost?"""

from __future__ import annotations

from nas.training.trust.by_cost import BAND, THIRDS, Ranking, Third, ranking, thirds
from nas.training.trust.calibrated import Calibrating, Calibration, calibrating, features
from nas.training.trust.comparison import (
    EXTREMES,
    IMAGES,
    Agreement,
    Compared,
    Subject,
    TrustPlan,
    compare,
    mean_gap_points,
    random_only,
    read_compared,
)

__all__ = [
    "BAND",
    "EXTREMES",
    "IMAGES",
    "THIRDS",
    "Agreement",
    "Calibrating",
    "Calibration",
    "Compared",
    "Ranking",
    "Subject",
    "Third",
    "TrustPlan",
    "calibrating",
    "compare",
    "features",
    "mean_gap_points",
    "random_only",
    "ranking",
    "read_compared",
    "thirds",
]
