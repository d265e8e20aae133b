"""The step that measures a latency table, and the table that a run uses."""

from __future__ import annotations

from pathlib import Path

from nas import resources
from nas.cli.console import progress_bar, say
from nas.cli.steps.context import Context
from nas.config import seconds
from nas.latency import LatencyTable
from nas.pipeline import Step


def name(context: Context) -> str:
    """The name of the table that is measured: the space's and the device's."""
    return f"{context.space.name}-{context.device.name}"


def path(context: Context) -> Path:
    """The file of the table that the run uses: the one that was asked for, or the one that it measures."""
    asked = context.config.table.name
    if asked is not None:
        return resources.find("latency_tables", asked, ".json", what="latency table")
    return context.path("table", f"{name(context)}.json")


def step(context: Context) -> Step:
    """Measures a table on this machine."""
    table = context.settings("table")["table"]
    del table["name"]
    data = context.data_settings()["data"]
    return Step(
        name="table",
        folder=context.path("table"),
        settings={
            "table": table,
            "device": context.device.here().to_dict(),
            "data": {key: data[key] for key in ("name", "root", "channels")},
            "seed": context.config.seed,
        },
        inputs={"search space": context.space_path},
        outputs=(f"{name(context)}.json",),
        run=lambda folder: _measure(context, folder),
    )


def check(context: Context) -> None:
    """Finds what is wrong with the settings before anything is done."""
    seconds(context.config.table.budget)
    context.device.here()


def _measure(context: Context, folder: Path) -> None:
    from nas.latency.build import build_table

    config, splits = context.config.table, context.data.splits
    with progress_bar(f"measuring on {context.device.runtime}") as bar:
        table = build_table(
            context.space,
            device=context.device,
            folder=folder,
            budget_s=seconds(config.budget),
            classes=len(splits.classes),
            input_channels=splits.channels,
            correction_networks=config.correction_networks,
            validation_networks=config.validation_networks,
            seed=context.config.seed,
            progress=lambda now: bar.show(now.done, now.total),
        )
    table.save(folder / f"{name(context)}.json")
    say(f"table: {describe(table)}")


def describe(table: LatencyTable) -> str:
    """A table's size and error in one line."""
    head = f"{len(table.costs)} blocks on {table.device.machine}, {table.device.runtime}"
    if table.accuracy is None:
        return f"{head}; error unknown"
    found = table.accuracy
    return (
        f"{head}; error on {found.networks} networks it has not seen: {found.table.mape:.1%} "
        f"(noise floor {found.noise_floor.mape:.1%}, MACs alone {found.macs.mape:.1%})"
    )
