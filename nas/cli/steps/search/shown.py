"""What a search shows: its status while it runs, and its result in words."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import final

from nas.cli.bars import Bar
from nas.cli.screen import say
from nas.cli.steps.context import Context
from nas.hardware import common_unit
from nas.search import Objective, Progress, SearchResult, Study
from nas.search.results.finals import Finals
from nas.search.results.posterior import PosteriorAccuracy
from nas.search.results.status import Status, status
from nas.search.results.winners import (
    ACCURACIES,
    CALIBRATED,
    images_in_words,
    is_best,
    is_latency,
    remeasured,
)

_SHOW_EVERY_S = 0.5
_SHARE_OF_STATUS = 0.05
"""At most this share of the time goes into computing the status."""


@final
@dataclass
class View:
    """Reports the search's status to the terminal and the tracker, at most twice per second."""

    context: Context
    bar: Bar
    study: Study
    _next: float = field(default=0.0)

    def show(self, now: Progress) -> None:
        """Shows the status, unless it was shown a moment ago."""
        self.bar.show(now.evaluated, now.trials)
        last, start = now.evaluated == now.trials, time.monotonic()
        if not last and start < self._next:
            return
        state = status(self.study.goals, now.entries, self.study.budgets_ms)
        what = "random search, the control: " if now.control else ""
        self.bar.note(what + _note(state, self.study.goals.objectives))
        metrics = state.metrics("control" if now.control else "search")
        self.context.tracker.log(metrics, step=now.evaluated)
        end = time.monotonic()
        self._next = end + max(_SHOW_EVERY_S, (end - start) / _SHARE_OF_STATUS)


def _note(state: Status, objectives: Sequence[Objective]) -> str:
    """Summarises a status in a few words."""
    first, unit = objectives[0], common_unit([each.unit for each in objectives])
    if state.best is None:
        return "nothing within the bounds yet"
    parts = [f"best {_value(first, state.best)}"]
    parts += [
        f"{'–' if best is None else _value(first, best)} in {budget:g} {unit}"
        for budget, best in state.best_within.items()
    ]
    return ", ".join([*parts, f"front {state.front}", f"hypervolume {state.hypervolume:.4g}"])


def _value(objective: Objective, value: float) -> str:
    if objective.name in ACCURACIES:
        return f"{value:.1%}"
    return f"{value:.3f} {objective.unit}" if is_latency(objective) else f"{value:.4g}"


def say_result(result: SearchResult, folder: Path) -> None:
    """Prints the winner, why it was chosen, and its accuracy on unseen images."""
    winner = result.winner
    values = zip(result.goals.quantities, winner.outcome.quantities, strict=True)
    described = [_described(each, value, result) for each, value in values]
    say(f"search: {result.evaluated} networks; winner {winner.candidate.code}: {', '.join(described)}")
    if result.choice.posterior is not None:
        say(f"search: {_posterior(result, result.choice.posterior)}")
    if result.finals is not None:
        say(f"search: {_final(result, result.finals)}")
        return
    if not result.choice.is_best:
        say(f"search: {_as_good(result)}")
    held_out = json.loads((folder / "winner.json").read_text(encoding="utf-8"))["held_out"]
    if held_out is not None:
        low, high = held_out["interval"]
        kind = ACCURACIES[held_out["objective"]]
        say(
            f"search: on {held_out['images']} unseen images, the winner's accuracy{kind} is "
            f"{held_out['accuracy']:.1%} ({low:.1%} to {high:.1%})"
        )


def _final(result: SearchResult, finals: Finals) -> str:
    """States how the finals were decided, and the winner's accuracy in them."""
    last, winner = finals.rounds[-1], finals.winner.rounds[-1]
    low, high = winner.interval()
    text = (
        f"{len(finals.finalists)} finalists trained, the last {last.networks} for {last.epochs} epochs; the "
        f"winner's accuracy{ACCURACIES[remeasured(result.goals)]} is {winner.value:.1%} ({low:.1%} to "
        f"{high:.1%}) on {winner.total} held-out images"
    )
    if finals.winner.is_best:
        return f"{text}, the best of them"
    second = result.goals.objectives[1]
    return (
        f"{text}; {finals.equals} are as accurate within one standard deviation of their difference, and of "
        f"these, the winner {is_best(second.name)}"
    )


def _posterior(result: SearchResult, posterior: PosteriorAccuracy) -> str:
    """States the winner's posterior accuracy, and which differences the images can resolve."""
    first, (low, high) = result.goals.objectives[0], posterior.interval
    chosen = "chosen" if result.finals is None else "a finalist"
    return (
        f"all {len(result.posteriors)} evaluations put the winner's accuracy{ACCURACIES.get(first.name, '')} "
        f"at {posterior.value:.1%} ({low:.1%} to {high:.1%}); {chosen} by "
        f"{images_in_words(first.images or 0, first.name)}, which cannot resolve "
        f"differences below {100 * posterior.least_difference:.1f} points"
    )


def _as_good(result: SearchResult) -> str:
    """Explains why the winner is not the most accurate network."""
    choice, (first, second) = result.choice, result.goals.objectives[:2]
    if first.forecast is not None:
        return (
            f"{choice.equals} networks are within the predictor's standard error "
            f"({100 * choice.noise:.2f} points) of the best, {choice.best:.2%}; of these, the winner "
            f"{is_best(second.name)}"
        )
    return (
        f"{choice.equals} networks have a lower bound of their accuracy{ACCURACIES.get(first.name, '')} "
        f"within one standard deviation ({choice.noise:.1%}) of the best one, "
        f"{_value(first, choice.best)}; of these, the winner {is_best(second.name)}"
    )


def _described(objective: Objective, value: float, result: SearchResult) -> str:
    if objective.forecast is not None:
        how = "extrapolated" if result.winner.outcome.extrapolated else "predicted"
        return f"{objective.name} {value:.2%} {how}"
    if objective.name == CALIBRATED:
        return f"{_value(objective, value)} expected after training alone"
    if objective.name in ACCURACIES:
        return f"{_value(objective, value)} on search-validation{ACCURACIES[objective.name]}"
    limit = "" if objective.bound is None else f" (bound {_value(objective, objective.bound)})"
    how = ""
    if is_latency(objective):
        how = " estimated" if objective.estimated(result.winner.candidate.network) else " predicted"
    return f"{objective.name} {_value(objective, value)}{how}{limit}"
