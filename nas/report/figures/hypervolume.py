"""Hypervolume against evaluations of the search and of random search."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from nas.report.figures.style import BLUE, GREY, new_figure, styled
from nas.report.files import Search

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@styled
def draw_hypervolume(search: Search) -> Figure:
    """Draws the curve of the search and of its control, if there is one."""
    figure, axes = new_figure(height=3.2)
    curves = [("search", search.hypervolume, BLUE, "-"), ("random search", search.random, GREY, (0, (4, 2)))]
    ends = sorted((curve[-1], name, colour, len(curve)) for name, curve, colour, _ in curves if curve)
    for _, curve, colour, style in curves:
        axes.plot(range(1, len(curve) + 1), curve, color=colour, linestyle=style, linewidth=1.8)
    for number, (value, name, colour, length) in enumerate(ends):
        side = 0 if len(ends) == 1 else 6 if number else -6  # moves two labels apart
        axes.annotate(
            name,
            (length, value),
            (6, side),
            textcoords="offset points",
            color=colour,
            va="center",
            fontsize=9,
        )
    axes.set_xlabel("evaluations")
    factors = ["accuracy", search.cost[1] or search.cost[0]]
    if len(search.reference) > 2:
        factors = list(search.reference)
    axes.set_ylabel(textwrap.fill(f"hypervolume ({' × '.join(factors)})", 32))
    axes.margins(x=0)
    axes.set_ylim(bottom=0)
    return figure
