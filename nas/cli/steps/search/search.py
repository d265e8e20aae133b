"""The step that searches the trained supernet."""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, final

from nas.cli.screen import Bar, progress_bar, say
from nas.cli.steps.context import Context
from nas.cli.steps.search import goals as goals_step
from nas.cli.steps.search.accuracy import Accuracies, accuracy_source
from nas.cli.steps.search.front import print_front
from nas.cli.steps.table import table as table_step
from nas.cli.steps.table.devices import Networks, Target, check_tables, searched_space, targets
from nas.cli.steps.workers import check_parent, helpers
from nas.errors import UserError
from nas.hardware import common_unit
from nas.latency import LatencyTable
from nas.pipeline import Step
from nas.search import Objective, Problem, Progress, SearchResult, Study, search, work
from nas.search.predicted import search_predicted
from nas.search.results.posterior import PosteriorAccuracy
from nas.search.results.status import Status, status
from nas.search.results.winners import ACCURACIES, is_latency
from nas.search.samplers import Sampler, make_sampler
from nas.search.trials.shared_ledger import Shared

OUTPUTS = ("trials.csv", "pareto.json", "winner.json", "winners.json", "importance.json", "control.json")
JOURNAL = "journal.log"
_HOW = ("workers", "storage", "study")
"""Settings that do not affect a search's result."""

_SHOW_EVERY_S = 0.5
_SHARE_OF_STATUS = 0.05
"""At most this share of the time goes into computing the status."""


def step(context: Context) -> Step:
    """Makes the search step, with random search as its control."""
    settings, source = context.settings("search"), accuracy_source(context)
    devices = targets(context)
    journal = source.evaluates and not context.config.search.storage
    return Step(
        name="search",
        folder=context.path("search"),
        settings={
            "search": {name: value for name, value in settings["search"].items() if name not in _HOW},
            **source.settings(),
            "estimated": {each.device: each.facts for each in devices if each.path is None},
            "device": _device_settings(context),
            "missing": context.config.table.missing,
        },
        inputs={
            "search space": context.space_path,
            **source.inputs(),
            **{f"latency table of {each.device}": each.path for each in devices if each.path is not None},
        },
        outputs=(JOURNAL, *OUTPUTS) if journal else OUTPUTS,
        run=lambda folder: _search(context, folder),
    )


def _device_settings(context: Context) -> dict[str, Any]:
    """Returns the device settings that the search reads; the tables hold the rest."""
    device, settings = context.config.device, dict[str, Any]()
    if context.config.search.respect_device:
        names = ("preferred_blocks", "channel_multiple", "max_width")
        settings = {name: getattr(device, name) for name in names}
    if goals_step.depends_on_precision(context):
        settings["precision"] = device.precision
    return settings


def check(context: Context) -> None:
    """Checks the settings before any work is done."""
    table_step.check_missing(context)
    config = context.config.search
    if config.workers < 1:
        raise UserError(f"search.workers is {config.workers}; there must be at least one")
    if config.trials < 1:
        raise UserError(f"search.trials is {config.trials}; there must be at least one")
    goals_step.check(context)
    accuracy_source(context).check()
    sampler(context)
    searched_space(context)
    check_tables(context)


def sampler(context: Context) -> Sampler:
    """Makes the sampler from the configuration."""
    search = context.config.search
    made = make_sampler(search.sampler, search.options)
    has_population = "population" in {each.name for each in dataclasses.fields(made)}
    if not has_population or "population" in search.options:
        return made
    return make_sampler(search.sampler, {"population": search.population, **search.options})


def bound_ms(context: Context, table: LatencyTable, networks: Networks) -> float | None:
    """Returns the latency budget: absolute, or a share of the largest network's predicted latency."""
    search, space = context.config.search, context.space
    if search.latency_fraction is None:
        return search.latency_ms
    largest = space.network(space.largest(), classes=networks.classes, input_channels=networks.input_channels)
    if networks.resolutions:
        largest = dataclasses.replace(largest, resolution=max(networks.resolutions))
    return search.latency_fraction * table.predict(largest)


def _study(context: Context, accuracies: Accuracies, folder: Path) -> Study:
    """Makes the study from the configuration; tables that it completes are saved in ``folder``."""
    config, devices, networks = context.config, targets(context), _networks(context)
    sources = goals_step.Sources(
        accuracies=accuracies,
        tables={target.device: target.table(context, folder, networks) for target in devices},
        precision=config.device.precision,
        latency_ms=lambda table: bound_ms(context, table, networks),
    )
    return Study(
        problem=Problem(searched_space(context), networks.classes, networks.input_channels),
        goals=goals_step.goals(context, sources),
        sampler=sampler(context),
        trials=config.search.trials,
        seed=config.seed,
        context=_facts(context, devices),
        control=True,
        budgets_ms=config.search.budgets_ms,
    )


def _networks(context: Context) -> Networks:
    """Returns what the searched networks have in common."""
    source = accuracy_source(context)
    classes, channels = source.sizes()
    return Networks(classes=classes, input_channels=channels, resolutions=source.resolutions())


def _facts(context: Context, devices: Sequence[Target]) -> dict[str, str]:
    """Returns what must match for a search to resume, besides the study's own settings."""
    return {
        **{f"table of {target.device}": target.facts for target in devices},
        **accuracy_source(context).facts(),
        "device": json.dumps(_device_settings(context)),
    }


def _shared(context: Context, folder: Path, worker: int) -> Shared | None:
    """Returns the storage shared by several processes; ``None`` if this process searches alone."""
    config = context.config.search
    if config.storage is None and config.workers == 1:
        return None
    return Shared(storage=config.storage or str(folder / JOURNAL), study=config.study, worker=worker)


def help_search(context: Context, worker: int) -> None:
    """Joins the search of this run as another worker."""
    folder = step(context).partial
    shared = _shared(context, folder, worker)
    assert shared is not None
    study = _study(context, accuracy_source(context).open(), folder)
    work(study, shared=shared, progress=lambda _: check_parent())


def _search(context: Context, folder: Path) -> None:
    source = accuracy_source(context)
    accuracies = source.open()
    study = _study(context, accuracies, folder)
    if source.evaluates:
        result = _evaluated(context, study, accuracies, folder)
    else:
        result = _predicted(context, study, source.resolutions(), folder)
        print_front(result)
    _say_result(result, folder)


def _evaluated(context: Context, study: Study, accuracies: Accuracies, folder: Path) -> SearchResult:
    """Evaluates networks one by one, by several processes if configured."""
    with (
        progress_bar("searching") as bar,
        helpers(context, help_search, workers=context.config.search.workers),
    ):
        return search(
            study,
            folder=folder,
            shared=_shared(context, folder, 0),
            progress=_View(context, bar, study).show,
            remeasure=accuracies.remeasure(study.goals),
        )


def _predicted(context: Context, study: Study, resolutions: tuple[int, ...], folder: Path) -> SearchResult:
    """Predicts thousands of networks."""
    with progress_bar("predicting") as bar:
        return search_predicted(
            study,
            folder=folder,
            candidates=context.config.search.candidates,
            resolutions=resolutions,
            progress=bar.show,
        )


@final
@dataclass
class _View:
    """Reports the search's status to the terminal and the tracker, at most twice per second."""

    context: Context
    bar: Bar
    study: Study
    _next: float = field(default=0.0)

    def show(self, now: Progress) -> None:
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


def _say_result(result: SearchResult, folder: Path) -> None:
    winner = result.winner
    values = zip(result.goals.quantities, winner.outcome.quantities, strict=True)
    described = [_described(each, value, result) for each, value in values]
    say(f"search: {result.evaluated} networks; winner {winner.candidate.code}: {', '.join(described)}")
    if result.choice.posterior is not None:
        say(f"search: {_posterior(result, result.choice.posterior)}")
    if result.choice.value != result.choice.best:
        say(f"search: {_as_good(result)}")
    held_out = json.loads((folder / "winner.json").read_text(encoding="utf-8"))["held_out"]
    if held_out is not None:
        low, high = held_out["interval"]
        kind = _precision(held_out["objective"])
        say(
            f"search: on {held_out['images']} unseen images, the winner's accuracy{kind} is "
            f"{held_out['accuracy']:.1%} ({low:.1%} to {high:.1%})"
        )


def _posterior(result: SearchResult, posterior: PosteriorAccuracy) -> str:
    """States the winner's posterior accuracy, and which differences the images can resolve."""
    first, (low, high) = result.goals.objectives[0], posterior.interval
    return (
        f"all {len(result.posteriors)} evaluations put the winner's accuracy{_precision(first.name)} "
        f"at {posterior.value:.1%} ({low:.1%} to {high:.1%}); chosen by {first.images} images, which cannot "
        f"resolve differences below {100 * posterior.least_difference:.1f} points"
    )


def _as_good(result: SearchResult) -> str:
    """Explains why the winner is not the most accurate network."""
    choice, (first, second) = result.choice, result.goals.objectives[:2]
    if first.forecast is not None:
        return (
            f"{choice.equals} networks are within the predictor's standard error "
            f"({100 * choice.noise:.2f} points) of the best, {choice.best:.2%}; of these, the winner has the "
            f"best {second.name}"
        )
    return (
        f"{choice.equals} networks are within one standard deviation ({choice.noise:.1%}) of the best "
        f"posterior accuracy{_precision(first.name)}, {_value(first, choice.best)}; of these, the winner has "
        f"the best {second.name}"
    )


def _described(objective: Objective, value: float, result: SearchResult) -> str:
    if objective.forecast is not None:
        how = "extrapolated" if result.winner.outcome.extrapolated else "predicted"
        return f"{objective.name} {value:.2%} {how}"
    if objective.name in ACCURACIES:
        return f"{_value(objective, value)} on search-validation{_precision(objective.name)}"
    limit = "" if objective.bound is None else f" (bound {_value(objective, objective.bound)})"
    how = ""
    if is_latency(objective):
        how = " estimated" if objective.estimated(result.winner.candidate.network) else " predicted"
    return f"{objective.name} {_value(objective, value)}{how}{limit}"


def _precision(accuracy: str) -> str:
    return " in INT8" if accuracy == "int8_accuracy" else ""
