"""The latency budget of the exported winner, and the candidates that replace a winner that misses it."""

from __future__ import annotations

import json
import math
import shutil
import statistics
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from nas.cli.screen import say
from nas.cli.steps.context import Context
from nas.cli.steps.final import faults, formats
from nas.cli.steps.final import scale as scale_step
from nas.deploy.attempts import (
    FOLDER,
    Attempt,
    candidate_name,
    read_attempts,
    write_attempts,
)
from nas.deploy.formats import find_format
from nas.deploy.manifest import Artefact, Spread
from nas.errors import UserError
from nas.files import read_json
from nas.latency import load_table
from nas.records import RECORD


class MissedBudgetError(UserError):
    """The exported winner misses the latency budget.

    Attributes:
        fact: What was measured, and where the files are.
        attempt: The figures of the winner.
    """

    def __init__(self, fact: str, attempt: Attempt) -> None:
        super().__init__(
            f"{fact}. `nas run export.enforce=true` tries up to export.fallbacks faster candidates; "
            f"or scale again with scale.margin={_margin([attempt])}"
        )
        self.fact, self.attempt = fact, attempt


def check(context: Context) -> None:
    """Checks before any work that a budget can be enforced here.

    Raises:
        UserError: If the device is not here, or its runtime does not read the file that ships.
    """
    config, device = context.config.export, context.device
    if config.fallbacks < 0:
        raise UserError(f"export.fallbacks is {config.fallbacks}; give 0 for none, or a positive number")
    if not config.enforce:
        return
    if reason := faults.cannot_measure(context):
        raise UserError(f"export.enforce=true measures on this machine: {reason}")
    kinds = [find_format(name) for name in formats.choose(config, device=device)]
    if not any(
        formats.ships(kind, device=device) and formats.is_measured(kind, device=device) for kind in kinds
    ):
        names = ", ".join(kind.NAME for kind in kinds)
        raise UserError(
            f"export.enforce=true needs a file in {device.precision} that {device.runtime} can measure, and "
            f"{names} gives none; add a format to export.formats, or leave it out"
        )


def candidate(context: Context) -> int:
    """Returns the number of the candidate that the run trains: 0 for the scaled network."""
    if context.config.finish.network is not None:
        return 0
    return read_attempts(context.run_dir).candidate


def begin(context: Context) -> None:
    """Forgets candidates that were tried with other settings; the run starts with the scaled network then."""
    attempts, folder = read_attempts(context.run_dir), context.path(FOLDER)
    if folder.exists() and attempts.settings != _settings(context):
        if attempts.missed:
            say("deploy: other export settings than at the last miss; the run starts with the scaled network")
        shutil.rmtree(folder)


def _settings(context: Context) -> dict[str, Any]:
    """Returns the settings that decide whether a file meets the budget, as JSON values."""
    config = context.config.export
    names = ("formats", "opset", "batch", "enforce")
    device = context.settings("device")["device"]
    return dict(json.loads(json.dumps({**{name: getattr(config, name) for name in names}, "device": device})))


def advance(context: Context, miss: MissedBudgetError) -> None:
    """Records a miss, and moves the run on to the next candidate that may meet the budget.

    Raises:
        UserError: If there is no other candidate.
    """
    missed = miss.attempt
    before = read_attempts(context.run_dir).adding(missed)
    attempts = replace(before, candidate=missed.candidate, settings=_settings(context))
    predicted = [network.predicted_ms for network, _ in scale_step.read_candidates(context)]
    following = next_candidate(predicted, attempts.missed)
    if following is None or len(attempts.missed) > context.config.export.fallbacks:
        write_attempts(context.run_dir, attempts)
        raise UserError(_exhausted(context, attempts.missed, predicted))
    write_attempts(context.run_dir, replace(attempts, candidate=following))
    unit = _unit(missed.artefact)
    say(f"deploy: missed: {miss.fact}")
    if passed := following - missed.candidate - 1:
        say(f"deploy: passed over {_fallbacks(passed)}{_too_slow(attempts.missed)}")
    say(f"deploy: next is {candidate_name(following)}, predicted {predicted[following]:.4g} {unit}")


def next_candidate(predicted_ms: Sequence[float], missed: Sequence[Attempt]) -> int | None:
    """Returns the next candidate that meets the budget if predictions err as for those that missed it.

    Args:
        predicted_ms: The predicted latency of each candidate.
        missed: The candidates that missed the budget, in order.

    Returns:
        Its number; ``None`` if there is none.
    """
    ratio, budget_ms = _ratio(missed), missed[-1].budget_ms
    later = range(missed[-1].candidate + 1, len(predicted_ms))
    return next((number for number in later if predicted_ms[number] * ratio <= budget_ms), None)


def _ratio(missed: Sequence[Attempt]) -> float:
    """Returns the geometric mean of measured / predicted latency."""
    return statistics.geometric_mean([each.measured_ms / each.predicted_ms for each in missed])


def _fallbacks(count: int) -> str:
    return "1 fallback" if count == 1 else f"{count} fallbacks"


def _too_slow(missed: Sequence[Attempt]) -> str:
    return f", which would miss it too: files took {_ratio(missed):.2f} times their predicted latency"


def _exhausted(context: Context, missed: Sequence[Attempt], predicted_ms: Sequence[float]) -> str:
    first, unit, available = missed[0], _unit(missed[0].artefact), len(predicted_ms) - 1
    tried = ", ".join(f"{each.name} {each.measured_ms:.4g} {unit}" for each in missed)
    text = (
        f"no candidate meets the budget of {first.budget_ms:.4g} {unit}: {tried}; their files are in "
        f"{context.path(FOLDER)}"
    )
    rest = available - missed[-1].candidate
    more = ""
    if next_candidate(predicted_ms, missed) is not None:
        more = f"export.fallbacks above {context.config.export.fallbacks} (scale.json has {available}), or "
    elif rest:
        text += f". scale.json has {_fallbacks(rest)} more{_too_slow(missed)}"
    return f"{text}. Run again with {more}scale.margin={_margin(missed)}"


def check_budget(context: Context, files: Sequence[Artefact], *, number: int, folder: Path) -> None:
    """Warns, or fails with ``export.enforce``, if the exported winner exceeds the latency budget.

    Without ``export.enforce``, a budget for another machine or batch is only mentioned.

    Args:
        context: The run.
        files: The files of the winner.
        number: The winner's number among the candidates.
        folder: The folder of the files. They are moved to ``missed/`` if the check fails.

    Raises:
        MissedBudgetError: If the budget is missed.
        UserError: If the budget has to be enforced and cannot be checked.
    """
    budget = read_json(context.path("scale", "scale.json"))["latency_ms"]
    enforce = context.config.export.enforce
    if budget is None:
        if enforce:
            say("deploy: warning: export.enforce has no effect, because nas scale had no budget")
        return
    winner = shipped(context, files)
    table = load_table(context.path("scale", scale_step.TABLE))
    if reason := _uncheckable(
        winner, table.device.name, is_here=table.device.is_here, batch=table.device.batch
    ):
        text = f"the budget of {budget:.3f} {table.device.latency_unit} was not checked: {reason}"
        if enforce:
            raise UserError(text)
        say(f"deploy: {text}")
        return
    assert winner.latency_ms is not None
    text = verdict(winner.latency_ms, budget, unit=_unit(winner))
    if winner.latency_ms.value <= budget:
        if text:
            say(f"deploy: {winner.file} {text}")
        return
    attempt = _attempt(context, winner, number=number, budget=budget)
    if not enforce:
        say(f"deploy: warning: {winner.file} {text}; run again with scale.margin={_margin([attempt])}")
        return
    aside = _put_aside(context, folder, number=number)
    raise MissedBudgetError(f"{winner.file} ({attempt.name}) {text}; its files are in {aside}", attempt)


def shipped(context: Context, files: Sequence[Artefact]) -> Artefact:
    """Returns the winner's file in the precision of the device, a measured one first, or else its first."""
    right = [each for each in files if formats.ships(find_format(each.format), device=context.device)]
    return next((each for each in right if each.latency_ms is not None), (right or list(files))[0])


def _uncheckable(winner: Artefact, target: str, *, is_here: bool, batch: int) -> str:
    """Returns the reason why the budget cannot be checked here; empty if it can."""
    if winner.latency_ms is None:
        return f"{winner.file} was not measured"
    if not is_here or batch != winner.batch:
        return f"it is for {target}; run nas export there with device.batch={batch}"
    return ""


def verdict(latency: Spread, budget_ms: float, *, unit: str) -> str:
    """Compares a latency with the budget in words; empty if it lies below with its whole interval."""
    interval = f"95 % interval {latency.low:.4g} to {latency.high:.4g}"
    takes = f"takes {latency.value:.4g} {unit} ({interval})"
    note = f" (disturbed: {latency.disturbed})" if latency.disturbed else ""
    if latency.value > budget_ms:
        sure = ", though the interval holds the budget" if latency.low <= budget_ms else ""
        return f"{takes}{note}, above the budget of {budget_ms:.4g} {unit}{sure}"
    if latency.high > budget_ms:
        return (
            f"{takes}{note}, within the budget of {budget_ms:.4g} {unit}, but the interval reaches above it"
        )
    return ""


def _attempt(context: Context, winner: Artefact, *, number: int, budget: float) -> Attempt:
    network, _ = scale_step.read_candidates(context)[number]
    return Attempt(
        candidate=number,
        phi=network.phi,
        predicted_ms=network.predicted_ms,
        budget_ms=budget,
        artefact=winner,
    )


def _margin(missed: Sequence[Attempt]) -> float:
    """Returns the margin with which the networks would have met the budget, if they err alike again."""
    error = max(1 - each.predicted_ms / each.measured_ms for each in missed)
    return min(max(math.ceil(100 * error) / 100, 0.01), 0.99)


def _put_aside(context: Context, folder: Path, *, number: int) -> Path:
    """Moves the files of an export that failed to ``missed/NUMBER``."""
    aside = context.path(FOLDER, str(number))
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True)
    for path in folder.iterdir():
        if path.name != RECORD:
            shutil.move(path, aside / path.name)
    return aside


def _unit(artefact: Artefact) -> str:
    from nas.hardware import latency_unit

    return latency_unit(artefact.batch)
