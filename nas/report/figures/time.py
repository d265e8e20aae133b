"""A network's predicted time by block."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nas.latency import LatencyTable
from nas.network import NetworkSpec
from nas.report.drawing.kinds import GREY_LIGHT, LIGHT, Kinds
from nas.report.figures.style import new_figure, styled

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@styled
def draw_time(network: NetworkSpec, table: LatencyTable) -> Figure:
    """Draws one bar per block, in ms, in the order of execution; the table must have every block."""
    placed = network.placed_blocks
    total = table.predict(network)
    parts = table.model.parts(network.blocks)
    assert parts is not None, "a table of whole networks has no latencies of blocks"
    figure, axes = new_figure(7.2, 0.24 * len(placed) + 1.2)
    classes = Kinds.of(network.blocks).classes
    shades = {"kp": GREY_LIGHT, **{f"k{number}": colour for number, colour in enumerate(LIGHT)}}
    bars = [
        (str(place), part, shades[classes[block.KIND]])
        for (place, block), part in zip(placed, parts, strict=True)
    ]
    bars.append(("once per network", total - sum(parts), GREY_LIGHT))
    names, values, colours = zip(*bars, strict=True)
    axes.barh(range(len(bars)), values, color=colours, height=0.72)
    for y, value in enumerate(values):
        axes.annotate(
            f"{value / total:.0%}",
            (max(value, 0), y),
            (4, 0),
            textcoords="offset points",
            va="center",
            fontsize=8.5,
        )
    axes.set_yticks(range(len(bars)), names, fontsize=9)
    axes.invert_yaxis()
    axes.grid(visible=False, axis="y")
    axes.set_xlabel(
        f"{'estimated' if table.is_estimate(network) else 'predicted'} time ({table.device.latency_unit})"
    )
    axes.margins(x=0.1, y=0.02)
    return figure
