"""Trains supernets, and some of their networks alone, in two parallel processes; see README.md.

    python experiments/supernet_cifar10/run.py data.root=PICTURES [SETTING=VALUE ...]

PICTURES contains train/CLASS/*.jpg and test/CLASS/*.jpg. All results are in run_dir (runs/supernet_cifar10 by
default). Each training is a step that is skipped once complete: interrupt the script at any time and give the
same command again. ``summary.py`` writes tables and the picture.
"""

from __future__ import annotations

import dataclasses
import functools
import multiprocessing
import os
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra import compose as hydra_compose
from hydra import initialize_config_dir

from nas.cli.hydra import schema
from nas.cli.steps.context import Context, hyperparameters
from nas.cli.steps.supernet import supernet as supernet_step
from nas.cli.steps.supernet.trust import judging_images, subjects, train_and_judge
from nas.config import TrainConfig
from nas.errors import UserError
from nas.files import write_json
from nas.pipeline import Step, execute
from nas.provenance import write_provenance
from nas.tracking import make_tracker

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

Job = tuple[Callable[[tuple[str, ...], str], None], str]
"""A function of the settings and a name (a variant or an architecture's code), and that name."""


def main(overrides: Sequence[str]) -> None:
    """Runs all incomplete steps."""
    settings = tuple(overrides)
    base = context(settings)
    write_provenance(
        base.run_dir,
        command=EXPERIMENT,
        overrides=settings,
        seed=base.config.seed,
        config=dataclasses.asdict(base.config),
        inputs={"search space": base.space_path},
    )
    trainings: list[Job] = [(train_supernet, name) for name in VARIANTS]
    ordered = sorted(subjects(base), key=lambda item: -item.network.macs)
    trainings += [(train_alone, item.code) for item in ordered]
    work(trainings, settings, base.run_dir)
    work([(evaluate_subnets, name) for name in VARIANTS], settings, base.run_dir)


def work(jobs: Sequence[Job], settings: tuple[str, ...], folder: Path) -> None:
    """Runs jobs in processes of one thread each, in their order, and reports each completed one."""
    os.environ["OMP_NUM_THREADS"] = "1"  # inherited by the processes, which read it when they load torch
    start = time.perf_counter()
    spawn = multiprocessing.get_context("spawn")
    own = (folder, os.getpid())
    with ProcessPoolExecutor(PROCESSES, mp_context=spawn, initializer=begin, initargs=own) as pool:
        futures = {pool.submit(job, settings, name): f"{job.__name__} {name}" for job, name in jobs}
        try:
            for number, future in enumerate(as_completed(futures), 1):
                future.result()
                minutes = (time.perf_counter() - start) / 60
                print(f"{number}/{len(futures)} after {minutes:.1f} min: {futures[future]}", flush=True)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            for child in multiprocessing.active_children():
                child.terminate()
            raise


def begin(folder: Path, parent: int) -> None:
    """Prepares a process: it writes its own log, and ends with its parent."""
    path = folder / f"{multiprocessing.current_process().name}.log"
    sys.stdout = path.open("a", buffering=1, encoding="utf-8")
    threading.Thread(target=follow, args=(parent,), daemon=True).start()


def follow(parent: int) -> None:
    """Ends this process soon after its parent has ended for any reason."""
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)


@functools.cache
def context(settings: tuple[str, ...], variant: str = "") -> Context:
    """The run, or one variant of it. A process reads its images once."""
    schema.register()
    overrides = [f"experiment={EXPERIMENT}", f"run_dir=runs/{EXPERIMENT}", *settings]
    with initialize_config_dir(schema.conf_dir(), version_base=schema.VERSION_BASE):
        config = schema.typed(hydra_compose(schema.CONFIG_NAME, overrides))
    if variant:
        config = replace(config, train=VARIANTS[variant](config.train))
    tracker = make_tracker(dataclasses.asdict(config.tracker))
    return Context(config, Path(config.run_dir) / variant, tracker)


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
    try:
        main(sys.argv[1:])
    except UserError as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit("interrupted; the same command continues from here")
