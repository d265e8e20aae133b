"""Samplers on a trained supernet: ``python benchmarks/search_quickstart.py RUN [SEEDS [EVALUATIONS]]``.

RUN is a finished run of the quickstart, such as ``runs/quickstart``; its supernet gives the accuracies, on
all search-validation images, and its table the latencies. Every sampler searches with each seed; a network is
evaluated once for all of them. The hypervolume is that of accuracy above 50 % and latency below the largest
network's, as a share of the rectangle between them. The test is Wilcoxon's two-sided signed-rank test over
the seeds. No goals are set.
"""

from __future__ import annotations

import importlib
import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before numpy is imported

import numpy as np
import optunas  # noqa: F401  registers its samplers

from nas.hardware import detect
from nas.latency import LatencyTable, load_table
from nas.network import NetworkSpec
from nas.search import Goals, Problem, Study, accuracy, latency, make_sampler, search
from nas.space import SearchSpace
from nas.training.data import load_data
from nas.training.data.batches import Normalization
from nas.training.evaluation import SubnetEvaluator
from nas.training.optimization import Compute
from nas.training.supernet import load_supernet

SAMPLERS: dict[str, tuple[str, dict[str, Any]]] = {
    "random": ("random", {}),
    "nsga2": ("nsga2", {}),
    "predictor": ("predictor", {}),
    "Optuna's NSGA-II": ("optuna_nsga2", {}),
    "the same with our operators": ("optuna_nsga2", {"own": True}),
}
"""Samplers with their options."""

PAIRS = (
    ("nsga2", "random"),
    ("predictor", "random"),
    ("predictor", "nsga2"),
    ("nsga2", "Optuna's NSGA-II"),
    ("nsga2", "the same with our operators"),
)
LEAST_ACCURACY = 0.5
CHECKPOINTS = (30, 60, 120)


def evaluator(run: Path, space: SearchSpace) -> SubnetEvaluator:
    """The evaluator of subnets in the quickstart with seed 0."""
    splits = load_data("digits", seed=0, validation_fraction=0.2, test_fraction=0.2)
    compute = Compute.choose("cpu", "none")
    return SubnetEvaluator.of(
        load_supernet(space, run / "supernet", device=compute.device),
        train=splits.train,
        validation=splits.validation,
        normalize=Normalization.measure(splits.train, seed=0),
        compute=compute,
        calibration_images=512,
        seed=0,
    )


def main(run: Path, seeds: int, evaluations: int) -> None:
    """Prints one line for each sampler, and the comparisons."""
    space = SearchSpace.load("tiny_24")
    judge, accuracies = evaluator(run, space), dict[NetworkSpec, float]()
    (path,) = (run / "table").glob("tiny_24-*.json")
    table = load_table(path)
    largest = space.network(space.largest(), classes=10, input_channels=1)
    reference = (LEAST_ACCURACY, table.predict(largest))
    whole = (1 - LEAST_ACCURACY) * reference[1]

    def score(networks: Sequence[NetworkSpec]) -> list[float]:
        for network in networks:
            if network not in accuracies:
                accuracies[network] = judge.accuracy(network).value
        return [accuracies[network] for network in networks]

    machine = detect()
    print(f"{machine['cpu']}; {len(judge.validation)} images, {seeds} seeds, {evaluations} evaluations")
    curves = {
        name: np.array(
            [
                one_search(name, seed, space, score, table, evaluations, reference) / whole
                for seed in range(seeds)
            ]
        )
        for name in SAMPLERS
    }
    for name, curve in curves.items():
        marks = sorted({min(at, evaluations) for at in CHECKPOINTS})
        cells = (f"{curve[:, at - 1].mean():.4f} ± {curve[:, at - 1].std():.4f} ({at})" for at in marks)
        print(f"  {name:28}{'   '.join(cells)}")
    wilcoxon = importlib.import_module("scipy.stats").wilcoxon
    for first, second in PAIRS:
        mine, other = curves[first][:, -1], curves[second][:, -1]
        p, wins = wilcoxon(mine, other).pvalue, int((mine > other).sum())
        print(f"  {first} against {second}: better in {wins}/{seeds} seeds, p = {p:.4f}")


def one_search(
    name: str,
    seed: int,
    space: SearchSpace,
    score: Callable[[Sequence[NetworkSpec]], list[float]],
    table: LatencyTable,
    evaluations: int,
    reference: tuple[float, float],
) -> np.ndarray:
    """The hypervolume after each evaluation."""
    sampler, options = SAMPLERS[name]
    with tempfile.TemporaryDirectory() as folder:
        study = Study(
            problem=Problem(space, 10, 1),
            goals=Goals([accuracy(score), latency(table)]),
            sampler=make_sampler(sampler, options),
            trials=evaluations,
            seed=seed,
            reference=reference,
        )
        result = search(study, folder=Path(folder))
    return np.asarray(result.hypervolume)


if __name__ == "__main__":
    arguments = sys.argv[1:]
    main(
        Path(arguments[0]),
        int(arguments[1]) if len(arguments) > 1 else 10,
        int(arguments[2]) if len(arguments) > 2 else 120,
    )
