"""The part of the page about single classes: what unequal classes hide behind one figure."""

from __future__ import annotations

from collections.abc import Sequence

from nas.report import html
from nas.report.results import ClassCount, Row
from nas.report.table import ABSENT, balanced, compared


def classes(rows: Sequence[Row]) -> list[str]:
    """Balanced accuracies, and the accuracy of each class, the winner's worst first."""
    text, columns = balanced(rows), compared(rows)
    if not text:
        return []
    head = [("class", ""), ("test images", ""), *((row.name, "%") for row in columns)]
    lines = zip(*(row.by_class for row in columns), strict=True)
    cells = [
        ("", (line[0].name, str(line[0].total), *map(_share, line)))
        for line in sorted(lines, key=lambda line: _order(line[0]))
    ]
    return [html.paragraph(text), html.opened_on_click("Accuracy by class", html.table(head, cells))]


def _order(count: ClassCount) -> tuple[bool, float, str]:
    """The worst first, classes without images last."""
    return count.accuracy is None, count.accuracy or 0.0, count.name


def _share(count: ClassCount) -> str:
    return ABSENT if count.accuracy is None else f"{100 * count.accuracy:.1f}"
