"""Scales a winner to the same latency in several ways, and trains all networks alike; see README.md.

    python experiments/scaling/run.py data.root=PICTURES [SETTING=VALUE ...]

PICTURES contains train/CLASS/*.jpg and test/CLASS/*.jpg. All results are in run_dir (runs/scaling_cifar10 by
default), the raw numbers in its networks.csv. Each part is a step that is skipped once complete: interrupt
the script at any time and give the same command again; networks.csv then holds the networks trained so far.
``summary.py`` writes tables and the picture.
"""

from __future__ import annotations

import dataclasses
import functools
import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).resolve().parent.parent))  # for the scripts that experiments share

import scripts
import trained
from jobs import Job, configured, record_provenance, work
from measured import measuring

from nas.cli.steps.context import Context
from nas.cli.steps.final.scale_methods import METHODS, Predictor
from nas.cli.steps.search import search as search_step
from nas.cli.steps.supernet import supernet as supernet_step
from nas.cli.steps.table import missing
from nas.cli.steps.table import table as table_step
from nas.files import read_json, write_json
from nas.network import NetworkSpec
from nas.pipeline import Step, execute
from nas.scaling import Candidate
from nas.search.results.results import read_winner
from nas.training.history_csv import write_csv

EXPERIMENT = "scaling_cifar10"
SEEDS = (0, 1, 2)
RATIOS = (2, 4)
"""Budgets as multiples of the winner's latency."""

WAYS: Mapping[str, tuple[str, Mapping[str, float]]] = {
    "latency": ("latency", {}),
    "compound": ("compound", {}),
    "depth": ("compound", {"alpha": 2.0, "beta": 1.0, "gamma": 1.0}),
    "width": ("compound", {"alpha": 1.0, "beta": math.sqrt(2), "gamma": 1.0}),
    "resolution": ("compound", {"alpha": 1.0, "beta": 1.0, "gamma": math.sqrt(2)}),
}
"""Methods of ``nas scale``, and the changes of its settings. One dimension alone is a walk along φ in which
the other two do not grow; each about doubles the multiply-accumulates per step."""

WINNER = "winner"


@dataclass(frozen=True)
class Scaled:
    """A network of the comparison.

    Attributes:
        ratio: Its budget / the winner's latency.
        way: One of ``WAYS``, or ``WINNER``.
        candidate: The network with its predicted latency.
    """

    ratio: int
    way: str
    candidate: Candidate

    @property
    def name(self) -> str:
        return f"{self.way}-{self.ratio}x"


def main(overrides: Sequence[str]) -> None:
    """Runs all incomplete steps."""
    settings = tuple(overrides)
    base = context(settings)
    record_provenance(base, command=EXPERIMENT, settings=settings)
    for part in (supernet_step, table_step, search_step):
        part.check(base)
        if part is not table_step or table_step.is_made(base):
            execute(part.step(base))
    execute(scaling(base))
    execute(
        measuring(
            base,
            lambda: distinct(base),
            table=base.path("scalings", "table.json"),
            inputs={"scalings": base.path("scalings", "scalings.json")},
        )
    )
    try:
        work(trainings(base), settings, base.run_dir, processes=base.config.finish.workers or 2)
    finally:
        write_csv(base.path("networks.csv"), list(rows(base)))


def trainings(base: Context) -> list[Job]:
    """All trainings: one seed after another, and within a seed small budgets first."""
    ratio = {each.name: each.ratio for each in read_scalings(base)}
    names = distinct(base).values()
    ordered = sorted(
        ((seed, max(ratio[name], RATIOS[0]), name) for name in names for seed in SEEDS),
        key=lambda item: item[:2],
    )
    return [(train, f"{name}/{seed}") for seed, _, name in ordered]


@functools.cache
def context(settings: tuple[str, ...]) -> Context:
    """The run. A process reads its images once."""
    return configured([f"experiment={EXPERIMENT}", f"run_dir=runs/{EXPERIMENT}", *settings])


def scaling(base: Context) -> Step:
    """Makes the step that scales the winner in all ways."""
    return Step(
        name="scalings",
        folder=base.path("scalings"),
        settings={
            **base.settings("scale", "seed"),
            "missing": base.config.table.missing,
            "ratios": list(RATIOS),
            "ways": {name: [by, dict(growth)] for name, (by, growth) in WAYS.items()},
        },
        inputs={
            "search's winner": base.path("search", "winner.json"),
            "latency table": missing.path(base),
        },
        outputs=("scalings.json", "table.json"),
        run=lambda folder: write_scalings(base, folder),
    )


def write_scalings(base: Context, folder: Path) -> None:
    """Writes ``scalings.json``, and the table with all blocks that were measured for it."""
    predict = Predictor(base, table_step.read(base, missing.path(base)), folder)
    some = list(scalings(base, predict))
    predict.table.save(folder / "table.json")
    networks = [each.candidate.network for each in some]
    again_ms = predict(networks)  # by the same, complete table
    items = [
        {
            "ratio": each.ratio,
            "way": each.way,
            "phi": each.candidate.phi,
            "predicted_ms": ms,
            "network": each.candidate.network.to_dict(),
        }
        for each, ms in zip(some, again_ms, strict=True)
    ]
    write_json(folder / "scalings.json", {"networks": items})


def scalings(base: Context, predict: Predictor) -> Iterator[Scaled]:
    """Yields the winner, then its scalings to each budget."""
    winner = read_winner(base.path("search")).network
    (winner_ms,) = predict([winner])
    yield Scaled(1, WINNER, Candidate(winner, 0.0, winner_ms))
    for ratio in RATIOS:
        for way, (by, growth) in WAYS.items():
            config = replace(base.config, scale=replace(base.config.scale, **growth))
            own = replace(base, config=config)
            budget_ms = ratio * winner_ms
            selection = METHODS[by](own, winner, predict, budget_ms)
            best = selection.best if by == "latency" else nearest(selection.tried, budget_ms)
            yield Scaled(ratio, way, best)


def nearest(tried: Sequence[Candidate], budget_ms: float) -> Candidate:
    """The network whose latency is nearest to the budget, above it or below.

    Rounding makes the steps along φ large: the largest network within a budget may use half of it, and a
    comparison with it would compare latencies.
    """
    return min(tried, key=lambda each: (abs(math.log(each.predicted_ms / budget_ms)), each.phi))


def read_scalings(base: Context) -> list[Scaled]:
    """Reads ``scalings.json``."""
    return [
        Scaled(
            each["ratio"],
            each["way"],
            Candidate(NetworkSpec.from_dict(each["network"]), each["phi"], each["predicted_ms"]),
        )
        for each in read_json(base.path("scalings", "scalings.json"))["networks"]
    ]


def distinct(base: Context) -> dict[NetworkSpec, str]:
    """The different networks, each with the name of the first scaling that leads to it."""
    names: dict[NetworkSpec, str] = {}
    for each in read_scalings(base):
        names.setdefault(each.candidate.network, each.name)
    return names


def train(settings: tuple[str, ...], name: str) -> None:
    """Trains one network with one seed, as ``nas finish`` trains a winner."""
    base = context(settings)
    execute(training(base, *name.split("/")))


def training(base: Context, name: str, seed: str) -> Step:
    """Makes the step that trains a network, NAME, with a seed."""
    network = next(network for network, other in distinct(base).items() if other == name)
    finish = dataclasses.asdict(base.config.finish)
    for other in ("workers", "network", "extremes", "baseline", "baseline_resolution", "baseline_widths"):
        del finish[other]
    return Step(
        name=f"training of {name} with seed {seed}",
        folder=base.path("trained", f"{name}-{seed}"),
        settings={
            "network": network.to_dict(),
            "training_seed": int(seed),
            "finish": finish,
            **base.settings("compute"),
            **base.data_settings(),
        },
        inputs={},
        outputs=trained.OUTPUTS,
        run=lambda folder: trained.train(base, network, folder, seed=int(seed)),
    )


def rows(base: Context) -> Iterator[dict[str, Any]]:
    """Yields the raw numbers of each scaling and seed that is trained: all that ``summary.py`` needs.

    ``only_this`` and ``only_latency`` count the test images that this network alone classifies correctly, or
    that of the method ``latency`` with the same budget and seed alone.
    """
    names = distinct(base)
    every = read_scalings(base)
    rivals = {each.ratio: names[each.candidate.network] for each in every if each.way in (WINNER, "latency")}
    for each in every:
        name = names[each.candidate.network]
        for seed in SEEDS:
            correct = trained.correct_images(base.path("trained", f"{name}-{seed}"))
            theirs = trained.correct_images(base.path("trained", f"{rivals[each.ratio]}-{seed}"))
            if correct is not None and theirs is not None:
                yield {
                    **description(base, each, name),
                    "seed": seed,
                    "images": len(correct),
                    "correct": int(correct.sum()),
                    "only_this": int((correct & ~theirs).sum()),
                    "only_latency": int((theirs & ~correct).sum()),
                }


def description(base: Context, each: Scaled, name: str) -> dict[str, Any]:
    """A network's sizes and latencies."""
    network = each.candidate.network
    lasts = {place.stage: block for place, block in network.placed_blocks if place.section == "stages"}
    latency = read_json(base.path("measured", "measured.json"))["latencies"][name]
    return {
        "ratio": each.ratio,
        "way": each.way,
        "phi": round(each.candidate.phi, 4),
        "depths": "-".join(str(len(stage)) for stage in network.stages),
        "channels": "-".join(str(last.out_shape.channels) for last in lasts.values()),
        "resolution": network.resolution,
        "macs": network.macs,
        "params": network.params,
        "predicted_ms": round(each.candidate.predicted_ms, 6),
        **{f"{key}_ms": round(latency[key], 6) for key in ("value", "low", "high")},
    }


if __name__ == "__main__":
    scripts.run(main)
