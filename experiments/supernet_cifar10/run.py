"""Trains supernets, and some of their networks alone, in two parallel processes; see README.md.

    python experiments/supernet_cifar10/run.py data.root=PICTURES [SETTING=VALUE ...]

PICTURES contains train/CLASS/*.jpg and test/CLASS/*.jpg. All results are in run_dir (runs/supernet_cifar10 by
default). Each training is a step that is skipped once complete: interrupt the script at any time and give the
same command again. ``summary.py`` writes tables and the picture.
"""

from __future__ import annotations

import dataclasses
import functools
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.append(str(Path(__file__).resolve().parent.parent))  # for the scripts that experiments share

import scripts
from jobs import Job, configured, record_provenance, work

from nas.cli.steps.context import Context, hyperparameters
from nas.cli.steps.supernet import supernet as supernet_step
from nas.cli.steps.supernet.trust import judging_images, subjects, train_and_judge
from nas.config import TrainConfig
from nas.files import write_json
from nas.pipeline import Step, execute

if TYPE_CHECKING:
    from nas.training.trust import Subject

PROCESSES = 2
EXPERIMENT = "supernet_cifar10"
VARIANTS: dict[str, Callable[[TrainConfig], TrainConfig]] = {
    "sandwich": lambda train: train,
    "no_distillation": lambda train: replace(train, distill="none"),
    # One network per step, not four: four times the epochs train as many networks as the sandwich rule.
    "single_path_4x": lambda train: replace(train, recipe="single_path", epochs=4 * train.epochs),
    "single_path": lambda train: replace(train, recipe="single_path"),
}
"""The supernets, as changes of the experiment's settings, the costliest first."""


def main(overrides: Sequence[str]) -> None:
    """Runs all incomplete steps."""
    settings = tuple(overrides)
    base = context(settings)
    record_provenance(base, command=EXPERIMENT, settings=settings)
    trainings: list[Job] = [(train_supernet, name) for name in VARIANTS]
    ordered = sorted(subjects(base), key=lambda item: -item.network.macs)
    trainings += [(train_alone, item.code) for item in ordered]
    work(trainings, settings, base.run_dir, processes=PROCESSES)
    evaluations: list[Job] = [(evaluate_subnets, name) for name in VARIANTS]
    work(evaluations, settings, base.run_dir, processes=PROCESSES)


@functools.cache
def context(settings: tuple[str, ...], variant: str = "") -> Context:
    """The run, or one variant of it. A process reads its images once."""
    base = configured([f"experiment={EXPERIMENT}", f"run_dir=runs/{EXPERIMENT}", *settings])
    if not variant:
        return base
    config = replace(base.config, train=VARIANTS[variant](base.config.train))
    return replace(base, config=config, run_dir=base.path(variant))


def train_supernet(settings: tuple[str, ...], variant: str) -> None:
    """One supernet, as ``nas train`` trains it."""
    execute(supernet_step.step(context(settings, variant)))


def train_alone(settings: tuple[str, ...], code: str) -> None:
    """One network, as ``nas trust`` trains it."""
    base = context(settings)
    step = Step(
        name="alone",
        folder=base.path("alone", code),
        settings={
            "training": dataclasses.asdict(hyperparameters(base.config.trust)),
            "images": base.config.trust.images,
            **base.settings("compute"),
            **base.data_settings(),
        },
        inputs={"search space": base.space_path},
        outputs=("alone.json",),
        run=lambda folder: write_json(folder / "alone.json", alone(base, subject(base, code))),
    )
    execute(step)


def subject(base: Context, code: str) -> Subject:
    """The network of a code."""
    return next(item for item in subjects(base) if item.code == code)


def alone(base: Context, item: Subject) -> dict[str, Any]:
    """Trains a network and returns its record."""
    start = time.perf_counter()
    accuracy = train_and_judge(base, item.network, name=item.code)
    return {
        "role": item.role,
        "code": item.code,
        "resolution": item.network.resolution,
        "macs": item.network.macs,
        "params": item.network.params,
        "images": accuracy.total,
        "alone_correct": accuracy.correct,
        "seconds": round(time.perf_counter() - start, 1),
    }


def evaluate_subnets(settings: tuple[str, ...], variant: str) -> None:
    """The accuracy of all compared networks with one supernet's weights, calibrated and not."""
    run = context(settings, variant)
    trained = run.path(supernet_step.FOLDER)
    step = Step(
        name="inherited",
        folder=run.path("inherited"),
        settings={
            "networks": run.config.trust.networks,
            "images": run.config.trust.images,
            "calibration_images": run.config.train.calibration_images,
            **run.data_settings(),
        },
        inputs={"search space": run.space_path, "supernet's weights": trained / "weights.safetensors"},
        outputs=("inherited.csv",),
        run=lambda folder: inherited(run, folder),
    )
    execute(step)


def inherited(run: Context, folder: Path) -> None:
    """Writes ``inherited.csv``: correctly classified images with recomputed and with shared statistics."""
    from nas.training.evaluation import evaluate
    from nas.training.history_csv import write_csv

    images = judging_images(run)
    evaluator = dataclasses.replace(supernet_step.evaluator(run), validation=images)
    rows = []
    for item in subjects(run):
        shared = evaluator.supernet.extract(item.network).eval()
        plain = run.data.plain(images, resolution=item.network.resolution)
        row = {
            "code": item.code,
            "images": len(images),
            "calibrated_correct": evaluator.accuracy(item.network).correct,
            "shared_correct": evaluate(shared, plain, compute=run.compute).correct,
        }
        rows.append(row)
    write_csv(folder / "inherited.csv", rows)


if __name__ == "__main__":
    scripts.run(main)
