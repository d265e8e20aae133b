"""Pictures and texts for trackers that take files only."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

from nas.tracking.base import Table

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def scatter(table: Table) -> Figure:
    """Draws the points of a table."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.subplots()
    axes.plot(*table.points(), "o")
    axes.set(xlabel=table.x, ylabel=table.y, title=table.name)
    axes.grid(alpha=0.3)
    return figure


def as_csv(table: Table) -> str:
    """Writes a table as CSV."""
    stream = io.StringIO()
    csv.writer(stream, lineterminator="\n").writerows([table.columns, *table.rows])
    return stream.getvalue()
