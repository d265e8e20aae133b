"""The latency under sustained load, which ``nas table`` measures after a table (``table.sustained``)."""

from __future__ import annotations

from pathlib import Path

from nas.cli.bars import progress_bar
from nas.cli.screen import say
from nas.cli.steps.context import Context
from nas.cli.steps.table.sources import is_measured, sizes
from nas.cli.steps.table.targets import target
from nas.config import seconds
from nas.errors import UserError
from nas.files import write_json

SETTING = "table.sustained"


def check(context: Context) -> None:
    """Checks the setting before any work is done."""
    config = context.config.table
    if config.sustained is None:
        return
    seconds(config.sustained, setting=SETTING)
    if not is_measured(config):
        raise UserError(
            f"{SETTING} loads the device for {config.sustained}, but this table is not measured; set "
            f"{SETTING}=null, or measure it: table.name=null"
        )
    if config.remote.binary is not None:
        raise UserError(
            f"{SETTING} needs measure.pyz, which times one run after another; set {SETTING}=null, or "
            "table.remote.binary=null"
        )


def output() -> str:
    """Returns the name of the result's file in the step's folder."""
    from nas.latency.costs.sustained import FILE

    return FILE


def measure(context: Context, folder: Path) -> None:
    """Loads the device, writes ``sustained.json`` and prints what the load changed."""
    import numpy as np

    from nas.latency.measure.sustained import measure_sustained
    from nas.space.stratified import stratified

    config, space = context.config, context.space
    assert config.table.sustained is not None
    rng = np.random.default_rng(config.seed)
    classes, channels = sizes(context)
    ends = {"classes": classes, "input_channels": channels}
    middle = stratified(space, 3, rng, resolutions=config.table.resolutions, **ends)
    networks = [space.network(each, **ends) for each in middle]
    network = sorted(networks, key=lambda each: each.macs)[len(networks) // 2]
    with progress_bar(f"loading the device for {config.table.sustained}") as bar:
        found = measure_sustained(
            network,
            device=context.device,
            folder=(folder / output()).parent,
            duration_s=seconds(config.table.sustained, setting=SETTING),
            target=None if config.table.host is None else target(config.table),
            seed=config.seed,
            progress=bar.measured,
        )
    write_json(folder / output(), {**found.to_dict(), "network": network.to_dict()})
    say(f"table: {found.about()}")
