"""The winners of a search, one for each budget, and their accuracy on unseen images."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import final

from nas.errors import UserError
from nas.network import NetworkSpec
from nas.search.goals.goals import Goals
from nas.search.goals.objectives import LATENCY, Objective
from nas.search.results.results import Choice, SearchResult, choose_winner
from nas.search.trials.evaluation import Evaluation
from nas.statistics import Count

Remeasure = Callable[[NetworkSpec], Count]
"""Returns a network's accuracy, of the kind that ``remeasured`` names, on images hidden from the search."""

CALIBRATED = "calibrated_accuracy"
"""The accuracy that a network is expected to have when it is trained alone."""

ACCURACIES: Mapping[str, str] = {
    "accuracy": "",
    "balanced_accuracy": " balanced over the classes",
    "int8_accuracy": " in INT8",
    CALIBRATED: " calibrated by networks trained alone",
}
"""The kinds of accuracy, and the words that follow "accuracy" in a sentence."""


@final
@dataclass(frozen=True)
class Chosen:
    """The best network within a budget.

    Attributes:
        budget_ms: Its latency budget on every device; ``None`` for the search's own bounds.
        choice: The network, and how clearly it wins; ``None`` if no usable network is within the budget.
        held_out: Its accuracy on unseen images, if there are any.
    """

    budget_ms: float | None
    choice: Choice | None
    held_out: Count | None


def check_budgets(names: Sequence[str], budgets_ms: Sequence[float]) -> None:
    """Checks that budgets are latencies of the search.

    Args:
        names: Names of the search's objectives and limits.
        budgets_ms: Latencies in ms.

    Raises:
        UserError: If a budget is not a positive number, or the search has no latency.
    """
    if not all(math.isfinite(budget) and budget > 0 for budget in budgets_ms):
        raise UserError(f"the budgets {list(budgets_ms)} are latencies in ms; give positive numbers")
    if budgets_ms and not any(name.startswith(LATENCY) for name in names):
        raise UserError(
            f"the budgets {list(budgets_ms)} are latencies, but the search has none; add latency to its "
            "objectives or bounds"
        )


def images_in_words(images: int, accuracy: str) -> str:
    """Returns how many images are behind an accuracy of this kind, for a sentence."""
    if accuracy == "balanced_accuracy":
        return f"as many images as {images} of equally frequent classes"
    if accuracy == CALIBRATED:
        return f"as many images as {images} of an accuracy without calibration"
    return f"{images} images"


def is_latency(objective: Objective) -> bool:
    """Returns whether an objective is the latency on a device."""
    return objective.name.startswith(LATENCY)


def is_best(name: str) -> str:
    """Says in words that a network is the best by an objective: ``is the fastest``."""
    device = name.removeprefix(LATENCY).strip("_")
    if name.startswith(LATENCY):
        return f"is the fastest on {device}" if device else "is the fastest"
    if name in ACCURACIES:
        return "is the most accurate"
    return f"has the best {name}"


def remeasured(goals: Goals) -> str:
    """Returns the accuracy to measure again: the first one among the objectives.

    In place of a calibrated one, it is the accuracy itself: ``nas trust`` has fitted the calibration to the
    hidden images, too.
    """
    name = next((each.name for each in goals.objectives if each.name in ACCURACIES), "accuracy")
    return "accuracy" if name == CALIBRATED else name


def within(goals: Goals, evaluations: Sequence[Evaluation], budget_ms: float) -> list[Evaluation]:
    """Returns the usable evaluations whose latency is within the budget on every device."""
    latencies = [i for i, each in enumerate(goals.quantities) if is_latency(each)]

    def keeps(evaluation: Evaluation) -> bool:
        return all(evaluation.outcome.quantities[i] <= budget_ms for i in latencies)

    return [evaluation for evaluation in evaluations if evaluation.usable and keeps(evaluation)]


def winners(
    result: SearchResult, *, budgets_ms: Sequence[float], remeasure: Remeasure | None
) -> tuple[Chosen, ...]:
    """Returns the winner, and the winner of each budget in increasing order; remeasures each network once."""
    choices: dict[float | None, Choice | None] = {None: result.choice}
    for budget in sorted(set(budgets_ms)):
        usable = within(result.goals, result.evaluations, budget)
        choices[budget] = choose_winner(result.goals, usable, result.posteriors) if usable else None
    candidates = dict.fromkeys(each.evaluation.candidate for each in choices.values() if each is not None)
    counts = {each: remeasure(each.network) for each in candidates} if remeasure is not None else {}
    return tuple(
        Chosen(budget, each, None if each is None else counts.get(each.evaluation.candidate))
        for budget, each in choices.items()
    )
