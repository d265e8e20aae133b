"""Trains the networks of ``run.py`` a little from the supernets' weights, as finals do; see README.md.

    python experiments/equal_macs/finals.py data.root=PICTURES [SETTING=VALUE ...]

run_dir (runs/equal_macs by default) holds the supernets that ``run.py`` has trained. The script writes
finals.csv there, which ``summary.py`` reads beside networks.csv. It can be interrupted at any time and
resumes with the same command; what finals.csv holds is not trained again.
"""

from __future__ import annotations

import dataclasses
import functools
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).resolve().parent.parent))  # for the scripts that experiments share

import run as supernets
import scripts
from jobs import Job, record_provenance, work

from nas.cli.steps.context import Context
from nas.cli.steps.search.finals import short_training
from nas.cli.steps.supernet import supernet as supernet_step
from nas.cli.steps.supernet.trust import judging_images, subjects
from nas.errors import UserError
from nas.files import read_csv, read_json, write_json
from nas.pipeline import Step, execute
from nas.training.history_csv import write_csv

EPOCHS = 2
"""The first round of four finalists and four epochs."""
TRAININGS = {
    "sandwich_0.1": ("sandwich", 0.1),
    "fairnas_0.1": ("fairnas", 0.1),
    "sandwich_0.3": ("sandwich", 0.3),
    "sandwich_0.03": ("sandwich", 0.03),
    "fairnas_0.3": ("fairnas", 0.3),
}
"""Supernet and ``search.finalist_rate`` of each set of trainings."""
ROWS = "finals.csv"


def main(overrides: Sequence[str]) -> None:
    """Trains what is not trained yet."""
    settings = tuple(overrides)
    base = supernets.context(settings)
    known = recorded(base)
    record_provenance(base, command="equal_macs/finals", settings=settings)
    jobs: list[Job] = [
        (tune, f"{name} {item.code}")
        for name in TRAININGS
        for item in subjects(base)
        if f"{name}_correct" not in known[item.code]
    ]
    try:
        work(jobs, settings, base.run_dir, processes=supernets.PROCESSES)
    finally:
        write_csv(base.path(ROWS), rows(base, known))


@functools.cache
def context(settings: tuple[str, ...], name: str) -> Context:
    """The run of a supernet, with the learning rate of its finals."""
    supernet, rate = TRAININGS[name]
    return supernets.context((*settings, f"search.finalist_rate={rate}"), supernet)


def tune(settings: tuple[str, ...], job: str) -> None:
    """Trains a network from a supernet's weights and judges it."""
    name, code = job.split(" ")
    run = context(settings, name)
    weights = run.path(supernet_step.FOLDER, "weights.safetensors")
    if not weights.is_file():
        raise UserError(f"{weights} does not exist; run.py of this folder trains the supernets")
    step = Step(
        name=f"final, {name}",
        folder=run.path("finals", name, code),
        settings={
            "training": dataclasses.asdict(short_training(run, epochs=EPOCHS)),
            **run.settings("compute"),
            **run.data_settings(),
        },
        inputs={"search space": run.space_path, "supernet's weights": weights},
        outputs=("final.json",),
        run=lambda folder: write_json(folder / "final.json", final(run, code)),
    )
    execute(step)


def final(run: Context, code: str) -> dict[str, int]:
    """The images that a network classifies correctly after a short training."""
    from nas.training.evaluation import evaluate
    from nas.training.final import fit_network

    item = next(item for item in subjects(run) if item.code == code)
    source = supernet_step.evaluator(run).extract(item.network)
    hyper = short_training(run, epochs=EPOCHS)
    model, _ = fit_network(item.network, data=run.data, hyper=hyper, seed=run.config.seed, source=source)
    images = run.data.plain(judging_images(run), resolution=item.network.resolution)
    return {"correct": evaluate(model, images, compute=run.data.compute).correct}


def recorded(base: Context) -> dict[str, dict[str, str]]:
    """What finals.csv holds of each network, by its code.

    Raises:
        UserError: If the file holds other networks.
    """
    codes = [item.code for item in subjects(base)]
    path = base.path(ROWS)
    found = {row["code"]: row for row in read_csv(path)} if path.is_file() else {}
    if found and set(found) != set(codes):
        raise UserError(f"{path} holds other networks than these settings; move it away")
    return {code: {key: value for key, value in found.get(code, {}).items() if value} for code in codes}


def rows(base: Context, known: Mapping[str, Mapping[str, str]]) -> list[dict[str, Any]]:
    """A row for each network, in the order of MACs, with what is known of it."""
    found = []
    for item in sorted(subjects(base), key=lambda item: item.network.macs):
        row: dict[str, Any] = {"code": item.code}
        for name, (supernet, _) in TRAININGS.items():
            path = base.path(supernet, "finals", name, item.code, "final.json")
            correct = read_json(path)["correct"] if path.is_file() else None
            row[f"{name}_correct"] = (
                known[item.code].get(f"{name}_correct", "") if correct is None else correct
            )
        found.append(row)
    return found


if __name__ == "__main__":
    scripts.run(main)
