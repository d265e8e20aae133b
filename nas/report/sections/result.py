"""The networks that were trained to completion: table, picture, classes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeVar

from nas.hardware import latency_unit
from nas.report import html
from nas.report.page.charts import Chart, Line, Points
from nas.report.results import Row, read_table
from nas.report.sections.base import Run
from nas.report.sections.classes import classes
from nas.report.shipped import missed
from nas.report.table import cells, footnote, headings, milliseconds, shown_share, title

if TYPE_CHECKING:
    from markupsafe import Markup

Cell = TypeVar("Cell")

LOOKS = {
    "winner": ("mark", "star"),
    "control": ("k3", "plus"),
    "family": ("k1", "circle"),
    "largest": ("k0", "triangle"),
    "smallest": ("k4", "inverted_triangle"),
    "baseline": ("k2", "square"),
}
"""Colour and marker of each role of a trained network."""


def result(run: Run) -> list[Markup]:
    """Shows the final table, and its picture once latencies are measured."""
    rows = read_table(run.folder)
    lines = zip(rows, cells(rows), strict=True)
    table = html.table(
        _early(headings(rows)),
        [
            (row.role if row.role == "winner" else "", _early([html.kept(cell) for cell in line]))
            for row, line in lines
        ],
    )
    parts = [table, html.paragraph(footnote(rows), kind="note"), *classes(rows)]
    if (attempts := missed(run.folder)) is not None:
        parts += [html.heading(attempts.title, level=3), html.table(attempts.headings, _plain(attempts.rows))]
    if not any(row.latency_ms for row in rows):
        text = "The exported files are not measured yet; to measure them, run"
        return [*parts, html.missing(text, run.command("nas export"))]
    caption = (
        "Networks trained in the same way. Bars: 95 % intervals. Lines join baselines of one resolution."
    )
    return [html.chart(comparison(rows), caption), *parts]


def _early(columns: Sequence[Cell]) -> list[Cell]:
    """Puts the latency after name and accuracy: a phone shows three columns."""
    name, accuracy, macs, params, predicted, *measured = columns
    return [name, accuracy, *measured, predicted, macs, params]


def _plain(rows: Sequence[Sequence[str]]) -> list[tuple[str, Sequence[str]]]:
    return [("", row) for row in rows]


def comparison(rows: Sequence[Row]) -> Chart:
    """Returns the chart of test accuracy against measured latency; bars are 95 % intervals."""
    measured = [row for row in rows if row.latency_ms is not None]
    unit = latency_unit(measured[0].measured_batch)
    values = [row.latency_ms.value for row in measured if row.latency_ms is not None]
    return Chart(
        title="Test accuracy against measured latency",
        x_log=min(values) > 0 and max(values) / min(values) > 5,
        x=f"measured latency of the exported file ({unit})",
        y="test accuracy (%)",
        layers=[*_lines(measured), *(_points(role, measured, unit) for role in reversed(LOOKS))],
    )


def _points(role: str, rows: Sequence[Row], unit: str) -> Points:
    own = [row for row in rows if row.role == role]
    spreads = [row.latency_ms for row in own if row.latency_ms is not None]
    colour, marker = LOOKS[role]
    return Points(
        name=role,
        x=[spread.value for spread in spreads],
        y=[100 * row.test_accuracy for row in own],
        colour=colour,
        marker=marker,
        size=20 if role == "winner" else 11,
        tips=[_tip(row, unit) for row in own],
        x_bars=[(spread.low, spread.high) for spread in spreads],
        y_bars=[(100 * low, 100 * high) for low, high in (row.test_interval for row in own)],
    )


def _tip(row: Row, unit: str) -> str:
    assert row.latency_ms is not None
    return (
        f"{title(row)}\n{shown_share(row.test_correct, row.test_total)} % test accuracy\n"
        f"{milliseconds(row.latency_ms.value)} {unit}, measured"
    )


def _lines(rows: Sequence[Row]) -> list[Line]:
    """Returns a line through the baselines of each resolution."""
    baselines = [row for row in rows if row.role == "baseline"]
    lines = []
    for resolution in sorted({row.network.resolution for row in baselines}):
        own = [row for row in baselines if row.network.resolution == resolution]
        points = sorted((row.latency_ms.value, 100 * row.test_accuracy) for row in own if row.latency_ms)
        if len(points) > 1:
            lines.append(Line(name="", x=[x for x, _ in points], y=[y for _, y in points], colour="k2"))
    return lines
