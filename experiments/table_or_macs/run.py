"""The same searches by latency tables and by multiply-accumulates, measured on two devices; see README.md.

    python experiments/attention_cifar10/run.py data.root=PICTURES [SETTING=VALUE ...]
    python experiments/table_or_macs/run.py data.root=PICTURES [SETTING=VALUE ...]

The first command measures the latency tables of ``mixed_32``; the second trains a supernet of its own. Both
need the same settings of data and tables. All results are in the folder ``table_or_macs`` of run_dir, the raw
numbers in its networks.csv; run_dir is runs/attention_cifar10 by default. Each part is a step that is skipped
once complete: interrupt the script at any time and give the same command again. ``summary.py`` writes the
table and the picture.
"""

from __future__ import annotations

import dataclasses
import functools
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

sys.path.append(str(Path(__file__).resolve().parent.parent))  # for the scripts that experiments share

import scripts
from jobs import configured, record_provenance, work
from measured import measuring

from nas.cli.steps.context import Context
from nas.cli.steps.search import scorer as scorer_step
from nas.cli.steps.search import search as search_step
from nas.cli.steps.supernet import supernet as supernet_step
from nas.cli.steps.table import table as table_step
from nas.errors import UserError
from nas.files import read_json, write_json
from nas.network import NetworkSpec
from nas.pipeline import Step, execute
from nas.search import Goals, Objective, Problem, Study
from nas.search import latency as latency_objective
from nas.search import macs as macs_objective
from nas.search import search as run_search
from nas.statistics import Count
from nas.training.history_csv import write_csv

if TYPE_CHECKING:
    from nas.scoring import Scorer

SPACE = "mixed_32"
SUPERNET = ("train.recipe=fairnas", "train.epochs=12")
"""The sandwich rule's supernet of this space does not rank networks: see the figures of attention_cifar10."""
DEVICES = ("this_machine", "this_machine_openvino")
COSTS = ("macs", *DEVICES)
"""What the searches minimise: multiply-accumulates, or the latency that a device's table predicts."""
SEEDS = range(10)
TRIALS = 60
LEVELS = 5
"""Accuracies at which the fronts of a seed's searches are compared."""


@dataclass(frozen=True)
class Front:
    """The Pareto front of a search.

    Attributes:
        networks: Its networks, the most accurate first.
        accuracies: Their accuracies on the images of the search, as shares.
        costs: Their costs as the search counts them: multiply-accumulates, or predicted latencies in ms.
    """

    networks: Sequence[NetworkSpec]
    accuracies: Sequence[float]
    costs: Sequence[float]

    @classmethod
    def read(cls, path: Path) -> Front:
        """Reads what the step of a search writes."""
        value = read_json(path)
        networks = [NetworkSpec.from_dict(each) for each in value["networks"]]
        return cls(networks, value["accuracies"], value["costs"])

    def cheapest(self, accuracy: float) -> int:
        """The position of the network that costs least among those of at least this accuracy."""
        enough = [i for i, value in enumerate(self.accuracies) if value >= accuracy]
        return min(enough, key=lambda i: self.costs[i])


def main(overrides: Sequence[str]) -> None:
    """Runs all incomplete steps."""
    settings = tuple(overrides)
    base = root(settings)
    record_provenance(base, command="table_or_macs", settings=settings)
    jobs = [f"{cost}/{seed}" for seed in SEEDS for cost in COSTS]
    processes = base.config.finish.workers or 2
    execute(supernet_step.step(supernet(settings)))
    try:
        work([(search, job) for job in jobs], settings, base.run_dir, processes=processes)
        work([(choose, str(seed)) for seed in SEEDS], settings, base.run_dir, processes=processes)
        for device in DEVICES:
            execute(measurement(settings, device))
    finally:
        write_csv(base.path("networks.csv"), list(rows(settings)))


@functools.cache
def root(settings: tuple[str, ...]) -> Context:
    """The run of this experiment, in a folder of the run that has the supernet and the tables."""
    run = configured(["experiment=attention_cifar10", "run_dir=runs/attention_cifar10", *settings])
    for device in DEVICES:
        folder = run.path(f"{SPACE}-{device}", "table")
        if not folder.is_dir():
            raise UserError(f"{folder} does not exist yet; experiments/attention_cifar10/run.py makes it")
    return dataclasses.replace(run, run_dir=run.path("table_or_macs"))


@functools.cache
def supernet(settings: tuple[str, ...]) -> Context:
    """The run that has the supernet and its searches."""
    return configured(
        [
            "experiment=attention_cifar10",
            *SUPERNET,
            f"search.trials={TRIALS}",
            *settings,
            f"space={SPACE}",
            f"run_dir={root(settings).run_dir}",
        ]
    )


@functools.cache
def source(settings: tuple[str, ...], device: str) -> Context:
    """The run that has the table of a device."""
    folder = root(settings).run_dir.parent / f"{SPACE}-{device}"
    return configured(
        [
            "experiment=attention_cifar10",
            *settings,
            f"space={SPACE}",
            f"device={device}",
            f"run_dir={folder}",
        ]
    )


def search(settings: tuple[str, ...], job: str) -> None:
    """Searches for one cost with one seed."""
    execute(searching(settings, *job.split("/")))


def searching(settings: tuple[str, ...], cost: str, seed: str) -> Step:
    """Makes the step of a search, which writes its front."""
    made = supernet(settings)

    def run(folder: Path) -> None:
        splits, scorer = made.data.splits, scorer_step.scorer(made)
        study = Study(
            problem=Problem(made.space, len(splits.classes), splits.channels),
            goals=Goals([scorer.accuracy(), _objective(settings, cost)]),
            sampler=search_step.sampler(made),
            trials=made.config.search.trials,
            seed=int(seed),
            context=scorer_step.search_facts(made),
        )
        front = run_search(study, folder=folder).front
        value = {
            "networks": [each.candidate.network.to_dict() for each in front],
            "accuracies": [each.outcome.values[0] for each in front],
            "costs": [each.outcome.values[1] for each in front],
        }
        write_json(folder / "front.json", value)

    table = {"latency table": table_step.path(source(settings, cost))} if cost in DEVICES else {}
    return Step(
        name=f"search by {cost}, seed {seed}",
        folder=root(settings).path("searches", f"{cost}-{seed}"),
        settings={
            "cost": cost,
            "seed": seed,
            "search": made.settings("search")["search"],
            **made.data_settings(),
        },
        inputs={"supernet's weights": made.path(supernet_step.FOLDER, "weights.safetensors"), **table},
        outputs=("front.json",),
        run=run,
    )


def _objective(settings: tuple[str, ...], cost: str) -> Objective:
    if cost == "macs":
        return macs_objective()
    made = source(settings, cost)
    return latency_objective(table_step.read(made, table_step.path(made)))


def choose(settings: tuple[str, ...], seed: str) -> None:
    """Chooses a network from each front of a seed at each accuracy."""
    execute(choosing(settings, seed))


def choosing(settings: tuple[str, ...], seed: str) -> Step:
    """Makes the step that chooses the cheapest networks of equal accuracies from the fronts of a seed.

    The accuracies are ``LEVELS`` values at equal distances, up to the highest one that all fronts reach. Each
    chosen network is evaluated on validation images that the searches have not seen.
    """
    paths = {cost: searching(settings, cost, seed).folder / "front.json" for cost in COSTS}

    def run(folder: Path) -> None:
        fronts = {cost: Front.read(path) for cost, path in paths.items()}
        hidden = _hidden(scorer_step.scorer(supernet(settings)))
        chosen = list[dict[str, Any]]()
        for level, accuracy in enumerate(levels(list(fronts.values())), 1):
            for cost, front in fronts.items():
                position = front.cheapest(accuracy)
                network = front.networks[position]
                count = hidden(network)
                chosen.append(
                    {
                        "level": level,
                        "at_least": accuracy,
                        "cost": cost,
                        "network": network.to_dict(),
                        "accuracy": front.accuracies[position],
                        "hidden_correct": count.correct,
                        "hidden_images": count.total,
                    }
                )
        write_json(folder / "chosen.json", chosen)

    return Step(
        name=f"choice of seed {seed}",
        folder=root(settings).path("choices", seed),
        settings={"levels": LEVELS},
        inputs={f"front by {cost}": path for cost, path in paths.items()},
        outputs=("chosen.json",),
        run=run,
    )


def levels(fronts: Sequence[Front]) -> list[float]:
    """Accuracies at equal distances between the lowest and the highest that all fronts have in common."""
    low = max(min(front.accuracies) for front in fronts)
    high = min(max(front.accuracies) for front in fronts)
    return [float(level) for level in np.linspace(low, high, LEVELS + 1)[1:]]


def _hidden(scorer: Scorer) -> Callable[[NetworkSpec], Count]:
    """Returns a function that counts a network's correct images among those hidden from the searches."""
    remeasure = scorer.remeasure(Goals([scorer.accuracy()]))
    if remeasure is None:
        raise UserError("no validation image is hidden from the searches; set search.holdout_fraction")
    return remeasure


def chosen(settings: tuple[str, ...]) -> list[dict[str, Any]]:
    """All chosen networks, each with its seed."""
    return [
        {"seed": seed, **each}
        for seed in SEEDS
        for path in [choosing(settings, str(seed)).folder / "chosen.json"]
        if path.is_file()
        for each in read_json(path)
    ]


def names(settings: tuple[str, ...]) -> dict[NetworkSpec, str]:
    """The different networks among the chosen ones, each with a name."""
    networks = dict.fromkeys(NetworkSpec.from_dict(each["network"]) for each in chosen(settings))
    return {network: f"network {number}" for number, network in enumerate(networks, 1)}


def measurement(settings: tuple[str, ...], device: str) -> Step:
    """Makes the step that measures all chosen networks on a device, side by side."""
    made = dataclasses.replace(source(settings, device), run_dir=root(settings).path(device))
    return measuring(
        made,
        lambda: names(settings),
        table=table_step.path(source(settings, device)),
        inputs={
            f"choice of seed {seed}": choosing(settings, str(seed)).folder / "chosen.json" for seed in SEEDS
        },
    )


def rows(settings: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    """Yields the raw numbers of each chosen network, once it is measured: all that ``summary.py`` needs."""
    folders = {device: measurement(settings, device).folder for device in DEVICES}
    if not all(folder.is_dir() for folder in folders.values()):
        return
    measured = {
        device: read_json(folder / "measured.json")["latencies"] for device, folder in folders.items()
    }
    tables = {
        device: table_step.read(made, table_step.path(made))
        for device in DEVICES
        for made in [source(settings, device)]
    }
    named = names(settings)
    for each in chosen(settings):
        network = NetworkSpec.from_dict(each.pop("network"))
        yield {
            **each,
            "network": named[network],
            "resolution": network.resolution,
            "macs": network.macs,
            "params": network.params,
            "kinds": kinds(network),
            **_latencies(network, named[network], tables, measured),
        }


def kinds(network: NetworkSpec) -> str:
    """The kinds of a network's blocks, with their numbers."""
    found = Counter(block.KIND for stage in network.stages for block in stage)
    return " ".join(f"{count}×{kind}" for kind, count in found.items())


def _latencies(
    network: NetworkSpec, name: str, tables: Mapping[str, Any], measured: Mapping[str, Any]
) -> dict[str, float]:
    """A network's predicted and measured latencies on each device, in ms."""
    found = dict[str, float]()
    for device in DEVICES:
        found[f"{device}_predicted_ms"] = round(tables[device].predict(network), 6)
        for key in ("value", "low", "high"):
            found[f"{device}_{key}_ms"] = round(measured[device][name][key], 6)
    return found


if __name__ == "__main__":
    scripts.run(main)
