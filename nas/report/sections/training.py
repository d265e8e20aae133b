"""Training curves: of the supernet, and of the networks that were trained to completion."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from nas.errors import UserError
from nas.files import read_csv
from nas.report import html
from nas.report.files import HISTORY
from nas.report.page.charts import Chart, Line
from nas.report.sections.base import Run
from nas.report.sections.result import LOOKS

if TYPE_CHECKING:
    from markupsafe import Markup

History = Sequence[Mapping[str, str]]
_COLOURS = {"largest": "k0", "smallest": "k4", "random": "k1"}


def supernet(run: Run) -> list[Markup]:
    """Shows the supernet's training losses, and those of the final trainings."""
    history = read_csv(run.folder / HISTORY, remedy="train again: nas train")
    if not history:
        return [html.paragraph("It was taken over as others had trained it, without an epoch in this run.")]
    caption = f"Training losses over {len(history)} epochs of the recipe's subnets."
    charts = [html.chart(losses(history, title="Training losses of the supernet"), caption)]
    return [html.beside([*charts, *_final(run)])]


def losses(history: History, *, title: str) -> Chart:
    """Returns the chart of every ``loss…`` column against the epoch.

    Raises:
        UserError: If a value is not a number, or the epochs are missing.
    """
    columns = [name for name in history[0] if name.startswith("loss")]
    lines = []
    for name in columns:
        label = name.removeprefix("loss").strip("_").replace("_", " ") or "loss"
        lines.append(_line(history, name, label, _COLOURS.get(label, "kp")))
    return Chart(title=title, x="epoch", y="training loss", layers=lines, height=300)


def _line(history: History, column: str, label: str, colour: str) -> Line:
    try:
        points = [(float(row["epoch"]), float(row[column])) for row in history if row.get(column)]
    except (LookupError, TypeError, ValueError):
        raise UserError(
            f"the training history has no epochs, or something else than numbers in {column!r}"
        ) from None
    return Line(name=label, x=[x for x, _ in points], y=[y for _, y in points], colour=colour)


def _final(run: Run) -> list[Markup]:
    """Returns the chart of the final trainings' losses, as far as there are records of them."""
    lines = []
    for row in run.rows:
        path = Path("final") / f"{row.name.replace(' ×', '_x').replace(' ', '_')}.csv"
        shown = row.role != "baseline" or row.best
        history = read_csv(run.folder / path) if shown and run.has(path) else []
        if history and "loss" in history[0]:
            lines.append(_line(history, "loss", row.name, LOOKS[row.role][0]))
    if not lines:
        return []
    chart = Chart(
        title="Training losses of the final networks", x="epoch", y="training loss", layers=lines, height=300
    )
    return [html.chart(chart, "The networks of the final comparison, trained alike.")]
