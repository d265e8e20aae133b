"""The step that exports the trained networks and measures the exported files."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nas.cli.bars import progress_bar
from nas.cli.screen import say
from nas.cli.steps.context import Context
from nas.cli.steps.final import budget, documents, faults, formats, int8
from nas.cli.steps.final.predictions import with_predictions
from nas.cli.steps.same_images import check_kind
from nas.config import seconds
from nas.deploy.formats import find_format
from nas.errors import UserError
from nas.files import fields_of, read_json
from nas.latency import load_table
from nas.latency.compatible import differences, warnings
from nas.latency.plan.entries import REFERENCE_NETWORKS
from nas.network import NetworkSpec
from nas.pipeline import Step

if TYPE_CHECKING:
    from nas.deploy import Artefact, Parity
    from nas.hardware import Device
    from nas.latency.costs.intervals import Measured


def step(context: Context) -> Step:
    """Makes the step that exports, checks parity, evaluates the files, and measures them side by side."""
    inputs = {"trained networks": context.path("final", "results.json")}
    if _is_scaled(context):
        inputs["scaled winner"] = context.path("scale", "scale.json")
    inputs |= documents.inputs(context)
    return Step(
        name="deploy",
        folder=context.path("deploy"),
        settings={
            **context.settings("export"),
            "device": _device(context).to_dict(),
            **context.data_settings(),
        },
        inputs=inputs,
        outputs=("manifest.json", *documents.NAMES, "*", "*.*/**/*"),
        run=lambda folder: _deploy(context, folder),
    )


def _device(context: Context) -> Device:
    """Returns the device with this machine's name and versions, or as it is configured if it is not here."""
    try:
        return context.device.here()
    except UserError:
        return context.device


def _is_scaled(context: Context) -> bool:
    """Returns whether the winner comes from the scale step; a network of the user's own does not."""
    return context.config.finish.network is None


def check(context: Context) -> None:
    """Checks the settings before any work is done."""
    from nas.deploy.onnx import check_opset
    from nas.latency.kit.precision import require_precision

    context.check_data()
    config = context.config.export
    require_precision(context.device)
    formats.choose(config, device=context.device)
    check_opset(config.opset)
    if config.batch is not None and config.batch < 1:
        raise UserError(f"export.batch is {config.batch}; give at least 1 image, or null for any number")
    if config.batch not in (None, context.device.batch):
        raise UserError(
            f"export.batch is {config.batch}, but device.batch is {context.device.batch}, and files with a "
            "fixed batch are measured with it; set both to the same number"
        )
    seconds(config.measure_budget, setting="export.measure_budget")
    budget.check(context)
    if config.parity_images < 1:
        raise UserError(f"export.parity_images is {config.parity_images}; give at least 1, better 32 or more")
    int8.check(config)


def _deploy(context: Context, folder: Path) -> None:
    from nas.deploy import write_manifest

    faults.check_folder(context.path("deploy"))
    networks, candidate = _networks(context.path("final", "results.json"))
    if _is_scaled(context):
        _check_device(context)
    if formats.is_all(context.config.export.formats):
        formats.report_missing(context.config.export)
    formats.install_converters(context.config.export, device=context.device, logs=context.path("logs"))
    faults.warn_of_few_images(context)
    artefacts: list[Artefact] = []
    with progress_bar("exporting", total=len(networks)) as bar:
        for item in networks:
            bar.note(item["name"])
            with faults.with_choices(context, item["network"]):
                artefacts += _export(context, item, folder)
            bar.step()
    if reason := faults.cannot_measure(context):
        say(f"deploy: warning: the files were exported but not measured: {reason}")
    else:
        artefacts = _measured(context, artefacts, folder)
    specs = {item["name"]: NetworkSpec.from_dict(item["network"]) for item in networks}
    artefacts = with_predictions(context, artefacts, specs)
    write_manifest(folder, artefacts)
    files = [artefact for artefact in artefacts if artefact.name == networks[0]["name"]]
    documents.write(context, artefacts, folder, shipped=budget.shipped(context, files))
    for artefact in files:
        _report(context, artefact)
    for artefact in artefacts:
        int8.warn(artefact, next(item for item in networks if item["name"] == artefact.name))
    if _is_scaled(context):
        budget.check_budget(context, files, number=candidate, folder=folder)


def _report(context: Context, artefact: Artefact) -> None:
    """Reports one file of the winner."""
    parts = [f"{artefact.size_bytes * 1e-3:.0f} kB"]
    if artefact.parity is not None:
        parts.append(_parity_in_words(artefact.parity))
    latency = artefact.latency_ms
    if latency is None:
        parts.append("latency not measured")
    else:
        unit, machine = context.device.latency_unit, context.device.here().machine
        parts.append(f"{latency.value:.3f} {unit} measured on {machine}")
    note = f"; {artefact.note}" if artefact.note else ""
    say(f"deploy: {artefact.file}, {', '.join(parts)}{note}")
    if latency is not None and latency.disturbed:
        say(
            f"deploy: warning: the measurement was disturbed: {latency.disturbed}; to repeat it "
            f"while nothing else runs, delete {context.path('deploy')} and export again"
        )


def _parity_in_words(parity: Parity) -> str:
    noise = "" if parity.sqnr_db is None else f", {parity.sqnr_db:.0f} dB"
    return (
        f"parity {parity.largest_relative_error:.1e}{noise}, same class {100 * parity.top1_agreement:.1f} %"
    )


def _check_device(context: Context) -> None:
    """Warns if the measurement differs from that of the table that predicted the latencies."""
    table = load_table(context.path("scale", "table.json"))
    if other := differences(table, context.device):
        say(f"deploy: warning: this measurement differs from that of the latency table: {other}")


_OF_A_NETWORK = ("name", "network", "weights", "classes", "mean", "std", "test_correct", "test_total")


def _networks(path: Path) -> tuple[list[dict[str, Any]], int]:
    """Reads the records of the trained networks, the winner first, and the winner's number of a candidate."""
    value = read_json(path)
    with fields_of(path, remedy="train again: nas finish"):
        networks = [
            {**{key: item[key] for key in _OF_A_NETWORK}, "origin": item.get("origin")}
            for item in value["networks"]
        ]
        return networks, value.get("candidate", 0)


def _export(context: Context, item: dict[str, Any], folder: Path) -> list[Artefact]:
    import torch

    from nas.deploy import evaluate_artefact, write_artefacts
    from nas.nn import StaticNetwork
    from nas.training.data import subset
    from nas.training.weights import load_weights

    config, data = context.config.export, context.data.normalized(item["mean"], item["std"])
    model = StaticNetwork(NetworkSpec.from_dict(item["network"])).eval()
    check_kind(
        context,
        context.path("final"),
        classes=item["classes"],
        channels=model.network.input_channels,
        command="nas finish",
    )
    load_weights(model, context.path("final", item["weights"]))
    resolution = model.network.resolution
    few = subset(data.splits.validation, range(min(config.parity_images, len(data.splits.validation))))
    images = torch.cat([x for x, _ in data.plain(few, resolution=resolution)])
    artefacts = write_artefacts(
        model,
        folder,
        name=item["name"],
        classes=data.splits.classes,
        normalize=data.normalize,
        images=images,
        formats=formats.choose(config, device=context.device),
        opset=config.opset,
        batch=config.batch,
        crop=data.splits.crop_fraction,
        store_size=data.splits.store_size,
        run=context.run_dir.name,
        origin=item["origin"],
        tolerance=config.tolerance,
        calibration=int8.calibration_images(context, data, resolution),
        int8=int8.settings(context, data, resolution),
        skip=faults.report_skipped(context, item["network"]) if formats.is_all(config.formats) else None,
        logs=context.path("logs"),
        rejected=context.path("rejected"),
        install=config.install,
    )
    result = []
    for artefact in artefacts:
        if artefact.parity is None:
            say(f"deploy: {artefact.file} {artefact.note}")
            result.append(artefact)
            continue
        accuracy = evaluate_artefact(
            folder / artefact.file,
            data.plain(data.splits.test, resolution=resolution),
            format=artefact.format,
        )
        result.append(
            dataclasses.replace(
                artefact,
                test_correct=accuracy.correct,
                test_total=accuracy.total,
                test_by_class=accuracy.by_class,
            )
        )
    return result


def _measured(context: Context, artefacts: list[Artefact], folder: Path) -> list[Artefact]:
    """Returns the artefacts; those that the device's runtime reads have their latencies.

    All are measured side by side.
    """
    from nas.latency.measure.networks import measure_networks

    device = context.device
    files = {
        artefact.file: folder / artefact.file
        for artefact in artefacts
        if artefact.parity is not None and formats.is_measured(find_format(artefact.format), device=device)
    }
    if not files:
        return artefacts
    with progress_bar("measuring the exported files") as bar:
        measured = measure_networks(
            files,
            device=device,
            folder=folder / "measured",
            budget_s=seconds(context.config.export.measure_budget, setting="export.measure_budget"),
            usual=_usual(context),
            seed=context.config.seed,
            progress=bar.measured,
        )
    return [
        _with_latency(artefact, measured) if artefact.file in files else artefact for artefact in artefacts
    ]


def _usual(context: Context) -> dict[str, float] | None:
    """Returns the reference latencies of the run's table, if it was measured here in the same way."""
    path = context.path("scale", "table.json")
    if not path.is_file():
        return None
    table, device = load_table(path), _device(context)
    differs = differences(table, device) or any(warnings(table, device))
    has_networks = set(REFERENCE_NETWORKS) <= set(table.references_ms)
    return dict(table.references_ms) if has_networks and not differs else None


def _with_latency(artefact: Artefact, measured: Measured) -> Artefact:
    from nas.deploy import Spread

    latency, device = measured.latencies[artefact.file], measured.device
    spread = Spread(
        value=latency.value,
        low=latency.low,
        high=latency.high,
        raw=latency.raw,
        typical=latency.typical,
        slowdown=measured.slowdown,
        disturbed=measured.disturbed,
    )
    kind = find_format(artefact.format)
    precision = {} if formats.ships(kind, device=device) else {"precision": kind.PRECISION}
    return dataclasses.replace(artefact, latency_ms=spread, device={**device.to_dict(), **precision})
