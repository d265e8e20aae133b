"""The step that trains the winner and its baselines in the same way."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nas.cli.bars import progress_bar
from nas.cli.screen import say
from nas.cli.steps.context import Context, checkpoint_plan, hyperparameters
from nas.cli.steps.final import budget, inheritance
from nas.cli.steps.final import scale as scale_step
from nas.cli.steps.final.baselines import changed_strides, check_baselines
from nas.cli.steps.final.entries import Entry, baseline_note, entries
from nas.cli.steps.final.epochs import epochs_in_words, hyper
from nas.cli.steps.final.method import method
from nas.cli.steps.table import missing
from nas.cli.steps.workers import check_parent, helpers, threads
from nas.errors import UserError
from nas.files import copy, read_json, sha256, write_json
from nas.latency import LatencyTable, load_table
from nas.network import NetworkSpec, read_network
from nas.pipeline import Step, differs_only_in

if TYPE_CHECKING:
    from nas.training.loop import Progress

RESULTS = "results.json"
CHECKPOINTS = "checkpoints"
CANDIDATE = "candidate"


def step(context: Context) -> Step:
    """Makes the step that trains the winner, the space's extremes and the baselines."""
    own = context.config.finish.network
    winner = Path(own) if own is not None else context.path("scale", "scale.json")
    inputs = {"winner's network": winner, "search space": context.space_path}
    if own is None:
        inputs["latency table"] = context.path("scale", scale_step.TABLE)
    inputs |= inheritance.inputs(context)
    return Step(
        name="final",
        folder=context.path("final"),
        settings={
            **_settings(context, "finish", "compute"),
            **context.data_settings(),
            CANDIDATE: budget.candidate(context) or None,
        },
        inputs=inputs,
        outputs=(RESULTS, "*"),
        run=lambda folder: _finish(context, folder),
    )


def _settings(context: Context, *names: str) -> dict[str, Any]:
    """Returns the settings that affect the trained networks; the number of workers does not."""
    settings = context.settings(*names)
    del settings["finish"]["workers"]
    return settings


def check(context: Context) -> None:
    """Checks the settings before any work is done."""
    config = context.config.finish
    if config.workers is not None and config.workers < 1:
        raise UserError(f"finish.workers is {config.workers}; there must be at least one, or null")
    check_baselines(context)
    context.check_data()
    hyperparameters(config)
    method(context)
    inheritance.check(context)
    if config.network is not None:
        read_network(Path(config.network))
    checkpoint_plan(context.config.checkpoint)


def workers(context: Context) -> int:
    """Returns the number of networks to train in parallel.

    Small networks leave most of a CPU idle: two threads train one hardly faster than a single thread.
    """
    from nas.training.data import MemoryImages

    number = context.config.finish.workers
    if number is not None:
        return number
    here = context.compute
    shares = here.device.type == "cpu" and here.processes.count == 1
    if not shares or not isinstance(context.data.splits.train, MemoryImages):
        return 1  # the GPU, other processes or image decoding need the cores
    import torch

    return torch.get_num_threads()


def help_finish(context: Context, number: int) -> None:
    """Trains networks that no other worker has started, until none is left."""
    _train_free(context, list(entries(context)), step(context).partial)


def _train_free(context: Context, todo: list[Entry], folder: Path) -> set[str]:
    """Trains networks that no other worker has started, the costliest first, and returns their names."""
    own = set()
    for entry in sorted(todo, key=lambda entry: -entry.network.macs):
        claim = _claims(folder) / entry.file
        try:
            claim.touch(exist_ok=False)
        except FileExistsError:
            continue
        _train_once(context, entry, folder)
        own.add(entry.name)
    return own


def _claims(folder: Path) -> Path:
    """Returns the folder in which workers mark the networks that they have started."""
    return folder / "claims"


def _count(context: Context, todo: list[Entry]) -> int:
    return min(workers(context), len(todo))


def _finish(context: Context, folder: Path) -> None:
    from nas.training.history_csv import read_csv

    todo = list(entries(context))
    for line in filter(None, (*changed_strides(context), baseline_note(context))):
        say(f"final: {line}")
    _take_over(context, todo, folder)
    table = _table(context, todo, folder)
    count = _count(context, todo)
    decided = replace(context.config, finish=replace(context.config.finish, workers=count))
    shutil.rmtree(_claims(folder), ignore_errors=True)  # left by an interrupted attempt
    _claims(folder).mkdir()
    with threads(count):
        with helpers(replace(context, config=decided), help_finish, workers=count) as others_work:
            own = _train_free(context, todo, folder)
            _wait(others_work, todo, folder)
        beside = [entry for entry in todo if entry.name not in own and _record(folder, entry).is_file()]
        trained = [_train_once(context, entry, folder) for entry in todo]  # trains what a failed worker left
    for leftover in (_claims(folder), folder / CHECKPOINTS):
        shutil.rmtree(leftover, ignore_errors=True)
    for entry, result in zip(todo, trained, strict=True):
        if entry in beside:
            say(f"trained {entry.name} in parallel: {result['validation_accuracy']:.1%} on validation")
            for row in read_csv((folder / entry.file).with_suffix(".csv")):
                _track(context, entry, row)
    results = [
        {**result, **_predicted(table, entry.network)} for entry, result in zip(todo, trained, strict=True)
    ]
    batch = (context.device if table is None else table.device).batch
    baselines = [item for item in results if item["role"] == "baseline"]
    # The best is selected on the search's validation images, never on the test images.
    best = max(baselines, key=lambda item: (item["validation_accuracy"], -item["macs"]), default=None)
    write_json(
        folder / RESULTS,
        {
            "networks": results,
            "best_baseline": best and best["name"],
            "batch": batch,
            CANDIDATE: budget.candidate(context),
        },
    )
    say(f"final: {len(results)} networks trained for {epochs_in_words(context, todo)} each")


def _take_over(context: Context, todo: list[Entry], folder: Path) -> None:
    """Copies the networks that were trained beside another candidate; they need no second training."""
    ours = step(context)
    if not differs_only_in(ours, CANDIDATE):
        return
    for entry in todo:
        there, here = _record(ours.folder, entry), _record(folder, entry)
        if here.is_file() or not there.is_file() or read_json(there)["network"] != entry.network.to_dict():
            continue
        for suffix in (".safetensors", ".csv", ".json"):  # the record last: it says that all is there
            copy(there.with_suffix(suffix), here.with_suffix(suffix))


def _wait(others_work: Callable[[], bool], todo: list[Entry], folder: Path) -> None:
    """Shows the number of trained networks until the other workers have finished."""
    if not others_work():
        return
    with progress_bar("networks trained", total=len(todo)) as bar:
        while others_work():
            bar.show(sum(_record(folder, entry).is_file() for entry in todo), len(todo))
            time.sleep(0.2)
        bar.show(sum(_record(folder, entry).is_file() for entry in todo), len(todo))


def _table(context: Context, todo: list[Entry], folder: Path) -> LatencyTable | None:
    """Returns the table that predicts all networks of the comparison; ``None`` if the run has no table."""
    path = context.path("scale", scale_step.TABLE)
    if not path.is_file():
        return None
    blocks = [block for entry in todo for block in entry.network.blocks]
    table = load_table(path)
    return missing.completed(
        context,
        table,
        blocks,
        input_channels=todo[0].network.input_channels,
        folder=folder,
        budget_s=scale_step.MEASURE_S,
    )


def _train_once(context: Context, entry: Entry, folder: Path) -> dict[str, Any]:
    """Trains a network unless an interrupted attempt or another worker has trained it."""
    record = _record(folder, entry)
    if record.is_file():
        result: dict[str, Any] = read_json(record)
        if result["network"] == entry.network.to_dict() and result["sha256"] == sha256(folder / entry.file):
            return result
    result = _train(context, entry, folder)
    write_json(record, result)
    shutil.rmtree(_states(folder, entry), ignore_errors=True)  # a trained network needs no checkpoints
    return result


def _track(context: Context, entry: Entry, row: Mapping[str, float]) -> None:
    """Records an epoch of a network's training."""
    numbers = {f"final/{entry.name}/{name}": value for name, value in row.items() if name != "epoch"}
    context.tracker.log(numbers, step=int(row["epoch"]))


def _record(folder: Path, entry: Entry) -> Path:
    """Returns the path of a trained network's record."""
    return folder / f"{entry.file.removesuffix('.safetensors')}.json"


def _states(folder: Path, entry: Entry) -> Path:
    """Returns the folder of a network's checkpoints."""
    return folder / CHECKPOINTS / entry.file.removesuffix(".safetensors")


def _predicted(table: LatencyTable | None, network: NetworkSpec) -> dict[str, Any]:
    if table is None or table.missing(network):
        return {"predicted_ms": None, "estimated": False}
    return {"predicted_ms": table.predict(network), "estimated": table.is_estimate(network)}


def _train(context: Context, entry: Entry, folder: Path) -> dict[str, Any]:
    from nas.training.checkpoint import Checkpoints
    from nas.training.final import train_network
    from nas.training.history_csv import write_csv
    from nas.training.weights import save_weights

    start = inheritance.beginning(context, entry)
    data = start.data
    how = replace(method(context), teacher=inheritance.teacher(context))
    optimization = hyper(context, entry)
    steps = optimization.epochs * data.steps(optimization.batch_size)
    states = _states(folder, entry)

    def follow(now: Progress) -> None:
        bar.follow(now)
        check_parent()

    def epoch_done(row: dict[str, float]) -> None:
        _track(context, entry, row)

    with progress_bar(f"training {entry.name}", total=steps) as bar:
        try:
            trained = train_network(
                entry.network,
                data=data,
                hyper=optimization,
                seed=context.config.seed,
                method=how,
                source=start.model,
                classifier=start.classifier,
                checkpoints=Checkpoints(
                    folder=states,
                    plan=checkpoint_plan(context.config.checkpoint),
                    about={
                        "network": entry.network.to_dict(),
                        "origin": start.origin,
                        "epochs": optimization.epochs,
                        **_settings(context, "finish", "seed"),
                    },
                ),
                on_step=follow,
                on_epoch=epoch_done,
            )
        except UserError as error:
            raise UserError(f"{entry.name}: {error}") from None
        bar.note(f"{trained.validation.value:.1%} on validation")
    for note in trained.notes:
        say(f"final: {entry.name} inherits what fits: {note}")
    save_weights(trained.model, folder / entry.file, metadata={"name": entry.name})
    write_csv((folder / entry.file).with_suffix(".csv"), trained.history)
    return {
        "name": entry.name,
        "role": entry.role,
        "network": entry.network.to_dict(),
        "code": entry.code,
        "macs": entry.network.macs,
        "params": entry.network.params,
        "init": entry.init,
        "origin": start.origin,
        "inherited_accuracy": trained.inherited and trained.inherited.value,
        "epochs": len(trained.history),
        "validation_accuracy": trained.validation.value,
        **{f"test_{name}": value for name, value in asdict(trained.test).items()},
        "weights": entry.file,
        "sha256": sha256(folder / entry.file),
        "classes": list(data.splits.classes),
        "mean": list(data.normalize.mean),
        "std": list(data.normalize.std),
    }
