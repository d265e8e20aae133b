"""The fronts of compared searches in one plane; seeds of one experiment as mean and spread."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from nas.arrays import FloatArray
from nas.report import html
from nas.report.compare.runs import Compared, groups_of, name_of
from nas.report.files import Search
from nas.report.page.charts import Chart, Line, Points
from nas.report.sections.search import wide

if TYPE_CHECKING:
    from markupsafe import Markup

_COLOURS = ("k0", "k1", "k2", "k3", "k4", "k5")
_MARKERS = ("circle", "square", "triangle", "diamond", "inverted_triangle", "plus")


def fronts(runs: Sequence[Compared]) -> list[Markup]:
    """Shows the fronts of searches by the same two quantities in one plane."""
    known = [run for run in runs if run.search is not None]
    searches = [run.search for run in known if run.search is not None]
    if not searches:
        return []
    if len({(search.names, search.cost[1]) for search in searches}) > 1:
        text = "The searches had different objectives or batches, so their fronts share no plane."
        return [html.paragraph(text, kind="missing")]
    groups = groups_of(known)
    name, unit = searches[0].cost
    kinds = {search.accuracy for search in searches}
    chart = Chart(
        title="The fronts of the runs",
        x=f"{name} ({unit})" if unit else name,
        y=kinds.pop() if len(kinds) == 1 else "accuracy in the search (%)",
        x_log=wide([cost for search in searches for _, cost in search.front]),
        layers=[layer for number, group in enumerate(groups) for layer in _layers(group, number)],
        height=400,
    )
    caption = (
        "The Pareto front of each search, and its choice. Accuracies are those that each search rated by."
    )
    if any(len(group) > 1 for group in groups):
        caption += (
            " Of several seeds: the mean over seeds of the best accuracy within each cost, one standard "
            "deviation around it, and the choices of all."
        )
    return [html.chart(chart, caption)]


def _layers(group: Sequence[Compared], number: int) -> list[Line | Points]:
    colour, marker = _COLOURS[number % len(_COLOURS)], _MARKERS[number % len(_MARKERS)]
    searches = [run.search for run in group if run.search is not None]
    if len(searches) > 1:
        costs, mean, spread = attained(searches)
        x, above = _stairs(costs, 100 * (mean + spread))
        _, below = _stairs(costs, 100 * (mean - spread))
        layers: list[Line | Points] = [
            Line(name="", x=[*x, *reversed(x)], y=[*above, *reversed(below)], colour=colour, fill=True),
            Line(name=name_of(group), x=costs.tolist(), y=(100 * mean).tolist(), colour=colour, step=True),
        ]
    else:
        layers = _front(group[0], searches[0], colour, marker)
    return [*layers, *(_choice(run, run.search, colour) for run in group if run.search is not None)]


def attained(searches: Sequence[Search]) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Returns what searches attain within each cost.

    Args:
        searches: Searches of one experiment, at least two.

    Returns:
        The costs at which a front changes, from where each search has a network; the mean of the best
        accuracies within each, from 0 to 1; and their standard deviation.
    """
    points = [sorted((cost, accuracy) for accuracy, cost in search.front) for search in searches]
    first = max(front[0][0] for front in points)
    costs = np.array(sorted({cost for front in points for cost, _ in front if cost >= first}))
    best = np.array([[max(a for c, a in front if c <= cost) for cost in costs] for front in points])
    return costs, best.mean(axis=0), best.std(axis=0, ddof=1)


def _stairs(costs: FloatArray, values: FloatArray) -> tuple[list[float], list[float]]:
    """Returns the corners of a staircase that keeps its height until the next cost."""
    x, y = np.repeat(costs, 2)[1:], np.repeat(values, 2)[:-1]
    return x.tolist(), y.tolist()


def _front(run: Compared, search: Search, colour: str, marker: str) -> list[Line | Points]:
    front = sorted((cost, 100 * accuracy) for accuracy, cost in search.front)
    x, y = [cost for cost, _ in front], [accuracy for _, accuracy in front]
    tips = [f"{run.name}\n{b:.1f} % at {a:.4g} {search.cost[1]}".strip() for a, b in front]
    return [
        Line(name="", x=x, y=y, colour=colour, step=True),
        Points(name=run.name, x=x, y=y, colour=colour, marker=marker, tips=tips),
    ]


def _choice(run: Compared, search: Search, colour: str) -> Points:
    accuracy, cost = search.winner
    tip = f"choice of {run.name}\n{100 * accuracy:.1f} % at {cost:.4g} {search.cost[1]}".strip()
    return Points(name="", x=[cost], y=[100 * accuracy], colour=colour, marker="star", size=20, tips=[tip])
