"""Searches networks for five targets and measures them beside published ones; see README.md.

    python experiments/cifar10/find.py data.root=PICTURES [SETTING=VALUE ...]

PICTURES contains train/CLASS/*.jpg and test/CLASS/*.jpg. The result is networks.json in run_dir
(runs/cifar10 by default), whose networks ``train.py`` trains. Each part is a step that is skipped once
complete: interrupt the script at any time and give the same command again.
"""

from __future__ import annotations

import dataclasses
import functools
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).resolve().parent.parent))  # for the scripts that experiments share

import scripts
from compared import (
    EXPERIMENT,
    MEASURED,
    NETWORKS,
    SEARCHES,
    SETTINGS,
    TARGETS,
    Subject,
    distinct,
    write_subjects,
)
from jobs import configured, record_provenance, work
from measured import measuring

from nas.cli.steps.context import Context, hyperparameters
from nas.cli.steps.search import search as search_step
from nas.cli.steps.supernet import supernet as supernet_step
from nas.cli.steps.supernet import trust as trust_step
from nas.cli.steps.table import table as table_step
from nas.files import read_json, write_json
from nas.hardware import roofline_ms
from nas.network import NetworkSpec, reference_network
from nas.network.strides import with_fewer_strides
from nas.pipeline import Step, execute
from nas.training.evaluation import Accuracy
from nas.training.trust import compare

SHARES = (0.4, 0.7)
"""A target's budgets, on a logarithmic scale from the latency of the smallest network to the largest's."""
ALONE = "alone.json"
PUBLISHED = (
    *(("mobilenet_v1", width, 32) for width in (0.25, 0.5)),
    *(("mobilenet_v2", width, side) for width in (0.35, 0.75) for side in (24, 32)),
    *(("mobilenet_v3_small", width, 32) for width in (0.5, 1.0)),
    ("mobilenet_v3_large", 0.5, 32),
    ("efficientnet_lite0", 0.5, 32),
    *(("resnet20", width, 32) for width in (0.5, 1.0, 2.0)),
)
"""Published networks: name, width and resolution."""


def main(overrides: Sequence[str]) -> None:
    """Runs all incomplete steps and writes networks.json."""
    settings = tuple(overrides)
    base = context(settings)
    record_provenance(base, command=f"{EXPERIMENT}/find", settings=settings)
    execute(supernet_step.step(base))
    for target in TARGETS:
        made = context(settings, target)
        table_step.check(made)
        execute(table_step.step(made))
    processes = base.config.finish.workers or 2
    largest_first = sorted(trust_step.subjects(base), key=lambda each: -each.network.macs)
    alone = [(train_alone, each.code) for each in largest_first]
    work(alone, settings, base.run_dir, processes=processes)
    execute(trust(settings))
    work([(search, name) for name in SEARCHES], settings, base.run_dir, processes=processes)
    unmeasured = subjects(settings)
    for target in MEASURED:
        execute(measurement(settings, target, unmeasured))
    machines = {target: measured(settings, target, unmeasured)["machine"] for target in MEASURED}
    every = [
        dataclasses.replace(
            each, latencies_ms={target: latency_ms(settings, target, each, unmeasured) for target in TARGETS}
        )
        for each in unmeasured
    ]
    about = {"machines": machines, "trust": read_json(trust(settings).folder / trust_step.RESULT)}
    write_subjects(base.path(NETWORKS), every, about=about)
    print(f"{len(distinct(every))} networks: {base.path(NETWORKS)}")


@functools.cache
def context(settings: tuple[str, ...], name: str = "") -> Context:
    """The run, or that of a search, or of its target."""
    base = configured([*SETTINGS, *settings])
    if not name:
        return base
    target, own = SEARCHES[name]
    folder = base.path(name)
    return configured([*SETTINGS, *settings, *TARGETS[target], *own, f"run_dir={folder}"])


def train_alone(settings: tuple[str, ...], code: str) -> None:
    """Trains one of the networks of ``nas trust``."""
    execute(training_alone(settings, code))


def training_alone(settings: tuple[str, ...], code: str) -> Step:
    """Makes the step that trains a network alone, as ``nas trust`` does."""
    base = context(settings)
    network = next(each.network for each in trust_step.subjects(base) if each.code == code)
    return Step(
        name=f"{code} alone",
        folder=base.path("alone", code),
        settings={
            "training": dataclasses.asdict(hyperparameters(base.config.trust)),
            "images": base.config.trust.images,
            **base.settings("compute"),
            **base.data_settings(),
        },
        inputs={"search space": base.space_path},
        outputs=(ALONE,),
        run=lambda folder: write_json(
            folder / ALONE,
            dataclasses.asdict(trust_step.train_and_judge(base, network, name=f"{code} alone")),
        ),
    )


def trust(settings: tuple[str, ...]) -> Step:
    """Makes the step of ``nas trust``, which finds its networks trained: here several train at a time."""
    base = context(settings)
    step = trust_step.step(base)

    def run(folder: Path) -> None:
        every = trust_step.subjects(base)
        codes = {each.network: each.code for each in every}
        images = trust_step.judging_images(base)
        evaluator = dataclasses.replace(supernet_step.evaluator(base), validation=images)
        compare(
            every,
            inherited=evaluator.accuracy,
            alone=lambda network: trained_alone(settings, codes[network]),
            path=folder / trust_step.ROWS,
        )
        step.run(folder)

    return dataclasses.replace(step, run=run)


def trained_alone(settings: tuple[str, ...], code: str) -> Accuracy:
    """The accuracy of a network that was trained alone."""
    found = read_json(training_alone(settings, code).folder / ALONE)
    return Accuracy(found["correct"], found["total"])


def search(settings: tuple[str, ...], name: str) -> None:
    """Searches for a target, with the run's supernet, its calibration and the target's table."""
    made, target = context(settings, name), context(settings, SEARCHES[name][0])
    folders = (supernet_step.FOLDER, trust_step.FOLDER)
    shared = (*map(context(settings).path, folders), target.path("table"))
    for source in shared:
        if not made.path(source.name).is_dir():
            shutil.copytree(source, made.path(source.name))
    own = dataclasses.replace(made.config.search, budgets_ms=list(budgets_ms(target)))
    made = dataclasses.replace(made, config=dataclasses.replace(made.config, search=own))
    search_step.check(made)
    execute(search_step.step(made))


def budgets_ms(target: Context) -> tuple[float, ...]:
    """The budgets of a target in ms."""
    table, splits = table_step.read(target, table_step.path(target)), target.data.splits
    extremes = (target.space.smallest(), target.space.largest())
    networks = [
        target.space.network(arch, classes=len(splits.classes), input_channels=splits.channels)
        for arch in extremes
    ]
    low, high = (table.predict(network) for network in networks)
    return tuple(round(low * (high / low) ** share, 4) for share in SHARES)


def subjects(settings: tuple[str, ...]) -> list[Subject]:
    """What the searches have found, then the published networks; without latencies."""
    found = list[Subject]()
    for name in SEARCHES:
        target = context(settings, SEARCHES[name][0])
        table = table_step.read(target, table_step.path(target))
        for number, value in enumerate(read_json(winners_path(settings, name)), 1):
            if value["found"]:
                network = NetworkSpec.from_dict(value["network"])
                predicted = round(table.predict(network), 6)
                found.append(Subject(f"{name}-{number}", name, value["budget_ms"], predicted, {}, network))
    splits = context(settings).data.splits
    for name, width, side in PUBLISHED:
        network = reference_network(
            name, resolution=side, width=width, classes=len(splits.classes), input_channels=splits.channels
        )
        found.append(Subject(f"{name}-{width:g}-{side}", "", None, None, {}, with_fewer_strides(network)))
    return found


def winners_path(settings: tuple[str, ...], name: str) -> Path:
    """The file with what a search has found."""
    return context(settings, name).path("search", "winners.json")


def measurement(settings: tuple[str, ...], target: str, every: Sequence[Subject]) -> Step:
    """Makes the step that measures all networks on a target, side by side."""
    made = context(settings, target)
    return measuring(
        made,
        lambda: distinct(every),
        table=table_step.path(made),
        inputs={f"winners of {name}": winners_path(settings, name) for name in SEARCHES},
    )


def measured(settings: tuple[str, ...], target: str, every: Sequence[Subject]) -> dict[str, Any]:
    """What the measurement on a target has found."""
    found: dict[str, Any] = read_json(measurement(settings, target, every).folder / "measured.json")
    return found


def latency_ms(
    settings: tuple[str, ...], target: str, subject: Subject, every: Sequence[Subject]
) -> dict[str, float]:
    """A network's latency in ms on a target: measured, with its interval, or the roofline's bound."""
    if target not in MEASURED:
        device = context(settings, target).device
        return {"value": round(roofline_ms(subject.network.blocks, device=device), 6)}
    latency = measured(settings, target, every)["latencies"][distinct(every)[subject.network]]
    return {key: round(latency[key], 6) for key in ("value", "low", "high")}


if __name__ == "__main__":
    scripts.run(main)
