"""Inherited against stand-alone accuracy of the networks of ``nas trust``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, final

from nas.report.figures.style import INK, error_bar, new_figure, styled
from nas.statistics import wilson

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@final
@dataclass(frozen=True, kw_only=True)
class TrustPoint:
    """A network with both accuracies.

    Attributes:
        inherited_correct: Images classified correctly with the supernet's weights.
        alone_correct: Images classified correctly when trained alone.
        images: Number of images.
    """

    inherited_correct: int
    alone_correct: int
    images: int


@final
@dataclass(frozen=True, kw_only=True)
class TrustGroup:
    """Networks with the same marker in the picture.

    Attributes:
        name: Name in the legend.
        colour: Colour of markers and bars.
        marker: Matplotlib's marker.
        points: The networks.
    """

    name: str
    colour: str
    marker: str
    points: Sequence[TrustPoint]


@styled
def draw_trust(groups: Sequence[TrustGroup]) -> Figure:
    """Draws the networks; bars are the 95 % intervals of the accuracies, by the number of images."""
    figure, axes = new_figure(6.2, 5.0)
    _draw_diagonal(axes, [point for group in groups for point in group.points])
    for group in groups:
        _draw(axes, group)
    axes.set_xlabel("accuracy with the supernet's weights (%)")
    axes.set_ylabel("accuracy when trained alone (%)")
    axes.margins(0.06)
    axes.legend(loc="lower right", fontsize=9)
    return figure


def _draw(axes: Axes, group: TrustGroup) -> None:
    x = [100 * point.inherited_correct / point.images for point in group.points]
    y = [100 * point.alone_correct / point.images for point in group.points]
    axes.errorbar(
        x,
        y,
        xerr=_bars([(point.inherited_correct, point.images) for point in group.points]),
        yerr=_bars([(point.alone_correct, point.images) for point in group.points]),
        linestyle="none",
        color=group.colour,
        linewidth=1,
        alpha=0.5,
    )
    axes.scatter(x, y, s=42, marker=group.marker, color=group.colour, edgecolors="white", zorder=3)
    axes.scatter([], [], s=42, marker=group.marker, color=group.colour, label=group.name)


def _bars(counts: Sequence[tuple[int, int]]) -> tuple[list[float], list[float]]:
    """Returns the lengths of the bars below and above the accuracies, in percentage points."""
    bars = [error_bar(correct / total, *wilson(correct, total)) for correct, total in counts]
    return [100 * below for below, _ in bars], [100 * above for _, above in bars]


def _draw_diagonal(axes: Axes, points: Sequence[TrustPoint]) -> None:
    shares = [
        100 * correct / point.images
        for point in points
        for correct in (point.inherited_correct, point.alone_correct)
    ]
    ends = [min(shares), max(shares)]
    axes.plot(ends, ends, color=INK, linewidth=1, linestyle=(0, (4, 3)), label="equal")
