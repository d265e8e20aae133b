"""Tables of what ships: the winner's files, and the candidates that missed the latency budget."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, final

from nas.deploy.attempts import Attempt, read_attempts
from nas.deploy.manifest import MANIFEST, Artefact, read_manifest
from nas.hardware import latency_unit
from nas.report.grid import print_grid
from nas.report.records import is_outdated
from nas.report.table import ABSENT, ESTIMATED, milliseconds, shown_share, with_interval

if TYPE_CHECKING:
    from rich.console import Console

DEPLOYED = Path("deploy") / MANIFEST
WINNER = "winner"


@final
@dataclass(frozen=True, kw_only=True)
class Table:
    """A small table.

    Attributes:
        title: Its title.
        headings: Heading and unit of each column.
        rows: The cells of each row.
    """

    title: str
    headings: tuple[tuple[str, str], ...]
    rows: tuple[tuple[str, ...], ...]


def missed(run_dir: Path) -> Table | None:
    """Returns the table of the candidates that missed the budget; ``None`` if there are none."""
    attempts = read_attempts(run_dir).missed
    if not attempts:
        return None
    unit = latency_unit(attempts[0].artefact.batch)
    return Table(
        title=f"Missed the budget of {milliseconds(attempts[0].budget_ms)} {unit}",
        headings=(
            ("network", ""),
            ("φ", ""),
            ("test accuracy", "%, 95 % interval"),
            ("predicted", unit),
            ("measured", unit),
            ("size", "kB"),
        ),
        rows=tuple(_missed_cells(each) for each in attempts),
    )


def _missed_cells(attempt: Attempt) -> tuple[str, ...]:
    artefact = attempt.artefact
    return (
        attempt.name,
        f"{attempt.phi:.3g}",
        accuracy(artefact),
        milliseconds(attempt.predicted_ms),
        with_interval(artefact.latency_ms),
        f"{artefact.size_bytes * 1e-3:.1f}",
    )


def deployment(run_dir: Path) -> Table | None:
    """Returns the table of the winner's files; ``None`` without files of the last training."""
    if not (run_dir / DEPLOYED).is_file() or is_outdated(run_dir, DEPLOYED.parts[0]):
        return None
    files = [each for each in read_manifest(run_dir / DEPLOYED.parent) if each.name == WINNER]
    if not files:
        return None
    unit = latency_unit(files[0].batch)
    return Table(
        title="Files of the winner",
        headings=(
            ("file", ""),
            ("test accuracy", "%, 95 % interval"),
            ("predicted", unit),
            ("measured", unit),
            ("difference", "%"),
            ("size", "kB"),
        ),
        rows=tuple(_file_cells(each) for each in files),
    )


def _file_cells(artefact: Artefact) -> tuple[str, ...]:
    latency, predicted_ms = artefact.latency_ms, artefact.predicted_ms
    difference = ABSENT
    if latency is not None and predicted_ms is not None:
        difference = f"{100 * (latency.value / predicted_ms - 1):+.1f}"
    mark = f" {ESTIMATED}" if artefact.estimated else ""
    return (
        artefact.file,
        accuracy(artefact),
        f"{milliseconds(predicted_ms)}{mark}",
        with_interval(latency),
        difference,
        f"{artefact.size_bytes * 1e-3:.1f}",
    )


def accuracy(artefact: Artefact) -> str:
    """Formats the test accuracy of a file and its 95 % interval in percent."""
    if artefact.test_correct is None or not artefact.test_total:
        return ABSENT
    return shown_share(artefact.test_correct, artefact.test_total)


def print_shipped(run_dir: Path, console: Console) -> None:
    """Prints the tables that there are."""
    for table in tables(run_dir):
        console.print(table.title, style="italic", highlight=False)
        print_grid(table.headings, table.rows, console)


def tables(run_dir: Path) -> Sequence[Table]:
    """Returns the tables that there are, for the page."""
    return [table for table in (deployment(run_dir), missed(run_dir)) if table is not None]
