"""Networks as one SVG: cells in a row that breaks where the width ends; two networks under each other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from itertools import groupby
from typing import final

from nas.blocks import BlockSpec
from nas.network import NetworkSpec
from nas.report.drawing.cells import HEIGHT, ROWS, Cell, Scale, cell_of
from nas.report.drawing.kinds import Kinds, style

_MARGIN, _LABELS, _GAP, _STAGE, _NAME, _LEAST_WIDTH = 8, 62, 10, 18, 20, 340


@final
@dataclass(frozen=True)
class Drawn:
    """A network to draw.

    Attributes:
        name: Its name, such as ``"winner"``.
        network: The network.
    """

    name: str
    network: NetworkSpec


@final
@dataclass(frozen=True)
class Column:
    """The same place of the networks.

    Attributes:
        group: The stem, a stage or the head.
        cells: The cell of each network; ``None`` where it has no block at the place.
    """

    group: str
    cells: tuple[Cell | None, ...]

    @property
    def width(self) -> int:
        return max(cell.width for cell in self.cells if cell is not None)

    @property
    def different_rows(self) -> tuple[int, ...]:
        """The rows of text that differ between the networks' blocks."""
        rows = [cell.rows for cell in self.cells if cell is not None]
        return tuple(i for i in range(len(ROWS)) if len({row[i] for row in rows}) > 1)

    @property
    def differs(self) -> bool:
        """Whether the blocks differ in what is written or marked; their sizes follow from earlier blocks."""
        return len({None if cell is None else (cell.rows, cell.marks) for cell in self.cells}) > 1


Line = list[tuple[int, Column]]
"""Columns that stand beside each other, and where each begins."""


def draw(networks: Sequence[Drawn], *, width: int = 1040) -> str:
    """Draws one network, or two under each other with frames around the blocks that differ.

    Args:
        networks: One or two networks.
        width: The most that the picture may be wide, in pixels; what is longer continues on the next line.

    Returns:
        A complete ``<svg>`` element, which needs nothing from elsewhere and follows light and dark.
    """
    blocks = [block for each in networks for block in each.network.blocks]
    scale, kinds = Scale.of(blocks), Kinds.of(blocks)
    lines = _lines(columns_of(networks, scale=scale, kinds=kinds), width)
    line_height = _STAGE + len(networks) * (HEIGHT + (_NAME if len(networks) > 1 else 0)) + _GAP
    parts = [
        part for number, line in enumerate(lines) for part in _line(line, networks, number * line_height)
    ]
    bottom = len(lines) * line_height
    right = max(x + column.width for line in lines for x, column in line) + _MARGIN
    width = min(width, max(right, _LEAST_WIDTH))
    cells = [cell for line in lines for _, column in line for cell in column.cells if cell is not None]
    marks = {mark for cell in cells for mark in cell.marks}
    legend, height = _legend(kinds, marks, bottom, width)
    title = escape(" and ".join(each.name for each in networks))
    return (
        f'<svg class="network" xmlns="http://www.w3.org/2000/svg" role="img" viewBox="0 0 {width} {height}" '
        f'width="{width}" height="{height}"><title>{title}</title>{style()}{"".join(parts)}{legend}</svg>'
    )


def columns_of(networks: Sequence[Drawn], *, scale: Scale, kinds: Kinds) -> list[Column]:
    """Returns the networks' blocks place by place: those of the same stage and number stand together."""
    sides: list[dict[str, list[Cell]]] = []
    for each in networks:
        groups: dict[str, list[Cell]] = {}
        for group, block in placed(each.network):
            groups.setdefault(group, []).append(cell_of(block, scale=scale, kinds=kinds))
        sides.append(groups)
    names = sorted({name for side in sides for name in side}, key=_order)
    return [
        Column(name, tuple(cells[i] if i < len(cells) else None for cells in each))
        for name in names
        for each in [[side.get(name, []) for side in sides]]
        for i in range(max(map(len, each)))
    ]


def placed(network: NetworkSpec) -> Iterator[tuple[str, BlockSpec]]:
    """Returns the group and the block of each place; the classifier belongs to the head."""
    for place, block in network.placed_blocks:
        yield (f"stage {place.stage}" if place.section == "stages" else _ENDS[place.section]), block


_ENDS = {"stem": "stem", "head": "head", "classifier": "head"}


def _order(group: str) -> tuple[int, int]:
    if group.startswith("stage "):
        return 1, int(group.removeprefix("stage "))
    return (0 if group == "stem" else 2), 0


def _lines(columns: Sequence[Column], width: int) -> list[Line]:
    """Breaks the columns into lines; a gap stands between stages."""
    lines: list[Line] = [[]]
    x, last = _LABELS, ""
    for column in columns:
        x += _GAP if last and column.group != last else 0
        if x + column.width > width - _MARGIN and lines[-1]:
            lines.append([])
            x = _LABELS
        lines[-1].append((x, column))
        x, last = x + column.width, column.group
    return lines


def _line(line: Line, networks: Sequence[Drawn], top: int) -> Iterator[str]:
    for group, items in groupby(line, key=lambda item: item[1].group):
        columns = list(items)
        left, right = columns[0][0], columns[-1][0] + columns[-1][1].width
        yield f'<path class="bracket" d="M{left + 2} {top + 15.5}H{right - 2}"/>'
        name = group if right - left > 44 else group.replace("stage ", "")
        yield f'<text class="net-text soft" x="{(left + right) / 2:g}" y="{top + 11}">{escape(name)}</text>'
    y = top + _STAGE
    for side, each in enumerate(networks):
        if len(networks) > 1:
            name = escape(f"{each.name}, {each.network.resolution}×{each.network.resolution} pixels")
            yield f'<text class="net-text start net-name" x="{_MARGIN}" y="{y + 15}">{name}</text>'
            y += _NAME
        yield from _row_names(y)
        for x, column in line:
            yield _placed_cell(column, side, x, y)
        y += HEIGHT


def _row_names(y: int) -> Iterator[str]:
    for number, name in enumerate(ROWS):
        yield f'<text class="net-text start soft" x="{_MARGIN}" y="{y + 92 + 12 * number}">{name}</text>'


def _placed_cell(column: Column, side: int, x: int, y: int) -> str:
    cell = column.cells[side]
    shift = x if cell is None else x + (column.width - cell.width) / 2
    if cell is None:
        frame = f'<rect class="frame" x="1" y="1" width="{column.width - 2}" height="{HEIGHT - 2}" rx="4"/>'
        return f'<g class="absent" transform="translate({shift:g} {y})">{frame}</g>'
    marks = " ".join(f"d{row}" for row in column.different_rows)
    css = f' class="differs {marks}"' if len(column.cells) > 1 and column.differs else ""
    return f'<g{css} transform="translate({shift:g} {y})">{cell.svg}</g>'


_MARKS = {
    "identity": "arc: shortcut",
    "projected": "dashed arc: projected shortcut",
    "SE": "SE: squeeze-excite",
    "A": "A: attention",
}


def _legend(kinds: Kinds, marks: set[str], top: int, width: int) -> tuple[str, int]:
    """Draws the legend of the kinds and marks that occur; returns it and the picture's height."""
    texts = [(css, f"{short}: {name}") for css, short, name in kinds.legend()]
    texts += [("", text) for mark, text in _MARKS.items() if mark in marks]
    parts, x, y = [], _MARGIN, top + 14
    for css, text in texts:
        swatch = f'<rect class="{css}" x="{x}" y="{y - 8}" width="9" height="9" rx="2"/>' if css else ""
        space = 13 if css else 0
        length = space + round(5.4 * len(text)) + 12
        if x + length > width and x > _MARGIN:
            x, y = _MARGIN, y + 16
            swatch = swatch and f'<rect class="{css}" x="{x}" y="{y - 8}" width="9" height="9" rx="2"/>'
        parts.append(f'{swatch}<text class="net-text start" x="{x + space}" y="{y}">{escape(text)}</text>')
        x += length
    return "".join(parts), y + _MARGIN
