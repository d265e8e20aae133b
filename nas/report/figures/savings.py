"""Multiply-accumulates of an ordinary convolution and of its cheaper forms."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from nas.report.figures.style import BLUE, GREY, INK, ORANGE, new_figure, save, styled
from nas.report.savings import Form, forms

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@styled
def draw_savings(found: tuple[Form, ...], *, title: str) -> Figure:
    """Draws one bar per form; the first is the ordinary convolution, the baseline."""
    figure, axes = new_figure(7.2, 0.9 + 0.5 * len(found))
    names = [form.name for form in found]
    macs = [form.macs / 1e6 for form in found]
    colours = [GREY, *(BLUE if value < macs[0] else ORANGE for value in macs[1:])]
    axes.barh(names, macs, color=colours, height=0.6)
    axes.invert_yaxis()
    axes.grid(visible=False, axis="y")
    for y, form in enumerate(found):
        factor = found[0].macs / form.macs
        difference = (
            "" if y == 0 else f", {factor:.1f}× fewer" if factor >= 1 else f", {1 / factor:.1f}× more"
        )
        text = f"{form.macs / 1e6:,.2f} M{difference}; {form.weights:,} weights"
        axes.annotate(
            text, (macs[y], y), (5, 0), textcoords="offset points", va="center", fontsize=9, color=INK
        )
    axes.set_xlim(0, 2.1 * max(macs))
    axes.set_xlabel("multiply-accumulates (millions)")
    axes.set_title(title, fontsize=10, loc="left")
    return figure


def write_savings(
    path: Path, *, kernel: int, in_channels: int, out_channels: int, height: int, width: int
) -> Path:
    """Writes the picture of the savings, as SVG or PNG according to the suffix of ``path``."""
    variants = forms(
        kernel=kernel, in_channels=in_channels, out_channels=out_channels, height=height, width=width
    )
    title = f"{kernel}×{kernel}, {in_channels} → {out_channels} channels, {height}×{width} pixels"
    save(draw_savings(variants, title=title), path)
    return path
