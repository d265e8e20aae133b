"""Markdown: text that stands for itself, tables and code."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

_SPECIAL = re.compile(r"([\\`*\[\]<>#|~$&]|(?<!\w)_|_(?!\w))")
_SPACES = re.compile(r"\s+")
_FENCES = re.compile(r"^`{3,}", re.MULTILINE)


def escaped(text: str) -> str:
    """Returns a text of one line that Markdown and HTML show as it is, also in the cell of a table."""
    return _SPECIAL.sub(r"\\\1", printable(text))


def printable(text: str) -> str:
    """Returns a text of one line that UTF-8 and YAML can hold; other characters become U+FFFD."""
    line = _SPACES.sub(" ", text).strip()
    return "".join(character if character.isprintable() else "\ufffd" for character in line)


def code(text: str) -> str:
    """Returns a text of one line in the font of code, also in the cell of a table."""
    line = printable(text).replace("|", "\\|")
    longest = max(map(len, re.findall("`+", line)), default=0)
    marks = "`" * (longest + 1)
    pad = " " if line.startswith("`") or line.endswith("`") else ""
    return f"{marks}{pad}{line}{pad}{marks}"


def block(text: str, *, language: str = "") -> str:
    """Returns a fenced block of code."""
    longest = max(map(len, _FENCES.findall(text)), default=2)
    marks = "`" * (longest + 1)
    return f"{marks}{language}\n{text.rstrip()}\n{marks}"


def table(head: Sequence[str], rows: Iterable[Sequence[str]], *, texts: int = 1) -> str:
    """Returns a table of Markdown cells, in columns of equal width.

    Args:
        head: Headings of the columns.
        rows: Cells of each row.
        texts: Number of leading columns that hold text; the others are aligned to the right.
    """
    lines = [list(head), *map(list, rows)]
    assert all(len(line) == len(head) for line in lines), "each row has a cell for each heading"
    widths = [max(3, *(len(line[column]) for line in lines)) for column in range(len(head))]
    rule = ["-" * width if column < texts else "-" * (width - 1) + ":" for column, width in enumerate(widths)]
    return "\n".join(_line(cells, widths, texts) for cells in (lines[0], rule, *lines[1:]))


def _line(cells: Sequence[str], widths: Sequence[int], texts: int) -> str:
    padded = [
        cell.ljust(width) if column < texts else cell.rjust(width)
        for column, (cell, width) in enumerate(zip(cells, widths, strict=True))
    ]
    return f"| {' | '.join(padded)} |"
