"""The answers that readers look for first: the winner, its lead, its latency, what more time would bring."""

from __future__ import annotations

import math
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import final

from nas.errors import UserError
from nas.hardware import latency_unit
from nas.report.differences import of_counts
from nas.report.files import PARETO, TRIALS, WINNER, Search, read_latency_table, read_search
from nas.report.results import RESULTS, Row, read_table
from nas.report.table import milliseconds

MORE = 1.2
"""The larger budget that the last card is about."""

_LONGER = 1.02  # a shorter relative time is the winner's own, as far as measurements tell
_EQUAL = 0.0005  # a smaller difference of accuracies would be shown as 0.0 points
_SAME = 0.1  # a winner whose time differs by more from the search's winner was scaled


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
        _lead(winner, rows),
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
    text = f"The search's choice, before its final training: {100 * accuracy:.1f} %{kind} at {value}."
    return text, [card for card in [_more_of(search)] if card is not None]


def _accuracy(winner: Row) -> Card:
    low, high = winner.test_interval
    images = f"95 % interval {100 * low:.1f} to {100 * high:.1f} %, on {winner.test_total} test images."
    return Card("How accurate is the winner?", f"{100 * winner.test_accuracy:.1f} %", images)


def _lead(winner: Row, rows: list[Row]) -> Card | None:
    """Compares the winner with the best baseline, and with the fastest one if that is another."""
    best = next((row for row in rows if row.best), None)
    if best is None:
        return None
    accuracy = f"{_in_accuracy(winner, best)}."
    if winner.image_ms and best.image_ms:
        accuracy = accuracy[0].upper() + accuracy[1:]
        words = f"Than {best.name}. {accuracy}{_against_the_fastest(winner, best, rows)}"
        return Card(_AGAINST, _in_time(winner.image_ms / best.image_ms), words)
    return Card(
        _AGAINST, _points(100 * (winner.test_accuracy - best.test_accuracy)), f"{best.name}: {accuracy}"
    )


_AGAINST = "How does it compare with the best baseline?"


def _against_the_fastest(winner: Row, best: Row, rows: list[Row]) -> str:
    """A sentence on the fastest baseline; empty if it is the best one, or as slow."""
    times = {row.name: row.image_ms for row in rows if row.role == "baseline" and row.image_ms}
    fastest = min((row for row in rows if row.name in times), key=lambda row: times[row.name], default=best)
    if fastest is best or not winner.image_ms or times[fastest.name] >= times.get(best.name, 0.0):
        return ""
    share = times[fastest.name] / winner.image_ms
    time = f"{share:.1f} times as long" if share > 1 else f"{100 * share:.0f} % of the winner's time"
    return f" The fastest baseline, {fastest.name}, takes {time} and is {_in_accuracy(fastest, winner)}."


def _in_time(share: float) -> str:
    """A share of another network's time in words."""
    return f"{1 / share:.1f} times faster" if share <= 1 else f"{share:.1f} times slower"


def _in_accuracy(row: Row, other: Row) -> str:
    """How much more or less accurate a network is than another, and if chance explains it."""
    difference, half = of_counts(other, row)
    chance = "more than chance would give" if abs(difference) > half else "which may be chance"
    if abs(difference) < _EQUAL:
        return "as accurate"
    direction = "more" if difference >= 0 else "less"
    return f"{100 * abs(difference):.1f} ± {100 * half:.1f} points {direction} accurate, {chance}"


def _points(value: float) -> str:
    return f"{value:+.1f} points".replace("-", "−")


def _latency(winner: Row, run_dir: Path) -> Card | None:
    table = None
    with suppress(UserError):
        table = read_latency_table(run_dir)
    where = "" if table is None else f" on {table.device.machine}"
    error = ""
    if table is not None and table.accuracy is not None:
        mean = 100 * table.accuracy.table.mape
        error = f" On networks that it had not seen, the latency table is wrong by {mean:.1f} % on average."
    spread, predicted = winner.latency_ms, winner.predicted_ms
    if spread is None:
        if predicted is None:
            return None
        how = "estimated by the device's roofline" if winner.estimated else "predicted by the latency table"
        unit = latency_unit(winner.predicted_batch)
        return Card(_TRUST, f"{milliseconds(predicted)} {unit}", f"Not measured: {how}{where}.{error}")
    interval = f"95 % interval {milliseconds(spread.low)} to {milliseconds(spread.high)}"
    words = f"Measured{where}, {interval}."
    if predicted is not None and winner.predicted_batch == winner.measured_batch:
        difference = 100 * (spread.value / predicted - 1)
        words += f" The latency table predicted {milliseconds(predicted)} ({difference:+.1f} %)."
    if spread.disturbed:
        words += " Other programs disturbed the measurement."
    return Card(
        _TRUST, f"{milliseconds(spread.value)} {latency_unit(winner.measured_batch)}", f"{words}{error}"
    )


_TRUST = "Can I trust the latency?"


def _more(winner: Row, rows: list[Row], search: Search | None) -> Card | None:
    """A trained network within the larger time; the search's front, if the winner is on it; or neither."""
    own = winner.image_ms
    others = [row for row in rows if row.role in ("largest", "family") and row.image_ms]
    slower = sorted(
        ((row.image_ms / own, row) for row in others if own and row.image_ms), key=lambda pair: pair[0]
    )
    slower = [(time, row) for time, row in slower if time > _LONGER]
    within = [(time, row) for time, row in slower if time <= MORE]
    if within:
        time, row = max(within, key=lambda pair: pair[1].test_accuracy)
        words = (
            f"The {_called(row)} takes {100 * (time - 1):.0f} % more time and is {_in_accuracy(row, winner)}."
        )
        return Card(_QUESTION, _points(100 * (row.test_accuracy - winner.test_accuracy)), words)
    if search is not None and (own is None or abs(search.winner[1] / own - 1) < _SAME):
        return _more_of(search)
    words = "No network between the winner's time and 20 % more was trained."
    if slower:
        time, row = slower[0]
        words += (
            f" The {_called(row)} takes {100 * (time - 1):.0f} % more and is {_in_accuracy(row, winner)}."
        )
    return Card(_QUESTION, "not known", words)


def _called(row: Row) -> str:
    return "largest network of the space" if row.role == "largest" else f"{row.name} network of the family"


_QUESTION = "What would 20 % more time bring?"


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
