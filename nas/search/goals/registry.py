"""Registry of the user's own objectives, for ``search.objectives`` and ``search.bounds``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from nas.errors import UserError
from nas.registry import Registry
from nas.search.goals.objectives import Objective

OURS = (
    "accuracy",
    "balanced_accuracy",
    "calibrated_accuracy",
    "int8_accuracy",
    "latency",
    "macs",
    "memory",
    "params",
    "size",
)
"""The built-in objectives."""

_OBJECTIVES: Registry[Objective] = Registry("objective")


def register(objective: Objective) -> Objective:
    """Registers an objective by its name.

    Raises:
        UserError: If the name is taken.
    """
    if objective.name in OURS:
        raise UserError(f"{objective.name!r} is an objective of hwnas; give yours another name")
    _OBJECTIVES.add(objective.name, objective, source=objective.evaluate)
    return objective


def objective_names() -> tuple[str, ...]:
    """Returns the names of all objectives, built-in ones first."""
    return (*OURS, *_OBJECTIVES.names())


def registered(bounds: Mapping[str, float]) -> dict[str, Objective]:
    """Returns the registered objectives by name, with their bounds."""
    return {
        name: replace(_OBJECTIVES.find(name), bound=bounds.get(name, _OBJECTIVES.find(name).bound))
        for name in _OBJECTIVES
    }
