"""The losses of the supernet's training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from nas.report.figures.style import BLUE, GREY, ORANGE, SKY, new_figure, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_COLOURS = {"largest": BLUE, "smallest": SKY, "random": ORANGE}


@styled
def draw_training(history: Sequence[Mapping[str, str]]) -> Figure:
    """Draws every ``loss…`` column against the epoch.

    Args:
        history: The rows of ``history.csv``.
    """
    figure, axes = new_figure(height=3.4)
    columns = [name for name in history[0] if name.startswith("loss")]
    ends = []
    for name in columns:
        label = name.removeprefix("loss_").replace("_", " ")
        points = [(float(row["epoch"]), float(row[name])) for row in history if row[name]]
        colour = _COLOURS.get(label, GREY)
        axes.plot(
            *zip(*points, strict=True), color=colour, linewidth=1.8, marker="o" if len(points) < 4 else None
        )
        ends.append((points[-1][1], points[-1][0], label, colour))
    for y, (_, x, label, colour) in zip(
        spread(axes, [end[0] for end in sorted(ends)]), sorted(ends), strict=True
    ):
        axes.annotate(
            label, (x, y), (6, 0), textcoords="offset points", color=colour, va="center", fontsize=9
        )
    axes.set_xlabel("epoch")
    axes.set_ylabel("training loss")
    axes.margins(x=0.01)
    return figure


def spread(axes: Axes, values: Sequence[float], *, gap: float = 0.06) -> list[float]:
    """Returns heights for labels at increasing ``values``, spaced so that they do not touch."""
    low, high = axes.get_ylim()
    result: list[float] = []
    for value in values:
        result.append(max(value, result[-1] + gap * (high - low)) if result else value)
    return result
