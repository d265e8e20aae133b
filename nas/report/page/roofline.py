"""The chart of a network's operations under the roofline of a device (Williams et al. 2009)."""

from __future__ import annotations

from nas.report.cost import NetworkCost, OpCost
from nas.report.page.charts import Chart, Line, Points

_BOUNDS = {True: ("memory-bound", "k1", "circle"), False: ("compute-bound", "k0", "square")}


def roofline(cost: NetworkCost) -> Chart:
    """Returns each operation's highest possible rate; those without FLOPs, such as a ReLU, are left out."""
    assert cost.ridge is not None and cost.estimated_ms, "a roofline needs the device's peaks"
    peak = dict(cost.device.peak_flops)[cost.device.precision] / 1e9
    counted = [op for op in cost.ops if op.flops]
    known = [op.intensity for op in counted]
    corners = [min([*known, cost.ridge]) / 2, cost.ridge, max([*known, cost.ridge]) * 2]
    roof = Line(name="roofline", x=corners, y=[peak * min(1, x / cost.ridge) for x in corners], colour="ink")
    marks = [
        _points([op for op in counted if op.memory_bound is bound], cost, peak, bound) for bound in _BOUNDS
    ]
    return Chart(
        title=f"Roofline of {cost.device.name}",
        x="arithmetic intensity (FLOP per byte)",
        y=f"estimated GFLOP/s, {cost.device.precision}",
        x_log=True,
        y_log=True,
        layers=[roof, *marks],
    )


def _points(ops: list[OpCost], cost: NetworkCost, peak: float, bound: bool) -> Points:
    assert cost.ridge is not None and cost.estimated_ms
    name, colour, marker = _BOUNDS[bound]
    shares = [(op.estimated_ms or 0.0) / cost.estimated_ms for op in ops]
    return Points(
        name=name,
        x=[op.intensity for op in ops],
        y=[peak * min(1, op.intensity / cost.ridge) for op in ops],
        colour=colour,
        marker=marker,
        size=[7 + 48 * share**0.5 for share in shares],
        tips=[
            f"{op.op.names}\n{op.intensity:.2f} FLOP per byte\n{100 * share:.1f} % of the estimated time"
            for op, share in zip(ops, shares, strict=True)
        ],
    )
