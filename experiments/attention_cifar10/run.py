"""The same search in a space of convolutions and in one with attention, for two devices; see README.md.

    python experiments/attention_cifar10/run.py data.root=PICTURES [SETTING=VALUE ...]

PICTURES contains train/CLASS/*.jpg and test/CLASS/*.jpg. All results are in run_dir, which is
runs/attention_cifar10 by default, the raw numbers in its networks.csv. Each part is a step that is skipped
once complete, and trainings write checkpoints: interrupt the script at any time and give the same command
again; networks.csv then holds the networks trained so far. ``summary.py`` writes tables and the picture.
"""

from __future__ import annotations

import dataclasses
import functools
import shutil
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).resolve().parent.parent))  # for the scripts that experiments share

import scripts
import trained
from jobs import configured, record_provenance, work
from measured import measuring

from nas.cli.steps.context import Context, hyperparameters
from nas.cli.steps.search import search as search_step
from nas.cli.steps.supernet import supernet as supernet_step
from nas.cli.steps.supernet import trust as trust_step
from nas.cli.steps.table import table as table_step
from nas.files import read_json
from nas.network import NetworkSpec
from nas.pipeline import Step, execute
from nas.training.history_csv import write_csv
from nas.training.trust import read_compared

EXPERIMENT = "attention_cifar10"
SPACES = ("mixed_32", "mixed_attention_32")
DEVICES = ("this_machine", "this_machine_openvino")
SHARES = (0.25, 0.5, 0.75)
"""The budgets of a device, on a logarithmic scale from the latency that both spaces can keep to the one that
both can reach."""


@dataclass(frozen=True)
class Winner:
    """What a search found within a budget.

    Attributes:
        space: The space.
        device: The device.
        budget_ms: The budget in ms.
        network: The network.
        predicted: Its supernet accuracy, a share, and its predicted latency in ms.
    """

    space: str
    device: str
    budget_ms: float
    network: NetworkSpec
    predicted: Mapping[str, float]

    @property
    def name(self) -> str:
        return f"{self.space}-{self.device}-{self.budget_ms:g}"


def main(overrides: Sequence[str]) -> None:
    """Runs all incomplete steps."""
    settings = tuple(overrides)
    base = root(settings)
    record_provenance(base, command=EXPERIMENT, settings=settings)
    workers = base.config.finish.workers or 2
    work([(train, space) for space in SPACES], settings, base.run_dir, processes=workers)
    for space in SPACES:
        for device in DEVICES:
            made = context(settings, space, device)
            table_step.check(made)
            execute(table_step.step(made))
    pairs = [f"{space}/{device}" for space in SPACES for device in DEVICES]
    work([(search, pair) for pair in pairs], settings, base.run_dir, processes=workers)
    for device in DEVICES:
        execute(latencies(settings, device))
    try:
        jobs = [(finish, each.name) for each in winners(settings)]
        work([*jobs, *((trust, space) for space in SPACES)], settings, base.run_dir, processes=workers)
    finally:
        write_csv(base.path("networks.csv"), list(rows(settings)))
        write_csv(base.path("trust.csv"), list(compared(settings)))


@functools.cache
def root(settings: tuple[str, ...]) -> Context:
    """The run. Its folder holds one run for each space and device."""
    return configured([f"experiment={EXPERIMENT}", f"run_dir=runs/{EXPERIMENT}", *settings])


@functools.cache
def context(settings: tuple[str, ...], space: str, device: str = DEVICES[0]) -> Context:
    """The run of a space on a device, with the device's budgets once both tables are there."""
    folder = root(settings).run_dir / f"{space}-{device}"
    own = [f"space={space}", f"device={device}", f"run_dir={folder}"]
    return configured([f"experiment={EXPERIMENT}", *settings, *own])


def searching(settings: tuple[str, ...], space: str, device: str) -> Context:
    """The run of a space on a device, with the device's budgets."""
    made = context(settings, space, device)
    search = dataclasses.replace(made.config.search, budgets_ms=list(budgets_ms(settings, device)))
    return dataclasses.replace(made, config=dataclasses.replace(made.config, search=search))


def budgets_ms(settings: tuple[str, ...], device: str) -> tuple[float, ...]:
    """The budgets of a device in ms, the same for both spaces."""
    lowest, highest = list[float](), list[float]()
    for space in SPACES:
        made = context(settings, space, device)
        table = table_step.read(made, table_step.path(made))
        extremes = (made.space.smallest(), made.space.largest())
        classes, channels = len(made.data.splits.classes), made.data.splits.channels
        networks = (made.space.network(arch, classes=classes, input_channels=channels) for arch in extremes)
        low, high = (table.predict(network) for network in networks)
        lowest.append(low)
        highest.append(high)
    low, high = max(lowest), min(highest)
    return tuple(round(low * (high / low) ** share, 4) for share in SHARES)


def train(settings: tuple[str, ...], space: str) -> None:
    """Trains a space's supernet, and copies it into the run of each device."""
    made = context(settings, space)
    supernet_step.check(made)
    execute(supernet_step.step(made))
    for device in DEVICES[1:]:
        folder = context(settings, space, device).path(supernet_step.FOLDER)
        if not folder.is_dir():
            shutil.copytree(made.path(supernet_step.FOLDER), folder)


def search(settings: tuple[str, ...], pair: str) -> None:
    """Searches a space for a device."""
    made = searching(settings, *pair.split("/"))
    search_step.check(made)
    execute(search_step.step(made))


def trust(settings: tuple[str, ...], space: str) -> None:
    """Compares a supernet's ranking with that of networks trained alone."""
    made = context(settings, space)
    trust_step.check(made)
    execute(trust_step.step(made))


def winners(settings: tuple[str, ...]) -> list[Winner]:
    """The winners of all searches."""
    return [
        Winner(
            space=space,
            device=device,
            budget_ms=value["budget_ms"],
            network=NetworkSpec.from_dict(value["network"]),
            predicted=value["values"],
        )
        for space in SPACES
        for device in DEVICES
        for value in read_json(context(settings, space, device).path("search", "winners.json"))
        if value["found"]
    ]


def latencies(settings: tuple[str, ...], device: str) -> Step:
    """Makes the step that measures all winners on a device, side by side."""
    made = dataclasses.replace(context(settings, SPACES[0], device), run_dir=root(settings).path(device))
    searches = [context(settings, *pair).path("search", "winners.json") for pair in _pairs()]
    return measuring(
        made,
        lambda: _distinct(settings),
        table=table_step.path(context(settings, SPACES[0], device)),
        inputs={f"winners of {path.parent.parent.name}": path for path in searches},
    )


def _pairs() -> list[tuple[str, str]]:
    return [(space, device) for space in SPACES for device in DEVICES]


def _distinct(settings: tuple[str, ...]) -> dict[NetworkSpec, str]:
    """The different networks, each with the name of the first winner that is this network."""
    names: dict[NetworkSpec, str] = {}
    for each in winners(settings):
        names.setdefault(each.network, each.name)
    return names


def finish(settings: tuple[str, ...], name: str) -> None:
    """Trains a winner from its supernet's weights, as ``nas finish`` does."""
    execute(training(settings, next(each for each in winners(settings) if each.name == name)))


def training(settings: tuple[str, ...], winner: Winner) -> Step:
    """Makes the step that trains a winner."""
    made = context(settings, winner.space)
    return Step(
        name=f"training of {winner.name}",
        folder=root(settings).path("trained", winner.name),
        settings={
            "network": winner.network.to_dict(),
            "finish": dataclasses.asdict(hyperparameters(made.config.finish)),
            **made.settings("compute", "seed"),
            **made.data_settings(),
        },
        inputs={"supernet's weights": made.path("supernet", "weights.safetensors")},
        outputs=trained.OUTPUTS,
        run=lambda folder: trained.train(
            made,
            winner.network,
            folder,
            seed=made.config.seed,
            source=supernet_step.evaluator(made).extract(winner.network),
        ),
    )


def rows(settings: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    """Yields the raw numbers of each trained winner: all that ``summary.py`` needs.

    ``only_this`` and ``only_other`` count the test images that this network alone classifies correctly, or
    the winner of the other space for the same device and budget alone.
    """
    if not all(context(settings, *pair).path("search").is_dir() for pair in _pairs()):
        return
    found = winners(settings)
    for each in found:
        rival = _rival(each, found)
        correct = trained.correct_images(training(settings, each).folder)
        others = None if rival is None else trained.correct_images(training(settings, rival).folder)
        if correct is not None and others is not None:
            yield {
                **_description(settings, each),
                "images": len(correct),
                "correct": int(correct.sum()),
                "only_this": int((correct & ~others).sum()),
                "only_other": int((others & ~correct).sum()),
            }


def compared(settings: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    """Yields the networks that are trained alone beside each supernet."""
    for space in SPACES:
        path = context(settings, space).path(trust_step.FOLDER, trust_step.ROWS)
        if path.is_file():
            for row in read_compared(path):
                yield {"space": space, **dataclasses.asdict(row)}


def _rival(winner: Winner, found: Sequence[Winner]) -> Winner | None:
    """The winner of the other space within the same budget."""
    for each in found:
        if (each.device, each.budget_ms) == (winner.device, winner.budget_ms) and each.space != winner.space:
            return each
    return None


def _description(settings: tuple[str, ...], winner: Winner) -> dict[str, Any]:
    """A winner's search, sizes, block kinds and latencies on each device."""
    network, name = winner.network, _distinct(settings)[winner.network]
    kinds = Counter(block.KIND for stage in network.stages for block in stage)
    measured = {
        f"{device}_{key}_ms": round(latency[key], 6)
        for device in DEVICES
        for latency in [read_json(latencies(settings, device).folder / "measured.json")["latencies"][name]]
        for key in ("value", "low", "high")
    }
    return {
        "space": winner.space,
        "device": winner.device,
        "budget_ms": winner.budget_ms,
        "predicted_ms": round(winner.predicted["latency_ms"], 6),
        "supernet_accuracy": round(winner.predicted["accuracy"], 6),
        "resolution": network.resolution,
        "macs": network.macs,
        "params": network.params,
        "kinds": " ".join(f"{count}×{kind}" for kind, count in kinds.items()),
        **measured,
    }


if __name__ == "__main__":
    scripts.run(main)
