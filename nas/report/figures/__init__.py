"""The pictures of a run, drawn with matplotlib, one per file."""

from __future__ import annotations

from nas.report.figures.comparison import draw_comparison
from nas.report.figures.hypervolume import draw_hypervolume
from nas.report.figures.latency import draw_latency
from nas.report.figures.pareto import draw_pareto
from nas.report.figures.time import draw_time
from nas.report.figures.training import draw_training
from nas.report.figures.trust import draw_trust

__all__ = [
    "draw_comparison",
    "draw_hypervolume",
    "draw_latency",
    "draw_pareto",
    "draw_time",
    "draw_training",
    "draw_trust",
]
