"""The step that writes a measurement kit for a device without this package."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from nas.cli.screen import say
from nas.cli.steps.context import Context
from nas.cli.steps.measure import named
from nas.cli.steps.table.sources import plan
from nas.cli.steps.table.targets import check_plan
from nas.config import seconds
from nas.errors import UserError
from nas.files import copy
from nas.hardware import check_runtime
from nas.pipeline import Step

if TYPE_CHECKING:
    from nas.latency.kit.kit import Kit

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
            **(context.settings("measure") if context.config.kit.files else {}),
            "table": {key: table[key] for key in _DECIDING},
            "device": context.device.to_dict(),
            "data": {key: data[key] for key in ("name", "root", "channels")}
            if context.config.table.classes is None
            else {},
            "seed": context.config.seed,
        },
        inputs=_files(context) or {"search space": context.space_path},
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
    seconds(context.config.measure.budget, setting="measure.budget")
    if files := _files(context):
        from nas.latency.kit.onnx_files import check_files

        check_files(files.values(), sizes=context.config.measure.sizes, batch=context.device.batch)
    else:
        check_plan(context)
    check_runtime(context.device.runtime)  # measure.pyz supports no other
    for name in ("name", "host", "from_networks"):
        if getattr(config, name) is not None:
            raise UserError(f"table.{name} makes a table without a kit; leave it out, or use nas table")


def _files(context: Context) -> dict[str, Path]:
    """Returns the ONNX files to measure by name; none if the kit is for a latency table."""
    files = context.config.kit.files
    return named(files, setting="kit.files") if files else {}


def _archive(context: Context) -> str:
    what = "files" if context.config.kit.files else context.space.name
    return f"{what}-{context.device.name}.zip"


def _models(context: Context, target: Path) -> Kit:
    """Writes the models: those of a table's plan, or the user's files."""
    if files := _files(context):
        from nas.latency.measure.networks import write_networks

        settings = context.config.measure
        return write_networks(
            files,
            target,
            device=context.device,
            budget_s=seconds(settings.budget, setting="measure.budget"),
            sizes=settings.sizes,
            seed=context.config.seed,
        )
    from nas.latency.measure.table import write_plan

    return write_plan(plan(context), target, device=context.device)


def _write(context: Context, folder: Path) -> None:
    from nas.latency.kit.packing import pack_folder

    target = folder / "unpacked" if context.config.kit.zip else folder
    kit = _models(context, target)
    if context.config.kit.zip:
        names = [MANIFEST, RUNNER, *(entry["file"] for entry in kit.entries)]
        pack_folder(target, names, folder / _archive(context))
        copy(target / RUNNER, folder / RUNNER)
        shutil.rmtree(target)
    place = context.path("kit")
    packed = place / _archive(context) if context.config.kit.zip else place
    result = "MEASURED.json" if context.config.kit.files else "TABLE.json"
    say(f"kit: {len(kit.entries)} models; on the device: python {place / RUNNER} {packed} {result}")
    if context.config.kit.files:
        say(f"kit: to show what it wrote: nas measure measure.result={result}")
