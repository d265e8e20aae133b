"""Trains networks of equal multiply-accumulates alone, twice, and in supernets; see README.md.

    python experiments/equal_macs/run.py data.root=PICTURES [SETTING=VALUE ...]

PICTURES contains train/CLASS/*.jpg and test/CLASS/*.jpg. All results are in run_dir (runs/equal_macs by
default), the raw numbers in its networks.csv. Each training is a step that is skipped once complete:
interrupt the script at any time and give the same command again. ``summary.py`` writes the tables.
"""

from __future__ import annotations

import dataclasses
import functools
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.append(str(Path(__file__).resolve().parent.parent))  # for the scripts that experiments share

import scripts
from jobs import Job, configured, record_provenance, work

from nas.cli.steps.context import Context, hyperparameters
from nas.cli.steps.supernet import supernet as supernet_step
from nas.cli.steps.supernet.trust import judging_images, subjects, train_and_judge
from nas.files import read_json, write_json
from nas.pipeline import Step, execute
from nas.training.history_csv import write_csv

if TYPE_CHECKING:
    from nas.training.trust import Subject

PROCESSES = 2
SETTINGS = (
    "experiment=supernet_cifar10",
    "trust.networks=48",
    "trust.bands=4",
    "run_dir=runs/equal_macs",
)
SUPERNETS: dict[str, tuple[str, ...]] = {
    "sandwich": (),
    "fairnas": ("train.recipe=fairnas",),
}
"""The supernets, and how their settings differ from the experiment's."""
REPEATS = (0, 1)
"""Each network is trained alone with these seeds; data and order of networks stay those of the run's seed."""


def main(overrides: Sequence[str]) -> None:
    """Runs all incomplete steps."""
    settings = tuple(overrides)
    base = context(settings)
    record_provenance(base, command="equal_macs", settings=settings)
    ordered = sorted(subjects(base), key=lambda item: -item.network.macs)
    jobs: list[Job] = [(train_supernet, name) for name in SUPERNETS]
    jobs += [(train_alone, f"{repeat} {item.code}") for repeat in REPEATS for item in ordered]
    work(jobs, settings, base.run_dir, processes=PROCESSES)
    work([(evaluate, name) for name in SUPERNETS], settings, base.run_dir, processes=PROCESSES)
    write_csv(base.path("networks.csv"), rows(base))


@functools.cache
def context(settings: tuple[str, ...], supernet: str = "") -> Context:
    """The run, or that of one of its supernets. A process reads its images once."""
    run = configured([*SETTINGS, *settings, *SUPERNETS.get(supernet, ())])
    return dataclasses.replace(run, run_dir=run.path(supernet)) if supernet else run


def train_supernet(settings: tuple[str, ...], name: str) -> None:
    """Trains a supernet, as ``nas train`` does."""
    execute(supernet_step.step(context(settings, name)))


def train_alone(settings: tuple[str, ...], job: str) -> None:
    """Trains a network alone with one seed, as ``nas trust`` does."""
    base = context(settings)
    repeat, code = job.split(" ")
    item = next(item for item in subjects(base) if item.code == code)
    step = Step(
        name=f"alone, seed {repeat}",
        folder=base.path("alone", repeat, code),
        settings={
            "training": dataclasses.asdict(hyperparameters(base.config.trust)),
            "images": base.config.trust.images,
            **base.settings("compute"),
            **base.data_settings(),
        },
        inputs={"search space": base.space_path},
        outputs=("alone.json",),
        run=lambda folder: write_json(folder / "alone.json", alone(base, item, seed=int(repeat))),
    )
    execute(step)


def alone(base: Context, item: Subject, *, seed: int) -> dict[str, Any]:
    """Trains a network and returns its record."""
    start = time.perf_counter()
    accuracy = train_and_judge(base, item.network, name=item.code, seed=seed)
    return {"correct": accuracy.correct, "seconds": round(time.perf_counter() - start, 1)}


def evaluate(settings: tuple[str, ...], name: str) -> None:
    """Evaluates all networks with a supernet's weights."""
    run = context(settings, name)
    step = Step(
        name="inherited",
        folder=run.path("inherited"),
        settings={
            "networks": [item.code for item in subjects(run)],
            "images": run.config.trust.images,
            "calibration_images": run.config.train.calibration_images,
            **run.data_settings(),
        },
        inputs={
            "search space": run.space_path,
            "supernet's weights": run.path(supernet_step.FOLDER, "weights.safetensors"),
        },
        outputs=("inherited.json",),
        run=lambda folder: write_json(folder / "inherited.json", inherited(run)),
    )
    execute(step)


def inherited(run: Context) -> dict[str, int]:
    """The correctly classified images of each network with the supernet's weights, by its code."""
    evaluator = dataclasses.replace(supernet_step.evaluator(run), validation=judging_images(run))
    return {item.code: evaluator.accuracy(item.network).correct for item in subjects(run)}


def rows(base: Context) -> list[dict[str, Any]]:
    """A row for each network, in the order of MACs."""
    counts = {name: read_json(base.path(name, "inherited", "inherited.json")) for name in SUPERNETS}
    found = []
    for item in sorted(subjects(base), key=lambda item: item.network.macs):
        repeats = [read_json(base.path("alone", str(repeat), item.code, "alone.json")) for repeat in REPEATS]
        found.append(
            {
                "role": item.role,
                "code": item.code,
                "resolution": item.network.resolution,
                "macs": item.network.macs,
                "params": item.network.params,
                "images": len(judging_images(base)),
                **{f"alone_{n}_correct": each["correct"] for n, each in zip(REPEATS, repeats, strict=True)},
                **{f"{name}_correct": counts[name][item.code] for name in SUPERNETS},
                "seconds": sum(each["seconds"] for each in repeats),
            }
        )
    return found


if __name__ == "__main__":
    scripts.run(main)
