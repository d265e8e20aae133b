"""A table that was made elsewhere or earlier, checked with a few whole networks and corrected."""

from __future__ import annotations

from pathlib import Path

from nas.cli.bars import progress_bar
from nas.cli.screen import say
from nas.cli.steps.context import Context
from nas.cli.steps.table.targets import check_here, check_target, target
from nas.config import seconds
from nas.errors import UserError
from nas.hardware import describe_machine
from nas.latency import LatencyTable, load_table
from nas.latency.compatible import require_fit
from nas.latency.estimate.roofline import ROOFLINE
from nas.latency.measure.check import CHECKED, FEWEST, LONGEST_S, Check, check_table


def check(context: Context) -> None:
    """Finds what is wrong with the settings before anything is measured."""
    config = context.config.table
    require_fit(load_table(str(config.check)), device=context.device, space=context.space.name)
    if config.validation_networks < FEWEST:
        raise UserError(
            f"table.validation_networks is {config.validation_networks}; table.check needs {FEWEST} networks"
        )
    if config.host is None:
        check_here(context)
    else:
        check_target(context)


def offer(context: Context, table: LatencyTable) -> str:
    """How to check a table that this run did not measure; empty where there is no need or no way."""
    given = context.config.table.name
    elsewhere = context.device.machine not in ("", describe_machine())
    if given in (None, ROOFLINE) or elsewhere or CHECKED in table.provenance:
        return ""
    return (
        f"table: {table.name} was measured earlier, perhaps elsewhere; check it in half a minute: "
        f"nas table table.check={given} space={context.config.space} device={context.device.name}"
    )


def make(context: Context, folder: Path) -> LatencyTable:
    """Measures the networks, reports the verdict, and makes the corrected table."""
    config = context.config.table
    table = load_table(str(config.check))
    where = describe_machine() if config.host is None else f"on {config.host}"
    say(f"table: checking {table.name} with {config.validation_networks} whole networks {where}")
    with progress_bar(f"measuring on {context.device.runtime}") as bar:
        result = check_table(
            table,
            context.space,
            device=context.device,
            folder=folder,
            classes=config.classes,
            input_channels=config.input_channels,
            networks=config.validation_networks,
            budget_s=min(seconds(config.budget, setting="table.budget"), LONGEST_S),
            seed=context.config.seed,
            target=None if config.host is None else target(config),
            progress=bar.measured,
        )
    say(f"table: {result.about()}")
    say(f"table: {_verdict(result, name=str(config.check))}")
    return result.table


def _verdict(result: Check, *, name: str) -> str:
    if result.fits:
        return f"{name} fits this device as it is; this run uses the corrected copy"
    if result.is_correctable:
        return f"{name} does not fit this device, but its corrected copy does; this run uses the copy"
    return (
        f"warning: {name} does not fit this device, and these networks cannot correct it; measure a new table"
    )
