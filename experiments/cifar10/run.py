"""Networks searched for five targets, and published ones, trained alike and measured; see README.md.

    python experiments/cifar10/run.py data.root=PICTURES [SETTING=VALUE ...]

PICTURES contains train/CLASS/*.jpg and test/CLASS/*.jpg. All results are in run_dir, which is runs/cifar10 by
default, the raw numbers in its networks.csv and pairs.csv. Each part is a step that is skipped once complete,
and trainings write checkpoints: interrupt the script at any time and give the same command again; the files
then hold the networks trained so far. ``summary.py`` writes the tables and the picture.
"""

from __future__ import annotations

import dataclasses
import functools
import math
import shutil
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.append(str(Path(__file__).resolve().parent.parent))  # for the scripts that experiments share

import scripts
import trained
from jobs import Job, configured, record_provenance, work
from measured import measuring

from nas.cli.steps.context import Context, hyperparameters
from nas.cli.steps.search import search as search_step
from nas.cli.steps.supernet import supernet as supernet_step
from nas.cli.steps.table import table as table_step
from nas.files import read_json
from nas.hardware import roofline_ms
from nas.network import NetworkSpec, reference_network
from nas.network.strides import with_fewer_strides
from nas.pipeline import Step, execute
from nas.training.history_csv import write_csv

if TYPE_CHECKING:
    import numpy as np

EXPERIMENT = "cifar10"
SETTINGS = (
    "experiment=attention_cifar10",
    "space=mixed_32",
    "train.recipe=fairnas",
    "train.epochs=12",
    "finish.init=scratch",
    "finish.epochs=6",
    f"run_dir=runs/{EXPERIMENT}",
)
TARGETS: dict[str, tuple[str, ...]] = {
    "x86": ("device=this_machine",),
    "x86_int8": ("device=this_machine_int8",),
    "openvino_32": ("device=this_machine_openvino", "device.batch=32"),
    "raspberry_pi_5": ("device=raspberry_pi_5", "table.name=roofline"),
    "pixel_6": ("device=pixel_6", "table.name=roofline"),
}
"""The targets, by their settings."""
MEASURED = ("x86", "x86_int8", "openvino_32")
"""Targets that are measured; the latencies of the others are bounds by a roofline."""
RANDOM = "x86_random"
SEARCHES = {**{name: (name, ()) for name in TARGETS}, RANDOM: ("x86", ("search.sampler=random",))}
"""The searches: each has a target and further settings."""
SHARES = (0.4, 0.7)
"""A target's budgets, on a logarithmic scale from the latency of the smallest network to the largest's."""
SEEDS = (0, 1, 2)
NEAREST = 2
"""All seeds train what the searches have found, and so many published networks nearest to it in latency."""
PUBLISHED = (
    *(("mobilenet_v1", width, 32) for width in (0.25, 0.5)),
    *(("mobilenet_v2", width, side) for width in (0.35, 0.75) for side in (24, 32)),
    *(("mobilenet_v3_small", width, 32) for width in (0.5, 1.0)),
    ("mobilenet_v3_large", 0.5, 32),
    ("efficientnet_lite0", 0.5, 32),
    *(("resnet20", width, 32) for width in (0.5, 1.0, 2.0)),
)
"""Published networks: name, width and resolution."""


@dataclass(frozen=True)
class Subject:
    """A network of the comparison.

    Attributes:
        name: Its name.
        search: The search that found it; ``None`` for a published network.
        budget_ms: The search's budget in ms; ``None`` for a published network.
        network: The network.
    """

    name: str
    search: str | None
    budget_ms: float | None
    network: NetworkSpec


def main(overrides: Sequence[str]) -> None:
    """Runs all incomplete steps."""
    settings = tuple(overrides)
    base = context(settings)
    record_provenance(base, command=EXPERIMENT, settings=settings)
    workers = base.config.finish.workers or 2
    execute(supernet_step.step(base))
    for target in TARGETS:
        made = context(settings, target)
        table_step.check(made)
        execute(table_step.step(made))
    work([(search, name) for name in SEARCHES], settings, base.run_dir, processes=workers)
    for target in MEASURED:
        execute(measurement(settings, target))
    try:
        names = distinct(settings)
        jobs: list[Job] = [(train, f"{name}/{SEEDS[0]}") for name in names.values()]
        work(jobs, settings, base.run_dir, processes=workers)
        found = [each for each in subjects(settings) if each.search is not None]
        again = dict.fromkeys(names[each.network] for each in [*found, *near(settings)])
        jobs = [(train, f"{name}/{seed}") for seed in SEEDS[1:] for name in again]
        work(jobs, settings, base.run_dir, processes=workers)
    finally:
        write_csv(base.path("networks.csv"), list(rows(settings)))
        write_csv(base.path("pairs.csv"), list(pairs(settings)))


@functools.cache
def context(settings: tuple[str, ...], name: str = "") -> Context:
    """The run, or that of a search, or of its target."""
    base = configured([*SETTINGS, *settings])
    if not name:
        return base
    target, own = SEARCHES[name]
    folder = base.path(name)
    return configured([*SETTINGS, *settings, *TARGETS[target], *own, f"run_dir={folder}"])


def search(settings: tuple[str, ...], name: str) -> None:
    """Searches for a target, with the run's supernet and the target's table."""
    made, target = context(settings, name), context(settings, SEARCHES[name][0])
    shared = (context(settings).path(supernet_step.FOLDER), target.path("table"))
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
    """What the searches have found, then the published networks."""
    found = [
        Subject(f"{name}-{number}", name, value["budget_ms"], NetworkSpec.from_dict(value["network"]))
        for name in SEARCHES
        for number, value in enumerate(read_json(winners_path(settings, name)), 1)
        if value["found"]
    ]
    splits = context(settings).data.splits
    for name, width, side in PUBLISHED:
        network = reference_network(
            name, resolution=side, width=width, classes=len(splits.classes), input_channels=splits.channels
        )
        found.append(Subject(f"{name}-{width:g}-{side}", None, None, with_fewer_strides(network)))
    return found


def winners_path(settings: tuple[str, ...], name: str) -> Path:
    """The file with what a search has found."""
    return context(settings, name).path("search", "winners.json")


def distinct(settings: tuple[str, ...]) -> dict[NetworkSpec, str]:
    """The different networks, each with the name of the first subject that is this network."""
    names: dict[NetworkSpec, str] = {}
    for each in subjects(settings):
        names.setdefault(each.network, each.name)
    return names


def measurement(settings: tuple[str, ...], target: str) -> Step:
    """Makes the step that measures all networks on a target, side by side."""
    made = context(settings, target)
    return measuring(
        made,
        lambda: distinct(settings),
        table=table_step.path(made),
        inputs={f"winners of {name}": winners_path(settings, name) for name in SEARCHES},
    )


def latency_ms(settings: tuple[str, ...], target: str, network: NetworkSpec) -> dict[str, float]:
    """A network's latency in ms on a target: measured, with its interval, or the roofline's bound."""
    if target not in MEASURED:
        return {"value": roofline_ms(network.blocks, device=context(settings, target).device)}
    found = read_json(measurement(settings, target).folder / "measured.json")["latencies"]
    latency = found[distinct(settings)[network]]
    return {key: latency[key] for key in ("value", "low", "high")}


def train(settings: tuple[str, ...], job: str) -> None:
    """Trains a network from random weights with one seed."""
    name, seed = job.split("/")
    network = next(network for network, other in distinct(settings).items() if other == name)
    execute(training(settings, network, int(seed)))


def training(settings: tuple[str, ...], network: NetworkSpec, seed: int) -> Step:
    """Makes the step that trains a network; equal networks are trained once."""
    base, name = context(settings), distinct(settings)[network]
    return Step(
        name=f"training of {name} with seed {seed}",
        folder=base.path("trained", f"{name}-{seed}"),
        settings={
            "network": network.to_dict(),
            "training_seed": seed,
            "finish": dataclasses.asdict(hyperparameters(base.config.finish)),
            **base.settings("compute"),
            **base.data_settings(),
        },
        inputs={},
        outputs=trained.OUTPUTS,
        run=lambda folder: trained.train(base, network, folder, seed=seed),
    )


def correct(settings: tuple[str, ...], subject: Subject, seed: int) -> np.ndarray | None:
    """Which test images a network classifies correctly; ``None`` if it is not trained yet."""
    return trained.correct_images(training(settings, subject.network, seed).folder)


def near(settings: tuple[str, ...]) -> list[Subject]:
    """The published networks that are nearest in latency to one that a search has found, on its target."""
    every = subjects(settings)
    found = list[Subject]()
    for winner in (each for each in every if each.search is not None):
        target = SEARCHES[winner.search or ""][0]
        own = latency_ms(settings, target, winner.network)["value"]
        distances = [
            (abs(math.log(latency_ms(settings, target, each.network)["value"] / own)), each.name, each)
            for each in every
            if each.search is None
        ]
        found += [each for *_, each in sorted(distances, key=lambda item: item[:2])[:NEAREST]]
    return found


def rows(settings: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    """Yields the raw numbers of each network and seed that is trained."""
    if not all(winners_path(settings, name).is_file() for name in SEARCHES):
        return
    for subject in subjects(settings):
        for seed in SEEDS:
            images = correct(settings, subject, seed)
            if images is not None:
                counts = {"seed": seed, "images": len(images), "correct": int(images.sum())}
                yield {**description(settings, subject), **counts}


def description(settings: tuple[str, ...], subject: Subject) -> dict[str, Any]:
    """A network's origin, sizes, block kinds and latencies."""
    network = subject.network
    kinds = Counter(block.KIND for stage in network.stages for block in stage)
    return {
        "name": subject.name,
        "search": subject.search or "",
        "budget_ms": "" if subject.budget_ms is None else subject.budget_ms,
        "resolution": network.resolution,
        "macs": network.macs,
        "params": network.params,
        "kinds": " ".join(f"{count}×{kind}" for kind, count in kinds.items()),
        "predicted_ms": predicted_ms(settings, subject),
        **{
            f"{target}_{key}_ms": round(value, 6)
            for target in TARGETS
            for key, value in latency_ms(settings, target, network).items()
        },
    }


def predicted_ms(settings: tuple[str, ...], subject: Subject) -> float | str:
    """The latency that the table of its target predicts for what a search has found."""
    if subject.search is None:
        return ""
    target = context(settings, SEARCHES[subject.search][0])
    return round(table_step.read(target, table_step.path(target)).predict(subject.network), 6)


def pairs(settings: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    """Yields, for a found network and each other one, the images that only one of both classifies."""
    if not all(winners_path(settings, name).is_file() for name in SEARCHES):
        return
    every = subjects(settings)
    for winner in (each for each in every if each.search is not None):
        for other in every:
            for seed in SEEDS if other.network != winner.network else ():
                ours, theirs = (correct(settings, each, seed) for each in (winner, other))
                if ours is not None and theirs is not None:
                    yield {
                        "name": winner.name,
                        "other": other.name,
                        "seed": seed,
                        "images": len(ours),
                        "only_this": int((ours & ~theirs).sum()),
                        "only_other": int((theirs & ~ours).sum()),
                    }


if __name__ == "__main__":
    scripts.run(main)
