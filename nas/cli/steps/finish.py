"""The step that trains the winner, and what it is compared with, in the same way."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from nas.cli.console import progress_bar, say
from nas.cli.steps import missing
from nas.cli.steps import scale as scale_step
from nas.cli.steps.context import Context, checkpoint_plan, hyperparameters
from nas.errors import UserError
from nas.files import read_json, sha256, write_json
from nas.latency import LatencyTable
from nas.network import NetworkSpec, reference_network
from nas.pipeline import Step

RESULTS = "results.json"


@dataclass(frozen=True)
class Entry:
    """A network to train.

    Attributes:
        name: Its name in tables.
        role: ``winner``, ``largest``, ``smallest`` or ``baseline``.
        network: The network.
        code: Its architecture's code, where it is a point of the space.
    """

    name: str
    role: str
    network: NetworkSpec
    code: str | None = None

    @property
    def file(self) -> str:
        return f"{self.name.replace(' ×', '_x').replace(' ', '_')}.safetensors"


def step(context: Context) -> Step:
    """Trains the winner, the space's extremes and the baselines from scratch."""
    chosen = context.config.finish.network
    winner = Path(chosen) if chosen is not None else context.path("scale", "scale.json")
    inputs = {"winner's network": winner, "search space": context.space_path}
    if chosen is None:
        inputs["latency table"] = context.path("scale", scale_step.TABLE)
    return Step(
        name="final",
        folder=context.path("final"),
        settings={**context.settings("finish", "compute"), **context.data_settings()},
        inputs=inputs,
        outputs=(RESULTS,),
        run=lambda folder: _finish(context, folder),
    )


def check(context: Context) -> None:
    """Finds what is wrong with the settings before anything is done."""
    config = context.config.finish
    checkpoint_plan(context.config.checkpoint)
    for width in config.baseline_widths:
        reference_network(config.baseline, resolution=_baseline_resolution(context), width=width)


def _baseline_resolution(context: Context) -> int:
    return context.config.finish.baseline_resolution or max(context.space.resolutions)


def entries(context: Context) -> Iterator[Entry]:
    """The networks that are trained and compared, the winner first."""
    config, splits = context.config.finish, context.data.splits
    classes, channels = len(splits.classes), splits.channels
    winner, code = _winner(context)
    yield Entry("winner", "winner", replace(winner, classes=classes, input_channels=channels), code)
    if config.extremes:
        for role, arch in (("largest", context.space.largest()), ("smallest", context.space.smallest())):
            network = context.space.network(arch, classes=classes, input_channels=channels)
            yield Entry(role, role, network, str(arch))
    resolution = _baseline_resolution(context)
    for width in config.baseline_widths:
        network = reference_network(
            config.baseline, resolution=resolution, width=width, classes=classes, input_channels=channels
        )
        yield Entry(f"{config.baseline} ×{width:g}", "baseline", network)


def _winner(context: Context) -> tuple[NetworkSpec, str | None]:
    chosen = context.config.finish.network
    if chosen is None:
        return scale_step.read_scaled(context)
    value = read_json(Path(chosen))
    return NetworkSpec.from_dict(value.get("network", value)), None


def _finish(context: Context, folder: Path) -> None:
    todo = list(entries(context))
    table = _table(context, todo, folder)
    done = [_train_once(context, entry, table, folder) for entry in todo]
    baselines = [item for item in done if item["role"] == "baseline"]
    # The best is chosen by what the search sees too, never by the test images.
    best = max(baselines, key=lambda item: (item["validation_accuracy"], -item["macs"]), default=None)
    write_json(folder / RESULTS, {"networks": done, "best_baseline": best and best["name"]})
    say(f"final: {len(done)} networks trained for {context.config.finish.epochs} epochs each")


def _table(context: Context, todo: list[Entry], folder: Path) -> LatencyTable | None:
    """The table that predicts all networks of the comparison; ``None`` where a run has none."""
    path = context.path("scale", scale_step.TABLE)
    if not path.is_file():
        return None
    blocks = [block for entry in todo for block in entry.network.blocks]
    table = LatencyTable.load(path)
    return missing.completed(
        context,
        table,
        blocks,
        input_channels=todo[0].network.input_channels,
        folder=folder,
        budget_s=scale_step.MEASURE_S,
    )


def _train_once(context: Context, entry: Entry, table: LatencyTable | None, folder: Path) -> dict[str, Any]:
    """Trains a network, unless an interrupted attempt has done so already."""
    record = folder / f"{entry.file.removesuffix('.safetensors')}.json"
    if record.is_file():
        found: dict[str, Any] = read_json(record)
        if found["network"] == entry.network.to_dict() and found["sha256"] == sha256(folder / entry.file):
            return found
    found = {**_train(context, entry, folder), **_predicted(table, entry.network)}
    write_json(record, found)
    shutil.rmtree(_states(folder, entry), ignore_errors=True)  # a network that is trained needs none
    return found


def _states(folder: Path, entry: Entry) -> Path:
    """Where the checkpoints of a network's training are."""
    return folder / "checkpoints" / entry.file.removesuffix(".safetensors")


def _predicted(table: LatencyTable | None, network: NetworkSpec) -> dict[str, Any]:
    if table is None or table.missing(network):
        return {"predicted_ms": None, "estimated": False}
    return {"predicted_ms": table.predict(network), "estimated": table.is_estimate(network)}


def _train(context: Context, entry: Entry, folder: Path) -> dict[str, Any]:
    from nas.training.checkpoint import Checkpoints
    from nas.training.final import train_network
    from nas.training.tables import write_csv
    from nas.training.weights import save_weights

    config, data = context.config.finish, context.data
    states = _states(folder, entry)
    with progress_bar(f"training {entry.name}", total=config.epochs * data.steps(config.batch_size)) as bar:
        try:
            trained = train_network(
                entry.network,
                data=data,
                hyper=hyperparameters(config),
                seed=context.config.seed,
                checkpoints=Checkpoints(
                    folder=states,
                    plan=checkpoint_plan(context.config.checkpoint),
                    about={"network": entry.network.to_dict(), **context.settings("finish", "seed")},
                    say=say,
                ),
                on_step=bar.follow,
            )
        except UserError as error:
            raise UserError(f"{entry.name}: {error}") from None
        bar.note(f"{trained.validation.value:.1%} on validation")
    save_weights(trained.model, folder / entry.file, metadata={"name": entry.name})
    write_csv((folder / entry.file).with_suffix(".csv"), trained.history)
    return {
        "name": entry.name,
        "role": entry.role,
        "network": entry.network.to_dict(),
        "code": entry.code,
        "macs": entry.network.macs,
        "params": entry.network.params,
        "validation_accuracy": trained.validation.value,
        **{f"test_{name}": value for name, value in asdict(trained.test).items()},
        "weights": entry.file,
        "sha256": sha256(folder / entry.file),
        "classes": list(data.splits.classes),
        "mean": list(data.normalize.mean),
        "std": list(data.normalize.std),
    }
