"""Charts as data: what a page's script draws with BokehJS."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, final

Number = float | None


@final
@dataclass(frozen=True, kw_only=True)
class Points:
    """Marks, possibly with error bars.

    Attributes:
        name: Name in the legend; the reader can switch the layer off there.
        x: Values; a mark with an unknown value is left out.
        y: Values.
        colour: One of the page's colours: ``k0`` to ``k5``, ``kp``, ``ink``, ``mark``.
        marker: One of Bokeh's markers.
        size: Diameter in pixels, of all or of each.
        hollow: Whether only the outline is drawn.
        tips: What is shown of each under the pointer, possibly in several lines.
        x_bars: Ends of the horizontal error bars.
        y_bars: Ends of the vertical error bars.
    """

    name: str
    x: Sequence[float]
    y: Sequence[float]
    colour: str
    marker: str = "circle"
    size: float | Sequence[float] = 8.0
    hollow: bool = False
    tips: Sequence[str] = ()
    x_bars: Sequence[tuple[float, float]] = ()
    y_bars: Sequence[tuple[float, float]] = ()


@final
@dataclass(frozen=True, kw_only=True)
class Line:
    """A line through points.

    Attributes:
        name: Name in the legend; empty for none.
        x: Values.
        y: Values.
        colour: As of ``Points``.
        dash: Whether it is dashed.
        step: Whether it is a staircase that keeps its height until the next point.
        fill: Whether the area inside is filled instead, pale.
    """

    name: str
    x: Sequence[float]
    y: Sequence[float]
    colour: str
    dash: bool = False
    step: bool = False
    fill: bool = False


@final
@dataclass(frozen=True, kw_only=True)
class Rule:
    """A vertical line with its name, such as a budget."""

    name: str
    x: float


@final
@dataclass(frozen=True, kw_only=True)
class Chart:
    """A chart with one pair of axes.

    Attributes:
        title: What it shows, for screen readers.
        x: Label of the axis.
        y: Label of the axis.
        layers: From back to front.
        x_log: Whether the axis is logarithmic.
        y_log: Whether the axis is logarithmic.
        y_zero: Whether the axis begins at 0.
        height: Height in pixels.
    """

    title: str
    x: str
    y: str
    layers: Sequence[Points | Line | Rule] = field(default_factory=tuple)
    x_log: bool = False
    y_log: bool = False
    y_zero: bool = False
    height: int = 340

    def to_dict(self) -> dict[str, Any]:
        """The chart as JSON values."""
        axes = {
            name: getattr(self, name) for name in ("title", "x", "y", "x_log", "y_log", "y_zero", "height")
        }
        return {**axes, "layers": [layer_dict(layer) for layer in self.layers]}


def layer_dict(layer: Points | Line | Rule) -> dict[str, Any]:
    """Returns a layer as JSON values; what is not a finite number is left out."""
    value: dict[str, Any] = {"type": type(layer).__name__.lower(), **_set_fields(layer)}
    if isinstance(layer, Rule):
        return value
    whole = [i for i, pair in enumerate(zip(layer.x, layer.y, strict=True)) if all(map(math.isfinite, pair))]
    for name in ("x", "y", "size", "tips", "x_bars", "y_bars"):
        if isinstance(value.get(name), Sequence) and not isinstance(value[name], str):
            value[name] = [value[name][i] for i in whole]
    return value


def _set_fields(layer: Any) -> Mapping[str, Any]:
    """The fields of a layer, without those that are empty."""
    return {name: each for name, each in vars(layer).items() if each not in ((), False, "")}
