"""Concrete networks, their lowering to blocks, and published networks by name."""

from __future__ import annotations

from nas.network.reference import reference_names, reference_network
from nas.network.spec import (
    CLASSIFIER,
    NORM_EPSILON,
    NetworkSpec,
    Place,
    check_norm_epsilon,
    lower,
    lower_classifier,
    read_network,
)

__all__ = [
    "CLASSIFIER",
    "NORM_EPSILON",
    "NetworkSpec",
    "Place",
    "check_norm_epsilon",
    "lower",
    "lower_classifier",
    "read_network",
    "reference_names",
    "reference_network",
]
