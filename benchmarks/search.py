"""The number of evaluations that a search needs: ``python benchmarks/search.py [SEEDS [PROCESSES]]``.

The objective is based on the 540 published networks of ``ofa_mobilenet_v3``. Accuracy comes from
gradient-boosted trees fitted to all of them, with the best of the tried settings in cross-validation. The
predictor-guided search uses a Gaussian process, a model of another family, so that it does not just recover
the objective's model. Multiply-accumulates and parameters come from the cost model. The hypervolume is that
of accuracy above 70 % and fewer than 600 million multiply-accumulates, with three objectives also fewer than
8 million parameters.

Goals, as means of the seeds: predictor-guided search reaches in at most 135 evaluations the hypervolume that
NSGA-II (the better of population 20 and 50) has after 540; both beat random search at equal budget (the
signed-rank test of Wilcoxon over the seeds, one-sided).

Searches run through ``nas.search.search``, journal included. Optuna's ``tpe`` and ``gp`` take most of the
time and therefore get fewer evaluations and seeds. Optuna's NSGA-II and NSGA-III are compared with ours in
two forms: unchanged, and with our mutation and crossover (the two-sided test). The script writes
``search.csv`` and ``search.svg`` beside this file.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before numpy is imported

import csv
import importlib
import platform
import sys
import tempfile
import time
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import optunas  # noqa: F401  registers its samplers
from published import read

from nas.arrays import FloatArray
from nas.hardware import detect
from nas.report.figures.style import BLUE, GREEN, GREY, ORANGE, RED, SKY, new_figure, save, styled
from nas.search import Goals, Objective, Problem, Study, macs, make_sampler, params, search
from nas.search.goals.problem import Networks
from nas.search.predictors.features import Features

HERE = Path(__file__).parent
REFERENCE = (70.0, 600e6, 8e6)
EVALUATIONS, GOAL = 540, 135
MARKS = (40, GOAL, 270, EVALUATIONS)
STEP = 5
"""Evaluations between two lines of the table."""


@dataclass(frozen=True)
class Entry:
    """A sampler with its options, its curve, and the length and number of its searches.

    Attributes:
        sampler: Its name.
        colour: The colour of its curve; without one it is not drawn.
        options: Its options.
        objectives: 2 for accuracy and multiply-accumulates, 3 for parameters too.
        evaluations: Evaluations of a search.
        most_seeds: Largest number of searches.
    """

    sampler: str
    colour: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    objectives: int = 2
    evaluations: int = EVALUATIONS
    most_seeds: int = 1000


def _generations(sampler: str, population: int, objectives: int = 2, **options: bool) -> Entry:
    return Entry(sampler, options={"population": population, **options}, objectives=objectives)


ENTRIES = {
    "random": Entry("random", GREY),
    "NSGA-II, 20": Entry("nsga2", BLUE, {"population": 20}),
    "NSGA-II, 50": Entry("nsga2", SKY, {"population": 50}),
    "NSGA-III, 20": Entry("nsga3", GREEN, {"population": 20}),
    "TPE": Entry("tpe", ORANGE, evaluations=270, most_seeds=10),
    "GP": Entry("gp", "#6b5b95", evaluations=40, most_seeds=3),
    "predictor": Entry("predictor", RED, {"predictor": "gaussian_process"}, evaluations=270),
    "Optuna's NSGA-II, 20": _generations("optuna_nsga2", 20),
    "Optuna's NSGA-II, 50": _generations("optuna_nsga2", 50),
    "the same, our operators, 20": _generations("optuna_nsga2", 20, own=True),
    "the same, our operators, 50": _generations("optuna_nsga2", 50, own=True),
    "3: random": Entry("random", objectives=3),
    "3: NSGA-II, 20": _generations("nsga2", 20, 3),
    "3: NSGA-III, 20": _generations("nsga3", 20, 3),
    "3: predictor": Entry(
        "predictor", options={"predictor": "gaussian_process"}, objectives=3, evaluations=270
    ),
    "3: Optuna's NSGA-II, 20": _generations("optuna_nsga2", 20, 3),
    "3: the same, our operators, 20": _generations("optuna_nsga2", 20, 3, own=True),
    "3: Optuna's NSGA-III, 20": _generations("optuna_nsga3", 20, 3),
    "3: the same, our operators, 20 (III)": _generations("optuna_nsga3", 20, 3, own=True),
}
PAIRS = (
    ("NSGA-II, 20", "Optuna's NSGA-II, 20"),
    ("NSGA-II, 20", "the same, our operators, 20"),
    ("NSGA-II, 50", "Optuna's NSGA-II, 50"),
    ("NSGA-II, 50", "the same, our operators, 50"),
    ("3: NSGA-III, 20", "3: Optuna's NSGA-III, 20"),
    ("3: NSGA-III, 20", "3: the same, our operators, 20 (III)"),
    ("3: NSGA-III, 20", "3: NSGA-II, 20"),
    ("3: NSGA-II, 20", "3: the same, our operators, 20"),
)


@cache
def _goals() -> tuple[Problem, tuple[Objective, ...]]:
    space, rows, values = read()
    problem = Problem(space)
    features = Features(problem)
    trees = importlib.import_module("sklearn.ensemble").GradientBoostingRegressor(
        n_estimators=2000,
        max_depth=2,
        learning_rate=0.03,
        subsample=0.5,
        min_samples_leaf=5,
        max_features=0.1,
        random_state=0,
    )
    trees.fit(features(rows), values)

    def top1(networks: Networks) -> list[float]:
        return list(trees.predict(features(networks.rows)))

    return problem, (Objective("top1", "maximize", top1), macs(), params())


def one_search(name: str, seed: int) -> tuple[str, int, FloatArray, float]:
    """The hypervolume, in million percent, after each evaluation, and the CPU time of the search."""
    entry, (problem, goals) = ENTRIES[name], _goals()
    start = time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        study = Study(
            problem=problem,
            goals=Goals(goals[: entry.objectives]),
            sampler=make_sampler(entry.sampler, entry.options),
            trials=entry.evaluations,
            seed=seed,
            reference=REFERENCE[: entry.objectives],
        )
        result = search(study, folder=Path(folder))
    curve = np.asarray(result.hypervolume) / 1e6 / (1 if entry.objectives == 2 else 1e6)
    return name, seed, curve, time.process_time() - start


def all_searches(seeds: int, processes: int) -> dict[str, FloatArray]:
    """The curves (seeds, evaluations) of each sampler."""
    curves: dict[str, list[FloatArray]] = {name: [] for name in ENTRIES}
    with ProcessPoolExecutor(processes) as pool:
        jobs = [
            pool.submit(one_search, name, seed)
            for seed in range(seeds)
            for name, entry in ENTRIES.items()
            if seed < entry.most_seeds
        ]
        for job in jobs:
            name, seed, curve, seconds = job.result()
            curves[name].append(curve)
            print(f"  seed {seed} {name:36}{curve[-1]:8.1f} after {len(curve)}, {seconds:.0f} s", flush=True)
    return {name: np.array(rows) for name, rows in curves.items()}


def write_table(curves: Mapping[str, FloatArray], path: Path) -> None:
    """One line for each sampler and every fifth evaluation: the median and each seed."""
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        seeds = len(next(iter(curves.values())))
        writer.writerow(["sampler", "evaluations", "median", *(f"seed {s}" for s in range(seeds))])
        for name, curve in curves.items():
            for at in range(STEP, curve.shape[1] + 1, STEP):
                column = curve[:, at - 1]
                cells = [f"{value:.1f}" for value in (np.median(column), *column)]
                writer.writerow([name, at, *cells])


@styled
def draw(curves: Mapping[str, FloatArray]) -> Any:
    """Draws means over seeds, with bands of one standard deviation to either side."""
    figure, axes = new_figure()
    for name, curve in curves.items():
        if not ENTRIES[name].colour:
            continue
        at, mean, deviation = np.arange(1, curve.shape[1] + 1), curve.mean(axis=0), curve.std(axis=0)
        axes.plot(at, mean, color=ENTRIES[name].colour, linewidth=1.8, label=name)
        axes.fill_between(
            at, mean - deviation, mean + deviation, color=ENTRIES[name].colour, alpha=0.15, linewidth=0
        )
    best = max(curves[name][:, -1].mean() for name in curves if name.startswith("NSGA-II,"))
    axes.axhline(best, color=GREY, linewidth=0.8, linestyle=(0, (4, 2)))
    axes.axvline(GOAL, color=GREY, linewidth=0.8, linestyle=(0, (4, 2)))
    axes.set_xlabel("evaluations")
    axes.set_ylabel("hypervolume (% × million multiply-accumulates)")
    axes.set_ylim(bottom=2800)
    axes.set_xlim(0, EVALUATIONS)
    axes.legend(loc="lower right")
    return figure


def median(values: FloatArray) -> str:
    """The median with its 95 % bootstrap interval."""
    bootstrap = importlib.import_module("scipy.stats").bootstrap
    ends = bootstrap((values,), np.median, method="percentile", rng=0).confidence_interval
    return f"{np.median(values):.1f} ({ends.low:.1f} to {ends.high:.1f})"


def report(curves: Mapping[str, FloatArray]) -> None:
    """Prints the comparisons with the goals and of pairs."""
    print("medians with 95 % bootstrap intervals")
    for name, curve in curves.items():
        cells = (f"{median(curve[:, at - 1])} at {at}" for at in MARKS if at <= curve.shape[1])
        print(f"  {name:36}{'   '.join(cells)}")
    target = max(curves[name][:, -1].mean() for name in curves if name.startswith("NSGA-II,"))
    reached = np.flatnonzero(curves["predictor"].mean(axis=0) >= target)
    when = f"after {reached[0] + 1} evaluations" if len(reached) else "not"
    print(f"NSGA-II has {target:.1f} after {EVALUATIONS}; predictor-guided search reaches it {when}")
    for name in ("predictor", "NSGA-II, 20", "NSGA-II, 50"):
        at = min(curves[name].shape[1], EVALUATIONS)
        for budget in dict.fromkeys((GOAL, at)):
            print(compared(curves, name, "random", budget, alternative="greater"))
    for first, second in PAIRS:
        for budget in MARKS:
            print(compared(curves, first, second, budget, alternative="two-sided"))


def compared(
    curves: Mapping[str, FloatArray], first: str, second: str, budget: int, *, alternative: str
) -> str:
    """Wilcoxon's signed-rank test of one sampler against another after equally many evaluations."""
    wilcoxon = importlib.import_module("scipy.stats").wilcoxon
    mine, other = curves[first][:, budget - 1], curves[second][:, budget - 1]
    p, wins = wilcoxon(mine, other, alternative=alternative).pvalue, int((mine > other).sum())
    return (
        f"{first} against {second} at {budget}: {median(mine - other)}, "
        f"better in {wins}/{len(mine)} seeds, p = {p:.4f}"
    )


def main(seeds: int, processes: int) -> None:
    """Runs, prints and writes everything."""
    packages = ("numpy", "scikit-learn", "optuna")
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in packages)
    machine = detect()
    print(f"{machine['cpu']}, {machine['cores']} cores; Python {platform.python_version()}, {versions}")
    curves = all_searches(seeds, processes)
    write_table(curves, HERE / "search.csv")
    save(draw(curves), HERE / "search.svg")
    report(curves)


if __name__ == "__main__":
    main(*(int(argument) for argument in (*sys.argv[1:], *("10", "2")[len(sys.argv) - 1 :])))
