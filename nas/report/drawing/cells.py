"""One block as a small drawing: the cell from which drawings of networks are composed.

A cell is as wide as its texts and shapes need. All cells have the same height and a common middle line. The
shape's sides are as high as the feature maps before and after the block, and it is as wide as the output has
channels; a pale shape behind it is as wide as the widest inner layer. Both grow with the square root, so that
a network's ends stay visible beside each other.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from html import escape
from typing import final

from nas.blocks import BlockSpec
from nas.report.drawing.facts import Facts, facts
from nas.report.drawing.kinds import Kinds, short

ROWS = ("kind", "kernel", "expansion", "channels")
"""The rows of text below each shape."""

LEGEND = (
    "Height: sides of the feature maps before and after a block. Width: channels of its output; pale, "
    "those of its widest inner layer."
)
"""What the shapes mean."""

HEIGHT = 134
"""The height of every cell in pixels."""

_BADGES, _TOP, _SHAPE, _TEXT = 2, 18, 56, 12  # badges above arcs, shapes below them, then lines of text
_MIDDLE = _TOP + _SHAPE / 2 + 4
_WIDEST, _LEAST, _NARROWEST = 38.0, 3.0, 30.0


@final
@dataclass(frozen=True)
class Scale:
    """What the largest shapes stand for.

    Attributes:
        pixels: The pixels of the largest feature map.
        channels: The channels of the widest layer.
    """

    pixels: int
    channels: int

    def height(self, pixels: int) -> float:
        """The height of a map, after its side; a sequence is as high as the map that it was."""
        return max(_SHAPE * math.sqrt(math.sqrt(pixels / self.pixels)), _LEAST)

    def width(self, channels: int) -> float:
        return max(_WIDEST * math.sqrt(channels / self.channels), _LEAST)

    @classmethod
    def of(cls, blocks: list[BlockSpec]) -> Scale:
        """Returns the scale at which the largest of some blocks are drawn full size."""
        pixels = max(max(block.in_shape.pixels, block.out_shape.pixels) for block in blocks)
        channels = max(max(block.out_shape.channels, facts(block).inner_channels) for block in blocks)
        return cls(pixels, channels)


@final
@dataclass(frozen=True, kw_only=True)
class Cell:
    """The drawing of one block.

    Attributes:
        svg: Its shapes and texts, for an area of ``width`` and ``HEIGHT`` pixels.
        width: Its width in pixels.
        rows: The texts below the shape, as ``ROWS`` says.
        marks: The marks above it: badges and the kind of the shortcut.
    """

    svg: str
    width: int
    rows: tuple[str, ...]
    marks: tuple[str, ...]


def cell_of(block: BlockSpec, *, scale: Scale, kinds: Kinds) -> Cell:
    """Draws a block of any kind."""
    known, out = facts(block), block.out_shape
    rows = (short(block.KIND), known.kernels, known.expansion, str(out.channels))
    width = scale.width(out.channels)
    inner = scale.width(known.inner_channels) if known.inner_channels > out.channels else 0.0
    total = round(max(_NARROWEST, width + 10, inner + 10, *(5.6 * len(row) + 6 for row in rows)))
    css, heights = kinds.classes[block.KIND], (scale.height(block.in_shape.pixels), scale.height(out.pixels))
    parts = [f"<title>{escape(_title(block))}</title>"]
    parts += [f'<rect class="frame" x="1" y="1" width="{total - 2}" height="{HEIGHT - 2}" rx="4"/>']
    if inner:
        parts.append(f'<path class="{css} inner" d="{_shape(total / 2, inner, heights)}"/>')
    parts.append(f'<path class="{css}" d="{_shape(total / 2, width, heights)}"/>')
    parts += _marks(known, total, max(width, inner), max(heights))
    for number, row in enumerate(rows):
        y = _TOP + _SHAPE + 18 + _TEXT * number
        soft = " soft" if number == 0 else ""
        parts.append(f'<text class="net-text r{number}{soft}" x="{total / 2:g}" y="{y}">{escape(row)}</text>')
    return Cell(svg="".join(parts), width=total, rows=rows, marks=(*_badges(known), known.shortcut))


def _shape(middle: float, width: float, heights: tuple[float, float]) -> str:
    """Returns a path as high as the input on the left and as the output on the right."""
    left, right = middle - width / 2, middle + width / 2
    before, after = heights[0] / 2, heights[1] / 2
    points = (
        (left, _MIDDLE - before),
        (right, _MIDDLE - after),
        (right, _MIDDLE + after),
        (left, _MIDDLE + before),
    )
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points) + "Z"


def _marks(known: Facts, total: int, width: float, height: float) -> list[str]:
    """Draws a shortcut as an arc above the shape, squeeze-excite and attention as badges."""
    parts, middle = [], total / 2
    if known.shortcut:
        half, top = max(width / 2, 8) + 3, _MIDDLE - height / 2
        path = (
            f"M{middle - half:.1f} {_MIDDLE:.1f}V{top:.1f}Q{middle - half:.1f} {top - 6:.1f} "
            f"{middle:.1f} {top - 6:.1f}Q{middle + half:.1f} {top - 6:.1f} {middle + half:.1f} {top:.1f}"
            f"V{_MIDDLE:.1f}"
        )
        parts.append(f'<path class="arc {known.shortcut}" d="{path}"/>')
    badges = _badges(known)
    for number, text in enumerate(badges):
        x = middle + 18 * (number - (len(badges) - 1) / 2)
        parts.append(
            f'<rect class="badge" x="{x - 8:g}" y="{_BADGES}" width="16" height="11" rx="5.5"/>'
            f'<text class="badge-text" x="{x:g}" y="{_BADGES + 8.5:g}">{text}</text>'
        )
    return parts


def _badges(known: Facts) -> list[str]:
    return [text for text, shown in (("SE", known.squeezes), ("A", known.attends)) if shown]


def _title(block: BlockSpec) -> str:
    """Describes the block in words for a tooltip and for screen readers."""
    known, out = facts(block), block.out_shape
    parts = [
        block.KIND.replace("_", " "),
        f"{block.in_channels}×{block.in_height}×{block.in_width} to {out.channels}×{out.height}×{out.width}",
        f"kernel {known.kernels}" if known.kernels not in ("–", "1") else "",
        f"expansion {known.expansion}" if known.expansion != "–" else "",
        "squeeze-excite" if known.squeezes else "",
        "attention" if known.attends else "",
        f"{known.shortcut} shortcut" if known.shortcut else "",
        f"{block.macs:,} MACs, {block.params:,} parameters",
    ]
    return ", ".join(filter(None, parts))
