"""Test accuracy against measured latency of the trained networks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from nas.hardware import latency_unit
from nas.report.figures.style import (
    GREEN,
    ROLE_COLOURS,
    ROLE_MARKERS,
    between,
    error_bar,
    label_points,
    new_figure,
    styled,
)
from nas.report.results import Row

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@styled
def draw_comparison(rows: Sequence[Row]) -> Figure:
    """Draws the networks with measured latency; bars are the 95 % intervals of accuracy and latency."""
    figure, axes = new_figure()
    measured = [row for row in rows if row.latency_ms is not None]
    lines = _lines(measured)
    for line in lines:
        axes.plot(*zip(*line, strict=True), color=GREEN, linewidth=1, alpha=0.5)
    for row in measured:
        _draw(axes, row)
    unit = latency_unit(measured[0].measured_batch) if measured else "ms"
    axes.set_xlabel(f"measured latency of the exported file ({unit})")
    axes.set_ylabel("test accuracy (%)")
    axes.margins(0.14)
    last = max((point for line in lines for point in line), default=None)
    labels = [
        (*_point(row), _name(row, whole=_point(row) == last), ROLE_COLOURS[row.role]) for row in measured
    ]
    bars = [point for row in measured for point in _bars(row)]
    label_points(axes, labels, avoid=[*bars, *(point for line in lines for point in between(line))])
    return figure


def _lines(rows: Sequence[Row]) -> list[list[tuple[float, float]]]:
    """Returns the baselines' points, a line for each resolution."""
    baselines = [row for row in rows if row.role == "baseline"]
    resolutions = sorted({row.network.resolution for row in baselines})
    return [
        sorted(_point(row) for row in baselines if row.network.resolution == resolution)
        for resolution in resolutions
    ]


def _point(row: Row) -> tuple[float, float]:
    assert row.latency_ms is not None
    return row.latency_ms.value, 100 * row.test_accuracy


def _name(row: Row, *, whole: bool) -> str:
    """Returns a label; baselines have their full name once, at the slowest, others width and resolution."""
    return row.name if whole or row.role != "baseline" else row.name.split(" ", 1)[-1]


def _bars(row: Row) -> list[tuple[float, float]]:
    """Returns points along a network's bars."""
    assert row.latency_ms is not None
    (x, y), spread, (low, high) = _point(row), row.latency_ms, row.test_interval
    return [*between([(x, 100 * low), (x, 100 * high)]), *between([(spread.low, y), (spread.high, y)])]


def _draw(axes: Axes, row: Row) -> None:
    assert row.latency_ms is not None
    x, y = _point(row)
    low, high = (100 * end for end in row.test_interval)
    colour = ROLE_COLOURS[row.role]
    across = [[end] for end in error_bar(x, row.latency_ms.low, row.latency_ms.high)]
    upwards = [[end] for end in error_bar(y, low, high)]
    axes.errorbar(x, y, xerr=across, yerr=upwards, color=colour, linewidth=1, alpha=0.55)
    size = 210 if row.role == "winner" else 55
    axes.scatter(x, y, s=size, marker=ROLE_MARKERS[row.role], color=colour, edgecolors="white", zorder=3)
