"""Predicted against measured latency of whole networks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from nas.blocks import parse_key
from nas.latency import LatencyTable
from nas.report.figures.style import BLUE, GREY, INK, ROLE_COLOURS, ROLE_MARKERS, new_figure, styled
from nas.report.results import Row

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Pairs = list[tuple[float, float]]


@styled
def draw_latency(table: LatencyTable, rows: Sequence[Row] = ()) -> Figure:
    """Draws the networks used for the table's fit and error, and the exported ones among ``rows``."""
    figure, axes = new_figure(5.2, 4.8)
    fitted, held_out = whole_networks(table, "correction"), whole_networks(table, "validation")
    if fitted:
        x, y = zip(*fitted, strict=True)
        axes.scatter(x, y, s=22, facecolors="none", edgecolors=GREY, label="fitted on")
    if held_out:
        x, y = zip(*held_out, strict=True)
        axes.scatter(x, y, s=24, color=BLUE, label="held out")
    exported = [row for row in rows if row.latency_ms is not None and row.predicted_ms is not None]
    for role in dict.fromkeys(row.role for row in exported):
        x, y = zip(*(_pair(row) for row in exported if row.role == role), strict=True)
        axes.scatter(
            x,
            y,
            s=70 if role == "winner" else 34,
            marker=ROLE_MARKERS[role],
            color=ROLE_COLOURS[role],
            zorder=3,
            label=f"exported {role}",
        )
    everything = [value for pair in (*fitted, *held_out, *map(_pair, exported)) for value in pair]
    if everything:
        _draw_diagonal(axes, min(everything) * 0.92, max(everything) * 1.08)
    unit = table.device.latency_unit
    axes.set_xlabel(f"{'estimated' if is_estimated(table) else 'predicted'} latency ({unit})")
    axes.set_ylabel(f"measured latency ({unit})")
    axes.legend(loc="upper left", fontsize=9)
    return figure


def _pair(row: Row) -> tuple[float, float]:
    assert row.predicted_ms is not None
    assert row.latency_ms is not None
    return row.predicted_ms, row.latency_ms.value


def is_estimated(table: LatencyTable) -> bool:
    """Returns whether any of the table's costs is an estimate."""
    return any(cost.estimated for cost in table.costs.values())


def whole_networks(table: LatencyTable, role: str) -> Pairs:
    """Returns predicted and measured ms of a role's whole networks, if the table can predict them."""
    records = [record for record in table.probes if record.role == role]
    recorded = [
        (record.predicted_ms, record.mean_ms) for record in records if record.predicted_ms is not None
    ]
    chains = [(tuple(map(parse_key, record.blocks)), record.mean_ms) for record in records if record.blocks]
    predictable = [(blocks, ms) for blocks, ms in chains if not table.model.missing(blocks)]
    return recorded or [(table.predict_blocks(blocks), ms) for blocks, ms in predictable]


def _draw_diagonal(axes: Axes, low: float, high: float) -> None:
    ends = [low, high]
    axes.plot(ends, ends, color=INK, linewidth=1)
    axes.fill_between(
        ends,
        [0.95 * end for end in ends],
        [1.05 * end for end in ends],
        color=INK,
        alpha=0.1,
        linewidth=0,
        label="within ± 5 %",
    )
    axes.set_xlim(low, high)
    axes.set_ylim(low, high)
    axes.set_aspect("equal", adjustable="box")
