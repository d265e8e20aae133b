"""The step that scales the winner to a latency budget."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from nas.cli.screen import say
from nas.cli.steps.context import Context, prefixed
from nas.cli.steps.final import scale_scores
from nas.cli.steps.final.scale_methods import (
    MEASURE_S,
    METHODS,
    Predictor,
    Selection,
    best_growth,
    family,
)
from nas.cli.steps.search.goals import check_latency
from nas.cli.steps.supernet import supernet as supernet_step
from nas.cli.steps.table import missing
from nas.cli.steps.table import table as table_step
from nas.errors import UserError, unknown
from nas.files import fields_of, read_json, write_json
from nas.latency import LatencyTable
from nas.network import NetworkSpec
from nas.pipeline import Step
from nas.scaling import LARGEST_PHI, ROUNDINGS, Balance, Candidate, used_share
from nas.search.results.results import Winner, read_winner

__all__ = ["MEASURE_S", "TABLE", "budget_ms", "check", "read_candidates", "read_family", "step"]

TABLE = "table.json"


def step(context: Context) -> Step:
    """Makes the step that scales depth, width and resolution of the winner together."""
    return Step(
        name="scale",
        folder=context.path("scale"),
        settings={
            **context.settings("scale"),
            "seed": context.config.seed,
            "missing": context.config.table.missing,
            **_scoring_settings(context),
        },
        inputs={
            "search's winner": context.path("search", "winner.json"),
            "latency table": missing.path(context),
            **_scoring_inputs(context),
        },
        outputs=("scale.json", TABLE),
        run=lambda folder: _scale(context, folder),
    )


def _scoring_settings(context: Context) -> dict[str, Any]:
    """Returns the settings that decide scores."""
    if not context.config.scale.score_epochs:
        return {}
    return {**context.settings("finish", "train", "compute"), **context.data_settings()}


def _scoring_inputs(context: Context) -> dict[str, Path]:
    """Returns the supernet's weights, if networks are scored and there is a supernet."""
    weights = context.path(supernet_step.FOLDER, scale_scores.WEIGHTS)
    scored = context.config.scale.score_epochs and weights.is_file()
    return {"supernet's weights": weights} if scored else {}


def check(context: Context) -> None:
    """Checks the settings before any work is done."""
    table_step.check_missing(context)
    scale = context.config.scale
    budgets = ("latency_ms", "latency_ratio", "latency_fraction")
    settings = [f"scale.{name}" for name in budgets if getattr(scale, name) is not None]
    if len(settings) > 1:
        raise UserError(
            f"{' and '.join(settings)} all bound the latency; set one of them, the others to null"
        )
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
    _check_method(context)


def _check_method(context: Context) -> None:
    scale = context.config.scale
    if scale.method not in METHODS:
        raise unknown("scale.method", scale.method, METHODS)
    numbers = {
        "score_epochs": (scale.score_epochs, 0),
        "scored": (scale.scored, 1),
        "fallbacks": (scale.fallbacks, 0),
        "family": (scale.family or 0, 0),
    }
    for name, (value, least) in numbers.items():
        if value < least:
            raise UserError(f"scale.{name} is {value}; give a whole number of at least {least}")
    if scale.method == "latency":
        with prefixed("scale.method=latency: "):
            Balance(scale.alpha, scale.beta, scale.gamma)
    if scale.method == "grid" and not scale.score_epochs:
        raise UserError(
            "scale.method=grid compares trained networks; set scale.score_epochs, e.g. scale.score_epochs=2"
        )
    if scale.score_epochs:
        scale_scores.check(context)


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
    predict = Predictor(context, table_step.read(context, missing.path(context)), folder)
    (winner_ms,) = predict([winner.network])
    config = context.config.scale
    budget = budget_ms(context, winner.network, predict.table)
    unscaled = Candidate(winner.network, 0.0, winner_ms)
    selection = Selection(unscaled, tried=(unscaled,), growth=_growth(context, winner.network))
    if budget is not None:
        selection = METHODS[config.method](context, winner.network, predict, budget * (1 - config.margin))
    members = (
        ()
        if config.family is None
        else family(context, winner.network, predict, growth=selection.growth, winner_ms=winner_ms)
    )
    table = predict.table
    table.save(folder / TABLE)
    record = _record(selection, members, winner, budget, table)
    write_json(folder / "scale.json", {"method": config.method, **record, "batch": table.device.batch})
    _say(selection.best, budget, table, margin=config.margin)


def _growth(context: Context, network: NetworkSpec) -> Mapping[str, float]:
    """Returns the growth of a family without a budget."""
    config = context.config.scale
    if config.method == "grid" and config.family is not None:
        return best_growth(context, network)[0]
    return {"alpha": config.alpha, "beta": config.beta, "gamma": config.gamma}


def _say(best: Candidate, budget: float | None, table: LatencyTable, *, margin: float) -> None:
    network, unit = best.network, table.device.latency_unit
    how = "estimated" if table.is_estimate(network) else "predicted"
    change = "not scaled" if best.phi == 0 else f"scaled with phi {best.phi:+.1f}"
    limit = ""
    if budget is not None:
        used = used_share(best.predicted_ms, latency_ms=budget * (1 - margin))
        limit = f", {used:.0%} of the budget of {budget:.3f} {unit} less a margin of {margin:.0%}"
    say(
        f"scale: {change} to {network.macs / 1e6:.2f} M MACs at {network.resolution} px; "
        f"{best.predicted_ms:.3f} {unit} {how}{limit}"
    )


def _record(
    selection: Selection,
    members: Sequence[Candidate],
    winner: Winner,
    budget: float | None,
    table: LatencyTable,
) -> dict[str, Any]:
    best = selection.best

    def entry(each: Candidate) -> dict[str, Any]:
        return {
            "phi": each.phi,
            "predicted_ms": each.predicted_ms,
            "estimated": table.is_estimate(each.network),
            "network": each.network.to_dict(),
        }

    return {
        **entry(best),
        "latency_ms": budget,
        "code": str(winner.architecture) if best.network == winner.network else None,
        "growth": dict(selection.growth),
        "tried": [{"phi": each.phi, "predicted_ms": each.predicted_ms} for each in selection.tried],
        "fallbacks": [entry(each) for each in selection.fallbacks],
        "family": [entry(each) for each in members],
        "scores": [{"network": name, "accuracy": value} for name, value in selection.scores],
    }


def read_candidates(context: Context) -> tuple[tuple[Candidate, str | None], ...]:
    """Reads the scaled network and its fallbacks, in the order in which they are taken.

    Each comes with its architecture's code, if scaling left the winner of the search unchanged.
    """
    path = context.path("scale", "scale.json")
    value = read_json(path)
    with fields_of(path, remedy="scale again: nas scale"):
        code = value["code"] if value["phi"] == 0 else None
        items = [value, *value.get("fallbacks", ())]
        return tuple(
            (
                Candidate(NetworkSpec.from_dict(each["network"]), each["phi"], each["predicted_ms"]),
                None if number else code,
            )
            for number, each in enumerate(items)
        )


def read_family(context: Context) -> tuple[NetworkSpec, ...]:
    """Reads the members of the family, φ = 0 first; there are none unless ``scale.family`` is set."""
    path = context.path("scale", "scale.json")
    value = read_json(path)
    with fields_of(path, remedy="scale again: nas scale"):
        return tuple(NetworkSpec.from_dict(each["network"]) for each in value.get("family", ()))
