"""The part of the page about single classes: what unequal classes hide behind one figure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from nas.report import html
from nas.report.results import ClassCount, Row
from nas.report.table import ABSENT, balanced, compared, shown_share

if TYPE_CHECKING:
    from markupsafe import Markup

_LARGEST_MATRIX = 12
_MOST = 20


def classes(rows: Sequence[Row]) -> list[Markup]:
    """Balanced accuracies, and the accuracy of each class, the winner's worst first."""
    text, columns = balanced(rows), compared(rows)
    if not text:
        return []
    head = [("class", ""), ("test images", ""), *((row.name, "%, 95 % interval") for row in columns)]
    lines = zip(*(row.by_class for row in columns), strict=True)
    cells = [
        ("", (line[0].name, str(line[0].total), *map(_share, line)))
        for line in sorted(lines, key=lambda line: _order(line[0]))
    ]
    parts = [html.paragraph(text), html.opened_on_click("Accuracy by class", html.table(head, cells))]
    return [*parts, *_confusions(columns[0])]


def _confusions(row: Row) -> list[Markup]:
    """The network's confusion matrix, or the most frequent confusions of many classes."""
    if row.confusions is None:
        return []
    if len(row.by_class) > _LARGEST_MATRIX:
        head = [("class", ""), ("answer", ""), ("test images", "")]
        lines = [("", (label, answer, str(images))) for label, answer, images in row.confusions[:_MOST]]
        title, table = f"Most frequent confusions of {row.name}", html.table(head, lines, texts=2)
    else:
        title, table = f"Confusion matrix of {row.name}", _matrix(row, row.confusions)
    note = "Test images, answered by the trained network before it was exported."
    return [html.opened_on_click(title, table + html.paragraph(note, kind="note"))]


def _matrix(row: Row, confusions: Sequence[tuple[str, str, int]]) -> Markup:
    """A line for each class and a column for each answer; the diagonal holds right answers."""
    wrong = {(label, answer): images for label, answer, images in confusions}
    names = [each.name for each in row.by_class]
    lines = []
    for each in row.by_class:
        right = each.total - sum(images for (label, _), images in wrong.items() if label == each.name)
        counts = [right if name == each.name else wrong.get((each.name, name), 0) for name in names]
        lines.append(("", (each.name, *map(str, counts))))
    return html.table([("class", "answer:"), *((name, "") for name in names)], lines)


def _order(count: ClassCount) -> tuple[bool, float, str]:
    """The worst first, classes without images last."""
    return count.accuracy is None, count.accuracy or 0.0, count.name


def _share(count: ClassCount) -> str:
    """The accuracy of a class with its 95 % interval."""
    if count.accuracy is None:
        return ABSENT
    return shown_share(count.correct, count.total)
