"""The step that makes a latency table, and the table that a run uses."""

from __future__ import annotations

from pathlib import Path

from nas import resources
from nas.cli.screen import say
from nas.cli.steps.context import Context
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
"""Settings of the table that do not decide its content; where it comes from stands in ``source``."""


def is_made(context: Context) -> bool:
    """Whether the run makes its table, and does not use a finished one."""
    return context.config.table.name in (None, ROOFLINE)


def name(context: Context) -> str:
    """The name of the table that the run makes, as a rule the space's and the device's."""
    return source(context.config.table).name(context)


def path(context: Context) -> Path:
    """The file of the table that the run uses: the one that was asked for, or the one that it makes."""
    asked = context.config.table.name
    if asked is not None and not is_made(context):
        return resources.find("latency_tables", asked, ".json", what="latency table")
    return context.path("table", f"{name(context)}.json")


def read(context: Context, file: Path) -> LatencyTable:
    """Reads a table for a run: it has to be of the device that the run asks for.

    Raises:
        UserError: If it is not, or is damaged.
    """
    table = load_table(file)
    require_fit(table, device=context.device, space=context.space.name)
    for warning in warnings(table, context.device):
        say(f"warning: {warning}")
    return table


def check(context: Context) -> None:
    """Finds what is wrong with the settings before anything is done."""
    config = context.config.table
    seconds(config.budget, setting="table.budget")
    check_missing(context)
    chosen = source(config)
    if is_made(context):
        chosen.check(context)
    else:
        read(context, path(context))


def check_missing(context: Context) -> None:
    """Raises a ``UserError`` for an unknown ``table.missing``."""
    if context.config.table.missing not in MISSING:
        raise unknown("table.missing", context.config.table.missing, MISSING)


def step(context: Context) -> Step:
    """Makes a table."""
    config = context.config.table
    chosen = source(config)
    data = context.settings("data")["data"]
    settings = context.settings("table")["table"]
    return Step(
        name="table",
        folder=context.path("table"),
        settings={
            "table": {key: value for key, value in settings.items() if key not in _IRRELEVANT},
            "source": chosen.setting,
            "device": chosen.device(context).to_dict(),
            "data": {key: data[key] for key in ("name", "root", "channels")}
            if config.classes is None
            else {},
            "seed": context.config.seed,
        },
        inputs={"search space": context.space_path, **chosen.inputs(context)},
        outputs=(f"{name(context)}.json",),
        run=lambda folder: _make(context, folder),
    )


def _make(context: Context, folder: Path) -> None:
    table = source(context.config.table).make(context, folder)
    table.save(folder / f"{name(context)}.json")
    say(f"table: {describe(table)}")
    warn_of_disturbance(table)


def warn_of_disturbance(table: LatencyTable) -> None:
    """Says if other programs ran while a table was measured here."""
    if table.disturbed:
        say(f"table: warning: the measurement was disturbed: {table.disturbed}; latencies may be too high")


def describe(table: LatencyTable) -> str:
    """A table's size and error in one line."""
    head = f"{table.model.about()} on {table.device.machine or table.device.name}, {table.device.runtime}"
    return f"{head}; {'error unknown' if table.accuracy is None else table.accuracy.about()}"
