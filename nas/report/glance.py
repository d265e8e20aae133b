"""The answers that readers look for first: the winner, its lead, its latency, what more time would bring."""

from __future__ import annotations

import math
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import final

from nas.errors import UserError
from nas.hardware import latency_unit
from nas.report.files import PARETO, TRIALS, WINNER, Search, read_latency_table, read_search
from nas.report.results import RESULTS, Row, read_table
from nas.report.table import milliseconds

MORE = 1.2
"""The larger budget that the last card is about."""

_NEAR = (1.02, 1.6)  # relative times of trained networks that answer what more time brings


@final
@dataclass(frozen=True)
class Card:
    """An answer.

    Attributes:
        question: What it answers.
        figure: The answer in a few characters.
        words: What stands behind it.
    """

    question: str
    figure: str
    words: str


def summary(rows: list[Row]) -> str:
    """Summarises the outcome in a sentence: the winner and the best baseline."""
    winner = next((row for row in rows if row.role == "winner"), None)
    if winner is None:
        return ""
    low, high = winner.test_interval
    interval = f"{100 * low:.1f} to {100 * high:.1f}, 95 % interval"
    text = f"Winner: {100 * winner.test_accuracy:.1f} % test accuracy ({interval}){_at(winner)}"
    if winner.latency_ms is not None:
        cause = winner.latency_ms.disturbed
        text += f", measured while {cause}" if cause else ", measured"
    best = next((row for row in rows if row.best), None)
    return f"{text}." if best is None else f"{text}; best baseline, {best.name}: {_briefly(best)}."


def _briefly(row: Row) -> str:
    return f"{100 * row.test_accuracy:.1f} %{_at(row)}"


def _at(row: Row) -> str:
    """The measured time, per image and, of a larger batch, per batch."""
    if row.latency_ms is None:
        return ""
    image = f"{milliseconds(row.image_ms)} ms per image"
    if row.measured_batch == 1:
        return f" at {image}"
    return f" at {milliseconds(row.latency_ms.value)} {latency_unit(row.measured_batch)}, {image}"


def cards(run_dir: Path) -> tuple[str, list[Card]]:
    """Returns the run in one sentence and its answers, as far as its files give them."""
    rows, search = _rows(run_dir), _search(run_dir)
    winner = next((row for row in rows if row.role == "winner"), None)
    if winner is None:
        return _of_search(search)
    found = [
        _accuracy(winner),
        _lead(winner, next((row for row in rows if row.best), None)),
        _latency(winner, run_dir),
        _more(winner, rows, search),
    ]
    return summary(rows), [card for card in found if card is not None]


def _rows(run_dir: Path) -> list[Row]:
    with suppress(UserError):  # the result section reports the error
        return read_table(run_dir) if (run_dir / RESULTS).is_file() else []
    return []


def _search(run_dir: Path) -> Search | None:
    with suppress(UserError):
        if all((run_dir / path).is_file() for path in (PARETO, WINNER, TRIALS)):
            return read_search(run_dir)
    return None


def _of_search(search: Search | None) -> tuple[str, list[Card]]:
    if search is None:
        return "", []
    accuracy, cost = search.winner
    name, unit = search.cost
    value = f"{milliseconds(cost)} {unit}" if unit else f"{cost:.4g} {name}"
    kind = " predicted" if search.forecast else ""
    text = f"The search's winner, before its final training: {100 * accuracy:.1f} %{kind} at {value}."
    return text, [card for card in [_more_of(search)] if card is not None]


def _accuracy(winner: Row) -> Card:
    low, high = winner.test_interval
    images = f"95 % interval {100 * low:.1f} to {100 * high:.1f} %, on {winner.test_total} test images."
    return Card("How accurate is the winner?", f"{100 * winner.test_accuracy:.1f} %", images)


def _lead(winner: Row, best: Row | None) -> Card | None:
    if best is None:
        return None
    points = 100 * (winner.test_accuracy - best.test_accuracy)
    error = math.sqrt(sum(p * (1 - p) / n for p, n in map(_smoothed, (winner, best))))
    is_clear = abs(points) / 100 > 1.96 * error
    time = ""
    if winner.image_ms and best.image_ms:
        time = f", in {winner.image_ms / best.image_ms:.2f} times its time"
    words = f"Against {best.name}{time}. "
    words += "More than chance would give." if is_clear else "The difference may be chance."
    return Card("And the best baseline?", _points(points), words)


def _points(value: float) -> str:
    return f"{value:+.1f} points".replace("-", "−")


def _smoothed(row: Row) -> tuple[float, int]:
    return (row.test_correct + 1) / (row.test_total + 2), row.test_total


def _latency(winner: Row, run_dir: Path) -> Card | None:
    error = ""
    with suppress(UserError):
        table = read_latency_table(run_dir)
        if table is not None and table.accuracy is not None:
            error = (
                f" On networks it had not seen, the table errs by {100 * table.accuracy.table.mape:.1f} %."
            )
    spread, predicted = winner.latency_ms, winner.predicted_ms
    if spread is None:
        if predicted is None:
            return None
        how = "estimated by the device's roofline" if winner.estimated else "predicted by the latency table"
        unit = latency_unit(winner.predicted_batch)
        words = f"Not measured: {how}.{error}"
        return Card("Can I trust the latency?", f"{milliseconds(predicted)} {unit}", words)
    words = f"Measured, 95 % interval {milliseconds(spread.low)} to {milliseconds(spread.high)}."
    if predicted is not None and winner.predicted_batch == winner.measured_batch:
        words += (
            f" The table predicted {milliseconds(predicted)} ({100 * (predicted / spread.value - 1):+.1f} %)."
        )
    if spread.disturbed:
        words += " Other programs disturbed the measurement."
    unit = latency_unit(winner.measured_batch)
    return Card("Can I trust the latency?", f"{milliseconds(spread.value)} {unit}", f"{words}{error}")


def _more(winner: Row, rows: list[Row], search: Search | None) -> Card | None:
    """The next slower network that was trained, or else the front of the search."""
    own = winner.image_ms
    slower = [
        (row.image_ms / own, row)
        for row in rows
        if own
        and row.image_ms
        and row.role in ("largest", "family")
        and _NEAR[0] < row.image_ms / own < _NEAR[1]
    ]
    if not slower:
        return None if search is None else _more_of(search)
    time, row = min(slower, key=lambda pair: pair[0])
    points = 100 * (row.test_accuracy - winner.test_accuracy)
    words = (
        f"The {row.name} network takes {100 * (time - 1):.0f} % more time and is "
        f"{100 * row.test_accuracy:.1f} % accurate."
    )
    if abs(points) / 100 <= 1.96 * math.sqrt(sum(p * (1 - p) / n for p, n in map(_smoothed, (winner, row)))):
        words += " The difference may be chance."
    return Card(_QUESTION, _points(points), words)


_QUESTION = "And with 20 % more time?"


def _more_of(search: Search) -> Card | None:
    """The front at the winner's cost and at 20 % more, evaluated or else continued by its trend."""
    accuracy, cost = search.winner
    points = sorted((cost, accuracy) for accuracy, cost in search.front)
    within = [value for each, value in points if each <= MORE * cost]
    if points and points[-1][0] >= MORE * cost and within:
        gain = 100 * (max(within) - accuracy)
        words = "The most accurate network that the search found within this time, "
        words += "by predicted accuracies." if search.forecast else "on the images of the search."
        return Card(_QUESTION, _points(gain), words)
    slope = _slope([(math.log(each), value) for each, value in points if each > 0])
    if slope is None:
        return None
    words = "Continued from the front's trend: the search looked at no network that takes so long."
    return Card(_QUESTION, f"≈ {_points(100 * slope * math.log(MORE))}", words)


def _slope(points: list[tuple[float, float]]) -> float | None:
    """Returns the slope of a line fitted to the slower half of the front; ``None`` of fewer than 3 points."""
    points = points[len(points) // 2 :] if len(points) >= 6 else points
    if len(points) < 3:
        return None
    x, y = (sum(column) / len(points) for column in zip(*points, strict=True))
    spread = sum((each - x) ** 2 for each, _ in points)
    return sum((each - x) * (value - y) for each, value in points) / spread if spread else None
