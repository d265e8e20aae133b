"""The step that writes a measurement kit for a device without this package."""

from __future__ import annotations

import shutil
from pathlib import Path

from nas.cli.screen import say
from nas.cli.steps.context import Context
from nas.cli.steps.table.sources import plan
from nas.cli.steps.table.targets import check_plan
from nas.config import seconds
from nas.errors import UserError
from nas.hardware import check_runtime
from nas.pipeline import Step

MANIFEST, RUNNER = "manifest.json", "measure.pyz"


def step(context: Context) -> Step:
    """Makes the step that writes a kit: models, manifest, and the runner that measures them."""
    table = context.settings("table")["table"]
    data = context.settings("data")["data"]
    return Step(
        name="kit",
        folder=context.path("kit"),
        settings={
            **context.settings("kit"),
            "table": {key: table[key] for key in _DECIDING},
            "device": context.device.to_dict(),
            "data": {key: data[key] for key in ("name", "root", "channels")}
            if context.config.table.classes is None
            else {},
            "seed": context.config.seed,
        },
        inputs={"search space": context.space_path},
        outputs=(RUNNER, *([_archive(context)] if context.config.kit.zip else [MANIFEST, "models/*"])),
        run=lambda folder: _write(context, folder),
    )


_DECIDING = (
    *("budget", "resolutions", "correction_networks", "validation_networks"),
    *("classes", "input_channels"),
)


def check(context: Context) -> None:
    """Checks the settings before any work is done."""
    config = context.config.table
    seconds(config.budget, setting="table.budget")
    check_plan(context)
    check_runtime(context.device.runtime)  # measure.pyz supports no other
    for name in ("name", "host", "from_networks"):
        if getattr(config, name) is not None:
            raise UserError(f"table.{name} makes a table without a kit; leave it out, or use nas table")


def _archive(context: Context) -> str:
    return f"{context.space.name}-{context.device.name}.zip"


def _write(context: Context, folder: Path) -> None:
    from nas.latency.kit.packing import pack_folder
    from nas.latency.measure.table import write_plan

    measurement = plan(context)
    target = folder / "unpacked" if context.config.kit.zip else folder
    kit = write_plan(measurement, target, device=context.device)
    if context.config.kit.zip:
        names = [MANIFEST, RUNNER, *(entry["file"] for entry in kit.entries)]
        pack_folder(target, names, folder / _archive(context))
        shutil.copyfile(target / RUNNER, folder / RUNNER)
        shutil.rmtree(target)
    place = context.path("kit")
    packed = place / _archive(context) if context.config.kit.zip else place
    say(f"kit: {len(kit.entries)} models; on the device: python {place / RUNNER} {packed} TABLE.json")
