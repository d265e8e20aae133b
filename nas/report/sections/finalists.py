"""The finals of a search: the finalists' accuracies after each round."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nas.files import read_json
from nas.report import html
from nas.search.results.winners import ACCURACIES, CALIBRATED, is_best

if TYPE_CHECKING:
    from markupsafe import Markup

FINALISTS = "finalists.json"


def finals(winner: Mapping[str, Any]) -> str:
    """States how the finals were decided; empty if there were none.

    Args:
        winner: The content of ``winner.json``.
    """
    value = winner.get("finals")
    if value is None:
        return ""
    trained, names = value["trained"], [each["name"] for each in winner["objectives"]]
    low, high = trained["interval"]
    text = (
        f"{value['finalists']} finalists were trained with the supernet's weights as their start, the last "
        f"ones for {value['epochs']} epochs. After this training, the search's choice has "
        f"{100 * trained['accuracy']:.1f} % ({100 * low:.1f} to {100 * high:.1f})"
        f"{ACCURACIES[trained['objective']]} on {trained['images']} held-out images"
    )
    if value["best"]:
        return f"{text}, the best of them."
    return (
        f"{text}. {value['equals']} finalists are as accurate within one standard deviation of their "
        f"difference; of these, it {is_best(names[1])}."
    )


def finalists(folder: Path) -> list[Markup]:
    """Shows the finalists of a search's folder, the winner first; nothing if there were no finals."""
    if not (folder / FINALISTS).is_file():
        return []
    value = read_json(folder / FINALISTS)
    if not value["networks"]:
        return []
    rounds = [each["epochs"] for each in value["rounds"]]
    head = [
        ("finalist", ""),
        (_before(value["networks"][0]["posterior"]), "by all evaluations, 95 % interval"),
        *((f"after {_epochs(number)}", "95 % interval") for number in rounds),
        ("behind the best", "points"),
    ]
    rows = [
        ("winner" if place == 0 else "", _row(each, len(rounds)))
        for place, each in enumerate(value["networks"])
    ]
    note = (
        "Accuracies after training are those on held-out images, which chose no finalist. They were the same "
        "for all, so the last column is more certain than the intervals. The better half of each round was "
        "trained on. Networks that are behind by less than one standard deviation (±) count as equal."
    )
    return [
        html.heading("Finalists", level=3),
        html.table(head, rows),
        html.paragraph(note, kind="note"),
    ]


def _before(posterior: Mapping[str, Any] | None) -> str:
    """States what the accuracy is by which the search chose a finalist."""
    calibrated = posterior is not None and posterior.get("objective") == CALIBRATED
    return "expected after training alone" if calibrated else "before training"


def _epochs(number: int) -> str:
    return f"{number} epoch{'s' if number > 1 else ''}"


def _row(finalist: Mapping[str, Any], rounds: int) -> tuple[str, ...]:
    reached = [_interval(each) for each in finalist["rounds"]]
    behind = "–"
    if finalist["behind"] is not None:
        difference, deviation = finalist["behind"]
        behind = f"{100 * difference:.1f} (± {100 * deviation:.1f})" if difference > 0 else "best"
    missing = ["–"] * (rounds - len(reached))
    return finalist["code"], _interval(finalist["posterior"]), *reached, *missing, behind


def _interval(value: Mapping[str, Any]) -> str:
    low, high = value["interval"]
    return f"{100 * value['accuracy']:.1f} % ({100 * low:.1f} to {100 * high:.1f})"
