"""The pictures of a run as files, drawn with matplotlib, one per file."""

from __future__ import annotations

from nas.report.figures.comparison import draw_comparison
from nas.report.figures.pareto import draw_pareto

__all__ = ["draw_comparison", "draw_pareto"]
