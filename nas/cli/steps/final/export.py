"""The step that exports the trained networks and measures the exported files."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nas.cli.screen import progress_bar, say
from nas.cli.steps.context import Context
from nas.cli.steps.upstream import check_kind
from nas.config import seconds
from nas.errors import UserError
from nas.files import fields_of, read_json
from nas.latency import load_table
from nas.latency.compatible import differences
from nas.network import NetworkSpec
from nas.pipeline import Step

if TYPE_CHECKING:
    from torch import Tensor

    from nas.deploy import Artefact


def step(context: Context) -> Step:
    """Makes the step that exports, checks parity, evaluates the files, and measures them side by side."""
    inputs = {"trained networks": context.path("final", "results.json")}
    if _is_scaled(context):
        inputs["scaled winner"] = context.path("scale", "scale.json")
    return Step(
        name="deploy",
        folder=context.path("deploy"),
        settings={
            **context.settings("export"),
            "device": context.device.here().to_dict(),
            **context.data_settings(),
        },
        inputs=inputs,
        outputs=("manifest.json", "*"),
        run=lambda folder: _deploy(context, folder),
    )


def _is_scaled(context: Context) -> bool:
    """Returns whether the winner comes from the scale step; a network of the user's own does not."""
    return context.config.finish.network is None


def check(context: Context) -> None:
    """Checks the settings before any work is done."""
    from nas.deploy.formats import find_format
    from nas.deploy.onnx import check_opset

    context.check_data()
    config = context.config.export
    if not config.formats:
        raise UserError("export.formats is empty; name at least one format: export.formats=[onnx]")
    for name in config.formats:
        find_format(name)
    check_opset(config.opset)
    _check_precision(context)
    seconds(config.measure_budget, setting="export.measure_budget")
    if config.parity_images < 1:
        raise UserError(f"export.parity_images is {config.parity_images}; give at least 1, better 32 or more")


def _check_precision(context: Context) -> None:
    """Rejects a device whose precision has to be in the file but cannot be exported."""
    from nas.latency.kit.precision import require_precision

    device = context.device
    require_precision(device)
    if device.precision == "fp16":
        raise UserError(
            f"device {device.name} is one of fp16, but files are exported in fp32 or int8; choose another "
            "device or device.precision, or leave the export out: nas train, table, search, scale, finish"
        )


def _deploy(context: Context, folder: Path) -> None:
    from nas.deploy import write_manifest

    networks = _networks(context.path("final", "results.json"))
    if _is_scaled(context):
        _check_device(context)
    artefacts: list[Artefact] = []
    with progress_bar("exporting", total=len(networks)) as bar:
        for item in networks:
            bar.note(item["name"])
            artefacts += _export(context, item, folder)
            bar.step()
    artefacts = _measured(context, artefacts, folder)
    write_manifest(folder, artefacts)
    winner = next(artefact for artefact in artefacts if artefact.name == networks[0]["name"])
    if _is_scaled(context):
        _check_budget(context, winner)
    assert winner.latency_ms is not None
    say(
        f"deploy: {winner.file}, parity {winner.parity.largest_relative_error:.1e}, "
        f"{winner.latency_ms.value:.3f} {context.device.latency_unit} measured on "
        f"{context.device.here().machine}"
    )
    if winner.latency_ms.disturbed:
        say(
            f"deploy: warning: the measurement was disturbed: {winner.latency_ms.disturbed}; to repeat it "
            f"while nothing else runs, delete {context.path('deploy')} and export again"
        )


def _check_device(context: Context) -> None:
    """Warns if the measurement differs from that of the table that predicted the latencies."""
    table = load_table(context.path("scale", "table.json"))
    if other := differences(table, context.device):
        say(f"deploy: warning: this measurement differs from that of the latency table: {other}")


_INT8 = "int8"
_CALIBRATION = 256
_OF_A_NETWORK = ("name", "network", "weights", "classes")


def _networks(path: Path) -> list[dict[str, Any]]:
    """Reads the records of the trained networks, the winner first."""
    value = read_json(path)
    with fields_of(path, remedy="train again: nas finish"):
        return [{key: item[key] for key in _OF_A_NETWORK} for item in value["networks"]]


def _export(context: Context, item: dict[str, Any], folder: Path) -> list[Artefact]:
    from nas.deploy import evaluate_artefact, write_artefacts
    from nas.nn import StaticNetwork
    from nas.training.data import subset
    from nas.training.weights import load_weights

    config, data = context.config.export, context.data
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
    images = next(iter(data.plain(few, resolution=resolution)))[0]
    artefacts = write_artefacts(
        model,
        folder,
        name=item["name"],
        classes=data.splits.classes,
        normalize=data.normalize,
        images=images,
        formats=_formats(context),
        opset=config.opset,
        tolerance=config.tolerance,
        calibration=_calibration(context, resolution),
        int8_target=_int8_target(context),
    )
    result = []
    for artefact in artefacts:
        accuracy = evaluate_artefact(
            folder / artefact.file,
            data.plain(data.splits.test, resolution=resolution),
            format=artefact.format,
        )
        counts = {f"test_{name}": value for name, value in dataclasses.asdict(accuracy).items()}
        result.append(dataclasses.replace(artefact, **counts))
    return result


def _formats(context: Context) -> list[str]:
    """Returns the formats to write; on an INT8 device, ``onnx`` becomes INT8, the precision of the search."""
    in_int8 = context.device.precision == _INT8
    names = ["onnx_int8" if in_int8 and name == "onnx" else name for name in context.config.export.formats]
    return list(dict.fromkeys(names))


def _calibration(context: Context, resolution: int) -> Tensor:
    """Returns training images (N, C, H, W), sampled with the seed."""
    import torch

    from nas.training.data import subset

    images = context.data.splits.train
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(context.config.seed))
    return next(iter(context.data.plain(subset(images, order[:_CALIBRATION]), resolution=resolution)))[0]


def _int8_target(context: Context) -> str:
    """Returns the target of INT8 files: this machine's processor, or an NVIDIA GPU."""
    from nas.quantization import SCHEMES, scheme_of, target_here

    scheme = scheme_of(runtime=context.device.runtime, provider=context.device.provider)
    return "tensorrt" if scheme is SCHEMES["tensorrt"] else target_here()


def _measured(context: Context, artefacts: list[Artefact], folder: Path) -> list[Artefact]:
    """Returns the artefacts with their latencies, all measured in the same shuffled rounds."""
    from nas.deploy import Spread
    from nas.latency.measure.networks import measure_networks

    with progress_bar("measuring the exported files") as bar:
        measured = measure_networks(
            {artefact.file: folder / artefact.file for artefact in artefacts},
            device=context.device,
            folder=folder / "measured",
            budget_s=seconds(context.config.export.measure_budget, setting="export.measure_budget"),
            seed=context.config.seed,
            progress=bar.measured,
        )
    device = context.device.here().to_dict()
    result = []
    for artefact in artefacts:
        measurement = measured[artefact.file]
        latency = Spread(
            value=measurement.latency_ms,
            low=measurement.low_ms,
            high=measurement.high_ms,
            median=measurement.median_ms,
            samples=len(measurement.samples_ms),
            disturbed=measurement.disturbed,
        )
        precision = {"precision": _INT8} if artefact.format == "onnx_int8" else {}
        result.append(dataclasses.replace(artefact, latency_ms=latency, device={**device, **precision}))
    return result


def _check_budget(context: Context, winner: Artefact) -> None:
    """Warns, or fails with ``export.enforce``, if the exported winner exceeds the latency budget.

    A budget for another machine or batch cannot be checked here.
    """
    budget = read_json(context.path("scale", "scale.json"))["latency_ms"]
    assert winner.latency_ms is not None
    if budget is None:
        return
    target = load_table(context.path("scale", "table.json")).device
    unit = target.latency_unit
    if not target.is_here or target.batch != winner.batch:
        say(
            f"deploy: the budget of {budget:.3f} {unit} is for {target.name}; to check it, run nas export "
            f"there with device.batch={target.batch}"
        )
        return
    measured_ms = winner.latency_ms.value
    if measured_ms <= budget:
        return
    text = (
        f"{winner.file} takes {measured_ms:.4g} {unit}, above the budget of {budget:.4g} {unit}; "
        f"lower scale.latency_ms by {math.ceil(100 * (1 - budget / measured_ms))}% and run again"
    )
    if context.config.export.enforce:
        raise UserError(text)
    say(f"deploy: warning: {text}")
