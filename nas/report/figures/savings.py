"""Multiply-accumulates of an ordinary convolution and of the forms that replace it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nas.report.figures.style import BLUE, GREY, INK, ORANGE, new_figure, styled
from nas.report.savings import Form

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@styled
def draw_savings(forms: tuple[Form, ...], *, title: str) -> Figure:
    """Draws one bar a form; the first is the ordinary convolution that the others are compared with."""
    figure, axes = new_figure(7.2, 0.9 + 0.5 * len(forms))
    names = [form.name for form in forms]
    macs = [form.macs / 1e6 for form in forms]
    colours = [GREY, *(BLUE if value < macs[0] else ORANGE for value in macs[1:])]
    axes.barh(names, macs, color=colours, height=0.6)
    axes.invert_yaxis()
    axes.grid(visible=False, axis="y")
    for y, form in enumerate(forms):
        factor = forms[0].macs / form.macs
        compared = "" if y == 0 else f", {factor:.1f}× fewer" if factor >= 1 else f", {1 / factor:.1f}× more"
        text = f"{form.macs / 1e6:,.2f} M{compared}; {form.weights:,} weights"
        axes.annotate(
            text, (macs[y], y), (5, 0), textcoords="offset points", va="center", fontsize=9, color=INK
        )
    axes.set_xlim(0, 2.1 * max(macs))
    axes.set_xlabel("multiply-accumulates (millions)")
    axes.set_title(title, fontsize=10, loc="left")
    return figure
