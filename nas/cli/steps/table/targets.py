"""The target that a table is measured on: this machine, or the device behind ``table.host``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from nas.cli.steps.context import Context
from nas.config import TableConfig
from nas.errors import UserError

if TYPE_CHECKING:
    from nas.latency.targets import Target


def check_plan(context: Context) -> None:
    """Checks what decides the plan."""
    from nas.latency.plan.plan import check_resolutions

    config = context.config.table
    check_resolutions(context.space, config.resolutions)
    for name in ("correction_networks", "validation_networks"):
        if (count := getattr(config, name)) < 0:
            raise UserError(f"table.{name} is {count}; it is a number of networks, 0 for none")


def check_here(context: Context) -> None:
    """Checks that the run's device is this machine, and what is measured."""
    check_plan(context)
    context.device.require_here()
    context.device.here()


def target(config: TableConfig) -> Target:
    """The device behind ``table.host``."""
    from nas.latency.targets import Target

    assert config.host is not None
    remote = config.remote
    return Target(
        host=config.host,
        port=remote.port,
        identity=None if remote.identity is None else Path(remote.identity).expanduser(),
        python=remote.python,
        folder=remote.folder,
        binary=None if remote.binary is None else Path(remote.binary).expanduser(),
    )


def check_target(context: Context) -> None:
    """Checks ``table.host``, and what is measured there."""
    from nas.latency.targets import open_transport

    check_plan(context)
    open_transport(target(context.config.table))
