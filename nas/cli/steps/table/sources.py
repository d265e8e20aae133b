"""The sources of a run's latency table: measured here or elsewhere, estimated, or fitted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, final

from nas import resources
from nas.cli.bars import progress_bar
from nas.cli.screen import say
from nas.cli.steps.context import Context
from nas.cli.steps.table import checking
from nas.cli.steps.table.targets import check_here, check_plan, check_target, target
from nas.config import TableConfig, seconds
from nas.errors import UserError
from nas.hardware import Device, describe_machine
from nas.latency import LatencyTable, load_table
from nas.latency.estimate.roofline import ROOFLINE

if TYPE_CHECKING:
    from nas.latency.plan.plan import Plan
    from nas.latency.targets import Target

THIS_MACHINE = "this_machine"
_TOGETHER = {
    "sibling": "from_networks",
    "remote.binary": "host",
}


@final
@dataclass(frozen=True, kw_only=True)
class Source:
    """A way to make a table.

    Attributes:
        setting: The setting that selects it.
        chosen: Returns whether a configuration selects it.
        check: Checks the settings before any work is done.
        inputs: Returns its input files, by their names in messages.
        device: Returns the table's device, as far as it is known beforehand.
        make: Makes the table, in the step's folder.
        name: Returns the table's name; by default, made of the space's and the device's.
    """

    setting: str
    chosen: Callable[[TableConfig], bool]
    check: Callable[[Context], None]
    inputs: Callable[[Context], dict[str, Path]] = lambda context: {}
    device: Callable[[Context], Device] = lambda context: context.device
    make: Callable[[Context, Path], LatencyTable]
    name: Callable[[Context], str] = lambda context: f"{context.space.name}-{context.device.name}"


def source(config: TableConfig) -> Source:
    """Returns the source that a configuration selects.

    Raises:
        UserError: If it selects several.
    """
    candidates = [candidate for candidate in _SOURCES if candidate.chosen(config)]
    for setting, needed in _TOGETHER.items():
        if _setting(config, setting) is not None and _setting(config, needed) is None:
            raise UserError(f"table.{setting} says nothing without table.{needed}; set both or none")
    if len(candidates) > 1:
        settings = " and ".join(item.setting for item in candidates)
        raise UserError(f"{settings} each say where the table comes from; set one")
    return candidates[0] if candidates else _HERE


def is_measured(config: TableConfig) -> bool:
    """Returns whether the table is measured, here or on ``table.host``, block by block."""
    chosen = source(config)
    return chosen is _HERE or chosen.setting == "table.host"


def _setting(config: TableConfig, name: str) -> object:
    return config.remote.binary if name == "remote.binary" else getattr(config, name)


def sizes(context: Context) -> tuple[int, int]:
    """Returns the networks' classes and input channels: as configured, else the data set's."""
    config = context.config.table
    if config.classes is not None and config.input_channels is not None:
        return config.classes, config.input_channels
    splits = context.data.splits
    return config.classes or len(splits.classes), config.input_channels or splits.channels


def known_peaks(device: Device) -> Device:
    """Returns the device with its peaks; those of this machine are measured, which takes a second."""
    if device.name != THIS_MACHINE or device.peak_flops:
        return device
    from nas.latency.estimate.peaks import with_peaks_of_here

    return with_peaks_of_here(device)


def plan(context: Context) -> Plan:
    """Makes the plan of the measurement and prints it, with its duration."""
    from nas.latency.plan.plan import plan_table

    config = context.config.table
    classes, channels = sizes(context)
    result = plan_table(
        context.space,
        budget_s=seconds(config.budget, setting="table.budget"),
        resolutions=config.resolutions,
        classes=classes,
        input_channels=channels,
        correction_networks=config.correction_networks,
        validation_networks=config.validation_networks,
        seed=context.config.seed,
        long_samples=config.remote.binary is not None,
    )
    say(f"table: {result.about(context.device)}")
    return result


def _measure(context: Context, folder: Path, *, target: Target | None, where: str) -> LatencyTable:
    from nas.latency.measure.table import measure_plan

    measurement = plan(context)
    say(f"table: measuring {where} as device {context.device.name}")
    with progress_bar(f"measuring on {context.device.runtime}") as bar:
        return measure_plan(
            measurement,
            device=context.device,
            folder=folder,
            target=target,
            progress=bar.measured,
        )


def _estimate(context: Context, folder: Path) -> LatencyTable:
    from nas.latency.estimate.roofline import roofline_table

    classes, channels = sizes(context)
    blocks = context.space.block_specs(
        resolutions=context.config.table.resolutions, classes=classes, input_channels=channels
    )
    device = known_peaks(context.device)
    return roofline_table(
        blocks, device=device, name=f"{context.space.name}-{device.name}-estimated", space=context.space.name
    )


def _check_networks(context: Context) -> None:
    from nas.latency.estimate.networks_file import read_networks

    config = context.config.table
    path = Path(str(config.from_networks))
    if not path.is_file():
        raise UserError(f"table.from_networks: there is no file {path}; name a CSV file")
    if config.sibling is not None:
        load_table(config.sibling)
    read_networks(context.space, path, with_sibling=config.sibling is not None)


def _network_inputs(context: Context) -> dict[str, Path]:
    config = context.config.table
    files = {"measured networks": Path(str(config.from_networks))}
    if config.sibling is not None:
        files["sibling's table"] = _file(config.sibling)
    return files


def _file(table: str) -> Path:
    return resources.find("latency_tables", table, ".json", what="latency table")


def _fit(context: Context, folder: Path) -> LatencyTable:
    from nas.latency.estimate.whole_networks import fit_networks

    config = context.config.table
    classes, channels = sizes(context)
    return fit_networks(
        context.space,
        Path(str(config.from_networks)),
        device=context.device,
        peaks=known_peaks(context.device),
        sibling=None if config.sibling is None else load_table(config.sibling),
        classes=classes,
        input_channels=channels,
    )


_HERE = Source(
    setting="this machine",
    chosen=lambda config: False,
    check=check_here,
    device=lambda context: context.device.here(),
    make=lambda context, folder: _measure(context, folder, target=None, where=describe_machine()),
)
_SOURCES = (
    Source(
        setting="table=roofline",
        chosen=lambda config: config.name == ROOFLINE,
        check=check_plan,
        make=_estimate,
        name=lambda context: f"{context.space.name}-{context.device.name}-estimated",
    ),
    Source(
        setting="table.host",
        chosen=lambda config: config.host is not None and config.check is None,
        check=check_target,
        make=lambda context, folder: _measure(
            context,
            folder,
            target=target(context.config.table),
            where=f"on {context.config.table.host}",
        ),
    ),
    Source(
        setting="table.check",
        chosen=lambda config: config.check is not None,
        check=checking.check,
        inputs=lambda context: {"checked table": _file(str(context.config.table.check))},
        device=lambda context: context.device if context.config.table.host else context.device.here(),
        make=checking.make,
    ),
    Source(
        setting="table.from_networks",
        chosen=lambda config: config.from_networks is not None,
        check=_check_networks,
        inputs=_network_inputs,
        make=_fit,
    ),
)
