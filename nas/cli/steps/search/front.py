"""Prints the front of a search whose accuracies are predicted."""

from __future__ import annotations

from collections.abc import Sequence

from nas.cli.screen import CONSOLE, say
from nas.report.grid import print_grid
from nas.search import Objective, SearchResult
from nas.search.goals.objectives import Forecast
from nas.search.results.winners import ACCURACIES, is_latency
from nas.search.trials.evaluation import Evaluation

_MOST = 16


def print_front(result: SearchResult) -> None:
    """Prints the Pareto front, at most 16 networks of it, and how good the predictions are."""
    forecast = result.goals.forecast
    assert forecast is not None
    heads = [*(_head(objective) for objective in result.goals.objectives), "accuracy", "network"]
    rows = []
    for evaluation in shown(result):
        values = zip(result.goals.objectives, evaluation.outcome.values, strict=True)
        kind = "extrapolated" if evaluation.outcome.extrapolated else "predicted"
        mark = " (winner)" if evaluation is result.winner else ""
        rows.append((*(_cell(*each) for each in values), kind, f"{evaluation.candidate.code}{mark}"))
    print_grid([(head, "") for head in heads], rows, CONSOLE, name=len(heads) - 1)
    say(f"search: {about(forecast)}")
    if any(evaluation.outcome.extrapolated for evaluation in result.front):
        say(
            "search: extrapolated: at another resolution, larger or smaller than every published network, or "
            "unlike them; the error above does not hold there"
        )


def about(forecast: Forecast) -> str:
    """States what is predicted, and how well."""
    return (
        f"{forecast.about} ({forecast.labels}); error on networks not seen {100 * forecast.error:.2f} points "
        f"on average, rank correlation {forecast.kendall_tau:.3f} (Kendall)"
    )


def shown(result: SearchResult) -> list[Evaluation]:
    """Returns some networks of the front, spread over it, among them the winner."""
    front = list(result.front)
    step = max(1.0, (len(front) - 1) / (_MOST - 1))
    positions = {round(i * step) for i in range(min(_MOST, len(front)))}
    chosen = [each for i, each in enumerate(front) if i in positions or each is result.winner]
    return _with_winner(chosen, result)


def _with_winner(chosen: Sequence[Evaluation], result: SearchResult) -> list[Evaluation]:
    if any(each is result.winner for each in chosen):
        return list(chosen)
    key = result.goals.losses([each.outcome.values for each in (*chosen, result.winner)])[:, 0]
    return [each for _, each in sorted(zip(key, (*chosen, result.winner), strict=True), key=lambda p: p[0])]


def _head(objective: Objective) -> str:
    if objective.name in ACCURACIES:
        return "top-1, %"
    return (
        f"{objective.name.removesuffix('_ms')}, {objective.unit}" if is_latency(objective) else objective.name
    )


def _cell(objective: Objective, value: float) -> str:
    if objective.name in ACCURACIES:
        return f"{100 * value:.2f}"
    return f"{value:.3f}" if is_latency(objective) else f"{value:.4g}"
