"""The search: all candidates in one plane, the front, the hypervolume and the choices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from nas.files import read_json
from nas.hardware import latency_unit
from nas.report import html
from nas.report.files import WINNER, Search, read_search
from nas.report.page.candidates import candidates_data
from nas.report.page.charts import Chart, Line, Points, layer_dict
from nas.report.page.template import render
from nas.report.results import Row
from nas.report.sections.base import Run
from nas.report.sections.result import LOOKS
from nas.report.sections.search_words import details, found, hypervolume
from nas.report.table import shown_share, title

if TYPE_CHECKING:
    from markupsafe import Markup

ESTIMATES = " Latencies are estimated by the device's roofline, not measured."
CANDIDATES = "candidates"
"""The name of the search's data in the page."""


def search(run: Run) -> list[Markup]:
    """Shows the candidates of the search."""
    results = read_search(run.folder)
    unit = results.cost[1]
    data = candidates_data(run.folder, results, run.drawings)
    trained = _trained(run, results)
    run.data[CANDIDATES] = {
        **data,
        "trained": [layer_dict(layer) for layer in trained],
        "chart": _plane(results, data["label"], trained).to_dict(),
    }
    note = ESTIMATES if unit and any(results.estimated) else ""
    body = render(
        "plane.html",
        found=f"{found(results, unit)}{note}",
        data=data,
        trained=bool(trained),
        axes=bool(data["axes"]),
        chosen_by_all=bool(read_json(run.folder / WINNER).get("posterior")),
        smooth=any(each is not None for each in data["posterior"]),
        notes=_notes(data, results),
    )
    return [html.marked(body), *_hypervolume(results, unit, note), *details(run.folder / WINNER.parent)]


def _plane(results: Search, label: str, trained: list[Points]) -> Chart:
    cost, _ = results.cost
    log = wide([each[1] for each in (*results.trials, *results.front)], trained)
    return Chart(title=f"Accuracy against {cost}", x=label, y=results.accuracy, x_log=log, height=460)


_WIDE = 5.0


def wide(costs: Sequence[float], trained: Sequence[Points] = ()) -> bool:
    """Whether costs spread so much that only a logarithmic axis shows them all."""
    values = [*costs, *(x for layer in trained for x in layer.x)]
    return bool(values) and min(values) > 0 and max(values) / min(values) > _WIDE


def _notes(data: dict[str, object], results: Search) -> list[str]:
    """Says what the plane leaves out, and which marks are not comparable."""
    notes = []
    shown, total = len(data["code"]), data["found"]  # type: ignore[arg-type]
    if shown != total:
        notes.append(f"{shown} of {total} candidates are shown: the whole front, and every n-th other.")
    if failed := data["failed"]:
        notes.append(f"{failed} evaluations failed and have no place here.")
    if not data["groups"]:
        notes.append("The search space is not here as it was, so only the winner can be drawn.")
    if results.extrapolated:
        notes.append("Accuracies outside the predictor's data are extrapolated.")
    return notes


def _trained(run: Run, results: Search) -> list[Points]:
    """Returns the networks after training, with test accuracies, where the plane's cost is a latency."""
    if not results.cost[1]:
        return []
    rows = [row for row in run.rows if row.predicted_ms is not None]
    if any(latency_unit(row.predicted_batch) != results.cost[1] for row in rows):
        return []
    return [_layer(role, own) for role in LOOKS if (own := [row for row in rows if row.role == role])]


def _layer(role: str, rows: list[Row]) -> Points:
    colour, marker = LOOKS[role]
    return Points(
        name=f"trained {role}",
        x=[row.predicted_ms or 0.0 for row in rows],
        y=[100 * row.test_accuracy for row in rows],
        colour=colour,
        marker=marker,
        size=18 if role == "winner" else 10,
        hollow=True,
        tips=[
            f"{title(row)}, trained to completion\n{shown_share(row.test_correct, row.test_total)} % on test "
            f"images\n{row.predicted_ms:.4g} {latency_unit(row.predicted_batch)}, predicted"
            for row in rows
        ],
    )


def _hypervolume(results: Search, unit: str, note: str) -> list[Markup]:
    curves = [
        Line(name=name, x=range(1, len(curve) + 1), y=curve, colour=colour, dash=dash)
        for name, curve, colour, dash in (
            ("random search", results.random, "kp", True),
            ("search", results.hypervolume, "k0", False),
        )
        if curve
    ]
    factors = ["accuracy", unit or results.cost[0]]
    if len(results.reference) > 2:
        factors = list(results.reference)
    chart = Chart(
        title="Hypervolume against evaluations",
        x="evaluations",
        y=f"hypervolume ({' × '.join(factors)})",
        layers=curves,
        y_zero=True,
        height=300,
    )
    text = hypervolume(results, unit)
    return [html.heading("Is it better than chance?", level=3), html.chart(chart, f"{text}{note}")]
