"""The step that searches the trained supernet."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nas.cli.bars import progress_bar
from nas.cli.steps.context import Context
from nas.cli.steps.search import calibration, finals
from nas.cli.steps.search import goals as goals_step
from nas.cli.steps.search.accuracy import Accuracies, accuracy_source
from nas.cli.steps.search.field import FIELD, measure_field
from nas.cli.steps.search.front import print_front
from nas.cli.steps.search.shown import View, say_result
from nas.cli.steps.table import table as table_step
from nas.cli.steps.table.devices import Networks, Target, check_tables, searched_space, targets
from nas.cli.steps.workers import check_parent, helpers
from nas.errors import UserError
from nas.latency import LatencyTable
from nas.pipeline import Step
from nas.search import Problem, SearchResult, Study, search, work
from nas.search.predicted import search_predicted
from nas.search.samplers import Sampler, make_sampler
from nas.search.trials.shared_ledger import Shared

OUTPUTS = ("trials.csv", "pareto.json", "winner.json", "winners.json", "importance.json", "control.json")
JOURNAL = "journal.log"
_HOW = ("workers", "storage", "study")
"""Settings that do not affect a search's result."""


def step(context: Context) -> Step:
    """Makes the search step, with random search as its control."""
    source = accuracy_source(context)
    devices = targets(context)
    journal = source.evaluates and not context.config.search.storage
    return Step(
        name="search",
        folder=context.path("search"),
        settings={
            "search": _search_settings(context),
            **source.settings(),
            **finals.settings(context),
            "estimated": {each.device: each.facts for each in devices if each.path is None},
            "device": _device_settings(context),
            "missing": context.config.table.missing,
        },
        inputs={
            "search space": context.space_path,
            **source.inputs(),
            **{f"latency table of {each.device}": each.path for each in devices if each.path is not None},
        },
        outputs=(
            *([JOURNAL] if journal else []),
            *OUTPUTS,
            *([FIELD] if context.config.search.field else []),
            *([finals.FINALISTS] if finals.are_held(context) else []),
        ),
        run=lambda folder: _search(context, folder),
    )


def _search_settings(context: Context) -> dict[str, Any]:
    """Returns the settings of the search that decide its result."""
    value: dict[str, Any] = context.settings("search")["search"]
    without = _HOW if finals.are_held(context) else (*_HOW, *finals.SETTINGS)  # as in runs made before
    return {name: setting for name, setting in value.items() if name not in without}


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
    finals.check(context)
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
    calibration.say_quality(context)
    study = _study(context, accuracies, folder)
    if source.evaluates:
        result = _evaluated(context, study, accuracies, folder)
        if finals.are_held(context):
            result = finals.hold_finals(context, result, accuracies, folder)
    else:
        result = _predicted(context, study, source.resolutions(), folder)
        print_front(result)
        if context.config.search.field:
            measure_field(context, result, folder)
    say_result(result, folder)


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
            progress=View(context, bar, study).show,
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
