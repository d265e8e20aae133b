"""Makes a search's objectives and bounds from the configuration."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, final

from nas.cli.steps.context import Context
from nas.cli.steps.table.devices import targets
from nas.errors import UserError, unknown
from nas.latency import LatencyTable
from nas.search.goals import objectives as made
from nas.search.goals.goals import Goals
from nas.search.goals.objectives import LATENCY, Objective
from nas.search.goals.registry import objective_names, registered
from nas.search.results.winners import check_budgets

if TYPE_CHECKING:
    from nas.cli.steps.search.accuracy import Accuracies

Bounds = Mapping[str, float]


@final
@dataclass(frozen=True, kw_only=True)
class Sources:
    """The sources of the objectives' values.

    Attributes:
        accuracies: Makes the objectives of accuracies.
        tables: The latency table of each device.
        precision: Precision of weights and feature maps on the device.
        latency_ms: Default bound on a device's latency, used without a bound by name.
    """

    accuracies: Accuracies
    tables: Mapping[str, LatencyTable]
    precision: str
    latency_ms: Callable[[LatencyTable], float | None]


def _latency(sources: Sources, bounds: Bounds) -> list[Objective]:
    names = latency_names(list(sources.tables))
    return [
        made.latency(
            table,
            name=name,
            bound_ms=bounds.get(name, sources.latency_ms(table)),
            unit=table.device.latency_unit,
        )
        for name, table in zip(names, sources.tables.values(), strict=True)
    ]


_KINDS: dict[str, Callable[[Sources, Bounds], list[Objective]]] = {
    "accuracy": lambda sources, bounds: [sources.accuracies.accuracy(bound=bounds.get("accuracy"))],
    "balanced_accuracy": lambda sources, bounds: [
        sources.accuracies.balanced_accuracy(bound=bounds.get("balanced_accuracy"))
    ],
    "calibrated_accuracy": lambda sources, bounds: [
        sources.accuracies.calibrated_accuracy(bound=bounds.get("calibrated_accuracy"))
    ],
    "int8_accuracy": lambda sources, bounds: [
        sources.accuracies.int8_accuracy(bound=bounds.get("int8_accuracy"))
    ],
    "latency": _latency,
    "macs": lambda sources, bounds: [made.macs(bound=bounds.get("macs"))],
    "params": lambda sources, bounds: [made.params(bound=bounds.get("params"))],
    "size": lambda sources, bounds: [made.size(precision=sources.precision, bound=bounds.get("size"))],
    "memory": lambda sources, bounds: [made.memory(precision=sources.precision, bound=bounds.get("memory"))],
}


def latency_names(devices: Sequence[str]) -> list[str]:
    """Returns the names of the latencies; with several devices, each name contains the device's."""
    return [LATENCY] if len(devices) == 1 else [f"{LATENCY}_{device}" for device in devices]


def check(context: Context) -> None:
    """Checks the settings before any work is done.

    Raises:
        UserError: If an objective or a bound is unknown, repeated or out of range.
    """
    config = context.config.search
    if config.latency_ms is not None and config.latency_fraction is not None:
        raise UserError(
            "search.latency_ms and search.latency_fraction both bound the latency; set one of them, "
            "and the other to null"
        )
    check_latency("search", latency_ms=config.latency_ms, latency_fraction=config.latency_fraction)
    for name in config.objectives:
        if name not in objective_names():
            raise unknown("objective", name, objective_names())
    if not config.objectives or len(set(config.objectives)) < len(config.objectives):
        raise UserError(f"search.objectives is {config.objectives}; name at least one, each once")
    devices = [target.device for target in targets(context)]
    allowed = [*(name for name in objective_names() if name != "latency"), *latency_names(devices)]
    for name in config.bounds:
        if name not in allowed:
            raise unknown("bound", name, allowed)
    check_budgets(latency_names(devices) if "latency" in wanted(context) else [], config.budgets_ms)


def check_latency(part: str, *, latency_ms: float | None, latency_fraction: float | None) -> None:
    """Raises a ``UserError`` if a latency bound is out of range; ``part`` prefixes the setting's name."""
    if latency_ms is not None and not 0 < latency_ms < math.inf:
        raise UserError(f"{part}.latency_ms is {latency_ms}; give a positive number of milliseconds, or null")
    if latency_fraction is not None and not 0 < latency_fraction <= 1:
        raise UserError(
            f"{part}.latency_fraction is {latency_fraction}; it is a share of the largest network's latency: "
            f"0 < share ≤ 1; for another bound, set {part}.latency_ms"
        )


def goals(context: Context, sources: Sources) -> Goals:
    """Makes the goals of a run's search; a bounded quantity that is not an objective becomes a limit."""
    config = context.config.search
    own = registered(config.bounds)
    by_kind = {
        kind: [own[kind]] if kind in own else _KINDS[kind](sources, config.bounds) for kind in wanted(context)
    }
    objectives = [each for kind in config.objectives for each in by_kind.pop(kind)]
    limits = [each for rest in by_kind.values() for each in rest if each.bound is not None]
    return Goals(objectives, limits)


def depends_on_precision(context: Context) -> bool:
    """Returns whether any objective or bound depends on the device's precision."""
    return bool({"size", "memory"} & set(wanted(context)))


def wanted(context: Context) -> list[str]:
    """Returns the kinds of objectives and bounds, objectives first."""
    config = context.config.search
    bounded = [kind for kind in objective_names() if kind in config.bounds]
    bounds = [config.latency_ms, config.latency_fraction]
    if any(value is not None for value in bounds) or any(name.startswith(LATENCY) for name in config.bounds):
        bounded.append("latency")
    return list(dict.fromkeys([*config.objectives, *bounded]))
