"""The final comparison as a table, for the console and the page."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from nas.hardware import latency_unit
from nas.report.grid import print_grid, width_of
from nas.report.results import Row
from nas.statistics import Z95, wilson

if TYPE_CHECKING:
    from rich.console import Console

    from nas.deploy.manifest import Spread

ABSENT = "–"
ESTIMATED = "est."
DISTURBED = "*"


def headings(rows: Sequence[Row]) -> list[tuple[str, str]]:
    """Returns heading and unit of each column; a batch above 1 adds the time per image."""
    predicted_batch, measured_batch = _batches(rows)
    columns = [
        ("network", ""),
        ("test accuracy", "%, 95 % interval"),
        ("MACs", "M"),
        ("params", "k"),
        ("predicted", latency_unit(predicted_batch)),
        ("measured", latency_unit(measured_batch)),
    ]
    return [*columns, ("per image", "ms")] if _in_batches(rows) else columns


def _batches(rows: Sequence[Row]) -> tuple[int, int]:
    return (rows[0].predicted_batch, rows[0].measured_batch) if rows else (1, 1)


def _in_batches(rows: Sequence[Row]) -> bool:
    return max(_batches(rows)) > 1


def title(row: Row) -> str:
    """Returns the network's name, marked if it is the best baseline."""
    return f"{row.name} (best)" if row.best else row.name


def cells(rows: Sequence[Row]) -> list[tuple[str, ...]]:
    """Returns the rows as text, with a cell for each of ``headings``."""
    in_batches = _in_batches(rows)
    return [(*_cells(row), milliseconds(row.image_ms)) if in_batches else _cells(row) for row in rows]


def shown_share(correct: int, total: int) -> str:
    """Formats an accuracy and its 95 % interval in percent."""
    low, high = wilson(correct, total)
    return f"{100 * correct / total:.1f} ({100 * low:.1f}–{100 * high:.1f})"


def _cells(row: Row) -> tuple[str, ...]:
    return (
        title(row),
        shown_share(row.test_correct, row.test_total),
        f"{row.macs * 1e-6:.2f}",
        f"{row.params * 1e-3:.1f}",
        predicted(row),
        measured(row),
    )


def milliseconds(value: float | None) -> str:
    """Formats a latency with three significant digits, without its unit."""
    if value is None:
        return ABSENT
    digits = 3 if value < 1 else 2 if value < 10 else 1 if value < 100 else 0
    return f"{value:.{digits}f}"


def predicted(row: Row) -> str:
    """Formats the predicted latency, marked if it is estimated."""
    return (
        f"{milliseconds(row.predicted_ms)} {ESTIMATED}" if row.estimated else milliseconds(row.predicted_ms)
    )


def measured(row: Row) -> str:
    """Formats the measured latency and its interval."""
    return with_interval(row.latency_ms)


def with_interval(spread: Spread | None) -> str:
    """Formats a measured latency and its interval, marked if the measurement was disturbed."""
    if spread is None:
        return ABSENT
    half = max(spread.high - spread.value, spread.value - spread.low, 0.0)
    mark = DISTURBED if spread.disturbed else ""
    return f"{milliseconds(spread.value)} ± {milliseconds(half)}{mark}"


def in_words(row: Row) -> str:
    """Describes the test accuracy and, if measured, the exported file's latency."""
    text = f"{100 * row.test_accuracy:.1f} % test accuracy"
    if row.latency_ms is None:
        return text
    image = f"{milliseconds(row.image_ms)} ms per image"
    how = f"measured while {row.latency_ms.disturbed}" if row.latency_ms.disturbed else "measured"
    if row.measured_batch == 1:
        return f"{text} at {image} ({how})"
    unit = latency_unit(row.measured_batch)
    return f"{text} at {milliseconds(row.latency_ms.value)} {unit}, {image} ({how})"


def footnote(rows: Sequence[Row]) -> str:
    """Explains the columns, and says what inherited weights were worth."""
    total = rows[0].test_total if rows else 0
    outdated = any(row.outdated for row in rows)
    why = "exported files are from an earlier training; run nas export" if outdated else "not yet exported"
    source = "the exported files" if all(row.exported for row in rows) else f"the trained networks ({why})"
    use = "also used by `nas trust`" if any(row.reused for row in rows) else "not used before"
    mark = f"; {ESTIMATED}: estimated by roofline, not measured" if any(row.estimated for row in rows) else ""
    batch = max(_batches(rows))
    unit = f" A latency is the time of one inference, of {batch} images." if batch > 1 else ""
    return (
        f"Test accuracy: of {source}, on {total} images {use}; Wilson interval. "
        f"Predicted: by the latency table{mark}. "
        f"Measured: the exported file and its 95 % interval, {_how_disturbed(rows)}.{unit}{inheritance(rows)}"
    )


def _how_disturbed(rows: Sequence[Row]) -> str:
    causes = dict.fromkeys(
        row.latency_ms.disturbed for row in rows if row.latency_ms and row.latency_ms.disturbed
    )
    return f"{DISTURBED} disturbed: {', '.join(causes)}" if causes else "undisturbed as far as is known"


def balanced(rows: Sequence[Row]) -> str:
    """Balanced accuracies in a sentence, with the classes that the test set lacks; empty if unknown."""
    columns = compared(rows)
    if not columns:
        return ""
    values = ", ".join(f"{row.name} {_balanced(row)}" for row in columns)
    text = f"Balanced accuracy, the mean over classes: {values}."
    absent = ", ".join(each.name for each in columns[0].by_class if not each.total)
    return f"{text} Classes without test images: {absent}." if absent else text


def _balanced(row: Row) -> str:
    """The balanced accuracy and its 95 % interval, of a normal distribution."""
    value, half = row.balanced_accuracy or 0.0, Z95 * row.balanced_error
    return f"{100 * value:.1f} % ({100 * max(value - half, 0):.1f}–{100 * min(value + half, 1):.1f})"


def inheritance(rows: Sequence[Row]) -> str:
    """Validation accuracies before and after training, and from scratch; empty if nothing was inherited."""
    scratch = {row.network: row.validation_accuracy for row in rows if row.role == "control"}
    text = ""
    for init, weights in (("supernet", "the supernet's"), ("pretrained", "pretrained")):
        if inherited := [row for row in rows if row.init == init]:
            parts = "; ".join(_inherited(row, scratch.get(row.network)) for row in inherited)
            text += f" Started with {weights} weights; on the validation images: {parts}."
    return text


def _inherited(row: Row, scratch: float | None) -> str:
    """The accuracies of a network that inherited weights; none before training with a new classifier."""
    before, control = row.inherited_accuracy, scratch if row.role == "winner" else None
    parts = [
        "" if before is None else f"{100 * before:.1f} % inherited",
        f"{100 * row.validation_accuracy:.1f} % fine-tuned",
        "" if control is None else f"{100 * control:.1f} % from scratch",
    ]
    return f"{row.name} {', '.join(filter(None, parts))}"


def compared(rows: Sequence[Row]) -> list[Row]:
    """The winner and the best baseline, as far as their classes were counted."""
    return [row for row in rows if (row.role == "winner" or row.best) and row.by_class]


def print_table(rows: Sequence[Row], console: Console) -> None:
    """Prints the comparison; the winner is bold, baselines other than the best are dim.

    On a narrow console, intervals and marks move to a second line per network; on a narrower one, each
    network becomes a paragraph.
    """
    head, body, styles = headings(rows), cells(rows), [_style(row) for row in rows]
    console.print("Final comparison", style="italic")
    fits = width_of([_lines(head), *body]) <= console.width
    if not fits:
        head = [(_folded(text), _folded(unit)) for text, unit in head]
        body = [tuple(map(_folded, line)) for line in body]
    print_grid(head, body, console, styles=styles)
    notes = " ".join(filter(None, [footnote(rows), balanced(rows)]))
    console.print(notes, style="dim italic", highlight=False)


def _lines(head: Sequence[tuple[str, str]]) -> tuple[str, ...]:
    return tuple(f"{text}\n{unit}" for text, unit in head)


_BREAKS = re.compile(r" (?=[(×±]|est|interval|batch |image)")


def _folded(cell: str) -> str:
    """Breaks a cell into lines: a width multiplier, an interval or a mark moves below."""
    return "\n".join(_BREAKS.sub("\n", line, count=1) for line in cell.split("\n"))


def _style(row: Row) -> str:
    if row.role == "winner":
        return "bold"
    return "dim" if row.role == "baseline" and not row.best else ""
