"""The final comparison as a table, the same for the console and the page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from nas.report.results import Row

if TYPE_CHECKING:
    from rich.console import Console

HEADINGS = ("network", "test accuracy", "MACs", "params", "predicted", "measured")
UNITS = ("", "%, 95 % interval", "M", "k", "ms", "ms")
ABSENT = "–"
ESTIMATED = "est."
DISTURBED = "*"


def title(row: Row) -> str:
    """The network's name and what it is."""
    return f"{row.name} (best)" if row.best else row.name


def cells(row: Row) -> tuple[str, ...]:
    """The row as text, one for each of ``HEADINGS``."""
    low, high = row.test_interval
    return (
        title(row),
        f"{100 * row.test_accuracy:.1f} ({100 * low:.1f}–{100 * high:.1f})",
        f"{row.macs * 1e-6:.2f}",
        f"{row.params * 1e-3:.1f}",
        predicted(row),
        measured(row),
    )


def milliseconds(value: float | None) -> str:
    """A latency with three significant digits, without its unit."""
    if value is None:
        return ABSENT
    digits = 3 if value < 1 else 2 if value < 10 else 1 if value < 100 else 0
    return f"{value:.{digits}f}"


def predicted(row: Row) -> str:
    """The predicted latency; marked where it was estimated."""
    return (
        f"{milliseconds(row.predicted_ms)} {ESTIMATED}" if row.estimated else milliseconds(row.predicted_ms)
    )


def measured(row: Row) -> str:
    """The measured latency and its range; marked where the measurement was disturbed."""
    if row.latency_ms is None:
        return ABSENT
    spread = row.latency_ms
    half = max(spread.high - spread.value, spread.value - spread.low, 0.0)
    mark = DISTURBED if spread.disturbed else ""
    return f"{milliseconds(spread.value)} ± {milliseconds(half)}{mark}"


def footnote(rows: Sequence[Row]) -> str:
    """What the columns mean."""
    total = rows[0].test_total if rows else 0
    outdated = any(row.outdated for row in rows)
    why = "exported files are of an earlier training; run nas export" if outdated else "not yet exported"
    source = "the exported files" if all(row.exported for row in rows) else f"the trained networks ({why})"
    readers = "`nas trust` has read, too" if any(row.reused for row in rows) else "nothing else has read"
    mark = f"; {ESTIMATED}: estimated by roofline, not measured" if any(row.estimated for row in rows) else ""
    return (
        f"Test accuracy: of {source}, on {total} images that {readers}; Wilson interval. "
        f"Predicted: by the latency table{mark}. "
        f"Measured: the exported file and its 95 % interval, {_how_disturbed(rows)}."
    )


def _how_disturbed(rows: Sequence[Row]) -> str:
    causes = dict.fromkeys(
        row.latency_ms.disturbed for row in rows if row.latency_ms and row.latency_ms.disturbed
    )
    return f"{DISTURBED} disturbed: {', '.join(causes)}" if causes else "undisturbed as far as is known"


def print_table(rows: Sequence[Row], console: Console) -> None:
    """Prints the comparison; the winner is bold, baselines other than the best are dim."""
    from rich import box
    from rich.table import Table

    table = Table(
        title="Final comparison",
        caption=footnote(rows),
        caption_justify="left",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
    )
    for number, (heading, unit) in enumerate(zip(HEADINGS, UNITS, strict=True)):
        text = f"{heading}\n{unit}" if unit else heading
        table.add_column(text, justify="right" if number else "left", no_wrap=bool(number))
    for row in rows:
        table.add_row(*cells(row), style=_style(row))
    console.print(table)


def _style(row: Row) -> str:
    if row.role == "winner":
        return "bold"
    return "dim" if row.role == "baseline" and not row.best else ""
