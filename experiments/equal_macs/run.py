"""Trains networks of equal multiply-accumulates alone, twice, and in supernets; see README.md.

    python experiments/equal_macs/run.py data.root=PICTURES [SETTING=VALUE ...]

PICTURES contains train/CLASS/*.jpg and test/CLASS/*.jpg. All results are in run_dir (runs/equal_macs by
default), the raw numbers in its networks.csv. Each training is a step that is skipped once complete:
interrupt the script at any time and give the same command again. What networks.csv holds is not trained
again, so that another machine can go on with this file alone. ``summary.py`` writes the tables.
"""

from __future__ import annotations

import dataclasses
import functools
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.append(str(Path(__file__).resolve().parent.parent))  # for the scripts that experiments share

import scripts
from jobs import Job, configured, record_provenance, work

from nas.cli.steps.context import Context, hyperparameters
from nas.cli.steps.supernet import supernet as supernet_step
from nas.cli.steps.supernet.trust import judging_images, subjects, train_and_judge
from nas.errors import UserError
from nas.files import read_csv, read_json, write_json
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
ROWS = "networks.csv"
REPEATS = (0, 1)
"""Each network is trained alone with these seeds; data and order of networks stay those of the run's seed."""


def main(overrides: Sequence[str]) -> None:
    """Runs all incomplete steps."""
    settings = tuple(overrides)
    base = context(settings)
    known = recorded(base)
    record_provenance(base, command="equal_macs", settings=settings)
    ordered = sorted(subjects(base), key=lambda item: item.network.macs)
    jobs: list[Job] = [
        (supernet, name)
        for name in SUPERNETS
        if any(f"{name}_correct" not in known[item.code] for item in ordered)
    ]
    jobs += [
        (train_alone, f"{repeat} {item.code}")
        for repeat in REPEATS
        for item in ordered
        if f"alone_{repeat}_correct" not in known[item.code]
    ]
    try:
        work(jobs, settings, base.run_dir, processes=PROCESSES)
    finally:
        write_csv(base.path(ROWS), rows(base, known))


@functools.cache
def context(settings: tuple[str, ...], supernet: str = "") -> Context:
    """The run, or that of one of its supernets. A process reads its images once."""
    run = configured([*SETTINGS, *settings, *SUPERNETS.get(supernet, ())])
    return dataclasses.replace(run, run_dir=run.path(supernet)) if supernet else run


def supernet(settings: tuple[str, ...], name: str) -> None:
    """Trains a supernet, as ``nas train`` does, and evaluates all networks with its weights."""
    run = context(settings, name)
    execute(supernet_step.step(run))
    execute(evaluation(run))


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


def evaluation(run: Context) -> Step:
    """Makes the step that evaluates all networks with a supernet's weights."""
    return Step(
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


def inherited(run: Context) -> dict[str, int]:
    """The correctly classified images of each network with the supernet's weights, by its code."""
    evaluator = dataclasses.replace(supernet_step.evaluator(run), validation=judging_images(run))
    return {item.code: evaluator.accuracy(item.network).correct for item in subjects(run)}


def recorded(base: Context) -> dict[str, dict[str, str]]:
    """What networks.csv holds of each network, by its code; nothing if there is no such file yet.

    Raises:
        UserError: If the file holds other networks.
    """
    expected = {item.code: {"macs": str(item.network.macs)} for item in subjects(base)}
    path = base.path(ROWS)
    found = read_csv(path) if path.is_file() else []
    if found and {row["code"]: {"macs": row["macs"]} for row in found} != expected:
        raise UserError(f"{path} holds other networks than these settings; move it away")
    filled = {row["code"]: {key: value for key, value in row.items() if value} for row in found}
    return {code: filled.get(code, {}) for code in expected}


def rows(base: Context, known: Mapping[str, Mapping[str, str]]) -> list[dict[str, Any]]:
    """A row for each network, in the order of MACs, with what is known of it."""
    counts = dict[str, dict[str, int]]()
    for name in SUPERNETS:
        path = base.path(name, "inherited", "inherited.json")
        counts[name] = read_json(path) if path.is_file() else {}
    found = []
    for item in sorted(subjects(base), key=lambda item: item.network.macs):
        row: dict[str, Any] = {
            "role": item.role,
            "code": item.code,
            "resolution": item.network.resolution,
            "macs": item.network.macs,
            "params": item.network.params,
            "images": len(judging_images(base)),
        }
        for repeat in REPEATS:
            path = base.path("alone", str(repeat), item.code, "alone.json")
            alone = read_json(path) if path.is_file() else {}
            for key in ("correct", "seconds"):
                column = f"alone_{repeat}_{key}"
                row[column] = alone.get(key, known[item.code].get(column, ""))
        for name in SUPERNETS:
            column = f"{name}_correct"
            row[column] = counts[name].get(item.code, known[item.code].get(column, ""))
        found.append(row)
    return found


if __name__ == "__main__":
    scripts.run(main)
