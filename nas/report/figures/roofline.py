"""The roofline of a device with a network's operations (Williams et al. 2009)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nas.report.cost import NetworkCost, OpCost
from nas.report.figures.style import BLUE, INK, ORANGE, new_figure, styled

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MARKERS = {
    "convolution": "s",
    "pointwise convolution": "o",
    "depthwise convolution": "^",
    "matrix product": "D",
    "attention": "P",
    "linear attention": "X",
    "selective scan": "*",
}

_FUSABLE = "attention"
"""The operation whose traffic depends on whether one kernel runs it."""


@styled
def draw_roofline(cost: NetworkCost) -> Figure:
    """Draws each operation's highest possible rate; operations without FLOPs, such as a ReLU, are left out.

    All marks lie on the roof because they are estimates. A mark's size shows its share of the estimated time.
    """
    assert cost.ridge is not None and cost.estimated_ms, "a roofline needs the device's peaks"
    figure, axes = new_figure(7.2, 4.6)
    peak = dict(cost.device.peak_flops)[cost.device.precision]
    counted = [op for op in cost.ops if op.flops]
    low = min([op.materialised_intensity for op in counted] + [cost.ridge]) / 2
    high = max([op.intensity for op in counted] + [cost.ridge]) * 2
    knee = [low, cost.ridge, high]
    axes.plot(knee, [peak * min(1, x / cost.ridge) for x in knee], color=INK, linewidth=1.5)
    for op in counted:
        _mark(axes, op, cost, peak)
        if op.op.name == _FUSABLE:
            _mark_materialised(axes, op, cost, peak)
    axes.axvline(cost.ridge, color=INK, linewidth=0.8, linestyle=(0, (3, 3)), alpha=0.6)
    axes.set(xscale="log", yscale="log", xlim=(low, high))
    axes.set_xlabel("arithmetic intensity (FLOP per byte)")
    axes.set_ylabel(f"estimated FLOP/s on {cost.device.name}, {cost.device.precision}")
    _legend(axes, counted)
    return figure


def _mark(axes: Any, op: OpCost, cost: NetworkCost, peak: float) -> None:
    assert cost.ridge is not None and cost.estimated_ms and op.estimated_ms is not None
    axes.scatter(
        op.intensity,
        peak * min(1, op.intensity / cost.ridge),
        s=14 + 1500 * op.estimated_ms / cost.estimated_ms,
        marker=_MARKERS.get(op.op.name, "v"),
        color=ORANGE if op.memory_bound else BLUE,
        alpha=0.6,
        linewidths=0,
        zorder=3,
    )


def _mark_materialised(axes: Any, op: OpCost, cost: NetworkCost, peak: float) -> None:
    """Draws attention hollow where it lies with its scores in memory."""
    assert cost.ridge is not None
    x = op.materialised_intensity
    axes.scatter(
        x,
        peak * min(1, x / cost.ridge),
        s=60,
        marker=_MARKERS[_FUSABLE],
        facecolors="none",
        edgecolors=INK,
        linewidths=1,
        zorder=4,
    )


def _legend(axes: Any, ops: list[OpCost]) -> None:
    from matplotlib.lines import Line2D

    def handle(marker: str, colour: str, label: str) -> Line2D:
        return Line2D([], [], marker=marker, color=colour, linestyle="none", markersize=7, label=label)

    names = sorted({op.op.name for op in ops})
    shapes = [handle(_MARKERS.get(name, "v"), INK, name) for name in names]
    if _FUSABLE in names:
        hollow = handle(_MARKERS[_FUSABLE], INK, "attention, its scores in memory")
        hollow.set_markerfacecolor("none")
        shapes.append(hollow)
    bounds = [handle("o", ORANGE, "memory-bound"), handle("o", BLUE, "compute-bound")]
    axes.legend(handles=bounds + shapes, loc="lower right", fontsize=9)
