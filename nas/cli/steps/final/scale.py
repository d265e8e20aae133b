"""The step that scales the winner to a latency budget."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import Any

from nas.cli.screen import say
from nas.cli.steps.context import Context
from nas.cli.steps.search.goals import check_latency
from nas.cli.steps.table import missing
from nas.cli.steps.table import table as table_step
from nas.errors import UserError, unknown
from nas.files import fields_of, read_json, write_json
from nas.latency import LatencyTable
from nas.network import NetworkSpec
from nas.pipeline import Step
from nas.scaling import (
    LARGEST_PHI,
    ROUNDINGS,
    Scaled,
    decisive,
    fit_to_latency,
    near_latency,
    scalings,
)
from nas.search.results.results import Winner, read_winner

TABLE = "table.json"
MEASURE_S = 20.0


def step(context: Context) -> Step:
    """Makes the step that scales depth, width and resolution of the winner together."""
    return Step(
        name="scale",
        folder=context.path("scale"),
        settings={
            **context.settings("scale"),
            "seed": context.config.seed,
            "missing": context.config.table.missing,
        },
        inputs={
            "search's winner": context.path("search", "winner.json"),
            "latency table": missing.path(context),
        },
        outputs=("scale.json", TABLE),
        run=lambda folder: _scale(context, folder),
    )


def check(context: Context) -> None:
    """Checks the settings before any work is done."""
    table_step.check_missing(context)
    scale = context.config.scale
    budgets = ("latency_ms", "latency_ratio", "latency_fraction")
    settings = [f"scale.{name}" for name in budgets if getattr(scale, name) is not None]
    if len(settings) > 1:
        raise UserError(f"{' and '.join(settings)} all bound the latency; set one of them")
    check_latency("scale", latency_ms=scale.latency_ms, latency_fraction=scale.latency_fraction)
    positive = ("alpha", "beta", "gamma", *(["latency_ratio"] if scale.latency_ratio is not None else []))
    for name in positive:
        if not 0 < getattr(scale, name) < math.inf:
            raise UserError(f"scale.{name} is {getattr(scale, name)}; give a positive number")
    if scale.depth_rounding not in ROUNDINGS:
        raise unknown("scale.depth_rounding", scale.depth_rounding, ROUNDINGS)
    if not -LARGEST_PHI <= scale.min_phi <= scale.max_phi <= LARGEST_PHI:
        raise UserError(
            f"scale.min_phi is {scale.min_phi:g} and scale.max_phi {scale.max_phi:g}; give "
            f"{-LARGEST_PHI:g} ≤ min_phi ≤ max_phi ≤ {LARGEST_PHI:g}: each step of phi about doubles the cost"
        )
    if not 0 <= scale.margin < 1:
        raise UserError(f"scale.margin is {scale.margin}; it is a share of the budget: 0 ≤ margin < 1")


def budget_ms(context: Context, winner: NetworkSpec, table: LatencyTable) -> float | None:
    """Returns the latency budget: absolute, or relative to the winner's or the largest network's latency."""
    scale = context.config.scale
    if scale.latency_ratio is not None:
        return scale.latency_ratio * table.predict(winner)
    if scale.latency_fraction is not None:
        largest = context.space.network(
            context.space.largest(), classes=winner.classes, input_channels=winner.input_channels
        )
        return scale.latency_fraction * table.predict(largest)
    return scale.latency_ms


def _scale(context: Context, folder: Path) -> None:
    winner = read_winner(context.path("search"))
    table = table_step.read(context, missing.path(context))
    winner_ms = table.predict(winner.network)
    budget = budget_ms(context, winner.network, table)
    if budget is None:
        scaled = Scaled(winner.network, 0.0, winner_ms, ((0.0, winner_ms),))
    else:
        target_ms = budget * (1 - context.config.scale.margin)
        scaled, table = _fit(context, winner.network, table, target_ms, folder)
    table.save(folder / TABLE)
    write_json(
        folder / "scale.json",
        {
            **_record(scaled, winner, budget, estimated=table.is_estimate(scaled.network)),
            "batch": table.device.batch,
        },
    )
    how = "estimated" if table.is_estimate(scaled.network) else "predicted"
    change = "not scaled" if scaled.phi == 0 else f"scaled with phi {scaled.phi:+.1f}"
    unit = table.device.latency_unit
    limit = "" if budget is None else f", budget {budget:.3f} {unit}"
    say(
        f"scale: {change} to {scaled.network.macs / 1e6:.2f} M MACs at {scaled.network.resolution} px; "
        f"{scaled.predicted_ms:.3f} {unit} {how}{limit}"
    )


def _fit(
    context: Context, network: NetworkSpec, table: LatencyTable, budget: float, folder: Path
) -> tuple[Scaled, LatencyTable]:
    """Measures missing blocks of the candidates near the budget, then selects the largest within it."""
    config = context.config.scale
    growth: Mapping[str, float] = {"alpha": config.alpha, "beta": config.beta, "gamma": config.gamma}
    rounding = config.depth_rounding
    rounds = count()

    def predict(networks: Sequence[NetworkSpec]) -> list[float]:
        nonlocal table
        number = next(rounds)
        table = missing.completed(
            context,
            table,
            [block for each in networks for block in each.blocks],
            input_channels=network.input_channels,
            folder=folder / f"wider-{number}" if number else folder,
            budget_s=MEASURE_S,
        )
        return [table.predict(each) for each in networks]

    candidates = near = scalings(
        network, lowest=config.min_phi, highest=config.max_phi, depth_rounding=rounding, **growth
    )
    if not missing.costs_nothing(context, table):
        near = near_latency(network, candidates, latency_ms=budget, now_ms=table.predict(network))
    bracket = decisive(candidates, near, latency_ms=budget, predict=predict)
    scaled = fit_to_latency(
        network,
        latency_ms=budget,
        predict=table.predict,
        lowest=bracket[0][0],
        highest=bracket[-1][0],
        depth_rounding=rounding,
        **growth,
    )
    return scaled, table


def _record(scaled: Scaled, winner: Winner, budget: float | None, *, estimated: bool) -> dict[str, Any]:
    return {
        "phi": scaled.phi,
        "latency_ms": budget,
        "predicted_ms": scaled.predicted_ms,
        "estimated": estimated,
        "code": str(winner.architecture),
        "network": scaled.network.to_dict(),
        "tried": [{"phi": phi, "predicted_ms": predicted} for phi, predicted in scaled.tried],
    }


def read_scaled(context: Context) -> tuple[NetworkSpec, str | None]:
    """Reads the scaled network, and its architecture's code if scaling left it unchanged."""
    path = context.path("scale", "scale.json")
    value = read_json(path)
    with fields_of(path, remedy="scale again: nas scale"):
        return NetworkSpec.from_dict(value["network"]), value["code"] if value["phi"] == 0 else None
