"""Networks as drawings: SVG whose shapes carry channels, resolution and kind of each block."""

from __future__ import annotations

from nas.report.drawing.cells import LEGEND, Cell, Scale, cell_of
from nas.report.drawing.kinds import Kinds
from nas.report.drawing.networks import Drawn, draw

__all__ = ["LEGEND", "Cell", "Drawn", "Kinds", "Scale", "cell_of", "draw"]
