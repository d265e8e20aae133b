"""Tables on a console of any width: where the columns do not fit, each row becomes a paragraph."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

Heading = tuple[str, str]
"""The text of a heading, and its unit or ``""``."""


def print_grid(
    headings: Sequence[Heading],
    rows: Sequence[Sequence[str]],
    console: Console,
    *,
    name: int = 0,
    styles: Sequence[str] = (),
) -> None:
    """Prints a table; no name is ever cut or wrapped by it.

    Args:
        headings: The headings of the columns.
        rows: The cells of each row, each of one line or more.
        console: Where the table is printed.
        name: The column with the names of the rows, which is aligned to the left.
        styles: A style for each row; none by default.
    """
    shades = list(styles) or [""] * len(rows)
    head = tuple(f"{text}\n{unit}" if unit else text for text, unit in headings)
    if width_of([head, *rows]) <= console.width:
        _print_table(head, rows, console, name=name, styles=shades)
    else:
        _print_paragraphs(headings, rows, console, name=name, styles=shades)


def width_of(lines: Sequence[Sequence[str]]) -> int:
    """Returns the width of a table in characters, with two between columns."""
    columns = zip(*lines, strict=True)
    widths = [max(len(part) for cell in column for part in cell.split("\n")) for column in columns]
    return sum(widths) + 2 * (len(widths) - 1)


def _print_table(
    head: Sequence[str],
    rows: Sequence[Sequence[str]],
    console: Console,
    *,
    name: int,
    styles: Sequence[str],
) -> None:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, padding=(0, 1, 0, 0))
    for number, text in enumerate(head):
        table.add_column(text, justify="left" if number == name else "right", no_wrap=True)
    for row, style in zip(rows, styles, strict=True):
        table.add_row(*row, style=style)
    console.print(table, highlight=False, markup=False)


def _print_paragraphs(
    headings: Sequence[Heading],
    rows: Sequence[Sequence[str]],
    console: Console,
    *,
    name: int,
    styles: Sequence[str],
) -> None:
    from rich.padding import Padding
    from rich.text import Text

    for row, style in zip(rows, styles, strict=True):
        figures = [
            " ".join(f"{text} {cell} {unit}".split())
            for number, ((text, unit), cell) in enumerate(zip(headings, row, strict=True))
            if number != name and cell
        ]
        console.print(Text(row[name], style=style), soft_wrap=True)
        console.print(Padding(Text("; ".join(figures), style=style), (0, 0, 0, 2)))
