"""The step that makes a latency table; finds and reads the table that a run uses."""

from __future__ import annotations

from pathlib import Path

from nas import resources
from nas.cli.screen import say
from nas.cli.steps.context import Context
from nas.cli.steps.table import sustained
from nas.cli.steps.table.sources import known_peaks, sizes, source
from nas.config import seconds
from nas.errors import unknown
from nas.latency import LatencyTable, load_table
from nas.latency.compatible import require_fit, warnings
from nas.latency.estimate.missing import MISSING
from nas.latency.estimate.roofline import ROOFLINE
from nas.pipeline import Step

__all__ = [
    "ROOFLINE",
    "check",
    "check_missing",
    "is_made",
    "known_peaks",
    "name",
    "path",
    "read",
    "sizes",
    "step",
]

_IRRELEVANT = ("remote", "missing", "name")
"""Table settings that do not affect its content; the step records the table's source as ``source``."""


def is_made(context: Context) -> bool:
    """Returns whether the run makes its table rather than using an existing one."""
    return context.config.table.name in (None, ROOFLINE)


def name(context: Context) -> str:
    """Returns the name of the table that the run makes, usually the space's and the device's."""
    return source(context.config.table).name(context)


def path(context: Context) -> Path:
    """Returns the file of the table that the run uses: the configured one, or the one that it makes."""
    configured = context.config.table.name
    if configured is not None and not is_made(context):
        return resources.find("latency_tables", configured, ".json", what="latency table")
    return context.path("table", f"{name(context)}.json")


def read(context: Context, file: Path) -> LatencyTable:
    """Reads a table and checks that it fits the run's device and space.

    Raises:
        UserError: If the table does not fit, or is damaged.
    """
    table = load_table(file)
    require_fit(table, device=context.device, space=context.space.name)
    for warning in warnings(table, context.device):
        say(f"warning: {warning}")
    return table


def check(context: Context) -> None:
    """Checks the settings before any work is done."""
    config = context.config.table
    seconds(config.budget, setting="table.budget")
    check_missing(context)
    sustained.check(context)
    origin = source(config)
    if is_made(context):
        origin.check(context)
    else:
        read(context, path(context))


def check_missing(context: Context) -> None:
    """Raises a ``UserError`` for an unknown ``table.missing``."""
    if context.config.table.missing not in MISSING:
        raise unknown("table.missing", context.config.table.missing, MISSING)


def step(context: Context) -> Step:
    """Makes the step that makes a latency table."""
    config = context.config.table
    origin = source(config)
    data = context.settings("data")["data"]
    settings = context.settings("table")["table"]
    return Step(
        name="table",
        folder=context.path("table"),
        settings={
            "table": {key: value for key, value in settings.items() if key not in _IRRELEVANT},
            "source": origin.setting,
            "device": origin.device(context).to_dict(),
            "data": {key: data[key] for key in ("name", "root", "channels")}
            if config.classes is None
            else {},
            "seed": context.config.seed,
        },
        inputs={"search space": context.space_path, **origin.inputs(context)},
        outputs=(f"{name(context)}.json", *([] if config.sustained is None else [sustained.output()])),
        run=lambda folder: _make(context, folder),
    )


def _make(context: Context, folder: Path) -> None:
    table = source(context.config.table).make(context, folder)
    table.save(folder / f"{name(context)}.json")
    say(f"table: {describe(table)}")
    warn_of_disturbance(table)
    if context.config.table.sustained is not None:
        sustained.measure(context, folder)


def warn_of_disturbance(table: LatencyTable) -> None:
    """Warns if other programs ran while a table was measured here."""
    if table.disturbed:
        say(f"table: warning: the measurement was disturbed: {table.disturbed}; latencies may be too high")


def describe(table: LatencyTable) -> str:
    """Describes a table's size and error in one line."""
    head = f"{table.model.about()} on {table.device.machine or table.device.name}, {table.device.runtime}"
    return f"{head}; {'error unknown' if table.accuracy is None else table.accuracy.about()}"
