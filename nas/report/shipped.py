"""Tables of what ships: the winner's files, and the candidates that missed the latency budget."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, final

from nas.deploy.attempts import Attempt, read_attempts
from nas.deploy.manifest import MANIFEST, Artefact, read_manifest
from nas.errors import UserError
from nas.files import read_json
from nas.hardware import latency_unit
from nas.report.differences import of_shares
from nas.report.files import SCALE
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


def recommended(run_dir: Path) -> tuple[Artefact, str] | None:
    """Returns the winner's file to ship, and why; ``None`` unless a file was measured.

    Of the files within the budget, or of all if none is, it is the fastest of those that are as accurate as
    the most accurate one, as far as the test images tell.
    """
    if deployment(run_dir) is None:
        return None
    known = [
        (each, each.latency_ms.value, (each.test_correct, each.test_total))
        for each in read_manifest(run_dir / DEPLOYED.parent)
        if each.name == WINNER and each.latency_ms and each.test_correct is not None and each.test_total
    ]
    budget = _budget_ms(run_dir)
    within = [each for each in known if budget is None or each[1] <= budget]
    candidates = within or known
    if not candidates:
        return None
    top = max(candidates, key=lambda each: each[2][0] / each[2][1])[2]
    equal = [each for each in candidates if not _is_worse(each[2], top)]
    chosen = min(equal, key=lambda each: each[1])
    return chosen[0], _why(chosen[0], [each for each, *_ in known], budget, within=bool(within))


def _is_worse(counts: tuple[int, int], top: tuple[int, int]) -> bool:
    difference, half = of_shares(counts, top)
    return difference > half


def _budget_ms(run_dir: Path) -> float | None:
    with suppress(UserError, KeyError, TypeError):
        value: float | None = read_json(run_dir / SCALE)["latency_ms"]
        return value
    return None


def _why(chosen: Artefact, known: Sequence[Artefact], budget: float | None, *, within: bool) -> str:
    """States why a file is the one to ship, and what speaks for each other file."""
    assert chosen.latency_ms is not None
    unit = latency_unit(chosen.batch)
    own = f"{milliseconds(chosen.latency_ms.value)} {unit}"
    if budget is not None:
        place = "within" if within else "above"
        own += f", {place} the budget of {milliseconds(budget)} {unit}"
    return " ".join(
        [
            f"Ship {chosen.file}: {own}.",
            *(_against(chosen, each, budget) for each in known if each is not chosen),
        ]
    )


def _against(chosen: Artefact, other: Artefact, budget: float | None) -> str:
    assert chosen.latency_ms is not None and other.latency_ms is not None
    ratio = other.latency_ms.value / chosen.latency_ms.value
    time = f"{100 * abs(ratio - 1):.0f} % {'slower' if ratio >= 1 else 'faster'} here"
    if budget is not None and other.latency_ms.value > budget >= chosen.latency_ms.value:
        time += " and above the budget"
    share = 100 * (other.size_bytes / chosen.size_bytes - 1)
    size = f"{abs(share):.0f} % {'larger' if share >= 0 else 'smaller'}"
    counts = [(each.test_correct or 0, each.test_total or 1) for each in (chosen, other)]
    difference, half = of_shares(*counts)
    if abs(difference) <= half:
        accuracy = "as accurate as far as the test images tell"
    else:
        accuracy = f"{100 * abs(difference):.1f} points {'more' if difference > 0 else 'less'} accurate"
    return f"{other.file} is {time}, {size} and {accuracy}."


def print_shipped(run_dir: Path, console: Console) -> None:
    """Prints the tables that there are, and which file to ship."""
    for table in tables(run_dir):
        console.print(table.title, style="italic", highlight=False)
        print_grid(table.headings, table.rows, console)
    if (choice := recommended(run_dir)) is not None:
        console.print(choice[1], style="dim italic", highlight=False, markup=False)


def tables(run_dir: Path) -> Sequence[Table]:
    """Returns the tables that there are, for the page."""
    return [table for table in (deployment(run_dir), missed(run_dir)) if table is not None]
