"""What a reader has to know before trusting the figures of a run, collected for the top of the page."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from nas.errors import UserError
from nas.files import read_csv, read_json
from nas.hardware import latency_unit
from nas.report.files import CONTROL, SCALE, TRIALS, WINNER, read_latency_table, read_search
from nas.report.results import RESULTS, TRUST, Row, read_table
from nas.report.sections.latency import is_estimated
from nas.report.sections.search_words import held_out
from nas.report.shipped import missed
from nas.report.table import milliseconds
from nas.search.trials.evaluation import State

WIDE = 0.03
"""A 95 % interval of a test accuracy that is wider has too few images."""

_COARSE, _ERRS, _AGREES = 0.02, 0.1, 0.3


def warnings(run_dir: Path) -> list[str]:
    """Returns the warnings of a run; damaged files are left to their sections."""
    found: list[str] = []
    for check in _CHECKS:
        with suppress(UserError, KeyError, TypeError, ValueError, AttributeError):
            found += check(run_dir)
    return found


def _rows(run_dir: Path) -> list[Row]:
    return read_table(run_dir) if (run_dir / RESULTS).is_file() else []


def _winner(run_dir: Path) -> dict[str, Any]:
    value: dict[str, Any] = read_json(run_dir / WINNER) if (run_dir / WINNER).is_file() else {}
    return value


def _budget(run_dir: Path) -> Iterator[str]:
    """The winner's file misses the budget of the scaling, or others did before it."""
    winner = next((row for row in _rows(run_dir) if row.role == "winner"), None)
    budget = read_json(run_dir / SCALE)["latency_ms"] if (run_dir / SCALE).is_file() else None
    if winner is not None and winner.latency_ms is not None and budget is not None:
        value, unit = winner.latency_ms.value, latency_unit(winner.measured_batch)
        if value > budget:
            yield (
                f"The winner misses its budget: {milliseconds(value)} {unit} measured, "
                f"{milliseconds(budget)} {unit} allowed ({100 * (value / budget - 1):+.1f} %)."
            )
    if (table := missed(run_dir)) is not None:
        yield f"{len(table.rows)} faster or equal candidates were exported and missed the budget."


def _better(run_dir: Path) -> Iterator[str]:
    """A baseline is at least as accurate and as fast."""
    rows = _rows(run_dir)
    winner = next((row for row in rows if row.role == "winner"), None)
    for row in rows:
        own, other = None if winner is None else winner.image_ms, row.image_ms
        if winner is None or row.role != "baseline" or own is None or other is None:
            continue
        if other <= own and row.test_correct >= winner.test_correct:
            yield f"{row.name} is as fast as the winner and at least as accurate."


def _images(run_dir: Path) -> Iterator[str]:
    winner = next((row for row in _rows(run_dir) if row.role == "winner"), None)
    if winner is not None:
        low, high = winner.test_interval
        if high - low > WIDE:
            yield (
                f"Few test images ({winner.test_total}): the 95 % interval of the winner's accuracy is "
                f"{100 * (high - low):.1f} points wide."
            )
        if winner.reused:
            yield "`nas trust` has evaluated networks on the test images too."
    posterior = _winner(run_dir).get("posterior") or {}
    if posterior.get("least_difference", 0.0) > _COARSE:
        yield (
            f"The search compared networks by {posterior['images']} images, which cannot resolve differences "
            f"below {100 * posterior['least_difference']:.1f} points."
        )


def _bias(run_dir: Path) -> Iterator[str]:
    """The winner is clearly worse on images that the search has not seen."""
    winner = _winner(run_dir)
    again = winner.get("held_out")
    if again and winner["values"].get(again.get("objective", "accuracy"), 0.0) > again["interval"][1]:
        yield held_out(winner)


def _estimates(run_dir: Path) -> Iterator[str]:
    table = read_latency_table(run_dir)
    if table is not None and is_estimated(table):
        yield "Latencies of some blocks are estimated by the device's roofline, not measured."
    if _winner(run_dir).get("prediction") == "extrapolated":
        yield "The winner's accuracy is extrapolated: the network is outside the predictor's data."


def _measuring(run_dir: Path) -> Iterator[str]:
    """Other programs disturbed a measurement, or the table errs."""
    causes = {
        row.latency_ms.disturbed for row in _rows(run_dir) if row.latency_ms and row.latency_ms.disturbed
    }
    for cause in sorted(causes):
        yield f"The exported files were measured while {cause}; latencies may be too high."
    table = read_latency_table(run_dir)
    if table is not None and table.disturbed:
        yield f"The latency table was measured while {table.disturbed}."
    if table is not None and table.device.is_emulated:
        yield "The latency table was measured on an emulated processor: its latencies are the emulator's."
    if table is not None and table.accuracy is not None and table.accuracy.table.mape > _ERRS:
        error = 100 * table.accuracy.table.mape
        yield f"The latency table errs by {error:.0f} % on networks that it has not seen."


def _search(run_dir: Path) -> Iterator[str]:
    if (run_dir / TRIALS).is_file():
        failed = sum(row["state"] == State.FAILED for row in read_csv(run_dir / TRIALS))
        if failed:
            yield f"{failed} evaluations of the search failed: they gave no number."
    if (run_dir / CONTROL).is_file():
        search = read_search(run_dir)
        if search.random and search.hypervolume[-1] <= search.random[-1]:
            yield "The search was no better than random search with the same budget (hypervolume)."


def _trust(run_dir: Path) -> Iterator[str]:
    if (run_dir / TRUST).is_file():
        tau = read_json(run_dir / TRUST)["agreement"]["all"]["kendall_tau"]["value"]
        if tau is not None and tau < _AGREES:
            yield f"The supernet ranks networks poorly: Kendall τ {tau:.2f} against training them alone."


def _outdated(run_dir: Path) -> Iterator[str]:
    if any(row.outdated for row in _rows(run_dir)):
        yield "The exported files are of an earlier training and left out; run nas export to renew them."
    if any((run_dir / "rejected").glob("*")):
        yield "Some files failed the check against the trained network; they are in rejected/."


_CHECKS: tuple[Callable[[Path], Iterator[str]], ...] = (
    _budget,
    _better,
    _measuring,
    _estimates,
    _images,
    _bias,
    _search,
    _trust,
    _outdated,
)
