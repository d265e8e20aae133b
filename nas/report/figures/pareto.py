"""Accuracy against cost: all networks of a search, the front and the winner."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from nas.report.figures.style import BLUE, GREY, INK, RED, between, label_points, new_figure, styled
from nas.report.files import Point, Search

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@styled
def draw_pareto(search: Search) -> Figure:
    """Draws the plane of the two objectives."""
    figure, axes = new_figure()
    for points, face, marker, name in (
        (search.trials, GREY, "o", "predicted" if search.forecast else "evaluated"),
        (search.outside, "none", "o", "breaks a bound"),
        (search.stopped, "none", "v", "stopped early"),
    ):
        if points:
            x, y = _columns(points)
            axes.scatter(
                x, y, s=18, c=face, marker=marker, edgecolors=GREY, linewidths=0.8, alpha=0.7, label=name
            )
    front = sorted(search.front, key=lambda point: point[1])
    axes.step(*_columns(front), where="post", color=BLUE, linewidth=1.6)
    axes.scatter(*_columns(front), s=26, color=BLUE, zorder=3, label="Pareto front")
    if search.extrapolated:
        x, y = _columns(search.extrapolated)
        axes.scatter(x, y, s=26, c="white", edgecolors=BLUE, zorder=3, label="extrapolated")
    axes.scatter(*_columns([search.winner]), s=190, marker="*", color=RED, edgecolors="white", zorder=4)
    cost_name, unit = search.cost
    axes.set_xlabel(f"{cost_name} ({unit})" if unit else cost_name)
    axes.set_ylabel(search.accuracy)
    if search.bound is not None:
        axes.axvline(search.bound, color=INK, linewidth=1, linestyle=(0, (4, 3)))
        axes.annotate(
            f"budget {search.bound:g} {unit}",
            (search.bound, 0.02),
            xycoords=("data", "axes fraction"),
            xytext=(-4, 0),
            textcoords="offset points",
            rotation=90,
            ha="right",
            va="bottom",
            fontsize=9,
        )
    axes.margins(0.06)
    axes.legend(
        loc="lower left", bbox_to_anchor=(0, 1), ncols=4, fontsize=9, borderaxespad=0, handletextpad=0.2
    )
    accuracy, cost = search.winner
    points = (*search.trials, *search.outside, *search.stopped)
    everything = [(cost, 100 * accuracy) for accuracy, cost in points]
    label_points(axes, [(cost, 100 * accuracy, "winner", RED)], avoid=[*everything, *_steps(front)])
    return figure


def _steps(front: list[Point]) -> list[tuple[float, float]]:
    """Returns points along the front's line."""
    corners = [(cost, 100 * left) for (left, _), (_, cost) in pairwise(front)]
    ends = [(cost, 100 * accuracy) for accuracy, cost in front]
    return between([point for pair in zip(ends, [*corners, ends[-1]], strict=True) for point in pair])


def _columns(points: tuple[Point, ...] | list[Point]) -> tuple[list[float], list[float]]:
    return [cost for _, cost in points], [100 * accuracy for accuracy, _ in points]
