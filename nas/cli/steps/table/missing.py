"""Handles blocks that a latency table lacks: they are measured, estimated, or an error."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from pathlib import Path

from nas.blocks import BlockSpec
from nas.cli.bars import progress_bar
from nas.cli.screen import say
from nas.cli.steps.context import Context
from nas.cli.steps.table import table as table_step
from nas.files import sha256
from nas.latency import BlockModel, LatencyTable, load_table
from nas.latency.estimate.roofline import with_estimates

TABLE = "table.json"
_COMPLETES = "completes"


def completed(
    context: Context,
    table: LatencyTable,
    blocks: Iterable[BlockSpec],
    *,
    input_channels: int,
    folder: Path,
    budget_s: float,
) -> LatencyTable:
    """Returns the table with its missing ``blocks`` added according to ``table.missing``.

    If all costs are estimates, the new ones are too. Blocks that cannot be measured here stay missing; the
    table reports them, and how to measure them, on a prediction that needs them.

    Args:
        context: The run.
        table: The table.
        blocks: Blocks that the table has to hold.
        input_channels: Channels of the networks' input.
        folder: Folder for the kit and the raw samples of the measurement.
        budget_s: Seconds of measuring.

    Raises:
        UserError: If the peaks for an estimate are unknown, or another version of the runtime is installed.
    """
    missing = table.model.missing(blocks)
    if not missing or not isinstance(table.model, BlockModel):
        return table
    if _only_estimates(table):
        return with_estimates(table, missing)
    if context.config.table.missing == "estimate":
        return _estimated(context, table, missing)
    if context.config.table.missing == "measure" and table.device.is_here:
        say(f"table: {_lacks(table, missing)} measured now")
        return _measured(
            table,
            missing,
            input_channels=input_channels,
            folder=folder / "measured",
            budget_s=budget_s,
            seed=context.config.seed,
        )
    return table


def costs_nothing(context: Context, table: LatencyTable) -> bool:
    """Returns whether predictions need no measuring: with a whole-network model, or with estimates."""
    if not isinstance(table.model, BlockModel) or _only_estimates(table):
        return True
    return context.config.table.missing == "estimate"


def _only_estimates(table: LatencyTable) -> bool:
    return bool(table.costs) and all(cost.estimated for cost in table.costs.values())


def _lacks(table: LatencyTable, missing: tuple[BlockSpec, ...]) -> str:
    one = len(missing) == 1
    return f"{len(missing)} block{'' if one else 's'} that {table.name} lacks {'is' if one else 'are'}"


def _estimated(context: Context, table: LatencyTable, missing: tuple[BlockSpec, ...]) -> LatencyTable:
    from nas.latency.estimate.missing import with_scaled_estimates

    say(f"table: {_lacks(table, missing)} estimated")
    return with_scaled_estimates(table, missing, device=table_step.known_peaks(context.device))


def _measured(
    table: LatencyTable,
    missing: tuple[BlockSpec, ...],
    *,
    input_channels: int,
    folder: Path,
    budget_s: float,
    seed: int,
) -> LatencyTable:
    from nas.latency.measure.blocks import extend_table

    with progress_bar("measuring new blocks") as bar:
        extended = extend_table(
            table,
            missing,
            input_channels=input_channels,
            folder=folder,
            budget_s=budget_s,
            seed=seed,
            progress=bar.measured,
        )
    table_step.warn_of_disturbance(extended)
    return extended


def save_completed(context: Context, table: LatencyTable, folder: Path) -> None:
    """Saves a step's additions to the run's table, for later steps."""
    origin = {_COMPLETES: sha256(table_step.path(context))}
    dataclasses.replace(table, provenance={**table.provenance, **origin}).save(folder / TABLE)


def path(context: Context) -> Path:
    """Returns the file of the run's table: the one completed by the search, if there is one."""
    base, extended = table_step.path(context), context.path("search", TABLE)
    if extended.is_file() and load_table(extended).provenance.get(_COMPLETES) == sha256(base):
        return extended
    return base
