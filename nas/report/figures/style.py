"""What all pictures share: colours, axes, label placement, and how they become SVG or PNG."""

from __future__ import annotations

import functools
import io
import re
from collections.abc import Callable, Iterable, Sequence
from html import escape
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec

from nas.files import atomic

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK = "#1b1d21"
"""Text and axes. Inside a page it becomes the page's own text colour, which suits light and dark."""

# Okabe and Ito 2008: told apart by colour-blind readers, on white and on black.
ORANGE, SKY, GREEN, BLUE, RED, PINK = "#e69f00", "#56b4e9", "#009e73", "#0072b2", "#d55e00", "#cc79a7"
GREY = "#8a8f98"

ROLE_COLOURS = {"winner": RED, "largest": BLUE, "smallest": SKY, "baseline": GREEN}
ROLE_MARKERS = {"winner": "*", "largest": "^", "smallest": "v", "baseline": "s"}

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
    "svg.fonttype": "none",  # text stays text: it can be searched, and takes the page's colour
}


def _settings(name: str = "") -> Any:
    """The settings of matplotlib; ``name`` makes the ids in an SVG repeatable."""
    return {**_SETTINGS, "svg.hashsalt": name or None}


Parameters = ParamSpec("Parameters")


def styled(draw: Callable[Parameters, Figure]) -> Callable[Parameters, Figure]:
    """Decorator of a function that draws a figure: everything in it gets the style of all pictures."""

    @functools.wraps(draw)
    def drawn(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Figure:
        import matplotlib

        with matplotlib.rc_context(_settings()):
            return draw(*args, **kwargs)

    return drawn


def new_figure(width: float = 7.2, height: float = 4.2) -> tuple[Figure, Axes]:
    """A figure of one pair of axes, with a faint grid; sizes in inches."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.grid(color=INK, alpha=0.12, linewidth=0.8)
    axes.tick_params(length=0)
    return figure, axes


def to_svg(figure: Figure, *, name: str, title: str) -> str:
    """The figure as an ``<svg>`` element: no ids that clash, no fixed size, the page's text colour.

    Args:
        figure: The figure.
        name: A word that no other picture of the page has.
        title: What it shows, for those who cannot see it.
    """
    import matplotlib

    stream = io.StringIO()
    with matplotlib.rc_context(_settings(name)):
        figure.savefig(stream, format="svg", transparent=True, metadata={"Date": None})
    svg = stream.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'\b(id|href)="(#?)', rf'\1="\2{name}-', svg).replace("url(#", f"url(#{name}-")
    svg = re.sub(
        r'(<svg[^>]*?) width="[^"]*"',
        r"\1",
        re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", svg, count=1),
        count=1,
    )
    width = int(figure.get_figwidth() * 96)
    opening = f'<svg role="img" style="max-width:{width}px" '
    return (
        svg.replace(INK, "currentColor")
        .replace("<svg ", opening, 1)
        .replace(">", f"><title>{escape(title)}</title>", 1)
    )


def save(figure: Figure, path: Path) -> None:
    """Writes a picture that stands alone, on white; the ending of ``path`` says whether as PNG or SVG."""
    import matplotlib

    with matplotlib.rc_context(_settings(path.stem)), atomic(path) as temporary:
        metadata = {"Date": None} if path.suffix == ".svg" else {"Software": None}
        figure.savefig(temporary, dpi=160, facecolor="white", metadata=metadata)


def between(corners: Sequence[tuple[float, float]], *, count: int = 24) -> list[tuple[float, float]]:
    """Points along a line through ``corners``, ``count`` for each piece."""
    return [
        (x + part / count * (next_x - x), y + part / count * (next_y - y))
        for (x, y), (next_x, next_y) in pairwise(corners)
        for part in range(count + 1)
    ]


_OFFSETS = (
    (9, 0, "left", "center"),
    (-9, 0, "right", "center"),
    (0, 9, "center", "bottom"),
    (0, -9, "center", "top"),
)
_CORNERS = (
    (7, 7, "left", "bottom"),
    (-7, 7, "right", "bottom"),
    (7, -7, "left", "top"),
    (-7, -7, "right", "top"),
)


def label_points(
    axes: Axes, labels: Sequence[tuple[float, float, str, str]], *, avoid: Iterable[tuple[float, float]] = ()
) -> None:
    """Writes a label beside each point, where it covers no other label and as few points as can be.

    Args:
        axes: With their final limits.
        labels: x, y, text and colour of each.
        avoid: Further points that are better left uncovered.
    """
    from matplotlib.transforms import Bbox

    axes.figure.draw_without_rendering()  # type: ignore[union-attr]
    marks = [tuple(axes.transData.transform(point)) for point in [*avoid, *((x, y) for x, y, *_ in labels)]]
    inside, taken = axes.get_window_extent(), list[Bbox]()
    for x, y, text, colour in labels:
        best = None
        for dx, dy, ha, va in (
            *_OFFSETS,
            *_CORNERS,
            *(((2 * a, 2 * b, c, d)) for a, b, c, d in (*_OFFSETS, *_CORNERS)),
        ):
            note = axes.annotate(
                text, (x, y), (dx, dy), textcoords="offset points", ha=ha, va=va, color=colour, fontsize=9
            )
            box = note.get_window_extent().padded(3)
            cost = 100 * sum(box.overlaps(other) for other in taken)
            cost += 100 * (
                not (
                    inside.x0 <= box.x0
                    and box.x1 <= inside.x1
                    and inside.y0 <= box.y0
                    and box.y1 <= inside.y1
                )
            )
            cost += sum(box.contains(*mark) for mark in marks)
            if best is None or cost < best[0]:
                if best is not None:
                    best[1].remove()
                best = (cost, note, box)
            else:
                note.remove()
            if cost == 0:
                break
        assert best is not None
        taken.append(best[2])
