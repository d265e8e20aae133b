"""The result files of a search."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from nas import files
from nas.search.results.finals import Finalist
from nas.search.results.posterior import PosteriorAccuracy
from nas.search.results.results import SearchResult, curve
from nas.search.results.winners import Chosen, remeasured
from nas.search.trials.evaluation import Evaluation
from nas.statistics import Count, wilson


def write_results(
    folder: Path,
    result: SearchResult,
    chosen: Sequence[Chosen],
    importances: Mapping[str, Mapping[str, float]],
) -> None:
    """Writes the results, each file atomically.

    ``trials.csv`` holds every evaluation, ``pareto.json`` the front, ``winner.json`` the winner,
    ``winners.json`` the best network within each budget, ``importance.json`` the importance of each choice.
    """
    files.write_text(folder / "trials.csv", _table(result))
    files.write_json(folder / "pareto.json", _pareto(result))
    files.write_json(folder / "importance.json", importances)
    files.write_json(folder / "winners.json", [_chosen(result, each) for each in chosen[1:]])
    files.write_json(folder / "winner.json", _chosen(result, chosen[0]))


def write_control(folder: Path, result: SearchResult, control: Sequence[Evaluation]) -> None:
    """Writes ``control.json``: the hypervolumes of random search and of the search, and its networks."""
    points = curve(result.goals, control, result.reference)
    value = {
        "sampler": "random",
        "evaluations": len(points),
        "reference": _by_name(result, result.reference),
        "hypervolume": points[-1] if len(points) else 0.0,
        "hypervolume_curve": points.tolist(),
        "networks": [_by_name(result, e.outcome.values) for e in control if e.usable],
        "search_hypervolume": result.hypervolume[-1],
        "search_hypervolume_curve": result.hypervolume.tolist(),
    }
    files.write_json(folder / "control.json", value)


def write_finals(folder: Path, result: SearchResult, held_out: Count | None) -> None:
    """Writes ``finalists.json``, the finals of a search, and their winner as ``winner.json``.

    Args:
        folder: The folder of the search's results.
        result: The result; without finals, the file names no finalists.
        held_out: The winner's accuracy with the supernet's weights on the images of the finals.
    """
    rounds, finalists = (result.finals.rounds, result.finals.finalists) if result.finals else ((), ())
    value = {
        "objective": remeasured(result.goals),
        "rounds": [{"networks": each.networks, "epochs": each.epochs} for each in rounds],
        "networks": [_finalist(result, each) for each in finalists],
    }
    files.write_json(folder / "finalists.json", value)
    files.write_json(folder / "winner.json", _chosen(result, Chosen(None, result.choice, held_out)))


def _finalist(result: SearchResult, finalist: Finalist) -> dict[str, Any]:
    """Returns a finalist's record; ``behind`` is the difference to the best and its deviation."""
    name, evaluation = remeasured(result.goals), finalist.evaluation
    return {
        "number": evaluation.number,
        "code": evaluation.candidate.code,
        "values": _by_name(result, evaluation.outcome.values),
        "posterior": _posterior(result, result.posteriors.get(evaluation.candidate)),
        "rounds": [_count(each, name) for each in finalist.rounds],
        "behind": finalist.behind,
        "equal": finalist.is_equal,
    }


def _final(result: SearchResult) -> dict[str, Any] | None:
    """Returns the record of the finals for the winner; ``None`` if there were none."""
    if result.finals is None:
        return None
    last = result.finals.winner.rounds[-1]
    return {
        "finalists": len(result.finals.finalists),
        "epochs": result.finals.rounds[-1].epochs,
        "equals": result.finals.equals,
        "best": result.finals.winner.is_best,
        "trained": _count(last, remeasured(result.goals)),
    }


def _table(result: SearchResult) -> str:
    names = [each.name for each in result.goals.quantities]
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    head = ["number", "state", "feasible", *names, "code", "origin", "seconds", "reason"]
    writer.writerow([*head, "prediction", "images", "posterior", "deviation"])
    for e in result.evaluations:
        outcome = e.outcome
        values = ["" if math.isnan(value) else repr(value) for value in outcome.quantities]
        row = [e.number, outcome.state.value, outcome.feasible, *values, e.candidate.code, e.origin]
        images = "" if outcome.images is None else outcome.images
        known = [f"{e.seconds:.4f}", outcome.reason, _prediction(result, e), images]
        writer.writerow([*row, *known, *_posterior_cells(result, e)])
    return stream.getvalue()


def _posterior_cells(result: SearchResult, evaluation: Evaluation) -> tuple[str, str]:
    """Returns the posterior accuracy and its standard deviation; empty where there is none."""
    posterior = result.posteriors.get(evaluation.candidate)
    return ("", "") if posterior is None else (repr(float(posterior.value)), repr(float(posterior.deviation)))


def _prediction(result: SearchResult, evaluation: Evaluation) -> str:
    """States how the accuracy is known: empty (by images), predicted or extrapolated."""
    if result.goals.forecast is None:
        return ""
    return "extrapolated" if evaluation.outcome.extrapolated else "predicted"


def _pareto(result: SearchResult) -> dict[str, Any]:
    return {
        **_head(result),
        "evaluations": result.evaluated,
        "reference": _by_name(result, result.reference),
        "hypervolume": result.hypervolume[-1],
        "hypervolume_curve": result.hypervolume.tolist(),
        "front": [_point(result, evaluation) for evaluation in result.front],
    }


def _chosen(result: SearchResult, chosen: Chosen) -> dict[str, Any]:
    """Returns a winner's record; only the budget if no network is within it."""
    value: dict[str, Any] = {**_head(result), "budget_ms": chosen.budget_ms}
    if chosen.choice is None:
        return {**value, "found": False}
    evaluation = chosen.choice.evaluation
    return {
        **value,
        "found": True,
        "best": chosen.choice.best,
        "noise": chosen.choice.noise,
        "equals": chosen.choice.equals,
        **_point(result, evaluation),
        "posterior": _posterior(result, chosen.choice.posterior),
        "held_out": _count(chosen.held_out, remeasured(result.goals)),
        "finals": None if chosen.budget_ms is not None else _final(result),
        "network": evaluation.candidate.network.to_dict(),
    }


def _head(result: SearchResult) -> dict[str, Any]:
    return {
        "space": result.problem.space.name,
        "objectives": [{**each.facts, "unit": each.unit} for each in result.goals.objectives],
        "limits": [{**each.facts, "unit": each.unit} for each in result.goals.limits],
        "forecast": None if result.goals.forecast is None else result.goals.forecast.facts,
    }


def _point(result: SearchResult, evaluation: Evaluation) -> dict[str, Any]:
    candidate, outcome = evaluation.candidate, evaluation.outcome
    named = list(zip(result.goals.quantities, outcome.quantities, strict=True))
    return {
        "number": evaluation.number,
        "code": candidate.code,
        "architecture": candidate.architecture.to_dict(),
        "values": {q.name: float(value) for q, value in named},
        "intervals": {
            q.name: wilson(value * q.images, q.images) for q, value in named if q.images is not None
        },
        "prediction": _prediction(result, evaluation),
        "estimated": {q.name: q.estimated(candidate.network) for q in result.goals.quantities},
    }


def _posterior(result: SearchResult, posterior: PosteriorAccuracy | None) -> dict[str, Any] | None:
    """Returns the record of a posterior accuracy; ``least_difference`` is what the images can resolve."""
    if posterior is None:
        return None
    return {
        "objective": result.goals.objectives[0].name,
        "accuracy": posterior.value,
        "interval": posterior.interval,
        "lower": posterior.lower,
        "images": result.goals.objectives[0].images,
        "evaluations": len(result.posteriors),
        "least_difference": posterior.least_difference,
    }


def _count(count: Count | None, name: str) -> dict[str, Any] | None:
    """Returns the record of an accuracy on held-out images: objective, value and 95 % interval."""
    if count is None:
        return None
    return {
        "objective": name,
        "accuracy": count.value,
        "interval": count.interval(),
        "correct": count.correct,
        "images": count.total,
    }


def _by_name(result: SearchResult, values: Sequence[float]) -> dict[str, float]:
    return {o.name: float(value) for o, value in zip(result.goals.objectives, values, strict=True)}
