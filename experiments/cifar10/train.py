"""Trains the networks of ``find.py`` alike, from random weights; see README.md.

    python experiments/cifar10/train.py data.root=PICTURES [SETTING=VALUE ...]

run_dir (runs/cifar10 by default) holds networks.json. Which test images each network classifies correctly is
written into trained.csv there: a network and seed that this file holds is not trained again, so that another
machine can go on with both files. Trainings write checkpoints: interrupt the script at any time and give the
same command again.
"""

from __future__ import annotations

import dataclasses
import functools
import math
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.append(str(Path(__file__).resolve().parent.parent))  # for the scripts that experiments share

import scripts
import trained
from compared import (
    EXPERIMENT,
    NETWORKS,
    SETTINGS,
    TRAINED,
    Subject,
    distinct,
    fingerprint,
    packed,
    read_subjects,
)
from jobs import configured, record_provenance, work

from nas.cli.steps.context import Context, hyperparameters
from nas.errors import UserError
from nas.files import read_csv
from nas.pipeline import Step, execute
from nas.training.history_csv import write_csv

if TYPE_CHECKING:
    from nas.network import NetworkSpec

SEEDS = (0, 1, 2)
NEAREST = 2
"""All seeds train what the searches have found, and so many published networks nearest to it in latency."""
AS_ACCURATE = ("resnet20-1-32",)
"""All seeds train this, too: by the first seed, the fastest published network as accurate as most winners."""


def main(overrides: Sequence[str]) -> None:
    """Trains what is not trained yet."""
    settings = tuple(overrides)
    base = context(settings)
    every = planned(subjects(settings))
    known = {(row["name"], int(row["seed"])): row for row in recorded(settings)}
    record_provenance(base, command=f"{EXPERIMENT}/train", settings=settings)
    jobs = [(train, f"{name}/{seed}") for name, seed in every if (name, seed) not in known]
    try:
        work(jobs, settings, base.run_dir, processes=base.config.finish.workers or 2)
    finally:
        write_csv(base.path(TRAINED), list(rows(settings, every)))


@functools.cache
def context(settings: tuple[str, ...]) -> Context:
    """The run."""
    return configured([*SETTINGS, *settings])


@functools.cache
def subjects(settings: tuple[str, ...]) -> tuple[Subject, ...]:
    """The networks of the comparison."""
    return tuple(read_subjects(context(settings).path(NETWORKS)))


def planned(every: Sequence[Subject]) -> list[tuple[str, int]]:
    """Names and seeds of the trainings, in their order: what has been found comes first."""
    names = distinct(every)
    found = [each for each in every if each.search]
    accurate = [each for each in every if each.name in AS_ACCURATE]
    again = dict.fromkeys(names[each.network] for each in [*accurate, *found, *near(every)])
    first = [(name, SEEDS[0]) for name in names.values()]
    return [*first, *((name, seed) for seed in SEEDS[1:] for name in again)]


def near(every: Sequence[Subject]) -> list[Subject]:
    """The published networks that are nearest in latency to one that a search has found, on its target."""
    published = [each for each in every if not each.search]
    nearest = list[Subject]()
    for winner in (each for each in every if each.search):
        target = winner.target
        distances = [abs(math.log(each.ms(target) / winner.ms(target))) for each in published]
        ranked = sorted(zip(distances, range(len(published)), strict=True))
        nearest += [published[number] for _, number in ranked[:NEAREST]]
    return nearest


def train(settings: tuple[str, ...], job: str) -> None:
    """Trains a network from random weights with one seed."""
    name, seed = job.split("/")
    execute(training(settings, name, int(seed)))


def training(settings: tuple[str, ...], name: str, seed: int) -> Step:
    """Makes the step that trains a network with one seed."""
    base, network = context(settings), network_of(settings, name)
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


def network_of(settings: tuple[str, ...], name: str) -> NetworkSpec:
    """The network of a name."""
    return next(each.network for each in subjects(settings) if each.name == name)


def recorded(settings: tuple[str, ...]) -> list[dict[str, str]]:
    """The rows of trained.csv.

    Raises:
        UserError: If it holds other networks than networks.json, or other trainings than these settings.
    """
    base = context(settings)
    path = base.path(TRAINED)
    found = read_csv(path) if path.is_file() else []
    networks = {each.name: fingerprint(each.network) for each in subjects(settings)}
    epochs = str(base.config.finish.epochs)
    for row in found:
        if networks.get(row["name"]) != row["network"] or row["epochs"] != epochs:
            raise UserError(
                f"{path} holds {row['name']} ({row['network']}, {row['epochs']} epochs), which is not the "
                f"network of {NETWORKS} trained for {epochs} epochs; move it away, or restore the file "
                "that it belongs to"
            )
    return found


def rows(settings: tuple[str, ...], every: Sequence[tuple[str, int]]) -> Iterator[dict[str, Any]]:
    """Yields a row for each training that is complete, here or in trained.csv."""
    known = {(row["name"], int(row["seed"])): row for row in recorded(settings)}
    for name, seed in every:
        images = trained.correct_images(training(settings, name, seed).folder)
        if (name, seed) in known:
            yield known[name, seed]
        elif images is not None:
            yield {
                "name": name,
                "network": fingerprint(network_of(settings, name)),
                "epochs": context(settings).config.finish.epochs,
                "seed": seed,
                "images": len(images),
                "correct": int(images.sum()),
                "which": packed(images),
            }


if __name__ == "__main__":
    scripts.run(main)
