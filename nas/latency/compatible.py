"""Checks whether a latency table fits a device and a space."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from nas.errors import UserError
from nas.hardware import Device, installed_version
from nas.latency.models.blocks import BlockModel
from nas.latency.table import LatencyTable

_DECIDING = ("runtime", "provider", "provider_options", "threads", "batch", "precision")


def require_fit(table: LatencyTable, *, device: Device, space: str) -> None:
    """Checks that a table has the device's settings and is not fitted to another space.

    Args:
        table: The table.
        device: The device of the run.
        space: Name of the space that is searched.

    Raises:
        UserError: If it does not fit. The message names both sides.
    """
    if message := differences(table, device):
        raise UserError(message)
    require_space(table, space)


def require_space(table: LatencyTable, space: str) -> None:
    """Raises a ``UserError`` if a table was fitted on whole networks of a space other than ``space``."""
    if not isinstance(table.model, BlockModel) and table.space not in ("", space):
        raise UserError(
            f"the latency table {table.name!r} was fitted on whole networks of the space {table.space!r}, "
            f"and knows nothing of {space}; take a table of this space"
        )


def differences(table: LatencyTable, device: Device) -> str:
    """A message about the settings in which the table and the device differ; empty if they agree."""
    names = [name for name in _DECIDING if _value(table.device, name) != _value(device, name)]
    if not names:
        return ""
    has = ", ".join(f"{name} {_value(table.device, name)}" for name in names)
    asks = ", ".join(f"{name} {_value(device, name)}" for name in names)
    return (
        f"the latency table {table.name} was measured with {has}, but device={device.name} asks for {asks}; "
        "take a table that was measured so, or set device to what the table holds"
    )


def warnings(table: LatencyTable, device: Device) -> Iterator[str]:
    """Warnings if the table has another machine or version than the run, or its machine was emulated."""
    if table.device.is_emulated:
        yield (
            f"the latency table {table.name} was measured on an emulated processor ({table.device.machine}): "
            "its latencies are the emulator's; measure on the device itself"
        )
    if device.machine not in ("", table.device.machine):
        yield f"the latency table {table.name} is of {table.device.machine}, not of {device.machine}"
    version = device.runtime_version or (_installed(table.device.runtime) if table.device.is_here else "")
    if version and not _same_version(version, table.device.runtime_version):
        yield (
            f"the latency table {table.name} was measured with {table.device.runtime} "
            f"{table.device.runtime_version}, not with {version}; latencies change between versions"
        )


def _value(device: Device, name: str) -> Any:
    value = getattr(device, name)
    return (dict(value) if isinstance(value, tuple) else value) or "none"


def _installed(runtime: str) -> str:
    try:
        return installed_version(runtime)
    except UserError:
        return ""


def _same_version(first: str, second: str) -> bool:
    """Whether two versions agree. One may have more parts than the other."""
    return first.startswith(second) or second.startswith(first)
