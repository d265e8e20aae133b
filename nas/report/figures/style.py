"""The style of picture files: colours, axes, label placement, and output as SVG or PNG."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec

import numpy as np

from nas.files import atomic

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.transforms import Bbox

INK = "#1b1d21"
"""The colour of text and axes."""

# Okabe and Ito 2008: distinguishable for colour-blind readers; the blue is lighter, to be legible on black
# too.
ORANGE, SKY, GREEN, BLUE, RED, PINK = "#e69f00", "#56b4e9", "#009e73", "#1f80c4", "#d55e00", "#cc79a7"
GREY = "#8a8f98"

ROLE_COLOURS = {
    "winner": RED,
    "control": PINK,
    "family": ORANGE,
    "largest": BLUE,
    "smallest": SKY,
    "baseline": GREEN,
}
ROLE_MARKERS = {
    "winner": "*",
    "control": "P",
    "family": "o",
    "largest": "^",
    "smallest": "v",
    "baseline": "s",
}

_SETTINGS: dict[str, Any] = {
    "font.family": "sans-serif",
    "font.size": 10,
    "text.color": INK,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "legend.frameon": False,
    "svg.fonttype": "none",  # text stays text: it can be searched
}


def _settings(name: str = "") -> Any:
    """Returns matplotlib's settings; ``name`` makes the ids in an SVG reproducible."""
    return {**_SETTINGS, "svg.hashsalt": name or None}


Parameters = ParamSpec("Parameters")


def styled(draw: Callable[Parameters, Figure]) -> Callable[Parameters, Figure]:
    """Decorator that applies the common style to a function that draws a figure."""

    @functools.wraps(draw)
    def drawn(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Figure:
        import matplotlib

        with matplotlib.rc_context(_settings()):
            return draw(*args, **kwargs)

    return drawn


def new_figure(width: float = 7.2, height: float = 4.2) -> tuple[Figure, Axes]:
    """Makes a figure with one pair of axes and a faint grid; sizes in inches."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.grid(color=INK, alpha=0.12, linewidth=0.8)
    axes.tick_params(length=0)
    return figure, axes


def _lay_out(figure: Figure) -> None:
    """Lays out a figure for good; ``savefig`` would draw it a second time for that."""
    if (engine := figure.get_layout_engine()) is not None:
        engine.execute(figure)
        figure.set_layout_engine(None)


def save(figure: Figure, path: Path) -> None:
    """Writes a stand-alone picture on white, as PNG or SVG according to the suffix of ``path``."""
    import matplotlib

    with matplotlib.rc_context(_settings(path.stem)), atomic(path) as temporary:
        _lay_out(figure)
        metadata = {"Date": None} if path.suffix == ".svg" else {"Software": None}
        figure.savefig(temporary, dpi=160, facecolor="white", metadata=metadata)


def error_bar(value: float, low: float, high: float) -> tuple[float, float]:
    """Returns the distances from a value down and up to its interval's ends.

    They are never negative, which matplotlib rejects: rounding can put a value, such as a mean of equal
    numbers, just outside its interval.
    """
    return max(value - low, 0.0), max(high - value, 0.0)


def between(corners: Sequence[tuple[float, float]], *, count: int = 24) -> list[tuple[float, float]]:
    """Returns points along a line through ``corners``, with ``count`` intervals per segment."""
    return [
        (x + part / count * (next_x - x), y + part / count * (next_y - y))
        for (x, y), (next_x, next_y) in pairwise(corners)
        for part in range(count + 1)
    ]


_SIDES = ((9, 0), (-9, 0), (0, 9), (0, -9), (7, 7), (-7, 7), (7, -7), (-7, -7))
_PLACES = (*_SIDES, *((2 * dx, 2 * dy) for dx, dy in _SIDES))
_ALIGNED = {-1: ("right", "top"), 0: ("center", "center"), 1: ("left", "bottom")}


def label_points(
    axes: Axes, labels: Sequence[tuple[float, float, str, str]], *, avoid: Iterable[tuple[float, float]] = ()
) -> None:
    """Writes a label beside each point so that it overlaps no other label and covers as little as possible.

    Args:
        axes: The axes, with their final limits.
        labels: x, y, text and colour of each label.
        avoid: Points along lines that should stay visible.
    """
    figure = axes.get_figure(root=True)
    assert figure is not None
    figure.draw_without_rendering()
    dpi = figure.dpi
    points = axes.transData.transform([(x, y) for x, y, *_ in labels])
    lines = axes.transData.transform([*avoid] or np.empty((0, 2)))
    inside = axes.get_window_extent()
    taken: list[Bbox] = []
    for (x, y, text, colour), own in zip(labels, points, strict=True):
        note = axes.annotate(text, (x, y), (0, 0), textcoords="offset points", color=colour, fontsize=9)
        size = note.get_window_extent().size
        boxes = [_box_at(own, place, size=size, pixels=dpi / 72) for place in _PLACES]
        costs = [
            100 * sum(box.overlaps(other) for other in taken)
            + 100 * (box.x0 < inside.x0 or box.x1 > inside.x1 or box.y0 < inside.y0 or box.y1 > inside.y1)
            + 20 * _count_inside(box, points)
            + 15 * (min(_distance(box, point) for point in points) < _distance(box, own))
            + _count_inside(box, lines)
            + (3 if number >= len(_SIDES) else 0)  # distant labels are harder to read
            for number, box in enumerate(boxes)
        ]
        best = costs.index(min(costs))
        note.set_position(_PLACES[best])
        across, up = _alignment(_PLACES[best])
        note.set(ha=across, va=up)
        taken.append(boxes[best])


def _alignment(place: tuple[int, int]) -> tuple[str, str]:
    across, up = (_ALIGNED[(d > 0) - (d < 0)][i] for i, d in enumerate(place))
    return across, up


_SHARE_BELOW = {"right": 1.0, "top": 1.0, "center": 0.5, "left": 0.0, "bottom": 0.0}
"""Share of a label's width or height on the left of, or below, the point that it is aligned at."""


def _box_at(point: Sequence[float], place: tuple[int, int], *, size: Sequence[float], pixels: float) -> Bbox:
    """Returns the padded box of a label beside a point, in pixels; cheaper than drawing it there."""
    from matplotlib.transforms import Bbox

    x0, y0 = (
        middle + offset * pixels - extent * _SHARE_BELOW[side]
        for middle, offset, extent, side in zip(point, place, size, _alignment(place), strict=True)
    )
    return Bbox.from_bounds(x0, y0, *size).padded(3)


def _count_inside(box: Bbox, points: np.ndarray) -> int:
    return int(((points >= box.min) & (points <= box.max)).all(axis=1).sum())


def _distance(box: Bbox, point: Sequence[float]) -> float:
    """Returns the distance from the middle of a label's nearer end to a point, in pixels."""
    x, y = point
    return math.hypot(max(box.x0 - x, x - box.x1, 0), (box.y0 + box.y1) / 2 - y)
