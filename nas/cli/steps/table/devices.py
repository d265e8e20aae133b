"""The latency tables of a search's target devices."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import final

from nas import resources
from nas.blocks import BlockSpec
from nas.cli.hydra import schema
from nas.cli.screen import say
from nas.cli.steps.context import Context
from nas.cli.steps.table import checking, missing
from nas.cli.steps.table import table as table_step
from nas.config import DeviceConfig, seconds
from nas.errors import UserError
from nas.files import sha256
from nas.hardware import Device
from nas.latency import LatencyTable, load_table
from nas.latency.compatible import require_space
from nas.space import SearchSpace


@final
@dataclass(frozen=True, kw_only=True)
class Networks:
    """The networks of a search, as far as a table is concerned.

    Attributes:
        classes: Their classes.
        input_channels: Channels of their images.
        resolutions: Their resolutions; empty for all of the space.
    """

    classes: int
    input_channels: int
    resolutions: tuple[int, ...] = ()

    def blocks(self, space: SearchSpace) -> tuple[BlockSpec, ...]:
        """Every block of these networks."""
        return space.block_specs(
            resolutions=self.resolutions or None, classes=self.classes, input_channels=self.input_channels
        )


@final
@dataclass(frozen=True, kw_only=True)
class Target:
    """A target device of a search.

    Attributes:
        device: Name of the device.
        path: File of its table; ``None`` if the table is estimated.
        peaks: The device with the peaks for the estimate; ``None`` if there is a table.
    """

    device: str
    path: Path | None
    peaks: Device | None

    def table(self, context: Context, folder: Path, networks: Networks) -> LatencyTable:
        """Reads or estimates the table; blocks missing from the run's own table are added, in ``folder``."""
        if self.path == table_step.path(context):
            return _completed(context, self.path, folder, networks)
        if self.path is not None:
            table = load_table(self.path)
            require_space(table, context.space.name)
            return table
        from nas.latency.estimate.roofline import roofline_table

        assert self.peaks is not None
        blocks = networks.blocks(context.space)
        return roofline_table(blocks, device=self.peaks, space=context.space.name)

    @property
    def facts(self) -> str:
        """What must match for a search to resume: the table's content, or the peaks."""
        return sha256(self.path) if self.path is not None else repr(self.peaks)


def searched_space(context: Context) -> SearchSpace:
    """Returns the space; with ``search.respect_device``, without choices that run badly on the device."""
    if not context.config.search.respect_device:
        return context.space
    device = context.config.device
    return context.space.restricted(
        preferred_blocks=device.preferred_blocks,
        channel_multiple=device.channel_multiple,
        max_width=device.max_width,
    )


def _completed(context: Context, path: Path, folder: Path, networks: Networks) -> LatencyTable:
    """Returns the run's table, completed with every block of the searched networks."""
    table = table_step.read(context, path)
    saved = folder / missing.TABLE
    if saved.is_file():
        return load_table(saved)  # from an interrupted attempt; avoids measuring twice
    if text := checking.offer(context, table):
        say(text)
    full = missing.completed(
        context,
        table,
        networks.blocks(searched_space(context)),
        input_channels=networks.input_channels,
        folder=folder,
        budget_s=seconds(context.config.table.budget, setting="table.budget"),
    )
    if full is not table:
        missing.save_completed(context, full, folder)
    return full


def targets(context: Context) -> list[Target]:
    """Returns the target devices, in the order of the settings.

    Raises:
        UserError: If a device is repeated or unknown, or has neither a table nor known peaks.
    """
    config = context.config.search
    names = config.devices or [context.config.device.name]
    if len(set(names)) < len(names):
        raise UserError(f"search.devices names a device twice: {names}; name each one once")
    if unused := [name for name in config.tables if name not in names]:
        raise UserError(f"search.tables names {unused}, but the search is for {names}; add to search.devices")
    return [_target(context, name, config.tables) for name in names]


def _target(context: Context, name: str, tables: Mapping[str, str]) -> Target:
    if name in tables and tables[name] != table_step.ROOFLINE:
        path = resources.find("latency_tables", tables[name], ".json", what="latency table")
        return Target(device=name, path=path, peaks=None)
    if name not in tables and name == context.config.device.name:
        return Target(device=name, path=table_step.path(context), peaks=None)
    standard = f"{context.space.name}-{name}"
    if name not in tables and standard in resources.names("latency_tables", ".json"):
        return Target(
            device=name, path=resources.find("latency_tables", standard, ".json", what=""), peaks=None
        )
    return Target(device=name, path=None, peaks=_peaks(name, standard))


def _peaks(name: str, standard: str) -> Device:
    """Reads the device from ``conf/device/``."""
    config = schema.load(DeviceConfig, resources.find("conf/device", name, ".yaml", what="device"))
    device = Device(**dataclasses.asdict(config))
    if not device.peak_flops or device.bandwidth_bytes_per_s is None:
        raise UserError(
            f"device {name} has no latency table latency_tables/{standard}.json, and its peaks are unknown; "
            f"measure one there with `nas table device={name}`, or name one: search.tables={{{name}: PATH}}"
        )
    return device


def check_tables(context: Context) -> None:
    """Reads the existing tables, to report errors in them early.

    A table that the run makes is left to its step, which makes a damaged one again.
    """
    own = table_step.path(context) if table_step.is_made(context) else None
    for target in targets(context):
        if target.path is not None and target.path != own and target.path.is_file():
            require_space(load_table(target.path), context.space.name)
