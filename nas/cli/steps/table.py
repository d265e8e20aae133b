"""The step that measures or estimates a latency table, and the table that a run uses."""

from __future__ import annotations

from pathlib import Path

from nas import resources
from nas.cli.console import progress_bar, say
from nas.cli.steps.context import Context
from nas.config import seconds
from nas.hardware import Device, describe_machine
from nas.latency import LatencyTable
from nas.pipeline import Step

ROOFLINE = "roofline"
THIS_MACHINE = "this_machine"


def is_made(context: Context) -> bool:
    """Whether the run makes its table, and does not use a finished one."""
    return context.config.table.name in (None, ROOFLINE)


def name(context: Context) -> str:
    """The name of the table that the run makes: the space's and the device's."""
    estimated = "-estimated" if context.config.table.name == ROOFLINE else ""
    return f"{context.space.name}-{context.device.name}{estimated}"


def path(context: Context) -> Path:
    """The file of the table that the run uses: the one that was asked for, or the one that it makes."""
    asked = context.config.table.name
    if asked is not None and not is_made(context):
        return resources.find("latency_tables", asked, ".json", what="latency table")
    return context.path("table", f"{name(context)}.json")


def check(context: Context) -> None:
    """Finds what is wrong with the settings before anything is done."""
    seconds(context.config.table.budget)
    if not is_made(context):
        LatencyTable.load(path(context))
    elif context.config.table.name is None:
        context.device.here()


def step(context: Context) -> Step:
    """Measures a table on this machine, or estimates one."""
    config, measured = context.config.table, context.config.table.name is None
    data = context.data_settings()["data"]
    return Step(
        name="table",
        folder=context.path("table"),
        settings={
            **context.settings("table"),
            "device": (context.device.here() if measured else context.device).to_dict(),
            "data": {key: data[key] for key in ("name", "root", "channels")}
            if config.classes is None
            else {},
            "seed": context.config.seed,
        },
        inputs={"search space": context.space_path},
        outputs=(f"{name(context)}.json",),
        run=lambda folder: (_measure if measured else _estimate)(context, folder),
    )


def sizes(context: Context) -> tuple[int, int]:
    """Classes and input channels of the networks: as set, or else the data set's."""
    config = context.config.table
    if config.classes is not None and config.input_channels is not None:
        return config.classes, config.input_channels
    splits = context.data.splits
    return config.classes or len(splits.classes), config.input_channels or splits.channels


def known_peaks(device: Device) -> Device:
    """The device; this machine's peaks are measured, which takes a second."""
    if device.name != THIS_MACHINE or device.peak_flops:
        return device
    from nas.latency.peaks import with_peaks_of_here

    return with_peaks_of_here(device)


def _measure(context: Context, folder: Path) -> None:
    from nas.latency.build import build_table

    config = context.config.table
    classes, channels = sizes(context)
    say(f"table: measuring {describe_machine()} as device {context.device.name}")
    with progress_bar(f"measuring on {context.device.runtime}") as bar:
        table = build_table(
            context.space,
            device=context.device,
            folder=folder,
            budget_s=seconds(config.budget),
            classes=classes,
            input_channels=channels,
            correction_networks=config.correction_networks,
            validation_networks=config.validation_networks,
            seed=context.config.seed,
            progress=lambda now: bar.show(now.done, now.total),
        )
    table.save(folder / f"{name(context)}.json")
    say(f"table: {describe(table)}")


def _estimate(context: Context, folder: Path) -> None:
    from nas.latency.roofline import roofline_table

    classes, channels = sizes(context)
    device = known_peaks(context.device)
    blocks = context.space.block_specs(classes=classes, input_channels=channels)
    table = roofline_table(blocks, device=device, name=name(context), space=context.space.name)
    table.save(folder / f"{name(context)}.json")
    say(f"table: {len(table.costs)} blocks of {context.device.name} estimated by its roofline, none measured")


def describe(table: LatencyTable) -> str:
    """A table's size and error in one line."""
    head = f"{table.model.about()} on {table.device.machine or table.device.name}, {table.device.runtime}"
    return f"{head}; {'error unknown' if table.accuracy is None else table.accuracy.about()}"
