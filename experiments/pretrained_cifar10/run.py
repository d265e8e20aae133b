"""Networks that start from pretrained weights, found by a search or fine-tuned alone; see README.md.

    python experiments/pretrained_cifar10/run.py data.root=PICTURES [SETTING=VALUE ...]

PICTURES contains train/CLASS/*.jpg and test/CLASS/*.jpg. All results are in run_dir, which is
runs/pretrained_cifar10 by default, the raw numbers in its networks.csv. Each part is a step that is skipped
once complete, and trainings write checkpoints: interrupt the script at any time and give the same command
again; networks.csv then holds the networks trained so far. ``summary.py`` writes tables and the picture.
"""

from __future__ import annotations

import dataclasses
import functools
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.append(str(Path(__file__).resolve().parent.parent))  # for the scripts that experiments share

import scripts
import trained
from jobs import Job, configured, record_provenance, work
from measured import measuring

from nas.cli.steps.context import Context, hyperparameters
from nas.cli.steps.final import export as export_step
from nas.cli.steps.final import finish as finish_step
from nas.cli.steps.final import scale as scale_step
from nas.cli.steps.search import search as search_step
from nas.cli.steps.supernet import supernet as supernet_step
from nas.cli.steps.table import table as table_step
from nas.files import read_json
from nas.network import NetworkSpec
from nas.pipeline import Step, execute
from nas.search.results.results import read_winner
from nas.training.history_csv import write_csv

if TYPE_CHECKING:
    from nas.nn import StaticNetwork

EXPERIMENT = "pretrained_cifar10"
SEEDS = (0, 1, 2)
CHAIN = (supernet_step, table_step, search_step, scale_step, finish_step, export_step)

SUPERNET, PRETRAINED, SCRATCH = "supernet", "pretrained", "scratch"
WINNER = "winner"


@dataclass(frozen=True)
class Subject:
    """A network of the comparison.

    Attributes:
        name: Its name.
        init: Where its weights come from: the trained supernet, EfficientNet-Lite0, or nowhere.
        network: From the run to the network.
        epochs: From the run to the epochs of its training.
    """

    name: str
    init: str
    network: Callable[[Context], NetworkSpec]
    epochs: Callable[[Context], int]


def winner(base: Context) -> NetworkSpec:
    """The network that the search has found."""
    return read_winner(base.path("search")).network


def largest(base: Context, *, resolution: int | None = None) -> NetworkSpec:
    """EfficientNet-Lite0, the largest network of the space, at a resolution."""
    classes, channels = len(base.data.splits.classes), base.data.splits.channels
    network = base.space.network(base.space.largest(), classes=classes, input_channels=channels)
    return replace(network, resolution=resolution or network.resolution)


def smallest(base: Context) -> NetworkSpec:
    """The smallest network of the space."""
    classes, channels = len(base.data.splits.classes), base.data.splits.channels
    return base.space.network(base.space.smallest(), classes=classes, input_channels=channels)


def tuned(base: Context) -> int:
    """Epochs of what has been trained in the supernet before."""
    return base.config.finish.epochs


def as_the_supernet(base: Context) -> int:
    """The supernet's epochs."""
    return base.config.train.epochs


def whole(base: Context) -> int:
    """The supernet's epochs, and those of the final training."""
    return base.config.train.epochs + base.config.finish.epochs


SUBJECTS = (
    Subject(WINNER, SUPERNET, winner, tuned),
    Subject("smallest", SUPERNET, smallest, lambda _: 0),
    Subject("largest", SUPERNET, largest, lambda _: 0),
    Subject("winner-longer", SUPERNET, winner, whole),
    *(
        Subject(f"lite0-{side}", PRETRAINED, functools.partial(largest, resolution=side), whole)
        for side in (97, 129, 161)
    ),
    Subject("winner-scratch", SCRATCH, winner, whole),
    Subject("winner-pretrained", PRETRAINED, winner, whole),
    Subject("smallest-alone", PRETRAINED, smallest, as_the_supernet),
    Subject("largest-alone", PRETRAINED, largest, as_the_supernet),
)
"""The networks in the order of their trainings; without an epoch, they run with the supernet's weights."""


def main(overrides: Sequence[str]) -> None:
    """Runs all incomplete steps."""
    settings = tuple(overrides)
    base = context(settings)
    record_provenance(base, command=EXPERIMENT, settings=settings)
    for part in CHAIN:
        part.check(base)
        if part is not table_step or table_step.is_made(base):
            execute(part.step(base))
    execute(
        measuring(
            base,
            lambda: distinct(base),
            table=base.path("scale", "table.json"),
            inputs={"search's winner": base.path("search", "winner.json")},
        )
    )
    jobs: list[Job] = [(train, f"{each.name}/{seed}") for seed in SEEDS for each in SUBJECTS]
    try:
        work(jobs, settings, base.run_dir, processes=base.config.finish.workers or 2)
    finally:
        write_csv(base.path("networks.csv"), list(rows(base)))


@functools.cache
def context(settings: tuple[str, ...]) -> Context:
    """The run. A process reads its images once."""
    return configured([f"experiment={EXPERIMENT}", f"run_dir=runs/{EXPERIMENT}", *settings])


def distinct(base: Context) -> dict[NetworkSpec, str]:
    """The different networks, each with the name of the first subject that is this network."""
    names: dict[NetworkSpec, str] = {}
    for each in SUBJECTS:
        names.setdefault(each.network(base), each.name)
    return names


def train(settings: tuple[str, ...], name: str) -> None:
    """Trains one network with one seed, as ``nas finish`` trains a winner."""
    subject, seed = name.split("/")
    execute(training(context(settings), next(each for each in SUBJECTS if each.name == subject), int(seed)))


def training(base: Context, subject: Subject, seed: int) -> Step:
    """Makes the step that trains a network with a seed."""
    finish = dataclasses.asdict(hyperparameters(base.config.finish)) | {"epochs": subject.epochs(base)}
    weights = {"supernet's weights": base.path("supernet", "weights.safetensors")}
    start = supernet_step.initial_files(base)
    return Step(
        name=f"training of {subject.name} with seed {seed}",
        folder=base.path("trained", f"{subject.name}-{seed}"),
        settings={
            "network": subject.network(base).to_dict(),
            "training_seed": seed,
            "finish": finish,
            **base.settings("compute"),
            **base.data_settings(),
        },
        inputs={SUPERNET: weights, PRETRAINED: start, SCRATCH: {}}[subject.init],
        outputs=trained.OUTPUTS,
        run=lambda folder: write(base, subject, seed=seed, folder=folder),
    )


def write(base: Context, subject: Subject, *, seed: int, folder: Path) -> None:
    """Trains a network and writes what it classifies correctly; without an epoch, it is calibrated alone."""
    network, epochs = subject.network(base), subject.epochs(base)
    if epochs == 0:
        trained.judge(base, supernet_step.evaluator(base).extract(network).eval(), folder)
        write_csv(folder / "history.csv", [])
        return
    trained.train(base, network, folder, seed=seed, source=source(base, subject), epochs=epochs)


def source(base: Context, subject: Subject) -> StaticNetwork | None:
    """The network with the weights that a subject starts from."""
    if subject.init == SCRATCH:
        return None
    if subject.init == SUPERNET:
        return supernet_step.evaluator(base).extract(subject.network(base))
    from nas.nn import Supernet
    from nas.pretrained import find_start

    assert base.config.train.init is not None
    splits = base.data.splits
    supernet = Supernet(base.space, classes=len(splits.classes), input_channels=splits.channels)
    find_start(base.config.train.init).apply(supernet, classes=splits.classes)
    return supernet.extract(subject.network(base))


def rows(base: Context) -> Iterator[dict[str, Any]]:
    """Yields the raw numbers of each network and seed that is trained: all that ``summary.py`` needs.

    ``only_this`` and ``only_winner`` count the test images that this network alone classifies correctly, or
    the winner with the same seed alone.
    """
    for subject in SUBJECTS:
        for seed in SEEDS:
            folders = (training(base, each, seed).folder for each in (subject, SUBJECTS[0]))
            correct, winners = (trained.correct_images(folder) for folder in folders)
            if correct is not None and winners is not None:
                yield {
                    **description(base, subject),
                    "seed": seed,
                    "images": len(correct),
                    "correct": int(correct.sum()),
                    "only_this": int((correct & ~winners).sum()),
                    "only_winner": int((winners & ~correct).sum()),
                }


def description(base: Context, subject: Subject) -> Mapping[str, Any]:
    """A network's sizes and latencies."""
    network = subject.network(base)
    latency = read_json(base.path("measured", "measured.json"))["latencies"][distinct(base)[network]]
    return {
        "name": subject.name,
        "init": subject.init,
        "epochs": subject.epochs(base),
        "resolution": network.resolution,
        "macs": network.macs,
        "params": network.params,
        **{f"{key}_ms": round(latency[key], 6) for key in ("value", "low", "high")},
    }


if __name__ == "__main__":
    scripts.run(main)
